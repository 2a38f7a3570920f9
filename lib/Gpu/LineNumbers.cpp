// Numbers of lines as 16-bit operands, eight at a time, for one thread.
//
// Codes become floats without conversions, of which a multiprocessor does sixteen in a cycle, an
// eighth of its other work: a code c < 256 in the low bits of 2^23 is 2^23 + c.
#include "StripBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

constexpr double kTwoTo23 = 0x1p23;
constexpr int64_t kTwoTo23Bits = 0x4b000000;
// Of 4-bit codes, as `tile.narrow_lines` has them: numbers that share a scale, pieces of them, and
// bytes of their codes and of their scales.
constexpr int64_t kBlock = 32, kBlockPieces = 4, kBlockBytes = kBlock / 2, kBlockScaleBytes = 4;

} // namespace

Value StripBuilder::real(double number) {
  Type type = b.getF32Type();
  return arith::ConstantOp::create(b, loc, type, b.getFloatAttr(type, number));
}

/// 2^23 + byte `index` of `word`.
Value StripBuilder::byteAsFloat(Value word, int64_t index) {
  Value bits = arith::OrIOp::create(b, loc, and_(shr(word, 8 * index), 0xff), ci(kTwoTo23Bits));
  return arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
}

/// Eight bytes as words, which may begin at any byte unless they are aligned.
StripBuilder::Values StripBuilder::codeWords(const LineFormat &format, Value from) {
  if (format.aligned)
    return loadWords(from, 2);
  Values words;
  for (int64_t first : {0, 4}) {
    Value word;
    for (int64_t i = 0; i < 4; ++i) {
      Value code = LLVM::LoadOp::create(b, loc, b.getI8Type(), at(from, first + i), 1);
      code = arith::ExtUIOp::create(b, loc, b.getI32Type(), code);
      word = word ? arith::OrIOp::create(b, loc, word, mul(code, int64_t(1) << (8 * i))) : code;
    }
    words.push_back(word);
  }
  return words;
}

/// Numbers that are stored as they are, of 16 bits, or as f32.
StripBuilder::Values StripBuilder::floatsOf(const LineFormat &format, Value from) {
  bool wide = format.numbers.isF32();
  int64_t bytes = wide ? 4 : 2, atOnce = format.aligned ? 16 / bytes : 1;
  Values numbers, words;
  for (int64_t i = 0; i < kPiece; i += atOnce) {
    Type type = atOnce == 1 ? format.numbers : VectorType::get(atOnce, format.numbers);
    Value some = LLVM::LoadOp::create(b, loc, type, at(from, i * bytes), atOnce * bytes);
    for (int64_t e = 0; e < atOnce; ++e)
      numbers.push_back(atOnce == 1 ? some : element(some, e));
  }
  for (int64_t i = 0; i < kPiece; i += 2) {
    if (wide) {
      words.push_back(packed(numbers[i], numbers[i + 1], /*half=*/false));
      continue;
    }
    Value pair = vector::FromElementsOp::create(b, loc, VectorType::get(2, format.numbers),
                                                ValueRange{numbers[i], numbers[i + 1]});
    words.push_back(LLVM::BitcastOp::create(b, loc, b.getI32Type(), pair));
  }
  return words;
}

/// Lines begin at multiples of 4 bytes.
StripBuilder::Values StripBuilder::bytesOf(const LineFormat &format, Value line, Value number) {
  Value scale = LLVM::LoadOp::create(b, loc, b.getF32Type(), at(line, format.scales), 4);
  Value zero = real(kTwoTo23 + 128), from = at(line, mul(number, kPiece));
  Values numbers;
  for (int64_t byte : {0, 4}) {
    Value word = loadWords(at(from, byte), 1)[0];
    Value unsignedCodes = arith::XOrIOp::create(b, loc, word, ci(static_cast<int32_t>(0x80808080)));
    for (int64_t i = 0; i < 4; ++i) {
      Value code = arith::SubFOp::create(b, loc, byteAsFloat(unsignedCodes, i), zero);
      numbers.push_back(arith::MulFOp::create(b, loc, code, scale));
    }
  }
  return numbers;
}

/// A piece is low or high halves of eight bytes.
StripBuilder::Values StripBuilder::nibblesOf(const LineFormat &format, Value line, Value number) {
  Value block = shr(number, llvm::Log2_64(kBlockPieces));
  Value scales = loadWords(at(line, add(mul(block, kBlockScaleBytes), format.scales)), 1)[0];
  auto half = [&](Value bits) -> Value {
    Value low = arith::TruncIOp::create(b, loc, b.getI16Type(), bits);
    low = arith::BitcastOp::create(b, loc, b.getF16Type(), low);
    return arith::ExtFOp::create(b, loc, b.getF32Type(), low);
  };
  Value step = half(scales), low = half(shr(scales, 16)), zero = real(kTwoTo23);
  Value from = at(line, add(mul(block, kBlockBytes), mul(and_(number, 1), kPiece)));
  Value shift = mul(and_(number, 2), 2);
  Values numbers;
  for (int64_t byte : {0, 4}) {
    Value codes = arith::ShRUIOp::create(b, loc, loadWords(at(from, byte), 1)[0], shift);
    codes = and_(codes, 0x0f0f0f0f);
    for (int64_t i = 0; i < 4; ++i) {
      Value code = arith::SubFOp::create(b, loc, byteAsFloat(codes, i), zero);
      numbers.push_back(LLVM::FMAOp::create(b, loc, code, step, low));
    }
  }
  return numbers;
}

StripBuilder::Values StripBuilder::pieceOf(const LineFormat &format, Value line, Value number) {
  Type type = format.numbers;
  if (type.isF32() || type.isInteger(16))
    return floatsOf(format, at(line, mul(number, kPiece * (type.isF32() ? 4 : 2))));
  Values words;
  if (isa<FloatType>(type)) {
    for (Value codes : codeWords(format, at(line, mul(number, kPiece))))
      llvm::append_range(words, bf16Of(codes, type, /*keepsNan=*/true));
    return words;
  }
  Values numbers =
      type.isUnsignedInteger(4) ? nibblesOf(format, line, number) : bytesOf(format, line, number);
  for (int64_t i = 0; i < kPiece; i += 2)
    words.push_back(packed(numbers[i], numbers[i + 1], /*half=*/false));
  return words;
}
