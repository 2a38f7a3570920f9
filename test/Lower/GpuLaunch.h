// Runs one kernel as code for GPUs in the tile interpreter, over copies of host buffers.
#ifndef QCC_TEST_LOWER_GPULAUNCH_H
#define QCC_TEST_LOWER_GPULAUNCH_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Target/Target.h"
#include <functional>

namespace qcc::lower::test {

/// Bytes that a launch may touch. Slots that hold their address get that of a copy.
struct HostBytes {
  char *data;
  int64_t size;
};

/// Kernels of one module in the NVVM dialect.
class GpuKernels {
public:
  GpuKernels(const Target &target, const std::function<void(mlir::ModuleOp)> &build);
  /// All tasks of @kernel on a grid of so many blocks. Findings of the interpreter fail the test.
  /// Returns the fault.
  int64_t launch(llvm::ArrayRef<int64_t> slots, llvm::ArrayRef<HostBytes> buffers, int64_t tasks,
                 int64_t grain, int64_t scratchBytes, int64_t blocks = 2, uint64_t seed = 1);
  /// Passes over shared memory of the last launch beyond those without bank conflicts.
  uint64_t extraPasses() const { return passes; }

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int64_t frameBytes = 0, sharedBytes = 0, blockThreads = ptx::kBlockThreads;
  uint64_t passes = 0;
};

} // namespace qcc::lower::test
#endif
