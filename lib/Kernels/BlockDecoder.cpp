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

BlockDecoder::BlockDecoder(KernelBuilder &k, const BlockProduct &product, int64_t inputs)
    : k(k), p(product), w(product.layout), inputs(inputs ? inputs : w.unit()) {
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
  return scalesAt(at, w.twoLevel ? k.vload(Elem::F32, panel) : Value());
}

Value BlockDecoder::scalesAt(Value at, Value super) {
  Value scale = scaleToF32(k, p.scale, k.vload(scaleElem(p.scale), at));
  if (super)
    scale = k.mul(scale, super);
  if (p.core != BlockCore::Float && unit() != 1) // the integers are multiples of it
    scale = k.mul(scale, k.cf32(unit()));
  return scale;
}

Value BlockDecoder::zerosAt(Value at) {
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
    planes = planes.drop_front(std::max<int64_t>(1, inputs / 4 / perVector));
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

//===-- Values of the float core --------------------------------------------------------------===//

/// Whether codes look up their values: up to four bits where a permutation is one instruction.
bool BlockDecoder::looksUpValues() const {
  if (p.value == CodeValue::Uniform)
    return w.zeros == BlockZeros::None && w.bits <= 4 && k.target().vectorBytes == 64 &&
           !k.target().isGpu();
  return p.value == CodeValue::Table || p.value == CodeValue::Float4E2M1;
}

void BlockDecoder::beginValues(Value table) {
  memory = table;
  if (!looksUpValues() || !valuesInRegister())
    return;
  if (p.value == CodeValue::Table) {
    entries = k.rawLoad(k.vec(k.f32()), memory);
    return;
  }
  SmallVector<float> all(16);
  for (int i = 0; i < 16; ++i)
    all[i] = p.value == CodeValue::Float4E2M1 ? f4Value(i)
                                              : static_cast<float>(i % (1 << w.bits) - p.bias);
  entries = arith::ConstantOp::create(k.builder(), k.loc(),
                                      DenseElementsAttr::get(k.vec(k.f32()), ArrayRef<float>(all)));
}

/// Zero points that are codes: 2^23 + zero, as valueOf() has the codes.
Value BlockDecoder::valueZeros(Value zeros) {
  return w.zeros == BlockZeros::Packed ? k.add(k.toF32(zeros), k.cf32(0x1p23f)) : zeros;
}

Value BlockDecoder::valueOf(Value code, Value zero) {
  if (looksUpValues()) {
    if (valuesInRegister())
      return tile::LookupOp::create(k.builder(), k.loc(), k.vec(k.f32()), entries, code);
    return k.vgather(Elem::F32, memory, k.zextI64(code));
  }
  switch (p.value) {
  case CodeValue::Uniform: {
    // 2^23 + code has the code as its last bits; differences of such numbers are exact.
    Value large = k.bitcast(k.or_(code, k.ci32(0x4b000000)), k.vec(k.f32()));
    if (w.zeros == BlockZeros::Packed)
      return k.sub(large, zero); // 2^23 + zero
    Value value = k.sub(large, k.cf32(0x1p23f + static_cast<float>(p.bias)));
    return zero ? k.sub(value, zero) : value;
  }
  case CodeValue::Float8E4M3:
    return e4m3ToF32(k, code);
  case CodeValue::Float8E5M2:
    return e5m2ToF32(k, code);
  default:
    llvm_unreachable("tables are looked up");
  }
}

/// The codes of one input of a sub-vector, as i32: from the plane itself where there is one, else
/// from the bytes that the planes were joined to.
Value BlockDecoder::field(ArrayRef<Value> planes, Value bytes, int sub, int input) {
  int width = bytes ? 8 : w.bits, perVector = 8 / width;
  Value lanes = bytes ? bytes : planes[sub / perVector];
  lanes = k.bitcast(lanes, k.vec(k.i32()));
  int shift = 8 * input + (bytes ? 0 : sub % perVector * width);
  Value code = shift ? k.shrU(lanes, k.ci32(shift)) : lanes;
  bool modulo16 = w.bits == 4 && looksUpValues(); // the look-up takes the last four bits
  bool top = shift + width == 32;
  return modulo16 || top ? code : k.and_(code, k.ci32((1 << width) - 1));
}

} // namespace qcc
