// qcc-lower-tile: the tile dialect to vector, arith and LLVM operations for one feature level.
//
// Needs:   kernels with tile operations on vectors of a multiple of 16 lanes.
// Leaves:  no tile operation. Results are the ones TileOps.td states, on every level.
// Example: test/Kernels/lower-tile.mlir
#include "Passes.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Kernels/ValueBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace qcc {
namespace {

class TileBuilder : public ValueBuilder {
public:
  TileBuilder(Operation *op, const Target &target)
      : ValueBuilder(OpBuilder(op), op->getLoc()), level(target) {}

  Value dot4(tile::Dot4Op op);
  std::pair<Value, Value> unpackU4(Value packed);
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
  Value dotGeneric(Value acc, Value a, Value c);
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

/// Applies fn to slices of the operands that give `lanes` i32 lanes each, and joins the results.
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
      joined = broadcast(constant(i32(), 0), parts * lanes);
    joined = vector::InsertStridedSliceOp::create(b, where, r, joined, p * lanes, 1);
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

/// For a < 16: pairs of byte products fit 16 bits, so vpmaddubsw never saturates.
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

Value TileBuilder::dotGeneric(Value acc, Value a, Value c) {
  int64_t n = lanesOf(acc);
  Value aw = bitcast(a, vec(i32(), n)), cw = bitcast(c, vec(i32(), n));
  for (int j = 0; j < 4; ++j) {
    Value u = and_(shrU(aw, ci32(8 * j)), ci32(255));
    Value s = shr(shl(cw, ci32(24 - 8 * j)), ci32(24));
    acc = add(acc, mul(u, s));
  }
  return acc;
}

Value TileBuilder::dot4(tile::Dot4Op op) {
  Value acc = op.getAcc(), a = op.getA(), c = op.getB();
  switch (level.dot) {
  case DotLowering::Vnni512:
    return perRegister({acc, a, c}, 16, [&](ValueRange v) {
      return call("llvm.x86.avx512.vpdpbusd.512", vec(i32(), 16), v);
    });
  case DotLowering::PmaddAvx2:
  case DotLowering::PmaddAvx512:
    return op.getBits() <= 4 ? dotByNarrowPairs(acc, a, c) : dotByPairs(acc, a, c);
  case DotLowering::Generic:
    return dotGeneric(acc, a, c);
  }
  llvm_unreachable("unknown lowering of dot4");
}

std::pair<Value, Value> TileBuilder::unpackU4(Value packed) {
  // x86 has no shifts of bytes: shift wider lanes and mask what crosses.
  Value low = and_(packed, constant(b.getI8Type(), 15));
  VectorType words = vec(b.getI16Type(), lanesOf(packed) / 2);
  Value shifted = shrU(bitcast(packed, words), constant(b.getI16Type(), 4));
  return {low, and_(bitcast(shifted, packed.getType()), constant(b.getI8Type(), 15))};
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

/// A buffer of the enclosing function's stack frame.
static Value frameBuffer(Operation *op, int64_t bytes) {
  auto fn = op->getParentOfType<func::FuncOp>();
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&fn.front());
  Value count = arith::ConstantIntOp::create(b, op->getLoc(), bytes, 64);
  auto ptr = LLVM::LLVMPointerType::get(op->getContext());
  return LLVM::AllocaOp::create(b, op->getLoc(), ptr, b.getI8Type(), count, 64);
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
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<tile::TileDialect>(op->getDialect()))
        work.push_back(op);
    });
    for (Operation *op : work) {
      lower(op);
      op->erase();
    }
  }

private:
  void lower(Operation *op) {
    TileBuilder t(op, *level);
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](tile::Dot4Op o) { o.getResult().replaceAllUsesWith(t.dot4(o)); })
        .Case([&](tile::UnpackU4Op o) {
          auto [low, high] = t.unpackU4(o.getPacked());
          o.getLow().replaceAllUsesWith(low);
          o.getHigh().replaceAllUsesWith(high);
        })
        .Case([&](tile::RoundEvenToI32Op o) {
          o.getResult().replaceAllUsesWith(t.roundEvenToI32(o.getValue()));
        })
        .Case([&](tile::LoadOp o) { o.getResult().replaceAllUsesWith(t.load(o)); })
        .Case([&](tile::StoreOp o) { t.store(o); })
        .Case([&](tile::PrefetchOp o) { t.prefetch(o); });
  }
  const Target *level = nullptr;
};

} // namespace

std::unique_ptr<Pass> createLowerTilePass(const Target &target) {
  return std::make_unique<LowerTile>(target);
}
std::unique_ptr<Pass> createLowerTilePass() { return std::make_unique<LowerTile>(); }

} // namespace qcc
