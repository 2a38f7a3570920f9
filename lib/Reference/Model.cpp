// Contractions, normalisations and rotary embedding.
#include "Detail.h"
#include "qcc/Algorithms/FloatFormats.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

/// acc[n] = fma(x, w[n], acc[n]): the step in k of `count` sums at once. Every clone gives the same
/// bits, since a fused multiply-add rounds once everywhere.
#if defined(__x86_64__)
__attribute__((target_clones("arch=haswell", "default")))
#endif
void stepFloat(float *acc, const float *w, float x, int64_t count) {
  for (int64_t n = 0; n < count; ++n)
    acc[n] = __builtin_fmaf(x, w[n], acc[n]);
}

void step(float *acc, const float *w, float x, int64_t count) { stepFloat(acc, w, x, count); }
void step(double *acc, const double *w, double x, int64_t count) {
  for (int64_t n = 0; n < count; ++n)
    acc[n] = std::fma(x, w[n], acc[n]);
}
void step(int64_t *acc, const int64_t *w, int64_t x, int64_t count) {
  for (int64_t n = 0; n < count; ++n)
    acc[n] = int64_t(uint64_t(x) * uint64_t(w[n]) + uint64_t(acc[n]));
}

/// out[m, n] = sum over ascending k of x[m, k] * y[k, n].
template <typename T>
void multiply(const T *x, const T *y, T *out, int64_t m, int64_t k, int64_t n) {
  std::fill(out, out + m * n, T(0));
  for (int64_t row = 0; row < m; ++row)
    for (int64_t i = 0; i < k; ++i)
      step(out + row * n, y + i * n, x[row * k + i], n);
}

template <typename T> std::vector<T> transposed(const T *y, int64_t rows, int64_t columns) {
  std::vector<T> out(rows * columns);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      out[c * rows + r] = y[r * columns + c];
  return out;
}

template <typename T> Results evaluateMatmul(const Call &call, MatmulOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &a = call.tensor(0), &b = call.tensor(1);
  int64_t m = a.dims()[a.rank() - 2], k = a.dims().back(), n = dims->back();
  ArrayRef<int64_t> batch = ArrayRef<int64_t>(*dims).drop_back(2);
  Numbers<T> x = load<T>(a), y = load<T>(b);
  std::vector<T> out(product(*dims));
  walk<2>(batch,
          {broadcastStrides(a.dims().drop_back(2), batch),
           broadcastStrides(b.dims().drop_back(2), batch)},
          [&](int64_t i, const std::array<int64_t, 2> &at) {
            const T *matrix = y.data + at[1] * k * n;
            std::vector<T> flipped;
            if (op.getTransposeY()) {
              flipped = transposed(matrix, n, k);
              matrix = flipped.data();
            }
            multiply(x.data + at[0] * m * k, matrix, out.data() + i * m * n, m, k, n);
          });
  return one(store<T>(call.resultElement(), *dims, out));
}

/// Rows of k numbers as bf16, the second of each pair first, as `products = bf16` takes them.
Numbers<float> inPairs(const float *x, int64_t rows, int64_t k) {
  Numbers<float> pairs;
  pairs.owned.resize(rows * k);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < k; ++i)
      pairs.owned[row * k + (i % 2 ? i - 1 : std::min(i + 1, k - 1))] =
          floatFromBfloat(bfloatFromFloat(x[row * k + i]));
  pairs.data = pairs.owned.data();
  pairs.count = rows * k;
  return pairs;
}

template <typename T> Results linearAs(const Call &call, Numbers<T> weight, int64_t n) {
  const Tensor &x = call.tensor(0);
  int64_t k = x.dims().back(), m = product(x.dims().drop_back());
  Numbers<T> in = load<T>(x);
  if constexpr (std::is_same_v<T, float>)
    if (cast<LinearOp>(call.op).getProducts() == Storage::bf16) {
      in = inPairs(in.data, m, k);
      weight = inPairs(weight.data, n, k);
    }
  std::vector<T> flipped = transposed(weight.data, n, k), out(m * n);
  multiply(in.data, flipped.data(), out.data(), m, k, n);
  if (call.operands.size() > 2) {
    Numbers<T> bias = load<T>(call.tensor(2));
    for (int64_t i = 0; i < m * n; ++i)
      out[i] = out[i] + bias[i % n];
  }
  Dims dims(x.dims());
  dims.back() = n;
  return one(store<T>(call.resultElement(), dims, out));
}

Results evaluateLinear(const Call &call) {
  if (call.isQuantized(1))
    return linearAs<float>(call, loadReals(call.operands[1]), call.quantized(1).dims[0]);
  const Tensor &weight = call.tensor(1);
  return dispatch(call.tensor(0).elementType(), [&]<typename T>() {
    return linearAs<T>(call, load<T>(weight), weight.dims()[0]);
  });
}

/// One output element of a convolution: channels of the group, then kernel positions, ascending.
template <typename T> Results evaluateConv(const Call &call, ConvOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &a = call.tensor(0), &b = call.tensor(1);
  Numbers<T> x = load<T>(a), w = load<T>(b), bias;
  if (op.getBias())
    bias = load<T>(call.tensor(2));
  ArrayRef<int64_t> space = a.dims().drop_front(2), kernel = b.dims().drop_front(2);
  ArrayRef<int64_t> outSpace = ArrayRef<int64_t>(*dims).drop_front(2);
  int64_t perGroup = b.dims()[1], m = b.dims()[0], taps = product(kernel);
  Dims spaceStrides = stridesOf(space), kernelStrides = stridesOf(kernel),
       outStrides = stridesOf(outSpace);
  std::vector<T> out(product(*dims));
  for (int64_t i = 0, e = out.size(), area = product(outSpace); i < e; ++i) {
    int64_t channel = i / area % m, sample = i / area / m;
    int64_t firstChannel = channel / (m / op.getGroups()) * perGroup;
    T acc[1] = {0};
    for (int64_t c = 0; c < perGroup; ++c)
      for (int64_t tap = 0; tap < taps; ++tap) {
        int64_t from = 0;
        bool inside = true;
        for (size_t d = 0; d < space.size(); ++d) {
          int64_t at = i / outStrides[d] % outSpace[d] * op.getStrides()[d] - op.getPads()[d] +
                       tap / kernelStrides[d] % kernel[d] * op.getDilations()[d];
          inside &= at >= 0 && at < space[d];
          from += at * spaceStrides[d];
        }
        if (inside)
          step(acc, &w[(channel * perGroup + c) * taps + tap],
               x[(sample * a.dims()[1] + firstChannel + c) * product(space) + from], 1);
      }
    out[i] = op.getBias() ? acc[0] + bias[channel] : acc[0];
  }
  return one(store<T>(call.resultElement(), *dims, out));
}

template <typename T> void softmaxRow(const T *x, T *out, int64_t n, bool log) {
  T m = -std::numeric_limits<T>::infinity();
  for (int64_t i = 0; i < n; ++i)
    m = std::isnan(x[i]) || std::isnan(m) ? std::numeric_limits<T>::quiet_NaN() : std::max(m, x[i]);
  T sum = laneSum<T>(n, [&](int64_t i) { return std::exp(x[i] - m); }), factor = T(1) / sum;
  for (int64_t i = 0; i < n; ++i)
    out[i] = log ? (x[i] - m) - std::log(sum) : std::exp(x[i] - m) * factor;
}

template <typename T> void layerNormRow(const T *x, T *out, int64_t n, T epsilon) {
  T mean = laneSum<T>(n, [&](int64_t i) { return x[i]; }) / T(n);
  T variance = laneSum<T>(n, [&](int64_t i) { return (x[i] - mean) * (x[i] - mean); }) / T(n);
  T r = T(1) / std::sqrt(variance + epsilon);
  for (int64_t i = 0; i < n; ++i)
    out[i] = (x[i] - mean) * r;
}

template <typename T> void rmsNormRow(const T *x, T *out, int64_t n, T epsilon) {
  T square = laneSum<T>(n, [&](int64_t i) { return x[i] * x[i]; }) / T(n);
  T r = T(1) / std::sqrt(square + epsilon);
  for (int64_t i = 0; i < n; ++i)
    out[i] = x[i] * r;
}

/// Applies `row` along the last axis, then gain and bias, which may be null.
template <typename T, typename F>
Results eachRow(const Call &call, const Tensor *gain, const Tensor *bias, F row) {
  const Tensor &x = call.tensor(0);
  int64_t n = x.dims().back(), rows = n ? x.size() / n : 0;
  Numbers<T> in = load<T>(x), g, b;
  if (gain)
    g = load<T>(*gain);
  if (bias)
    b = load<T>(*bias);
  std::vector<T> out(in.count);
  for (int64_t r = 0; r < rows; ++r) {
    row(in.data + r * n, out.data() + r * n, n);
    for (int64_t i = 0; i < n; ++i) {
      T &value = out[r * n + i];
      if (gain)
        value = value * g[i];
      if (bias)
        value = value + b[i];
    }
  }
  return one(store<T>(call.resultElement(), x.dims(), out));
}

template <typename T> Results evaluateRope(const Call &call, RopeOp op) {
  const Tensor &x = call.tensor(0), &cosine = call.tensor(1);
  int64_t c = x.dims().back(), w = cosine.dims().back();
  Dims lead(x.dims().drop_back());
  Dims strides = broadcastStrides(cosine.dims().drop_back(), lead);
  Numbers<T> in = load<T>(x), cosines = load<T>(cosine), sines = load<T>(call.tensor(2));
  std::vector<T> out(in.data, in.data + in.count);
  int64_t apart = op.getInterleaved() ? 1 : w, next = op.getInterleaved() ? 2 : 1;
  walk<1>(lead, {strides}, [&](int64_t row, const std::array<int64_t, 1> &at) {
    for (int64_t j = 0; j < w; ++j) {
      int64_t first = row * c + j * next, second = first + apart;
      T cs = cosines[at[0] * w + j], sn = sines[at[0] * w + j], a = in[first], b = in[second];
      out[first] = a * cs - b * sn;
      out[second] = b * cs + a * sn;
    }
  });
  return one(store<T>(call.resultElement(), x.dims(), out));
}

template <typename T> Results evaluateReal(const Call &call) {
  auto operand = [&](Value value) -> const Tensor * {
    for (auto [i, other] : llvm::enumerate(call.op->getOperands()))
      if (value && other == value && i > 0)
        return &call.tensor(i);
    return nullptr;
  };
  return llvm::TypeSwitch<Operation *, Results>(call.op)
      .Case<SoftmaxOp>([&](SoftmaxOp op) {
        bool log = op.getLog();
        return eachRow<T>(call, nullptr, nullptr,
                          [&](const T *x, T *out, int64_t n) { softmaxRow(x, out, n, log); });
      })
      .template Case<LayerNormOp>([&](LayerNormOp op) {
        T epsilon = T(op.getEpsilon().convertToDouble());
        return eachRow<T>(call, operand(op.getGain()), operand(op.getBias()),
                          [&](const T *x, T *out, int64_t n) { layerNormRow(x, out, n, epsilon); });
      })
      .template Case<RmsNormOp>([&](RmsNormOp op) {
        T epsilon = T(op.getEpsilon().convertToDouble());
        return eachRow<T>(call, operand(op.getGain()), nullptr,
                          [&](const T *x, T *out, int64_t n) { rmsNormRow(x, out, n, epsilon); });
      })
      .template Case<RopeOp>([&](RopeOp op) { return evaluateRope<T>(call, op); });
}

} // namespace

std::optional<Results> reference::evaluateModel(const Call &call) {
  if (isa<AttentionOp>(call.op))
    return evaluateAttention(call);
  if (isa<LinearOp>(call.op))
    return evaluateLinear(call);
  if (isa<MatmulOp, ConvOp>(call.op))
    return dispatch(call.tensor(0).elementType(), [&]<typename T>() {
      if (auto matmul = dyn_cast<MatmulOp>(call.op))
        return evaluateMatmul<T>(call, matmul);
      return evaluateConv<T>(call, cast<ConvOp>(call.op));
    });
  if (!isa<SoftmaxOp, LayerNormOp, RmsNormOp, RopeOp>(call.op))
    return std::nullopt;
  switch (computeOf(call.tensor(0).elementType())) {
  case Compute::Float:
    return evaluateReal<float>(call);
  case Compute::Double:
    return evaluateReal<double>(call);
  case Compute::Integer:
    break;
  }
  return call.fail(Diag::ElementTypeUnfit, "needs floating-point elements");
}
