// model.qnt: a quantized model in one file, to be compiled for many targets.
//
//   header    128 bytes: magic "QCC.QNT\n", version, file size, offsets and sizes of the parts,
//             SHA-256 of header (with zeros here), metadata, table and bytecode
//   weights   at multiples of 64 bytes, in the logical layout of their types
//   metadata  JSON
//   table     offset, size and SHA-256 of each weight
//   bytecode  the module; its weights name ranges of this very file
//
// All numbers are little-endian. The one hash of the header covers the table, and so every byte
// that is read.
#ifndef QCC_QUANTIZE_QNTFILE_H
#define QCC_QUANTIZE_QNTFILE_H

#include "Qnt/Qnt.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace qcc::quantize {

using BytesSink = llvm::function_ref<llvm::Error(llvm::ArrayRef<uint8_t>)>;
/// Hands the bytes of a weight to a sink, in order (pack::WeightStore::write).
using WeightWriter = llvm::function_ref<llvm::Error(qnt::WeightOp, BytesSink)>;
/// Puts bytes at an offset of the output.
using WriteAt = llvm::function_ref<llvm::Error(uint64_t offset, llvm::ArrayRef<uint8_t> bytes)>;

/// Writes `module`, as the quantize stage leaves it. Recipes are evaluated; a recipe whose codes
/// are not grouped by rows stays one, over weights that are copied in. `metadata` is JSON. The
/// module is left as it is. Errors are those of `weights` and `writeAt`.
llvm::Error writeQntFile(mlir::ModuleOp module, llvm::StringRef metadata, WeightWriter weights,
                         WriteAt writeAt);

struct QntFile {
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< weights are ranges of the file, by its name
  std::string metadata;
  uint64_t weightBytes = 0;
};

/// Reads what writeQntFile wrote, whatever the file is called now. Lengths, hashes and the format
/// of every part are checked first. Errors: 1101 (cannot read), 1520 to 1523.
llvm::Expected<QntFile> readQntFile(llvm::StringRef path, mlir::MLIRContext &context);

/// The metadata alone, without reading weights.
llvm::Expected<std::string> readQntMetadata(llvm::StringRef path);

/// Whether the file begins as a .qnt does.
bool isQntFile(llvm::StringRef path);

} // namespace qcc::quantize
#endif
