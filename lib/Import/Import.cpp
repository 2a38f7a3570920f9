// The public entry: read, expand functions, import, verify.
#include "GraphImporter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "qcc/Onnx/Reader.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

llvm::Expected<std::unique_ptr<onnx::Model>> readWithFunctions(StringRef path,
                                                               const ImportOptions &options) {
  auto model = onnx::readModel(path);
  if (!model)
    return model.takeError();
  for (const std::string &file : options.functionFiles) {
    auto library = onnx::readModel(file);
    if (!library)
      return library.takeError();
    llvm::append_range((*model)->functions, (*library)->functions);
  }
  if (llvm::Error error = onnx::inlineFunctions(**model))
    return std::move(error);
  return model;
}

/// Imports, and again with what the last attempt learned about a broadcast.
llvm::Expected<std::unique_ptr<GraphImporter>> importModel(onnx::Model &model, MLIRContext &context,
                                                           const ImportOptions &options) {
  constexpr int maxAttempts = 8;
  std::set<std::pair<std::string, std::string>> stretched;
  for (int attempt = 0;; ++attempt) {
    auto importer = std::make_unique<GraphImporter>(model, &context, options);
    importer->stretched = stretched;
    llvm::Error error = importer->run();
    if (importer->retryWith && attempt < maxAttempts &&
        stretched.insert(*importer->retryWith).second) {
      llvm::consumeError(std::move(error));
      continue;
    }
    if (error && importer->unsupported().empty())
      return std::move(error);
    llvm::consumeError(std::move(error));
    return importer;
  }
}

std::string describe(const UnsupportedOp &op) {
  std::string text = (op.domain.empty() ? "" : op.domain + ".") + op.op + " (opset " +
                     std::to_string(op.opset) + "), " + std::to_string(op.nodes.size()) +
                     (op.nodes.size() == 1 ? " node: " : " nodes: ");
  size_t shown = std::min<size_t>(op.nodes.size(), 8);
  for (size_t i = 0; i < shown; ++i)
    text += (i ? ", '" : "'") + op.nodes[i] + "'";
  if (shown < op.nodes.size())
    text += ", ...";
  text += ": " + op.reason;
  return op.remedy.empty() ? text : text + "; " + op.remedy;
}

llvm::Error unsupportedError(StringRef path, ArrayRef<UnsupportedOp> list) {
  size_t count = 0;
  std::vector<std::string> notes;
  for (const UnsupportedOp &op : list) {
    count += op.nodes.size();
    notes.push_back(describe(op));
  }
  return makeError(Diag::UnsupportedOps, path.str(),
                   std::to_string(count) + (count == 1 ? " node is" : " nodes are") +
                       " not supported",
                   std::move(notes), "`qcc check` prints the same list");
}

/// Runs the verifier; what it finds is our mistake.
llvm::Error verifyModule(ModuleOp module, StringRef path) {
  std::string text;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream os(text);
    os << (text.empty() ? "" : "; ") << qnt::nodeName(diagnostic.getLocation()) << ": "
       << diagnostic;
    return success();
  });
  if (succeeded(verify(module)))
    return llvm::Error::success();
  return makeError(Diag::Internal, path.str(), "the imported module is wrong: " + text);
}

} // namespace

llvm::Expected<OwningOpRef<ModuleOp>> qcc::importOnnx(StringRef path, MLIRContext &context,
                                                      const ImportOptions &options) {
  auto model = readWithFunctions(path, options);
  if (!model)
    return model.takeError();
  auto importer = importModel(**model, context, options);
  if (!importer)
    return importer.takeError();
  auto refused = (*importer)->unsupported();
  if (!refused.empty())
    return unsupportedError(path, refused);
  OwningOpRef<ModuleOp> module = (*importer)->takeModule();
  if (llvm::Error wrong = verifyModule(*module, path))
    return std::move(wrong);
  return module;
}

llvm::Expected<CheckReport> qcc::checkOnnx(StringRef path, MLIRContext &context,
                                           const ImportOptions &options) {
  auto model = readWithFunctions(path, options);
  if (!model)
    return model.takeError();
  ImportOptions everything = options;
  everything.findAll = true;
  auto importer = importModel(**model, context, everything);
  if (!importer)
    return importer.takeError();
  CheckReport report;
  report.model = path.str();
  report.nodes = (*importer)->neededNodes();
  report.unsupported = (*importer)->unsupported();
  return report;
}
