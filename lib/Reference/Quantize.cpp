// Numbers under a scheme: quantize, dequantize, and the products on codes, bit for bit.
#include "Detail.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

struct CodeRange {
  int32_t low, high;
};

CodeRange rangeOf(QType type) {
  int32_t count = int32_t(1) << type.getBits();
  if (isUnsignedStorage(type.getStorage()))
    return {0, count - 1};
  return {-count / 2, count / 2 - 1};
}

/// The smallest and largest of each group, with 0 included.
void groupRanges(const QTensor &q, ArrayRef<float> x, std::vector<float> &low,
                 std::vector<float> &high) {
  low.assign(q.groupCount(), 0);
  high.assign(q.groupCount(), 0);
  for (auto [i, value] : llvm::enumerate(x)) {
    int64_t group = q.group(i);
    low[group] = std::fmin(low[group], value);
    high[group] = std::fmax(high[group], value);
  }
}

void chooseScales(QTensor &q, ArrayRef<float> x) {
  std::vector<float> low, high;
  groupRanges(q, x, low, high);
  QType type = q.type;
  CodeRange range = rangeOf(type);
  for (size_t group = 0; group < low.size(); ++group) {
    if (!type.getZero()) {
      float qmax = float((int32_t(1) << (type.getBits() - 1)) - 1);
      q.scales.push_back(roundTo(type.getScale(), std::fmax(-low[group], high[group]) / qmax));
      continue;
    }
    float steps = float((int32_t(1) << type.getBits()) - 1);
    float scale = roundTo(type.getScale(), (high[group] - low[group]) / steps);
    float zero = 0;
    if (scale > 0) // signed storage counts from its lowest code
      zero = std::clamp(std::nearbyint(-low[group] / scale) + float(range.low), float(range.low),
                        float(range.high));
    q.scales.push_back(scale);
    q.zeros.push_back(zero);
  }
}

int32_t codeOf(float quotient, float zero, CodeRange range) {
  if (std::isnan(quotient))
    return int32_t(zero);
  return int32_t(std::clamp(std::nearbyint(quotient) + zero, float(range.low), float(range.high)));
}

/// `count` codes from a carrier: one per element, or packed in bytes with the low bits first.
std::optional<std::vector<int32_t>> unpackCodes(const Tensor &carrier, int64_t count, unsigned bits,
                                                bool isUnsigned) {
  std::vector<int32_t> codes(count);
  bool packed = carrier.size() != count;
  if (packed && (bits >= 8 || carrier.bytesPerElement() != 1 ||
                 carrier.size() != int64_t(llvm::divideCeil(count * bits, 8))))
    return std::nullopt;
  uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    auto code = uint32_t(packed ? uint8_t(carrier.data()[i * bits / 8]) >> (i * bits % 8)
                                : carrier.integer(i)) &
                mask;
    bool negative = !isUnsigned && code >> (bits - 1);
    codes[i] = int32_t(negative ? code | ~mask : code);
  }
  return codes;
}

Results evaluateAssemble(const Call &call, AssembleOp op) {
  QTensor q;
  q.type = cast<QType>(op.getOut().getType());
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  q.dims = *dims;
  bool u = isUnsignedStorage(q.type.getStorage());
  auto codes = unpackCodes(call.tensor(0), product(*dims), q.type.getBits(), u);
  if (!codes)
    return call.fail(Diag::QuantizedPartsUnfit,
                     dimsText(call.tensor(0).dims()) + " codes do not fill " + dimsText(*dims));
  q.codes = std::move(*codes);
  int64_t groups = q.groupCount();
  Numbers<float> scales = load<float>(call.tensor(1));
  if (scales.count != groups)
    return call.fail(Diag::QuantizedPartsUnfit, std::to_string(scales.count) + " scales for " +
                                                    std::to_string(groups) + " groups");
  q.scales.assign(scales.data, scales.data + groups);
  if (!op.getZero())
    return one(std::move(q));
  const Tensor &zero = call.tensor(2);
  if (isa<FloatType>(zero.elementType()) && zero.size() == groups) {
    Numbers<float> zeros = load<float>(zero);
    q.zeros.assign(zeros.data, zeros.data + groups);
    return one(std::move(q));
  }
  auto zeros = unpackCodes(zero, groups, q.type.getBits(), u);
  if (!zeros)
    return call.fail(Diag::QuantizedPartsUnfit, std::to_string(zero.size()) + " zero points for " +
                                                    std::to_string(groups) + " groups");
  q.zeros.assign(zeros->begin(), zeros->end());
  return one(std::move(q));
}

/// A change of layout keeps the logical content.
Results evaluatePack(const Call &call, PackOp op) {
  QTensor q;
  if (call.isQuantized(0)) {
    q = call.quantized(0);
  } else {
    q.reals = call.tensor(0);
    q.dims.assign(q.reals.dims().begin(), q.reals.dims().end());
  }
  q.type = cast<QType>(op.getOut().getType());
  return one(std::move(q));
}

struct Codes {
  const QTensor &q;
  int64_t k;
  int32_t at(int64_t row, int64_t i) const {
    int32_t zero = q.zeros.empty() ? 0 : int32_t(q.zeros[q.group(row * k + i)]);
    return q.codes[row * k + i] - zero;
  }
};

/// Sum of products of codes over [from, to) in int32.
int32_t dot(const int32_t *x, const int32_t *w, int64_t from, int64_t to) {
  int32_t acc = 0;
  for (int64_t i = from; i < to; ++i)
    acc += x[i] * w[i];
  return acc;
}

Results evaluateQLinear(const Call &call, QLinearOp op) {
  const QTensor &x = call.quantized(0), &w = call.quantized(1);
  if (w.type.getZero() && !w.type.getZero().isInteger())
    return call.fail(Diag::QuantizedPartsUnfit,
                     "floating zero points have no integer product; use dequantize and linear");
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  int64_t k = x.dims.back(), m = product(ArrayRef<int64_t>(x.dims).drop_back()), n = w.dims[0];
  bool blocks = w.type.getGranularity() == Granularity::block;
  int64_t block = blocks ? w.type.getBlock() : k, perRow = k ? llvm::divideCeil(k, block) : 0;
  Numbers<float> bias;
  if (op.getBias())
    bias = load<float>(call.tensor(2));
  std::vector<int32_t> row(k);
  std::vector<float> out(m * n);
  Codes weights{w, k};
  for (int64_t column = 0; column < n; ++column) {
    for (int64_t i = 0; i < k; ++i)
      row[i] = weights.at(column, i);
    int32_t rowSum = std::accumulate(row.begin(), row.end(), int32_t(0));
    for (int64_t token = 0; token < m; ++token) {
      const int32_t *codes = x.codes.data() + token * k;
      float xscale = x.scales[token], r = 0;
      if (!blocks) {
        int32_t zero = x.zeros.empty() ? 0 : int32_t(x.zeros[token]);
        int32_t sum = dot(codes, row.data(), 0, k) - zero * rowSum;
        r = float(sum) * (xscale * w.scales[column]);
      } else {
        for (int64_t b = 0; b < perRow; ++b)
          r = std::fma(float(dot(codes, row.data(), b * block, std::min(k, (b + 1) * block))),
                       w.scales[column * perRow + b], r);
        r = r * xscale;
      }
      out[token * n + column] = op.getBias() ? r + bias[column] : r;
    }
  }
  return one(store<float>(call.resultElement(), *dims, out));
}

Results evaluateQGather(const Call &call) {
  const QTensor &table = call.quantized(0);
  const Tensor &indices = call.tensor(1);
  int64_t columns = table.dims[1];
  Numbers<int64_t> at = load<int64_t>(indices);
  std::vector<float> out;
  for (int64_t i = 0; i < at.count; ++i) {
    auto row = checkIndex(call, at[i], table.dims[0]);
    if (!row)
      return row.takeError();
    for (int64_t j = *row * columns; j < (*row + 1) * columns; ++j) {
      int64_t group = table.group(j);
      float zero = table.zeros.empty() ? 0.0f : table.zeros[group];
      out.push_back(table.scales[group] * (float(table.codes[j]) - zero));
    }
  }
  Dims dims(indices.dims());
  dims.push_back(columns);
  return one(store<float>(call.resultElement(), dims, out));
}

} // namespace

QTensor reference::quantize(QType type, ArrayRef<int64_t> dims, ArrayRef<float> x) {
  QTensor q;
  q.type = type;
  q.dims.assign(dims.begin(), dims.end());
  chooseScales(q, x);
  CodeRange range = rangeOf(type);
  bool token = type.getGranularity() == Granularity::token;
  if (!token && !type.getZero() && range.low < 0) // symmetric codes
    range.low = -range.high;
  q.codes.resize(x.size());
  for (auto [i, value] : llvm::enumerate(x)) {
    int64_t group = q.group(i);
    float scale = q.scales[group], zero = q.zeros.empty() ? 0.0f : q.zeros[group];
    float quotient = scale == 0 ? 0.0f : token ? value * (1.0f / scale) : value / scale;
    q.codes[i] = codeOf(quotient, zero, range);
  }
  return q;
}

std::vector<float> reference::dequantize(const QTensor &x) {
  if (x.reals) {
    Numbers<float> reals = load<float>(x.reals);
    return std::vector<float>(reals.data, reals.data + reals.count);
  }
  std::vector<float> out(x.codes.size());
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t group = x.group(i);
    out[i] = x.scales[group] * (float(x.codes[i]) - (x.zeros.empty() ? 0.0f : x.zeros[group]));
  }
  return out;
}

Numbers<float> reference::loadReals(const RtValue &value) {
  if (const auto *tensor = std::get_if<Tensor>(&value))
    return load<float>(*tensor);
  Numbers<float> numbers;
  numbers.owned = dequantize(*std::get<std::shared_ptr<const QTensor>>(value));
  numbers.data = numbers.owned.data();
  numbers.count = numbers.owned.size();
  return numbers;
}

std::optional<Results> reference::evaluateQuantize(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<QuantizeOp>([&](QuantizeOp op) {
        Numbers<float> x = load<float>(call.tensor(0));
        return one(quantize(cast<QType>(op.getOut().getType()), call.tensor(0).dims(),
                            ArrayRef(x.data, x.count)));
      })
      .Case<DequantizeOp>([&](auto) {
        const QTensor &x = call.quantized(0);
        return one(store<float>(call.resultElement(), x.dims, dequantize(x)));
      })
      .Case<AssembleOp>([&](AssembleOp op) { return evaluateAssemble(call, op); })
      .Case<PackOp>([&](PackOp op) { return evaluatePack(call, op); })
      .Case<QLinearOp>([&](QLinearOp op) { return evaluateQLinear(call, op); })
      .Case<QGatherOp>([&](auto) { return evaluateQGather(call); })
      .Case<ObserveOp>([&](auto) { return one(call.tensor(0)); })
      .Default([](Operation *) { return std::nullopt; });
}
