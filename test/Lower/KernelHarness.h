// Runs one qnt.kernel, compiled for a feature level, as a launch would: task ranges in any cut,
// exact buffers that end at an unmapped page, poisoned scratch. Reference results come from the
// interpreter.
#ifndef QCC_TEST_LOWER_KERNELHARNESS_H
#define QCC_TEST_LOWER_KERNELHARNESS_H

#include "GpuLaunch.h"
#include "Jit.h"
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Lower/Families.h"
#include "qcc/Reference/Interpreter.h"
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace qcc::lower::test {

using reference::Tensor;
using Dims = llvm::SmallVector<int64_t>;

/// Bytes whose end abuts a page that cannot be touched; start is aligned to the element at least.
class GuardedBuffer {
public:
  explicit GuardedBuffer(int64_t bytes, uint8_t poison = 0xa5);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer &&other) noexcept
      : base(other.base), mapped(other.mapped), start(other.start), bytes(other.bytes) {
    other.base = nullptr;
  }
  GuardedBuffer(const GuardedBuffer &) = delete;
  char *data() { return start; }
  int64_t size() const { return bytes; }

private:
  char *base = nullptr;
  int64_t mapped = 0;
  char *start = nullptr;
  int64_t bytes = 0;
};

/// What a launch left behind.
struct Outcome {
  int64_t fault = 0;
  std::vector<Tensor> results;
};

class KernelHarness {
public:
  /// `text` is one qnt.kernel.
  explicit KernelHarness(const std::string &text);

  /// Inputs of random elements for `dims`; `override` replaces some by operand number.
  std::vector<Tensor> randomInputs(llvm::ArrayRef<int64_t> dims,
                                   std::map<int, Tensor> override = {}, unsigned seed = 1) const;
  Outcome run(const Target &target, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<Tensor> inputs);
  /// The interpreter's results; fails the test on an error.
  std::vector<Tensor> expected(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<Tensor> inputs) const;
  /// Runs all levels of the host, and threads of a GPU: equal bits among them, and near the
  /// interpreter
  /// (|a - b| <= tolerance (1 + |b|)).
  void check(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<Tensor> inputs, double tolerance = 0);
  /// Runs all levels and expects this fault.
  void checkFault(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<Tensor> inputs, int64_t fault);

  /// Of launches on a GPU, and what decides the order of blocks.
  int64_t blocks = 2;
  uint64_t seed = 1;

  qnt::KernelOp kernel() const { return op; }
  qcc_kernel_fn function(const Target &target);
  LaunchShape shape() const;
  Dims sizesOf(mlir::Type type, llvm::ArrayRef<int64_t> dims) const;

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mutable qnt::KernelOp op; // accessors of ops are not const
  /// Writes the kernel for a level, as @kernel.
  void emitInto(mlir::ModuleOp into, const Target &target);

  std::map<const Target *, std::unique_ptr<Jit>> compiled;
  std::unique_ptr<GpuKernels> onThreads;
};

/// Calls all tasks of a launch in several ranges; the first fault.
int64_t launchTasks(qcc_kernel_fn kernel, const Args &args, int64_t tasks, int64_t scratchBytes);

int64_t evaluate(qnt::DimExpr expr, llvm::ArrayRef<int64_t> dims);

} // namespace qcc::lower::test
#endif
