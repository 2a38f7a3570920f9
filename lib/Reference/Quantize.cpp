// Numbers under a scheme: quantize and its inverse, bit for bit as the op descriptions say.
#include "Detail.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "llvm/ADT/TypeSwitch.h"
#include <algorithm>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

//===-- Codes ------------------------------------------------------------------------------------//

int32_t reference::codeAt(const char *bytes, int64_t i, Storage storage) {
  unsigned bits = bitsOf(storage);
  uint32_t code = 0;
  for (unsigned bit = 0; bit < bits; ++bit) {
    int64_t at = i * bits + bit;
    code |= uint32_t(uint8_t(bytes[at / 8]) >> (at % 8) & 1) << bit;
  }
  bool negative = !isUnsignedStorage(storage) && code >> (bits - 1);
  return int32_t(negative ? code | ~((1u << bits) - 1) : code);
}

CodeValues::CodeValues(const QTensor &q) {
  if (q.type.getCodebook()) {
    table = q.table;
    return;
  }
  FloatType type = floatTypeOf(q.type.getStorage(), q.type.getContext());
  if (!type || type.getWidth() > 8)
    return;
  for (unsigned code = 0; code < 1u << type.getWidth(); ++code) {
    llvm::APFloat value(type.getFloatSemantics(), llvm::APInt(type.getWidth(), code));
    bool loses;
    value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &loses);
    table.push_back(value.convertToFloat());
  }
}

namespace {

struct CodeLimits {
  int32_t low, high;
};

/// Codes that quantize chooses from.
CodeLimits limitsOf(QType type) {
  int32_t count = int32_t(1) << type.getBits();
  if (type.getStorage() == Storage::ternary)
    return {-1, 1};
  if (isUnsignedStorage(type.getStorage()))
    return {0, count - 1};
  if (type.getGranularity() == Granularity::token && type.getStorage() == Storage::i16)
    return {-32639, 32639};
  return {type.getZero() ? -count / 2 : 1 - count / 2, count / 2 - 1};
}

float largestNumber(FloatType type) {
  return llvm::APFloat::getLargest(type.getFloatSemantics()).convertToDouble();
}

bool isBinary(QType type) {
  CodebookAttr codebook = type.getCodebook();
  return codebook && codebook.table() == ArrayRef<float>({-1.0f, 1.0f});
}

//===-- Scales -----------------------------------------------------------------------------------//

/// What a scale is computed from.
struct Group {
  float low = 0, high = 0; ///< 0 included
  double sums[8] = {};     ///< of magnitudes, interleaved
  int64_t count = 0;

  void add(float x) {
    if (!std::isnan(x)) {
      low = std::fmin(low, x);
      high = std::fmax(high, x);
      sums[count % 8] += std::fabs(double(x));
    }
    ++count;
  }
  float mean() const {
    double sum = 0;
    for (double part : sums)
      sum += part;
    return count ? float(sum / double(count)) : 0;
  }
  float largest() const { return std::fmax(-low, high); }
};

float powerBelow(float value) { return std::ldexp(1.0f, std::ilogb(value)); }

/// The scale before it is rounded.
float exactScale(QType type, const Group &group) {
  if (type.getStorage() == Storage::ternary || isBinary(type))
    return group.mean();
  float a = group.largest();
  if (type.getZero())
    return (group.high - group.low) / float((int32_t(1) << type.getBits()) - 1);
  if (FloatType number = floatTypeOf(type.getStorage(), type.getContext())) {
    float max = largestNumber(number);
    if (isa<Float8E8M0FNUType>(type.getScale()) && a > 0 && std::isfinite(a))
      return std::fmax(powerBelow(a) / powerBelow(max), 0x1p-126f);
    return a / max;
  }
  if (CodebookAttr codebook = type.getCodebook()) {
    if (codebook.isLearned())
      return a;
    ArrayRef<float> table = codebook.table();
    return a / std::fmax(-table.front(), table.back());
  }
  if (type.getGranularity() == Granularity::token && type.getStorage() == Storage::i16)
    return a / 32639.0f;
  return a / float((int32_t(1) << (type.getBits() - 1)) - 1);
}

/// The nearest f8E4M3FN, ties to even; above the largest it, above zero not zero.
uint8_t nearestE4M3(float value) {
  if (std::isnan(value))
    return 0;
  llvm::APFloat rounded(std::fmin(value, 448.0f));
  bool loses;
  rounded.convert(llvm::APFloat::Float8E4M3FN(), llvm::APFloat::rmNearestTiesToEven, &loses);
  auto code = uint8_t(rounded.bitcastToAPInt().getZExtValue());
  return value > 0 && code == 0 ? 1 : code;
}

float fromE4M3(uint8_t code) {
  llvm::APFloat value(llvm::APFloat::Float8E4M3FN(), llvm::APInt(8, code));
  return float(value.convertToDouble());
}

float roundScale(Type type, float scale) {
  if (isa<Float8E4M3FNType>(type))
    return fromE4M3(nearestE4M3(scale));
  if (!isa<Float8E8M0FNUType>(type))
    return roundTo(type, scale);
  float power = 0x1p-126f;
  while (power < scale && power < 0x1p127f)
    power *= 2;
  return power;
}

/// Scale codes and super scales of each row of `perRow` groups.
void chooseTwoLevels(QTensor &q, ArrayRef<float> exact, int64_t perRow) {
  bool bytes = q.type.getScale().isInteger(8);
  for (size_t row = 0; row * perRow < exact.size(); ++row) {
    ArrayRef<float> scales = exact.slice(row * perRow, perRow);
    float super = *llvm::max_element(scales) / (bytes ? 255.0f : 448.0f);
    q.supers.push_back(super);
    for (float scale : scales) {
      float steps = super > 0 ? scale / super : 0;
      uint8_t code = bytes ? uint8_t(std::nearbyint(std::fmin(steps, 255.0f))) : nearestE4M3(steps);
      if (code == 0 && scale > 0 && super > 0)
        code = 1;
      q.scaleCodes.push_back(code);
      q.scales.push_back((bytes ? float(code) : fromE4M3(code)) * super);
    }
  }
}

void chooseScales(QTensor &q, ArrayRef<float> x) {
  std::vector<Group> groups(q.groupCount());
  for (auto [i, value] : llvm::enumerate(x))
    groups[q.group(i)].add(value);
  std::vector<float> exact;
  for (const Group &group : groups)
    exact.push_back(exactScale(q.type, group));
  if (q.type.getSuper()) {
    if (!exact.empty())
      chooseTwoLevels(q, exact, int64_t(exact.size()) / q.dims[0]);
  } else {
    for (float scale : exact)
      q.scales.push_back(roundScale(q.type.getScale(), scale));
  }
  if (!q.type.getZero())
    return;
  CodeLimits limits = limitsOf(q.type);
  for (auto [group, scale] : llvm::zip_equal(groups, q.scales)) {
    float zero = scale > 0 ? -group.low / scale : 0;
    if (scale > 0 && isa<FloatType>(q.type.getZero())) {
      zero = roundTo(q.type.getZero(), zero + float(limits.low));
    } else if (scale > 0) { // signed storage counts from its lowest code; infinities have no grid
      zero = std::nearbyint(zero) + float(limits.low);
      zero = std::isnan(zero) ? 0 : std::clamp(zero, float(limits.low), float(limits.high));
    }
    q.zeros.push_back(zero);
  }
}

//===-- Choosing codes ---------------------------------------------------------------------------//

/// The nearest float of a storage to `quotient`, saturating; NaN is 0.
int32_t nearestFloat(FloatType type, float quotient) {
  if (std::isnan(quotient))
    return 0;
  float max = largestNumber(type);
  llvm::APFloat value(std::clamp(quotient, -max, max));
  bool loses;
  value.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return int32_t(value.bitcastToAPInt().getZExtValue());
}

/// The nearest entry: the number of middles between neighbours that lie below.
int32_t nearestEntry(ArrayRef<float> table, float quotient) {
  float x = std::isnan(quotient) ? 0 : quotient;
  int32_t code = 0;
  while (size_t(code) + 1 < table.size() && x > 0.5f * (table[code] + table[code + 1]))
    ++code;
  return code;
}

int32_t nearestInteger(float quotient, float zero, bool realZero, CodeLimits limits) {
  if (std::isnan(quotient))
    quotient = 0;
  float code = realZero ? std::nearbyint(quotient + zero) : std::nearbyint(quotient) + zero;
  if (std::isnan(code)) // infinite quotients and zero points may cancel
    return limits.low;
  return int32_t(std::clamp(code, float(limits.low), float(limits.high)));
}

ScaleFormat scaleFormat(Type type) {
  return type.isF16()                   ? ScaleFormat::F16
         : type.isBF16()                ? ScaleFormat::BF16
         : isa<Float8E8M0FNUType>(type) ? ScaleFormat::E8M0
         : isa<Float8E4M3FNType>(type)  ? ScaleFormat::E4M3
         : type.isInteger(8)            ? ScaleFormat::U8
                                        : ScaleFormat::F32;
}

/// The table that codes count, learned where the type says so. The entries beyond a shorter fixed
/// one are 0 and never chosen.
ArrayRef<float> chooseTable(QTensor &q, ArrayRef<float> x) {
  CodebookAttr codebook = q.type.getCodebook();
  size_t size = size_t(1) << q.type.getBits();
  if (codebook.isLearned()) {
    // Any table is a valid choice, so the one that compiled weights get is taken.
    WeightFormat format;
    format.kind = WeightKind::Codebook;
    format.bits = q.type.getBits();
    bool blocks = q.type.getGranularity() == Granularity::block;
    format.block = blocks ? q.type.getBlock() : 0;
    format.scale = scaleFormat(q.type.getScale());
    format.super = static_cast<bool>(q.type.getSuper());
    int64_t k = q.type.getGranularity() == Granularity::tensor ? int64_t(x.size()) : q.dims.back();
    q.table = learnTable(format, x.data(), k ? int64_t(x.size()) / k : 0, k);
  } else {
    q.table = codebook.table();
  }
  size_t used = q.table.size();
  q.table.resize(size);
  return ArrayRef(q.table).take_front(used);
}

//===-- Carriers ---------------------------------------------------------------------------------//

/// `count` codes from a carrier: one per element, or packed in bytes with the low bits first.
std::optional<std::vector<int32_t>> unpackCodes(const Tensor &carrier, int64_t count,
                                                Storage storage) {
  std::vector<int32_t> codes(count);
  unsigned bits = bitsOf(storage);
  bool packed = carrier.size() != count, bytes = carrier.bytesPerElement() == 1;
  if (packed &&
      (bits >= 8 || !bytes || carrier.size() != int64_t(llvm::divideCeil(count * bits, 8))))
    return std::nullopt;
  if (isa<FloatType>(carrier.elementType()) && !bytes)
    return std::nullopt;
  uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    if (packed) {
      codes[i] = codeAt(carrier.data(), i, storage);
      continue;
    }
    auto code = uint32_t(bytes ? uint8_t(carrier.data()[i]) : carrier.integer(i)) & mask;
    bool negative = !isUnsignedStorage(storage) && code >> (bits - 1);
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
  auto codes = unpackCodes(call.tensor(0), product(*dims), q.type.getStorage());
  if (!codes)
    return call.fail(Diag::QuantizedPartsUnfit,
                     dimsText(call.tensor(0).dims()) + " codes do not fill " + dimsText(*dims));
  q.codes = std::move(*codes);
  if (CodebookAttr codebook = q.type.getCodebook()) {
    q.table = codebook.table();
    q.table.resize(size_t(1) << q.type.getBits());
  }
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
  auto zeros = unpackCodes(zero, groups, q.type.getStorage());
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

/// Codes per token under a scale that is known.
QTensor quantizeStatic(const Call &call, QuantizeStaticOp op) {
  Numbers<float> x = load<float>(call.tensor(0));
  QTensor q;
  q.type = cast<QType>(op.getOut().getType());
  q.dims.assign(call.tensor(0).dims().begin(), call.tensor(0).dims().end());
  float scale = op.getScale().convertToFloat(), zero = float(int64_t(op.getZero()));
  if (op.getShift())
    zero += static_cast<float>(call.tensor(1).integer(0));
  q.scales.assign(q.groupCount(), scale);
  if (q.type.getZero())
    q.zeros.assign(q.groupCount(), zero);
  CodeLimits limits = limitsOf(q.type);
  if (op.getFull())
    limits = {-128, 127};
  FloatType number = floatTypeOf(q.type.getStorage(), q.type.getContext());
  for (int64_t i = 0; i < x.count; ++i) {
    float quotient = x[i] * (1.0f / scale);
    q.codes.push_back(number ? nearestFloat(number, quotient)
                             : nearestInteger(quotient, zero, false, limits));
  }
  return q;
}

} // namespace

QTensor reference::quantize(QType type, ArrayRef<int64_t> dims, ArrayRef<float> x) {
  QTensor q;
  q.type = type;
  q.dims.assign(dims.begin(), dims.end());
  chooseScales(q, x);
  ArrayRef<float> table;
  if (type.getCodebook())
    table = chooseTable(q, x);
  FloatType number = floatTypeOf(type.getStorage(), type.getContext());
  CodeLimits limits = limitsOf(type);
  bool token = type.getGranularity() == Granularity::token;
  bool realZero = isa_and_nonnull<FloatType>(type.getZero());
  q.codes.resize(x.size());
  for (auto [i, value] : llvm::enumerate(x)) {
    int64_t group = q.group(i);
    float scale = q.scales[group], zero = q.zeros.empty() ? 0.0f : q.zeros[group];
    float quotient = scale == 0 ? 0.0f : token ? value * (1.0f / scale) : value / scale;
    q.codes[i] = type.getCodebook() ? nearestEntry(table, quotient)
                 : number           ? nearestFloat(number, quotient)
                                    : nearestInteger(quotient, zero, realZero, limits);
  }
  return q;
}

std::vector<float> reference::dequantize(const QTensor &x) {
  if (x.reals) {
    Numbers<float> reals = load<float>(x.reals);
    return std::vector<float>(reals.data, reals.data + reals.count);
  }
  CodeValues value(x);
  std::vector<float> out(x.codes.size());
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t group = x.group(i);
    out[i] = x.scales[group] * (value(x.codes[i]) - (x.zeros.empty() ? 0.0f : x.zeros[group]));
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
      .Case<QuantizeStaticOp>([&](QuantizeStaticOp op) { return one(quantizeStatic(call, op)); })
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
