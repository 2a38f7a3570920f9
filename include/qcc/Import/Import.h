// ONNX to the qnt dialect: opset differences, functions, shape arithmetic and contrib ops end here.
#ifndef QCC_IMPORT_IMPORT_H
#define QCC_IMPORT_IMPORT_H

#include "Qnt/Qnt.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qcc {

/// Bounds on one dimension, both included; equal bounds fix it.
struct DimBound {
  int64_t min = 0, max = INT64_MAX;
  bool isFixed() const { return min == max; }
  bool isFree() const { return min == 0 && max == INT64_MAX; }
};

/// `--shape NAME=1..8x128x?`: one bound per dimension, `?` leaves one as the model has it.
struct ShapeOption {
  std::string name;
  std::vector<DimBound> dims;
};
llvm::Expected<ShapeOption> parseShapeOption(llvm::StringRef text);

struct ImportOptions {
  std::vector<std::string> inputs, outputs; ///< values to cut a subgraph at; empty: the model's own
  std::vector<std::string> functionFiles;   ///< .onnx files whose FunctionProtos define unknown ops
  std::vector<ShapeOption> shapes;
  std::vector<std::pair<std::string, std::string>> roles; ///< role, ONNX name
  /// DOMAIN::OP, or DOMAIN::OP=RESULT;RESULT: operators that the application computes.
  std::vector<std::string> hostOps;
  /// Goes on behind everything that cannot be imported, so as to find it all; for checks.
  bool findAll = false;
  /// Keeps bytes that are no range of a file (constants over 1 KiB written as typed lists).
  std::function<llvm::Expected<qnt::BlobAttr>(llvm::ArrayRef<uint8_t>)> addBlob;
};

/// `--host-op`: an operator that the application computes, and the types of its results.
struct HostOp {
  /// Type and dimensions of a result: those of an input, or as spelled.
  struct Result {
    std::optional<unsigned> like; ///< like(I)
    std::string element;          ///< "f32", or "xI": that of input I
    std::vector<std::string>
        dims; ///< expressions in xI.A, axis A of input I, and the model's symbols
  };
  std::string domain, name;
  std::vector<Result> results; ///< empty: the model says the types
  std::string text;            ///< DOMAIN::OP
};
llvm::Expected<HostOp> parseHostOp(llvm::StringRef text);

/// Reads, normalises and verifies the model at `path`. The module holds weights and one function
/// `main` whose body is qnt ops; its arguments and results carry their ONNX names and roles.
/// Unsupported nodes are one error (exit 4) that lists them all.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnx(llvm::StringRef path, mlir::MLIRContext &context, const ImportOptions &options = {});

/// Nodes that cannot be compiled for one and the same reason.
struct UnsupportedOp {
  std::string op, domain; ///< `op` is empty where an input or the whole model is meant
  int64_t opset = 0;
  std::vector<std::string> nodes; ///< names, in graph order; inputs by name
  std::string reason, remedy;
  std::string code = "QCC1301";             ///< of the diagnostic that a compile ends with
  std::vector<std::string> inputs, outputs; ///< values that the first of them computes and reads
  bool isUnknown = false;                   ///< qcc has no operator of this name
};

/// What `qcc check` prints.
struct CheckReport {
  std::string model;
  size_t nodes = 0; ///< that the outputs need, functions expanded
  std::vector<UnsupportedOp> unsupported;
  bool ok() const { return unsupported.empty(); }
};
llvm::Expected<CheckReport> checkOnnx(llvm::StringRef path, mlir::MLIRContext &context,
                                      const ImportOptions &options = {});

} // namespace qcc
#endif
