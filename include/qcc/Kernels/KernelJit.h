// Kernels compiled in memory, for this machine. What is compiled may not refer to anything outside
// itself: an undefined symbol (libm, memcpy, compiler-rt) is an error here as in an artifact.
#ifndef QCC_KERNELS_KERNELJIT_H
#define QCC_KERNELS_KERNELJIT_H

#include "mlir/IR/BuiltinOps.h"
#include "qcc/Target/Target.h"
#include "qcc/model.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm::orc {
class LLJIT;
}

namespace qcc {

class KernelJit {
public:
  /// Compiles all functions of `module`, which is left as it is. Errors say what failed.
  static llvm::Expected<std::unique_ptr<KernelJit>> compile(mlir::ModuleOp module,
                                                            const Target &target);
  ~KernelJit();
  llvm::Expected<qcc_kernel_fn> kernel(llvm::StringRef name);

private:
  explicit KernelJit(std::unique_ptr<llvm::orc::LLJIT> jit);
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace qcc
#endif
