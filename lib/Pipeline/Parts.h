// What the lower stage left, as emission takes it. Not for other rooms.
#ifndef QCC_LIB_PIPELINE_PARTS_H
#define QCC_LIB_PIPELINE_PARTS_H

#include "qcc/Emit/Emit.h"
#include "qcc/Pack/WeightStore.h"
#include "qcc/Pipeline/Compile.h"

namespace qcc::pipeline {

/// The module of this name inside; null without one.
mlir::ModuleOp nestedModule(mlir::ModuleOp module, llvm::StringRef name);

/// What the metadata of a .qnt says of `key`; empty for other files and keys.
std::string qntMetadata(llvm::StringRef path, llvm::StringRef key);

/// How caches are stored, where that was asked for now or when a .qnt was made; else empty.
std::string cacheFormat(const CompileRequest &request);

/// The parts of an artifact with code for the `requested` levels, of which there is at least one.
/// Levels that would be their base under another name are left out.
llvm::Expected<emit::ModelParts> makeParts(LoadedModel &model,
                                           llvm::ArrayRef<std::string> requested,
                                           const CompileRequest &request, pack::WeightStore &store);

/// Of all code in the parts, best first.
std::vector<std::string> levelNames(const emit::ModelParts &parts);

} // namespace qcc::pipeline
#endif
