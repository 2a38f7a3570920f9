// Caches, and their rows as codes.
#include "Detail.h"
#include "Qnt/RowCodes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Endian.h"
#include <algorithm>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;
using namespace llvm::support;

namespace {

Results evaluateKvAppend(const Call &call) {
  const Tensor &past = call.tensor(0), &rows = call.tensor(1);
  Dims dims(past.dims());
  dims[2] += rows.dims()[2];
  Tensor out(past.elementType(), dims);
  int64_t first = past.dims()[2] * dims[3] * out.bytesPerElement();
  int64_t second = rows.dims()[2] * dims[3] * out.bytesPerElement();
  char *to = out.mutableData();
  for (int64_t i = 0; i < dims[0] * dims[1]; ++i) {
    std::copy_n(past.data() + i * first, first, to + i * (first + second));
    std::copy_n(rows.data() + i * second, second, to + i * (first + second) + first);
  }
  return one(std::move(out));
}

//===-- Rows as codes ----------------------------------------------------------------------------//

uint16_t halfBits(float value) {
  llvm::APFloat half(value);
  bool loses;
  half.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return uint16_t(half.bitcastToAPInt().getZExtValue());
}

float ofHalf(uint16_t bits) {
  return float(llvm::APFloat(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits)).convertToDouble());
}

bool allFinite(ArrayRef<float> x) {
  return llvm::all_of(x, [](float value) { return std::isfinite(value); });
}

float clampedRound(float value, float low, float high) {
  return std::nearbyint(std::clamp(value, low, high));
}

void encodeBytes(ArrayRef<float> x, char *row) {
  float most = 0;
  for (float value : x)
    most = std::max(most, std::fabs(value));
  float scale = most / 127;
  bool usable = allFinite(x) && scale >= std::numeric_limits<float>::min();
  for (auto [d, value] : llvm::enumerate(x))
    row[d] = char(usable ? clampedRound(value * (1 / scale), -127, 127) : 0);
  endian::write32le(row + x.size(), allFinite(x) ? llvm::bit_cast<uint32_t>(scale) : RowCodes::nan);
}

void encodeNibbles(ArrayRef<float> x, char *codes, char *scales) {
  bool finite = allFinite(x);
  float least = *llvm::min_element(x), most = *llvm::max_element(x), top = RowCodes::largestHalf;
  // The sum makes a zero positive.
  uint16_t low = finite ? halfBits(std::clamp(least + 0.0f, -top, top)) : 0;
  uint16_t step = finite ? halfBits(std::min((most - least) / 15, top)) : RowCodes::nanHalf;
  endian::write16le(scales, step);
  endian::write16le(scales + 2, low);
  float width = ofHalf(step), from = ofHalf(low);
  auto codeOf = [&](float value) {
    return width > 0 ? uint8_t(clampedRound((value - from) * (1 / width), 0, 15)) : 0;
  };
  for (size_t j = 0; j < std::min<size_t>(x.size(), RowCodes::half); ++j) {
    size_t other = j + RowCodes::half;
    codes[j] = char(codeOf(x[j]) | (other < x.size() ? codeOf(x[other]) : 0) << 4);
  }
}

void encodeRow(const RowCodes &form, const float *x, char *row) {
  if (form.codes == Storage::i8)
    return encodeBytes(ArrayRef(x, form.channels), row);
  for (int64_t b = 0; b < form.blocks(); ++b) {
    int64_t first = b * RowCodes::block, count = std::min(RowCodes::block, form.channels - first);
    encodeNibbles(ArrayRef(x + first, count), row + b * RowCodes::half,
                  row + form.codeBytes() + b * RowCodes::blockScaleBytes);
  }
}

void decodeRow(const RowCodes &form, const char *row, float *x) {
  const char *scales = row + form.codeBytes();
  for (int64_t d = 0; d < form.channels; ++d) {
    if (form.codes == Storage::i8) {
      x[d] = float(int8_t(row[d])) * llvm::bit_cast<float>(endian::read32le(scales));
      continue;
    }
    int64_t b = d / RowCodes::block, i = d % RowCodes::block;
    uint8_t pair = uint8_t(row[b * RowCodes::half + i % RowCodes::half]);
    const char *own = scales + b * RowCodes::blockScaleBytes;
    x[d] = std::fma(float(i < RowCodes::half ? pair & 15 : pair >> 4),
                    ofHalf(endian::read16le(own)), ofHalf(endian::read16le(own + 2)));
  }
}

Results evaluateEncode(const Call &call, EncodeRowsOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  RowCodes form = rowCodesOf(op);
  Numbers<float> x = load<float>(call.tensor(0));
  Tensor out(call.resultElement(), *dims);
  for (int64_t row = 0; row * form.channels < x.count; ++row)
    encodeRow(form, x.data + row * form.channels, out.mutableData() + row * form.bytes());
  return one(std::move(out));
}

Results evaluateDecode(const Call &call, DecodeRowsOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  RowCodes form = rowCodesOf(op);
  std::vector<float> out(product(*dims));
  for (int64_t row = 0; row * form.channels < int64_t(out.size()); ++row)
    decodeRow(form, call.tensor(0).data() + row * form.bytes(), out.data() + row * form.channels);
  return one(store<float>(call.resultElement(), *dims, out));
}

} // namespace

std::optional<Results> reference::evaluateCache(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<KvAppendOp>([&](auto) { return evaluateKvAppend(call); })
      // A cache is a tensor here: strides are a matter of storage.
      .Case<KvBeginOp, KvResultOp>([&](auto) { return one(call.tensor(0)); })
      .Case<EncodeRowsOp>([&](EncodeRowsOp op) { return evaluateEncode(call, op); })
      .Case<DecodeRowsOp>([&](DecodeRowsOp op) { return evaluateDecode(call, op); })
      .Default([](Operation *) { return std::nullopt; });
}
