// Codes, scales and zero points of panels in blocks; see BlockDecoder.h and BlockLayout.
#include "BlockDecoder.h"
#include "Tile/Tile.h"

using namespace mlir;

namespace qcc {

/// Makes twice the values of f4e2m1 unsigned.
static constexpr int32_t kF4Bias = 12;

/// What table entry `i` of codes that are looked up is.
static int integerAt(const BlockProduct &p, int i) {
  return p.value == CodeValue::Float4E2M1 ? kTwiceF4[i] + kF4Bias : p.integers[i];
}

static bool looksUpIntegers(const BlockProduct &p) {
  bool listed = p.value == CodeValue::Float4E2M1 || p.value == CodeValue::Integers;
  return listed && p.core != BlockCore::Float;
}

int32_t integerBias(const BlockProduct &p) {
  return p.value == CodeValue::Float4E2M1 ? kF4Bias : p.bias;
}

int largestInteger(const BlockProduct &p) {
  int codes = 1 << p.layout.bits, largest = 0;
  if (!looksUpIntegers(p))
    return p.step * (codes - 1);
  for (int i = 0; i < codes; ++i)
    largest = std::max(largest, integerAt(p, i));
  return largest;
}

bool fitsSignedBytes(const BlockProduct &p) {
  if (p.layout.zeros == BlockZeros::None)
    return integerBias(p) <= 128 && largestInteger(p) - integerBias(p) <= 127;
  return p.layout.bits <= 7 && largestInteger(p) <= 127;
}

BlockDecoder::BlockDecoder(KernelBuilder &k, const BlockProduct &product)
    : k(k), p(product), w(product.layout) {
  if (!looksUpIntegers(p))
    return;
  int8_t bytes[16];
  for (int i = 0; i < 16; ++i)
    bytes[i] = static_cast<int8_t>(integerAt(p, i));
  table = arith::ConstantOp::create(
      k.builder(), k.loc(),
      DenseElementsAttr::get(k.vec(k.builder().getI8Type()), ArrayRef<int8_t>(bytes)));
}

//===-- Blocks --------------------------------------------------------------------------------===//

Value BlockDecoder::codeBytes(Value depth) {
  if (w.group)
    return k.ci64(w.codeBytes(0));
  return k.mul(k.ceilDiv(depth, k.ci64(w.unit())), k.ci64(w.unitBytes()));
}

Value BlockDecoder::scales(Value panel, Value offset, Value depth) {
  Value at = k.bytePtr(panel, k.add(offset, codeBytes(depth)));
  Value scale = scaleToF32(k, p.scale, k.vload(scaleElem(p.scale), at));
  if (w.twoLevel)
    scale = k.mul(scale, k.vload(Elem::F32, panel));
  if (p.core != BlockCore::Float && unit() != 1) // the integers are multiples of it
    scale = k.mul(scale, k.cf32(unit()));
  return scale;
}

Value BlockDecoder::zeros(Value panel, Value offset, Value depth) {
  Value behind = k.add(codeBytes(depth), k.ci64(kPanel * w.scaleBytes));
  Value at = k.bytePtr(panel, k.add(offset, behind));
  if (w.zeros == BlockZeros::Float)
    return k.vload(Elem::F32, at);
  if (w.bits > 4)
    return k.vload(Elem::U8, at);
  constexpr int64_t half = kPanel / 2; // two a byte
  Value bytes = k.rawLoad(k.vec(k.builder().getI8Type(), half), at);
  SmallVector<int64_t> twice;
  for (int64_t i = 0; i < kPanel; ++i)
    twice.push_back(i % half);
  Value packed = k.shuffle(bytes, bytes, twice);
  packed = arith::ExtUIOp::create(k.builder(), k.loc(), k.vec(k.i32()), packed);
  SmallVector<int32_t> shifts(half, 0);
  shifts.append(half, 4);
  Value shift = arith::ConstantOp::create(
      k.builder(), k.loc(), DenseElementsAttr::get(k.vec(k.i32()), ArrayRef<int32_t>(shifts)));
  return k.and_(k.shrU(packed, shift), k.ci32(15));
}

//===-- Codes ---------------------------------------------------------------------------------===//

/// In every byte: bits [from, from + width) moved to bit `to`. There are no shifts of bytes: wider
/// lanes shift, on GPUs those that a thread has, and a mask takes away what crosses.
Value BlockDecoder::byteField(Value vector, int from, int width, int to) {
  if (width == 8)
    return vector;
  Type word = k.target().isGpu() ? k.i32() : k.builder().getI16Type();
  Value words = k.bitcast(vector, k.vec(word, 512 / word.getIntOrFloatBitWidth()));
  if (from > to)
    words = k.shrU(words, k.constant(word, from - to));
  else if (to > from)
    words = k.shl(words, k.constant(word, to - from));
  Value bytes = k.bitcast(words, byteVector());
  return k.and_(bytes, k.constant(k.builder().getI8Type(), ((1 << width) - 1) << to));
}

/// Codes, scales and zero points of a block begin at multiples of it.
static constexpr int64_t kPartAlignment = 8;

SmallVector<Value> BlockDecoder::loadPlanes(Value unit) {
  SmallVector<Value> planes;
  for (int64_t at = 0; at < w.unitBytes(); at += 64)
    planes.push_back(k.rawLoad(byteVector(), k.bytePtr(unit, k.ci64(at)), kPartAlignment));
  return planes;
}

Value BlockDecoder::subCodes(ArrayRef<Value> planes, int sub, int shift) {
  Value codes;
  int bit = shift;
  for (int width : w.planes()) {
    if (!width)
      break;
    int perVector = 8 / width;
    Value part = byteField(planes[sub / perVector], sub % perVector * width, width, bit);
    codes = codes ? k.or_(codes, part) : part;
    planes = planes.drop_front(w.unit() / 4 / perVector);
    bit += width;
  }
  return codes;
}

Value BlockDecoder::integerCodes(ArrayRef<Value> planes, int sub) {
  if (!table)
    return subCodes(planes, sub, p.step == 2);
  return tile::LookupOp::create(k.builder(), k.loc(), byteVector(), table,
                                subCodes(planes, sub, 0));
}

/// Four bytes at a time: with its highest bit set no byte borrows from the next one, and that bit
/// is corrected afterwards.
Value BlockDecoder::signedCodes(ArrayRef<Value> planes, int sub, Value zeros) {
  Value codes = k.bitcast(integerCodes(planes, sub), k.vec(k.i32()));
  Value high = k.ci32(INT32_C(-0x7f7f7f80)); // 0x80808080
  int32_t bias = integerBias(p);
  if (!fitsSignedBytes(p) || (!zeros && bias == kSignShift))
    return k.xor_(codes, high);
  Value less = zeros ? k.mul(zeros, k.ci32(0x01010101)) : k.ci32(bias * 0x01010101);
  Value flipped = high; // no code has it, and neither has what is taken off
  if (largestInteger(p) > 127)
    flipped = k.and_(k.not_(codes), high);
  return k.xor_(k.sub(k.or_(codes, high), less), flipped);
}

} // namespace qcc
