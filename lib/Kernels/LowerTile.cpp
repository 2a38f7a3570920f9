// qcc-lower-tile: the tile dialect to vector, arith and LLVM operations for one feature level.
//
// Needs:   kernels with tile operations on vectors of a multiple of 16 lanes.
// Leaves:  no tile operation. Results are the ones TileOps.td states, on every level.
// Example: test/Kernels/lower-tile.mlir
#include "LowerMatrixTiles.h"
#include "Passes.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Kernels/SmallFloats.h"
#include "qcc/Kernels/ValueBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace qcc {

Value frameBuffer(Operation *op, int64_t bytes) {
  auto fn = op->getParentOfType<func::FuncOp>();
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&fn.front());
  Value count = arith::ConstantIntOp::create(b, op->getLoc(), bytes, 64);
  auto ptr = LLVM::LLVMPointerType::get(op->getContext());
  return LLVM::AllocaOp::create(b, op->getLoc(), ptr, b.getI8Type(), count, 64);
}

namespace {

class TileBuilder : public ValueBuilder {
public:
  TileBuilder(Operation *op, const Target &target)
      : ValueBuilder(OpBuilder(op), op->getLoc()), level(target) {}

  Value dot4(Value acc, Value a, Value c, int64_t bits, bool isSigned);
  Value mmla(tile::MmlaOp op);
  Value dot2(tile::Dot2Op op);
  Value dotBf16(tile::DotBf16Op op);
  Value toBf16(tile::ToBf16Op op);
  Value lookup(tile::LookupOp op);
  Value roundEvenToI32(Value x);
  Value load(tile::LoadOp op);
  void store(tile::StoreOp op);
  void prefetch(tile::PrefetchOp op);

private:
  static int64_t lanesOf(Value v) { return cast<VectorType>(v.getType()).getNumElements(); }
  Value call(StringRef intrinsic, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, where, result, b.getStringAttr(intrinsic), operands)
        .getResult(0);
  }
  /// Lanes [first, first + count) of v.
  Value part(Value v, int64_t first, int64_t count) {
    return vector::ExtractStridedSliceOp::create(b, where, v, first, count, 1);
  }
  Value perRegister(ValueRange operands, int64_t lanes, llvm::function_ref<Value(ValueRange)> fn);
  Value multiplyPairs(Value a, Value c);
  Value dotByPairs(Value acc, Value a, Value c);
  Value dotByNarrowPairs(Value acc, Value a, Value c);
  Value dotGeneric(Value acc, Value a, Value c, bool isSigned);
  Value dotByNeon(Value acc, Value a, Value c, bool narrow, bool isSigned);
  Value dotByInstruction(StringRef name, Value acc, Value a, Value c);
  Value dotUnsignedBySigned(Value acc, Value a, Value c);
  Value lookupFloats(Value table, Value indices);
  Value lookupWords(Value table, Value indices);
  Value lookupBytes(Value table, Value indices);
  /// Copies `count` elements one by one.
  void copy(Value from, Value to, Value count, Type element) {
    auto loop = scf::ForOp::create(b, where, ci64(0), count, ci64(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    auto at = [&](Value p) {
      return LLVM::GEPOp::create(b, where, ptrType(), element, p,
                                 ValueRange{loop.getInductionVar()},
                                 LLVM::GEPNoWrapFlags::inbounds);
    };
    int64_t bytes = element.getIntOrFloatBitWidth() / 8;
    Value v = LLVM::LoadOp::create(b, where, element, at(from), bytes);
    LLVM::StoreOp::create(b, where, v, at(to), bytes);
  }
  const Target &level;
};

/// Applies fn to slices of the operands of `lanes` 32-bit lanes each, and joins the results.
Value TileBuilder::perRegister(ValueRange operands, int64_t lanes,
                               llvm::function_ref<Value(ValueRange)> fn) {
  int64_t bytes = lanes * 4;
  auto bytesOf = [](Value v) {
    auto t = cast<VectorType>(v.getType());
    return t.getNumElements() * t.getElementTypeBitWidth() / 8;
  };
  int64_t parts = bytesOf(operands[0]) / bytes;
  if (parts == 1)
    return fn(operands);
  Value joined;
  for (int64_t p = 0; p < parts; ++p) {
    Values slices;
    for (Value v : operands)
      slices.push_back(part(v, p * lanesOf(v) / parts, lanesOf(v) / parts));
    Value r = fn(slices);
    if (!joined)
      joined = broadcast(constant(getElementTypeOrSelf(r.getType()), 0), parts * lanesOf(r));
    joined = vector::InsertStridedSliceOp::create(b, where, r, joined, p * lanesOf(r), 1);
  }
  return joined;
}

/// Sums of two products of signed 16-bit numbers, in 32-bit lanes.
Value TileBuilder::multiplyPairs(Value a, Value c) {
  bool wide = level.dot != DotLowering::PmaddAvx2;
  int64_t lanes = wide ? 16 : 8;
  StringRef name = wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
  return perRegister({a, c}, lanes, [&](ValueRange v) { return call(name, vec(i32(), lanes), v); });
}

/// Even and odd bytes widen to 16 bits within their lanes: exact for all bytes.
Value TileBuilder::dotByPairs(Value acc, Value a, Value c) {
  VectorType words = vec(b.getI16Type(), lanesOf(a) / 2);
  auto k = [&](int64_t v) { return broadcast(constant(b.getI16Type(), v), lanesOf(a) / 2); };
  Value aw = bitcast(a, words), cw = bitcast(c, words);
  Value even = multiplyPairs(and_(aw, k(255)), shr(shl(cw, k(8)), k(8)));
  Value odd = multiplyPairs(shrU(aw, k(8)), shr(cw, k(8)));
  return add(add(acc, even), odd);
}

/// For a < 128: pairs of byte products fit 16 bits, so vpmaddubsw never saturates.
Value TileBuilder::dotByNarrowPairs(Value acc, Value a, Value c) {
  bool wide = level.dot == DotLowering::PmaddAvx512;
  int64_t lanes = wide ? 16 : 8;
  StringRef name = wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
  StringRef sum = wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
  Value ones = broadcast(constant(b.getI16Type(), 1), lanes * 2);
  Value r = perRegister({a, c}, lanes, [&](ValueRange v) {
    Value words = call(name, vec(b.getI16Type(), lanes * 2), v);
    return call(sum, vec(i32(), lanes), {words, ones});
  });
  return add(acc, r);
}

Value TileBuilder::dotGeneric(Value acc, Value a, Value c, bool isSigned) {
  int64_t n = lanesOf(acc);
  Value aw = bitcast(a, vec(i32(), n)), cw = bitcast(c, vec(i32(), n));
  auto signedByte = [&](Value words, int j) { return shr(shl(words, ci32(24 - 8 * j)), ci32(24)); };
  for (int j = 0; j < 4; ++j) {
    Value x = isSigned ? signedByte(aw, j) : and_(shrU(aw, ci32(8 * j)), ci32(255));
    acc = add(acc, mul(x, signedByte(cw, j)));
  }
  return acc;
}

/// Products of signed bytes fit 16 bits; so do pairs of them when 0 <= a < 128. Other unsigned a
/// are taken as a - 128, and 128 times the sum of c is added.
Value TileBuilder::dotByNeon(Value acc, Value a, Value c, bool narrow, bool isSigned) {
  Type byte = b.getI8Type(), word = b.getI16Type();
  auto product = [&](Value x, Value y, int64_t half) {
    return call("llvm.aarch64.neon.smull.v8i16", vec(word, 8),
                {part(x, 8 * half, 8), part(y, 8 * half, 8)});
  };
  auto widen = [&](Value words) {
    return call("llvm.aarch64.neon.saddlp.v4i32.v8i16", vec(i32(), 4), {words});
  };
  return perRegister({acc, a, c}, 4, [&](ValueRange v) -> Value {
    Value x = narrow || isSigned ? v[1] : xor_(v[1], constant(byte, -128));
    Value low = product(x, v[2], 0), high = product(x, v[2], 1);
    if (narrow)
      return add(v[0], widen(call("llvm.aarch64.neon.addp.v8i16", vec(word, 8), {low, high})));
    Value sums = call("llvm.aarch64.neon.addp.v4i32", vec(i32(), 4), {widen(low), widen(high)});
    sums = add(v[0], sums);
    if (isSigned)
      return sums;
    Value codes = widen(call("llvm.aarch64.neon.saddlp.v8i16.v16i8", vec(word, 8), {v[2]}));
    return add(sums, shl(codes, ci32(7)));
  });
}

/// One of Arm's dot products, which take and give registers of four sums.
Value TileBuilder::dotByInstruction(StringRef name, Value acc, Value a, Value c) {
  std::string intrinsic = ("llvm.aarch64.neon." + name + ".v4i32.v16i8").str();
  return perRegister({acc, a, c}, 4,
                     [&](ValueRange v) { return call(intrinsic, vec(i32(), 4), v); });
}

/// u = (u - 128) + 2 * 64.
Value TileBuilder::dotUnsignedBySigned(Value acc, Value a, Value c) {
  Type byte = b.getI8Type();
  Value rest = dotByInstruction("sdot", broadcast(ci32(0), lanesOf(acc)),
                                broadcast(constant(byte, 64), lanesOf(a)), c);
  acc = dotByInstruction("sdot", acc, xor_(a, constant(byte, -128)), c);
  return add(acc, shl(rest, ci32(1)));
}

Value TileBuilder::dot4(Value acc, Value a, Value c, int64_t bits, bool isSigned) {
  switch (level.dot) {
  case DotLowering::Neon:
    return dotByNeon(acc, a, c, bits <= 7, isSigned);
  case DotLowering::Dotprod:
    return bits <= 7 || isSigned ? dotByInstruction("sdot", acc, a, c)
                                 : dotUnsignedBySigned(acc, a, c);
  case DotLowering::I8mm:
    return dotByInstruction(isSigned ? "sdot" : "usdot", acc, a, c);
  default:
    break;
  }
  if (isSigned || level.dot == DotLowering::Generic) // kernels for x86 have unsigned bytes
    return dotGeneric(acc, a, c, isSigned);
  if (level.dot != DotLowering::Vnni512)
    return bits <= 7 ? dotByNarrowPairs(acc, a, c) : dotByPairs(acc, a, c);
  return perRegister({acc, a, c}, 16, [&](ValueRange v) {
    return call("llvm.x86.avx512.vpdpbusd.512", vec(i32(), 16), v);
  });
}

/// Elsewhere two dot products of words in the order that the sums need.
Value TileBuilder::mmla(tile::MmlaOp op) {
  Value acc = op.getAcc();
  if (level.hasMmla())
    return dotByInstruction("usmmla", acc, op.getA(), op.getB());
  for (int half = 0; half < 2; ++half) {
    SmallVector<int64_t> aWords, bWords;
    for (int64_t i = 0; i < lanesOf(acc); ++i) {
      int64_t block = i / 4 * 4, row = i / 2 % 2, column = i % 2;
      aWords.push_back(block + 2 * row + half);
      bWords.push_back(block + 2 * column + half);
    }
    auto words = [&](Value bytes, ArrayRef<int64_t> order) {
      Value v = bitcast(bytes, acc.getType());
      return bitcast(shuffle(v, v, order), bytes.getType());
    };
    acc = dot4(acc, words(op.getA(), aWords), words(op.getB(), bWords), 8, false);
  }
  return acc;
}

Value TileBuilder::dot2(tile::Dot2Op op) {
  Value acc = op.getAcc(), a = op.getA(), c = op.getB();
  switch (level.dot) {
  case DotLowering::Vnni512:
    return perRegister({acc, a, c}, 16, [&](ValueRange v) {
      return call("llvm.x86.avx512.vpdpwssd.512", vec(i32(), 16), v);
    });
  case DotLowering::PmaddAvx2:
  case DotLowering::PmaddAvx512:
    return add(acc, multiplyPairs(a, c));
  case DotLowering::Neon:
  case DotLowering::Dotprod:
  case DotLowering::I8mm:
    return perRegister({acc, a, c}, 4, [&](ValueRange v) {
      auto product = [&](int64_t half) {
        return call("llvm.aarch64.neon.smull.v4i32", vec(i32(), 4),
                    {part(v[1], 4 * half, 4), part(v[2], 4 * half, 4)});
      };
      return add(v[0],
                 call("llvm.aarch64.neon.addp.v4i32", vec(i32(), 4), {product(0), product(1)}));
    });
  case DotLowering::Generic:
  case DotLowering::Dp4a: {
    Value aw = bitcast(a, acc.getType()), cw = bitcast(c, acc.getType());
    auto low = [&](Value v) { return shr(shl(v, ci32(16)), ci32(16)); };
    acc = add(acc, mul(low(aw), low(cw)));
    return add(acc, mul(shr(aw, ci32(16)), shr(cw, ci32(16))));
  }
  }
  llvm_unreachable("unknown lowering of dot2");
}

Value TileBuilder::dotBf16(tile::DotBf16Op op) {
  Value acc = op.getAcc(), a = op.getA(), c = op.getB();
  if (level.hasBf16Dots)
    return perRegister({acc, a, c}, 16, [&](ValueRange v) {
      return call("llvm.x86.avx512bf16.dpbf16ps.512", vec(f32(), 16), v);
    });
  VectorType words = vec(i32(), lanesOf(acc));
  Value aw = bitcast(a, words), cw = bitcast(c, words);
  acc = fma(secondBf16(*this, aw), secondBf16(*this, cw), acc);
  return fma(firstBf16(*this, aw), firstBf16(*this, cw), acc);
}

Value TileBuilder::toBf16(tile::ToBf16Op op) {
  Value x = op.getValue();
  Type type = op.getResult().getType();
  if (!level.hasBf16Dots)
    return arith::TruncFOp::create(b, where, type, x);
  return perRegister({x}, 16, [&](ValueRange v) {
    return call("llvm.x86.avx512bf16.cvtneps2bf16.512", vec(b.getBF16Type(), 16), v);
  });
}

/// Tables of floats. AVX2 permutes eight lanes: both halves of the table, then a choice by bit 3.
Value TileBuilder::lookupFloats(Value table, Value indices) {
  if (level.arch == Arch::AArch64)
    return lookupWords(table, indices);
  if (level.vectorBytes == 64)
    return perRegister({indices}, 16, [&](ValueRange v) {
      return call("llvm.x86.avx512.permvar.sf.512", vec(f32(), 16), {table, v[0]});
    });
  Value low = part(table, 0, 8), high = part(table, 8, 8);
  return perRegister({indices}, 8, [&](ValueRange v) {
    Value a = call("llvm.x86.avx2.permps", vec(f32(), 8), {low, v[0]});
    Value c = call("llvm.x86.avx2.permps", vec(f32(), 8), {high, v[0]});
    return select(lt(shl(v[0], ci32(28)), ci32(0)), c, a);
  });
}

/// NEON looks bytes up in four registers: entry e is bytes 4 e to 4 e + 3.
Value TileBuilder::lookupWords(Value table, Value indices) {
  Type byte = b.getI8Type();
  Value bytes = bitcast(table, vec(byte, 64));
  Values operands;
  for (int r = 0; r < 4; ++r)
    operands.push_back(part(bytes, 16 * r, 16));
  return perRegister({indices}, 4, [&](ValueRange v) {
    Value words = add(mul(and_(v[0], ci32(15)), ci32(0x04040404)), ci32(0x03020100));
    Values all(operands);
    all.push_back(bitcast(words, vec(byte, 16)));
    return bitcast(call("llvm.aarch64.neon.tbl4.v16i8", vec(byte, 16), all), vec(f32(), 4));
  });
}

Value TileBuilder::lookupBytes(Value table, Value indices) {
  int64_t lanes = level.vectorBytes;
  StringRef name = level.arch == Arch::AArch64 ? "llvm.aarch64.neon.tbl1.v16i8"
                   : lanes == 64               ? "llvm.x86.avx512.pshuf.b.512"
                                               : "llvm.x86.avx2.pshuf.b";
  // x86 looks up within 16 bytes each, so every 16 bytes have the table.
  SmallVector<int64_t> repeat;
  for (int64_t i = 0; i < lanes; ++i)
    repeat.push_back(i % 16);
  Value wide = lanes == 16 ? table : shuffle(table, table, repeat);
  Value masked = and_(indices, constant(b.getI8Type(), 15));
  return perRegister({masked}, lanes / 4, [&](ValueRange v) {
    return call(name, vec(b.getI8Type(), lanes), {wide, v[0]});
  });
}

Value TileBuilder::lookup(tile::LookupOp op) {
  auto type = cast<VectorType>(op.getResult().getType());
  Type element = type.getElementType();
  if (level.arch == Arch::AArch64 || level.vectorBytes >= 32)
    return element.isF32() ? lookupFloats(op.getTable(), op.getIndices())
                           : lookupBytes(op.getTable(), op.getIndices());
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  Value buffer = frameBuffer(op, 16 * bytes),
        result = broadcast(constant(element, 0), type.getNumElements());
  LLVM::StoreOp::create(b, where, op.getTable(), buffer, bytes);
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    Value index = extract(op.getIndices(), i);
    index = zextI64(and_(index, constant(index.getType(), 15)));
    Value at = LLVM::GEPOp::create(b, where, ptrType(), element, buffer, ValueRange{index},
                                   LLVM::GEPNoWrapFlags::inbounds);
    result = insert(LLVM::LoadOp::create(b, where, element, at, bytes), result, i);
  }
  return result;
}

Value TileBuilder::roundEvenToI32(Value x) {
  int64_t n = lanesOf(x);
  if (level.arch == Arch::X86_64) {
    // The conversion instructions round by MXCSR, which is to nearest even while kernels run, and
    // give -2^31 for what does not fit.
    if (level.hasMaskedMemory && n % 16 == 0)
      return perRegister({x}, 16, [&](ValueRange v) {
        Value mask = constant(b.getI16Type(), -1);
        return call("llvm.x86.avx512.mask.cvtps2dq.512", vec(i32(), 16),
                    {v[0], broadcast(ci32(0)), mask, ci32(4)});
      });
    if (level.vectorBytes >= 32 && n % 8 == 0)
      return perRegister({x}, 8, [&](ValueRange v) {
        return call("llvm.x86.avx.cvt.ps2dq.256", vec(i32(), 8), v);
      });
    return perRegister(
        {x}, 4, [&](ValueRange v) { return call("llvm.x86.sse2.cvtps2dq", vec(i32(), 4), v); });
  }
  Value inRange = and_(ge(x, cf32(-0x1p31f)), lt(x, cf32(0x1p31f)));
  Value safe = select(inRange, x, cf32(0));
  Value r =
      arith::FPToSIOp::create(b, where, like(x, i32()), math::RoundEvenOp::create(b, where, safe));
  return select(inRange, r, ci32(INT32_MIN));
}

/// Whether a masked access of this element type is one instruction per register.
static bool hasMaskedAccess(const Target &level, Type element) {
  if (level.hasMaskedMemory)
    return true;
  return level.arch == Arch::X86_64 && level.vectorBytes >= 32 &&
         element.getIntOrFloatBitWidth() >= 32;
}

Value TileBuilder::load(tile::LoadOp op) {
  auto type = cast<VectorType>(op.getResult().getType());
  Type element = type.getElementType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  if (hasMaskedAccess(level, element)) {
    Value count = arith::TruncIOp::create(b, where, i32(), op.getLanes());
    Value mask = lt(iota32(), count);
    return LLVM::MaskedLoadOp::create(b, where, type, op.getPtr(), mask, op.getFill(), bytes);
  }
  Value buffer = frameBuffer(op, type.getNumElements() * bytes);
  LLVM::StoreOp::create(b, where, op.getFill(), buffer, bytes);
  copy(op.getPtr(), buffer, op.getLanes(), element);
  return LLVM::LoadOp::create(b, where, type, buffer, bytes);
}

void TileBuilder::store(tile::StoreOp op) {
  auto type = cast<VectorType>(op.getValue().getType());
  Type element = type.getElementType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  if (hasMaskedAccess(level, element)) {
    Value count = arith::TruncIOp::create(b, where, i32(), op.getLanes());
    LLVM::MaskedStoreOp::create(b, where, op.getValue(), op.getPtr(), lt(iota32(), count), bytes);
    return;
  }
  Value buffer = frameBuffer(op, type.getNumElements() * bytes);
  LLVM::StoreOp::create(b, where, op.getValue(), buffer, bytes);
  copy(buffer, op.getPtr(), op.getLanes(), element);
}

void TileBuilder::prefetch(tile::PrefetchOp op) {
  LLVM::Prefetch::create(b, where, op.getPtr(), b.getI32IntegerAttr(0),
                         b.getI32IntegerAttr(op.getLocality()), b.getI32IntegerAttr(1));
}

struct LowerTile : PassWrapper<LowerTile, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerTile)
  LowerTile() = default;
  LowerTile(const LowerTile &o) : PassWrapper(o), level(o.level) {}
  explicit LowerTile(const Target &t) : level(&t) {}
  StringRef getArgument() const override { return "qcc-lower-tile"; }
  StringRef getDescription() const override { return "Lower tile operations for a feature level"; }
  void getDependentDialects(DialectRegistry &r) const override {
    r.insert<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect,
             vector::VectorDialect>();
  }
  Option<std::string> levelName{*this, "level", llvm::cl::desc("feature level"),
                                llvm::cl::init("x86-64-v3")};

  void runOnOperation() override {
    if (!level)
      level = findTarget(levelName);
    if (!level) {
      getOperation().emitError("no feature level '") << levelName << "'";
      return signalPassFailure();
    }
    // Products of blocks may become loops of tile.dot4.
    for (Operation *op : collect(true))
      lowerMatrixTileOp(op, *level);
    for (Operation *op : collect(false))
      lower(op);
  }

private:
  /// The operations on matrix tiles, or all others of the dialect.
  SmallVector<Operation *> collect(bool matrices) {
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<tile::TileDialect>(op->getDialect()) && matrices == isMatrixTileOp(op))
        work.push_back(op);
    });
    return work;
  }
  void lower(Operation *op) {
    TileBuilder t(op, *level);
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](tile::Dot4Op o) {
          o.getResult().replaceAllUsesWith(
              t.dot4(o.getAcc(), o.getA(), o.getB(), o.getBits(), o.getIsSigned()));
        })
        .Case([&](tile::MmlaOp o) { o.getResult().replaceAllUsesWith(t.mmla(o)); })
        .Case([&](tile::Dot2Op o) { o.getResult().replaceAllUsesWith(t.dot2(o)); })
        .Case([&](tile::DotBf16Op o) { o.getResult().replaceAllUsesWith(t.dotBf16(o)); })
        .Case([&](tile::ToBf16Op o) { o.getResult().replaceAllUsesWith(t.toBf16(o)); })
        .Case([&](tile::LookupOp o) { o.getResult().replaceAllUsesWith(t.lookup(o)); })
        .Case([&](tile::RoundEvenToI32Op o) {
          o.getResult().replaceAllUsesWith(t.roundEvenToI32(o.getValue()));
        })
        .Case([&](tile::LoadOp o) { o.getResult().replaceAllUsesWith(t.load(o)); })
        .Case([&](tile::StoreOp o) { t.store(o); })
        .Case([&](tile::PrefetchOp o) { t.prefetch(o); });
    op->erase();
  }
  const Target *level = nullptr;
};

} // namespace

std::unique_ptr<Pass> createLowerTilePass(const Target &target) {
  return std::make_unique<LowerTile>(target);
}
std::unique_ptr<Pass> createLowerTilePass() { return std::make_unique<LowerTile>(); }

} // namespace qcc
