// qcc-expand-math: replaces every operation that LLVM would turn into a call (libm, compiler-rt) by
// explicit fused multiply-adds and integer operations on the same type, scalar or vector.
//
// Needs:   kernels in scf, arith, math, vector on f32 and f64 (f16 and bf16 only in conversions).
// Leaves:  of math only fma, absf, copysign, sqrt, fpclass tests and integer operations, and floor,
//          ceil, trunc, roundeven where the level has instructions for them.
// Refuses: math operations without an expansion here (error QCC1611 in the text).
// Example: test/Kernels/expand-math.mlir
//
// Accuracy, measured against libm in double by test/Kernels/ExpandMathTest.cpp (largest error seen
// over 120,000 arguments each, denormals, infinities and NaN handled as IEEE functions do):
//   f32 exp 1.01 ulp, tanh 1.2 ulp, erf 2.3 ulp; every other f32 function is the f64 one rounded,
//   0.501 ulp. f64: at most 4 ulp, but erf 1e-13 and exp2, pow 2e-13 relative. sin, cos and tan
//   hold this for |x| <= 1e5 and stay within the function's range beyond.
// Results do not depend on the level: each expansion is one sequence of correctly rounded
// operations.
#include "MathBuilder.h"
#include "Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "qcc/Kernels/Lowering.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace qcc {
namespace {

/// Computes an f32 function through its f64 version and rounds.
template <typename Fn> Value through64(MathBuilder &m, ArrayRef<Value> operands, Fn fn) {
  if (!m.isF32(operands[0]))
    return fn(operands);
  SmallVector<Value> wide;
  for (Value v : operands)
    wide.push_back(m.toF64(v));
  return m.toF32(fn(wide));
}

struct ExpandMath : PassWrapper<ExpandMath, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)
  ExpandMath() = default;
  ExpandMath(const ExpandMath &o) : PassWrapper(o), level(o.level) {}
  explicit ExpandMath(const Target &t) : level(&t) {}
  StringRef getArgument() const override { return "qcc-expand-math"; }
  StringRef getDescription() const override {
    return "Replace math that LLVM would call by explicit arithmetic";
  }
  void getDependentDialects(DialectRegistry &r) const override {
    r.insert<arith::ArithDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect,
             LLVM::LLVMDialect>();
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
    // Expansions may contain operations that this level expands in turn (fma, floor).
    for (bool changed = true; changed;) {
      changed = false;
      SmallVector<Operation *> work;
      getOperation().walk([&](Operation *op) {
        if (isa<math::MathDialect, arith::ArithDialect>(op->getDialect()))
          work.push_back(op);
      });
      for (Operation *op : work) {
        if (Value v = expand(op)) {
          op->getResult(0).replaceAllUsesWith(v);
          op->erase();
          changed = true;
        }
      }
    }
    getOperation().walk([&](Operation *op) {
      if (isa<math::MathDialect>(op->getDialect()) && !isKept(op)) {
        op->emitError("QCC1611: no expansion of ")
            << op->getName() << " on " << op->getOperand(0).getType();
        signalPassFailure();
      }
    });
  }

private:
  bool isKept(Operation *op) {
    return isa<math::FmaOp, math::AbsFOp, math::AbsIOp, math::CopySignOp, math::SqrtOp,
               math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp, math::IsNaNOp,
               math::IsInfOp, math::IsFiniteOp, math::IsNormalOp, math::CountLeadingZerosOp,
               math::CountTrailingZerosOp, math::CtPopOp>(op);
  }
  Value expand(Operation *op);
  Value expandConversion(Operation *op, MathBuilder &m);
  Value expandTranscendental(Operation *op, MathBuilder &m);
  const Target *level = nullptr;
};

Value ExpandMath::expandConversion(Operation *op, MathBuilder &m) {
  Value x = op->getOperand(0);
  Type from = MathBuilder::scalarOf(x), to = MathBuilder::scalarOf(op->getResult(0));
  if (isa<arith::ExtFOp>(op)) {
    Value f;
    if (from.isBF16())
      f = m.bf16ToF32(x);
    else if (from.isF16() && !level->hasHalfConversions)
      f = m.f16ToF32(x);
    else if (from.isF16() && to.isF64())
      f = arith::ExtFOp::create(m.builder(), m.loc(), m.like(x, m.f32()), x);
    else
      return {};
    return to.isF64() ? m.toF64(f) : f;
  }
  if (from.isF64() && (to.isF16() || to.isBF16()))
    return arith::TruncFOp::create(m.builder(), m.loc(), op->getResult(0).getType(),
                                   m.truncOddToF32(x));
  if (from.isF32() && to.isBF16())
    return m.f32ToBf16(x);
  if (from.isF32() && to.isF16() && !level->hasHalfConversions)
    return m.f32ToF16(x);
  return {};
}

Value ExpandMath::expandTranscendental(Operation *op, MathBuilder &m) {
  SmallVector<Value> operands(op->getOperands());
  Value x = operands[0];
  auto wide = [&](auto fn) { return through64(m, operands, fn); };
  using In = ArrayRef<Value>;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp) { return m.exp(x); })
      .Case([&](math::TanhOp) { return m.tanh(x); })
      .Case([&](math::ErfOp) { return m.erf(x); })
      .Case([&](math::RsqrtOp) { return m.rsqrt(x); })
      .Case([&](math::RoundOp) { return m.roundHalfAway(x); })
      .Case([&](math::Exp2Op) {
        return wide([&](In v) { return m.exp(m.mul(v[0], m.c(v[0], 0.69314718055994531))); });
      })
      .Case([&](math::ExpM1Op) { return wide([&](In v) { return m.expm1(v[0]); }); })
      .Case([&](math::LogOp) { return wide([&](In v) { return m.log(v[0]); }); })
      .Case([&](math::Log1pOp) { return wide([&](In v) { return m.log1p(v[0]); }); })
      .Case([&](math::Log2Op) {
        return wide([&](In v) { return m.mul(m.log(v[0]), m.c(v[0], 1.4426950408889634)); });
      })
      .Case([&](math::Log10Op) {
        return wide([&](In v) { return m.mul(m.log(v[0]), m.c(v[0], 0.43429448190325183)); });
      })
      .Case([&](math::SinOp) { return wide([&](In v) { return m.sinCos(v[0], 0); }); })
      .Case([&](math::CosOp) { return wide([&](In v) { return m.sinCos(v[0], 1); }); })
      .Case([&](math::TanOp) {
        return wide([&](In v) { return m.div(m.sinCos(v[0], 0), m.sinCos(v[0], 1)); });
      })
      .Case([&](math::AtanOp) { return wide([&](In v) { return m.atan(v[0]); }); })
      .Case([&](math::Atan2Op) { return wide([&](In v) { return m.atan2(v[0], v[1]); }); })
      .Case([&](math::AsinOp) { return wide([&](In v) { return m.asin(v[0]); }); })
      .Case([&](math::AcosOp) { return wide([&](In v) { return m.acos(v[0]); }); })
      .Case([&](math::SinhOp) { return wide([&](In v) { return m.sinh(v[0]); }); })
      .Case([&](math::CoshOp) { return wide([&](In v) { return m.cosh(v[0]); }); })
      .Case([&](math::AsinhOp) { return wide([&](In v) { return m.asinh(v[0]); }); })
      .Case([&](math::AcoshOp) { return wide([&](In v) { return m.acosh(v[0]); }); })
      .Case([&](math::AtanhOp) { return wide([&](In v) { return m.atanh(v[0]); }); })
      .Case([&](math::PowFOp) { return wide([&](In v) { return m.pow(v[0], v[1]); }); })
      .Case([&](arith::RemFOp) { return wide([&](In v) { return m.fmod(v[0], v[1]); }); })
      .Default([](Operation *) { return Value(); });
}

Value ExpandMath::expand(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumOperands() == 0)
    return {};
  MathBuilder m(op, *level);
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return expandConversion(op, m);
  Value x = op->getOperand(0);
  if (!MathBuilder::scalarOf(x).isF32() && !MathBuilder::scalarOf(x).isF64())
    return {};
  if (isa<math::FmaOp>(op))
    return level->hasFma ? Value() : m.fmaExact(x, op->getOperand(1), op->getOperand(2));
  if (isa<math::FloorOp>(op))
    return level->hasRoundInstruction ? Value() : m.floorExpanded(x);
  if (isa<math::CeilOp>(op))
    return level->hasRoundInstruction ? Value() : m.ceilExpanded(x);
  if (isa<math::TruncOp>(op))
    return level->hasRoundInstruction ? Value() : m.truncExpanded(x);
  if (isa<math::RoundEvenOp>(op))
    return level->hasRoundInstruction ? Value() : m.roundEvenExpanded(x);
  return expandTranscendental(op, m);
}

} // namespace

std::unique_ptr<Pass> createExpandMathPass(const Target &target) {
  return std::make_unique<ExpandMath>(target);
}
std::unique_ptr<Pass> createExpandMathPass() { return std::make_unique<ExpandMath>(); }

} // namespace qcc
