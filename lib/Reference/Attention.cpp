// Scaled dot-product attention by its formula, keys accumulated in blocks of 64.
#include "Detail.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

constexpr int64_t keyBlock = 64;

template <typename T> class Attention {
public:
  Attention(const Call &call, AttentionOp op)
      : op(op), q(call.tensor(0).dims()), k(call.tensor(1).dims()), v(call.tensor(2).dims()),
        query(load<T>(call.tensor(0))), key(load<T>(call.tensor(1))),
        value(load<T>(call.tensor(2))) {
    if (op.getSink())
      sink = load<T>(call.tensor(op.getMask() ? 4 : 3));
    if (!op.getMask())
      return;
    const Tensor &tensor = call.tensor(3);
    isBool = tensor.elementType().isInteger(1);
    mask = load<T>(tensor);
    maskStrides = broadcastStrides(tensor.dims(), {q[0], q[1], q[2], k[2]});
  }

  std::vector<T> run() const {
    std::vector<T> out(q[0] * q[1] * q[2] * v[3]);
    for (int64_t b = 0; b < q[0]; ++b)
      for (int64_t h = 0; h < q[1]; ++h)
        for (int64_t s = 0; s < q[2]; ++s)
          row(b, h, s, out.data() + ((b * q[1] + h) * q[2] + s) * v[3]);
    return out;
  }

private:
  static constexpr T infinity = std::numeric_limits<T>::infinity();

  /// The score of key t after softcap, mask, causality and window.
  T score(int64_t b, int64_t h, int64_t s, int64_t t) const {
    int64_t d = q[3], group = h / (q[1] / k[1]);
    const T *qRow = query.data + ((b * q[1] + h) * q[2] + s) * d;
    const T *kRow = key.data + ((b * k[1] + group) * k[2] + t) * d;
    T dot = 0;
    for (int64_t i = 0; i < d; ++i)
      dot = std::fma(qRow[i], kRow[i], dot);
    T a = T(op.getScale().convertToDouble()) * dot, cap = T(op.getSoftcap().convertToDouble());
    if (cap > 0)
      a = cap * std::tanh(a / cap);
    if (!maskStrides.empty()) {
      T m = mask[b * maskStrides[0] + h * maskStrides[1] + s * maskStrides[2] + t * maskStrides[3]];
      a = isBool ? (m != 0 ? a : -infinity) : a + m;
    }
    int64_t position = s + (k[2] - q[2]);
    if (op.getCausal() && t > position)
      a = -infinity;
    if (op.getWindow() > 0 && t <= position - int64_t(op.getWindow()))
      a = -infinity;
    return a;
  }

  void row(int64_t b, int64_t h, int64_t s, T *out) const {
    int64_t keys = k[2], e = v[3], group = h / (q[1] / k[1]);
    std::vector<T> a(keys), partial(e);
    T m = op.getSink() ? sink[h] : -infinity, sum = 0;
    for (int64_t t = 0; t < keys; ++t) {
      a[t] = score(b, h, s, t);
      m = a[t] > m || std::isnan(a[t]) ? a[t] : m;
    }
    std::fill(out, out + e, T(0));
    if (m == -infinity && op.getSafe())
      return;
    if (op.getSink())
      sum = std::exp(sink[h] - m);
    for (int64_t first = 0; first < keys; first += keyBlock) {
      int64_t count = std::min(keyBlock, keys - first);
      sum = sum + laneSum<T>(count, [&](int64_t i) { return std::exp(a[first + i] - m); });
      std::fill(partial.begin(), partial.end(), T(0));
      for (int64_t i = 0; i < count; ++i) {
        T weight = std::exp(a[first + i] - m);
        const T *vRow = value.data + ((b * v[1] + group) * keys + first + i) * e;
        for (int64_t j = 0; j < e; ++j)
          partial[j] = std::fma(weight, vRow[j], partial[j]);
      }
      for (int64_t j = 0; j < e; ++j)
        out[j] = out[j] + partial[j];
    }
    T factor = T(1) / sum;
    for (int64_t j = 0; j < e; ++j)
      out[j] = out[j] * factor;
  }

  mutable AttentionOp op; // accessors of ops are not const
  ArrayRef<int64_t> q, k, v;
  Numbers<T> query, key, value, mask, sink;
  Dims maskStrides;
  bool isBool = false;
};

} // namespace

Results reference::evaluateAttention(const Call &call) {
  auto op = cast<AttentionOp>(call.op);
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  switch (computeOf(call.tensor(0).elementType())) {
  case Compute::Float:
    return one(store<float>(call.resultElement(), *dims, Attention<float>(call, op).run()));
  case Compute::Double:
    return one(store<double>(call.resultElement(), *dims, Attention<double>(call, op).run()));
  case Compute::Integer:
    break;
  }
  return call.fail(Diag::ElementTypeUnfit, "needs floating-point elements");
}
