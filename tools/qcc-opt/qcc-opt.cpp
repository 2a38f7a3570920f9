// Runs passes on MLIR text: the developer's view of every stage after import.
#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#ifdef QCC_WITH_Kernels
#include "qcc/Kernels/Lowering.h"
#endif
#ifdef QCC_WITH_Pipeline
#include "qcc/Pipeline/Stages.h"
#elif defined(QCC_WITH_Raise)
#include "qcc/Raise/Passes.h"
#endif

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<qcc::qnt::QntDialect, qcc::tile::TileDialect, mlir::arith::ArithDialect,
                  mlir::cf::ControlFlowDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect,
                  mlir::math::MathDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  mlir::registerTransformsPasses();
#ifdef QCC_WITH_Kernels
  qcc::registerKernelPasses();
#endif
#ifdef QCC_WITH_Pipeline
  qcc::registerAllPasses();
#elif defined(QCC_WITH_Raise)
  qcc::raise::registerQccRaisePasses();
#endif
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "qcc-opt\n", registry));
}
