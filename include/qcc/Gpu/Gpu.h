// Kernels for NVIDIA GPUs: from the kernels of the tile level to PTX.
//
// Every kernel that qcc can write (scf, arith, vector, math, tile on vectors of sixteen lanes, see
// KernelBuilder.h) becomes code for groups of sixteen threads, one a lane, so that what it computes
// is the same in every bit as on a CPU: reductions keep their tree, products their order. A group
// does tasks as a worker does; two groups are a warp and go their own ways.
#ifndef QCC_GPU_GPU_H
#define QCC_GPU_GPU_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Target/Target.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace qcc::ptx {

constexpr int64_t kGroupThreads = 16;
/// Threads of a block of generic kernels: with more of them, some would not have their registers.
constexpr int64_t kBlockThreads = 128;

/// qcc-distribute-lanes: see lib/Gpu/DistributeLanes.cpp.
std::unique_ptr<mlir::Pass> createDistributeLanesPass();
/// qcc-kernel-entry: see lib/Gpu/KernelEntry.cpp.
std::unique_ptr<mlir::Pass> createKernelEntryPass();
/// Makes both available to qcc-opt.
void registerGpuPasses();

/// The dialects and translations beyond those of kernels; once per context.
void registerGpuDialects(mlir::DialectRegistry &registry);

/// Everything from kernels to the LLVM and NVVM dialects, entry points included.
void populateKernelToNvvm(mlir::OpPassManager &pm, const Target &target);

/// A kernel as the runtime launches it: with the parameters of qcc-kernel-entry.
struct PtxKernel {
  std::string name;
  int64_t slots = 0;      ///< 64-bit arguments
  int64_t frameBytes = 0; ///< of each group, before its scratch
  int64_t blockThreads = kBlockThreads;
  int64_t sharedBytes = 0; ///< that a launch gives a block, beyond those that the code names
  /// Of a block, each with its frame and scratch memory; the block of a cooperative kernel is one.
  int64_t blockWorkers = kBlockThreads / kGroupThreads;
  bool sharesTasks = false; ///< blocks share tasks if there are fewer of these
};

struct PtxModule {
  std::string text;
  std::vector<PtxKernel> kernels;
};

/// PTX of a module of kernels, which is left as it is. The error says which kernel does not lower.
llvm::Expected<PtxModule> emitPtx(mlir::ModuleOp kernels, const Target &target);

} // namespace qcc::ptx
#endif
