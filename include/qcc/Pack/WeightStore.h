// The bytes of weights as kernels read them: recipes evaluated, layouts written, one tensor after
// another and in pieces, so that a model never lies in memory as a whole.
#ifndef QCC_PACK_WEIGHTSTORE_H
#define QCC_PACK_WEIGHTSTORE_H

#include "Qnt/Qnt.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace qcc::pack {

using OwnedBytes = std::vector<uint8_t>;
/// Takes bytes in order, in pieces of any size.
using BytesSink = llvm::function_ref<llvm::Error(llvm::ArrayRef<uint8_t>)>;

/// Evaluates the weights of a module. Files are mapped read-only and their pages given back after
/// use. Not for use from several threads; uses `threads` of its own (0: all cores). The module must
/// outlive the store. The bytes do not depend on the number of threads.
class WeightStore {
public:
  /// `modelDir` is the folder that paths of `#qnt.file` are relative to ("" is the current one),
  /// `blobDir` holds files named by their hash.
  WeightStore(mlir::ModuleOp module, std::string modelDir, std::string blobDir,
              unsigned threads = 0);
  ~WeightStore();

  /// The buffer of `weight` in the layout of its type (QuantizedLayout.h; dense tensors are
  /// row-major, booleans one byte each). Errors: 1110, 1856 (bytes missing), 18xx (a recipe that
  /// cannot be evaluated).
  llvm::Expected<OwnedBytes> evaluate(qnt::WeightOp weight);
  /// The same, handed over in pieces.
  llvm::Error write(qnt::WeightOp weight, BytesSink sink);
  /// The whole weight section: its weights in order of their offsets, zeros between them,
  /// `section.getBytes()` bytes in all. Serves as emit::WeightsPart::write.
  llvm::Error writeSection(qnt::SectionOp section, BytesSink sink);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace qcc::pack
#endif
