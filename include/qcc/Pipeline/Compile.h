// From a model file to an artifact: the loop over the stages, then emission.
#ifndef QCC_PIPELINE_COMPILE_H
#define QCC_PIPELINE_COMPILE_H

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Cli/Commands.h"
#include "qcc/Pipeline/Stages.h"

namespace qcc {

struct ImportOptions;
namespace emit {
class CodeCache;
}

/// A context with every dialect of the line.
std::unique_ptr<mlir::MLIRContext> makeContext(unsigned threads);

/// A module and where its weights' paths start.
struct LoadedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string modelDir, blobDir;
  /// Where artifacts of the model, of its copies and of their pieces leave machine code for each
  /// other; null: they do not.
  std::shared_ptr<emit::CodeCache> codes;

  /// A module of its own over the same files.
  LoadedModel clone() const {
    return {mlir::cast<mlir::ModuleOp>(module.get()->clone()), modelDir, blobDir, codes};
  }
};

/// Attribute of a module that was written as .mlir: the folder its file ranges count from.
inline constexpr llvm::StringLiteral modelFolderAttrName = "qnt.model_folder";

/// SHA-256 of a model file's bytes in hex, which binds what is made from it to it; empty when the
/// file cannot be read.
std::string sourceHash(llvm::StringRef path);

/// How `request` wants a model to be read. The folder of blobs is made when one is written.
ImportOptions importOptions(mlir::MLIRContext &context, const CompileRequest &request);

/// Reads .onnx (importing it), .qnt or .mlir.
llvm::Expected<LoadedModel> loadModel(mlir::MLIRContext &context, const CompileRequest &request);

/// `qcc compile`: loads, runs the stages, emits.
llvm::Error compileModel(const CompileRequest &request, llvm::raw_ostream &err);

/// What of `wish` passes ask about.
PipelineOptions pipelineOptions(const QuantizeRequest &wish);

/// Runs `from` to `to` on the module. The first diagnostic becomes the error.
llvm::Error runStages(LoadedModel &model, Stage from, Stage to, const PipelineOptions &options,
                      const CompileRequest &request, mlir::TimingScope &timing);

/// Emits what the lower stage left.
llvm::Error emitArtifact(LoadedModel &model, const std::vector<std::string> &levels,
                         const CompileRequest &request, llvm::raw_ostream &err);

} // namespace qcc
#endif
