// Compiles kernels for a feature level of this machine and gives their addresses; for tests and
// benchmarks, which have no use for a kernel that does not compile.
#ifndef QCC_TEST_KERNELS_JIT_H
#define QCC_TEST_KERNELS_JIT_H

#include "mlir/IR/MLIRContext.h"
#include "qcc/Kernels/KernelJit.h"
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace qcc {

class Jit {
public:
  /// Builds a fresh module by `build` and compiles it; aborts the test binary on errors.
  static std::unique_ptr<Jit> build(const Target &target,
                                    const std::function<void(mlir::ModuleOp)> &build);
  qcc_kernel_fn kernel(const std::string &name);
  /// Assembly text of a fresh module; also for architectures that this machine is not.
  static std::string assembly(const Target &target,
                              const std::function<void(mlir::ModuleOp)> &build);

private:
  explicit Jit(std::unique_ptr<KernelJit> jit) : jit(std::move(jit)) {}
  std::unique_ptr<KernelJit> jit;
};

/// Argument slots: addresses, integers and f32 bit patterns in order.
class Args {
public:
  Args &operator<<(const void *p) { return push(reinterpret_cast<int64_t>(p)); }
  Args &operator<<(int64_t v) { return push(v); }
  Args &operator<<(int v) { return push(v); }
  Args &operator<<(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return push(u);
  }
  const int64_t *data() const { return slots.data(); }

  std::vector<int64_t> slots;

private:
  Args &push(int64_t v) {
    slots.push_back(v);
    return *this;
  }
};

/// A context with the kernel dialects.
mlir::MLIRContext &testContext();

} // namespace qcc
#endif
