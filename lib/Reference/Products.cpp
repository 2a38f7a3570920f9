// Products on codes: the five meanings of qnt.qlinear, and look-ups in quantized tables.
#include "Detail.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

/// One row of the weight, its values looked up once for all tokens.
struct WeightRow {
  explicit WeightRow(const QTensor &w)
      : w(w), value(w), unit(integerUnit(w.type).value_or(1)), k(w.dims[1]), reals(k), integers(k),
        scales(k) {}
  void select(int64_t column) {
    for (int64_t i = 0; i < k; ++i) {
      int64_t at = column * k + i, group = w.group(at);
      float number = value(w.codes[at]), zero = w.zeros.empty() ? 0.0f : w.zeros[group];
      reals[i] = number - zero;
      integers[i] = int64_t(number / unit) - int64_t(zero);
      scales[i] = w.scales[group];
    }
  }

  const QTensor &w;
  CodeValues value;
  float unit; ///< of `integers`
  int64_t k;
  std::vector<float> reals; ///< value(code) - zero
  std::vector<int64_t> integers;
  std::vector<float> scales; ///< of each input's block
};

/// Meaning 1: the full sum is exact.
float fullSum(const QTensor &x, int64_t token, const WeightRow &w) {
  const int32_t *codes = x.codes.data() + token * w.k;
  int64_t zero = x.zeros.empty() ? 0 : int64_t(x.zeros[token]), sum = 0;
  for (int64_t i = 0; i < w.k; ++i)
    sum += (codes[i] - zero) * w.integers[i];
  return w.k ? float(sum) * (x.scales[token] * w.scales[0]) : 0;
}

/// Meanings 2 and 4: exact sums over steps.
float stepSums(const QTensor &x, int64_t token, const WeightRow &w, int64_t step) {
  const int32_t *codes = x.codes.data() + token * w.k;
  int64_t group = x.type.getGroup();
  float r = 0;
  for (int64_t from = 0; from < w.k; from += step) {
    int64_t sum = 0;
    for (int64_t i = from; i < std::min(w.k, from + step); ++i)
      sum += codes[i] * w.integers[i];
    float scale = w.scales[from] * w.unit; // exact: a power of two
    if (group)
      scale *= x.scales[x.group(token * w.k + from)];
    r = std::fma(float(sum), scale, r);
  }
  return group ? r : r * x.scales[token];
}

/// The numbers that the codes of `x` spell.
Numbers<float> numbersOf(const QTensor &x) {
  CodeValues value(x);
  Numbers<float> numbers;
  for (int32_t code : x.codes)
    numbers.owned.push_back(value(code));
  numbers.data = numbers.owned.data();
  numbers.count = numbers.owned.size();
  return numbers;
}

/// Meanings 3 and 5: fused multiply-adds in ascending order.
float floatSums(const float *x, const WeightRow &w, int64_t block) {
  float r = 0;
  for (int64_t from = 0; from < w.k; from += block) {
    float t = 0;
    for (int64_t i = from; i < std::min(w.k, from + block); ++i)
      t = std::fma(x[i], w.reals[i], t);
    r = std::fma(t, w.scales[from], r);
  }
  return r;
}

} // namespace

Results reference::evaluateQLinear(const Call &call, QLinearOp op) {
  const QTensor &w = call.quantized(1);
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  Product product = productOf(op.getX().getType(), w.type);
  int64_t k = w.dims[1], n = w.dims[0];
  int64_t m = n ? reference::product(*dims) / n : 0;
  int64_t step = std::max<int64_t>(1, productStep(op.getX().getType(), w.type, k));
  Numbers<float> bias, reals;
  if (op.getBias())
    bias = load<float>(call.tensor(2));
  if (product == Product::FloatSums)
    reals = loadReals(call.operands[0]);
  if (product == Product::ScaledFloatSums)
    reals = numbersOf(call.quantized(0));
  WeightRow row(w);
  std::vector<float> out(m * n);
  for (int64_t column = 0; column < n; ++column) {
    row.select(column);
    for (int64_t token = 0; token < m; ++token) {
      float r = sumsFloats(product)           ? floatSums(reals.data + token * k, row, step)
                : product == Product::FullSum ? fullSum(call.quantized(0), token, row)
                                              : stepSums(call.quantized(0), token, row, step);
      if (product == Product::ScaledFloatSums)
        r *= call.quantized(0).scales[token];
      out[token * n + column] = op.getBias() ? r + bias[column] : r;
    }
  }
  return one(store<float>(call.resultElement(), *dims, out));
}

Results reference::evaluateQGather(const Call &call) {
  const QTensor &table = call.quantized(0);
  const Tensor &indices = call.tensor(1);
  int64_t columns = table.dims[1];
  Numbers<int64_t> at = load<int64_t>(indices);
  bool isReal = holdsReals(table.type);
  Numbers<float> reals = isReal ? load<float>(table.reals) : Numbers<float>();
  std::optional<CodeValues> value;
  if (!isReal)
    value.emplace(table);
  std::vector<float> out;
  for (int64_t i = 0; i < at.count; ++i) {
    auto row = checkIndex(call, at[i], table.dims[0]);
    if (!row)
      return row.takeError();
    for (int64_t j = *row * columns; j < (*row + 1) * columns; ++j) {
      if (isReal) {
        out.push_back(reals[j]);
        continue;
      }
      int64_t group = table.group(j);
      float zero = table.zeros.empty() ? 0.0f : table.zeros[group];
      out.push_back(table.scales[group] * ((*value)(table.codes[j]) - zero));
    }
  }
  Dims dims(indices.dims());
  dims.push_back(columns);
  return one(store<float>(call.resultElement(), dims, out));
}
