// Scaled dot-product attention by its formula, keys accumulated in blocks of 64.
#include "Detail.h"
#include "Qnt/AttentionCodes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

/// Rows as codes of at most `levels` times a scale, for `products = i16`.
template <typename T> struct CodeRows {
  std::vector<int64_t> codes;
  std::vector<T> scales;

  CodeRows() = default;
  CodeRows(const Numbers<T> &x, int64_t count, int64_t width, int64_t levels)
      : codes(count * width), scales(count) {
    for (int64_t r = 0; r < count; ++r) {
      T most = 0;
      for (int64_t i = 0; i < width; ++i) {
        T size = std::abs(x[r * width + i]);
        most = size > most || std::isnan(size) ? size : most;
      }
      scales[r] = most / static_cast<T>(levels);
      if (!std::isfinite(most)) {
        scales[r] = std::numeric_limits<T>::quiet_NaN();
        continue;
      }
      for (int64_t i = 0; i < width && most > 0; ++i)
        codes[r * width + i] = std::llrint(x[r * width + i] * (static_cast<T>(levels) / most));
    }
  }
};

template <typename T> class Attention {
public:
  Attention(const Call &call, AttentionOp op)
      : op(op), q(call.tensor(0).dims()), k(call.tensor(1).dims()), v(call.tensor(2).dims()),
        query(load<T>(call.tensor(0))), key(load<T>(call.tensor(1))),
        value(load<T>(call.tensor(2))) {
    if (op.getSink())
      sink = load<T>(call.tensor(op.getMask() ? 4 : 3));
    if (op.getProducts() == Storage::i16) {
      int64_t levels = attentionQueryLevels(q[3]);
      queryCodes = CodeRows<T>(query, q[0] * q[1] * q[2], q[3], levels);
      keyCodes = CodeRows<T>(key, k[0] * k[1] * k[2], k[3], levels);
      valueCodes = CodeRows<T>(value, v[0] * v[1] * v[2], v[3], attentionValueLevels);
    }
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
    int64_t qRow = (b * q[1] + h) * q[2] + s, kRow = (b * k[1] + group) * k[2] + t;
    T dot = 0;
    if (onCodes()) {
      int64_t sum = 0;
      for (int64_t i = 0; i < d; ++i)
        sum += queryCodes.codes[qRow * d + i] * keyCodes.codes[kRow * d + i];
      dot = static_cast<T>(sum) * queryCodes.scales[qRow] * keyCodes.scales[kRow];
    } else {
      for (int64_t i = 0; i < d; ++i)
        dot = std::fma(query[qRow * d + i], key[kRow * d + i], dot);
    }
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
    for (int64_t first = 0; first < keys; first += attentionKeyBlock) {
      int64_t count = std::min(attentionKeyBlock, keys - first),
              row = (b * v[1] + group) * keys + first;
      ArrayRef<T> scores(a.data() + first, count);
      sum = sum + laneSum<T>(count, [&](int64_t i) { return std::exp(scores[i] - m); });
      std::fill(partial.begin(), partial.end(), T(0));
      if (onCodes())
        addCodes(scores, row, m, partial);
      for (int64_t i = 0; i < count && !onCodes(); ++i) {
        T weight = std::exp(scores[i] - m);
        for (int64_t j = 0; j < e; ++j)
          partial[j] = std::fma(weight, value[(row + i) * e + j], partial[j]);
      }
      for (int64_t j = 0; j < e; ++j)
        out[j] = out[j] + partial[j];
    }
    T factor = T(1) / sum;
    for (int64_t j = 0; j < e; ++j)
      out[j] = out[j] * factor;
  }

  bool onCodes() const { return !keyCodes.scales.empty(); }

  /// What a block of keys, whose values begin at row `first`, adds to `out`.
  void addCodes(ArrayRef<T> scores, int64_t first, T m, std::vector<T> &out) const {
    T most = *std::max_element(scores.begin(), scores.end()), largest = 0, poison = 0;
    std::vector<T> weights;
    for (auto [i, score] : llvm::enumerate(scores)) {
      T scale = valueCodes.scales[first + i], w = most == -infinity ? 0 : std::exp(score - most);
      weights.push_back(w * scale);
      largest = std::max(largest, weights.back());
      poison = std::fma(scale, T(0), poison);
    }
    std::vector<int64_t> sums(out.size());
    for (auto [i, weight] : llvm::enumerate(weights)) {
      int64_t code = largest > 0 ? std::llrint(weight * (T(attentionWeightLevels) / largest)) : 0;
      for (size_t j = 0; j < out.size(); ++j)
        sums[j] += code * valueCodes.codes[(first + i) * out.size() + j];
    }
    T factor = largest / T(attentionWeightLevels) * std::exp(most - m) + poison;
    for (size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<T>(sums[j]) * factor;
  }

  mutable AttentionOp op; // accessors of ops are not const
  ArrayRef<int64_t> q, k, v;
  Numbers<T> query, key, value, mask, sink;
  CodeRows<T> queryCodes, keyCodes, valueCodes; ///< with products of codes
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
