// What the lower stage left, as a file.
#include "Parts.h"
#include "Qnt/Qnt.h"
#include "qcc/Export/Export.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Quantize/QntFile.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <set>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

std::string qcc::sourceHash(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
  if (!buffer)
    return "";
  auto bytes = llvm::arrayRefFromStringRef((*buffer)->getBuffer());
  return llvm::toHex(llvm::SHA256::hash(bytes), true);
}

namespace {

/// The way from folder `from` to folder `to`, both as given; "" is the current one.
std::string relativeFolder(StringRef to, StringRef from) {
  auto parts = [](StringRef folder) {
    SmallString<128> path(folder);
    llvm::sys::fs::make_absolute(path);
    llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
    return std::vector<std::string>(llvm::sys::path::begin(path), llvm::sys::path::end(path));
  };
  std::vector<std::string> target = parts(to), start = parts(from);
  size_t common = 0;
  while (common < std::min(target.size(), start.size()) && target[common] == start[common])
    ++common;
  SmallString<128> result;
  for (size_t i = common; i < start.size(); ++i)
    llvm::sys::path::append(result, "..");
  for (size_t i = common; i < target.size(); ++i)
    llvm::sys::path::append(result, target[i]);
  return result.empty() ? "." : result.str().str();
}

Error writeMlir(LoadedModel &model, const CompileRequest &request) {
  ModuleOp module = *model.module;
  StringRef beside = request.output == "-" ? "" : llvm::sys::path::parent_path(request.output);
  module->setAttr(modelFolderAttrName,
                  StringAttr::get(module.getContext(), relativeFolder(model.modelDir, beside)));
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().enableDebugInfo(true, false)); // locations are node names
  os << '\n';
  if (request.output == "-") {
    llvm::outs() << text;
    return Error::success();
  }
  return writeFileAtomically(request.output, text);
}

/// The bits of the codes among the model's weights, as in "w4, w8"; empty where there are floats
/// alone.
std::string bitsOfCodes(ModuleOp module) {
  std::set<unsigned> found;
  for (qnt::WeightOp weight : module.getOps<qnt::WeightOp>())
    if (auto type = dyn_cast<qnt::QType>(weight.getType()); type && type.getBits() <= 8)
      found.insert(type.getBits());
  std::string text;
  for (unsigned bits : found)
    text += (text.empty() ? "w" : ", w") + std::to_string(bits);
  return text;
}

/// What a compile says of its weights' codes. Those of a .qnt were chosen, and judged, when it was
/// made; those of a model that came with codes, by who made it.
std::pair<std::string, std::string> schemeAndQuality(LoadedModel &model,
                                                     const CompileRequest &request) {
  if (!request.quantize.keep)
    return {"f32→" + request.quantize.text, "quality not measured (give --calib)"};
  if (quantize::isQntFile(request.input))
    if (std::string scheme = pipeline::qntMetadata(request.input, "scheme");
        !scheme.empty() && scheme != "keep")
      return {scheme, "codes and their quality as quantized"};
  if (std::string bits = bitsOfCodes(*model.module); !bits.empty())
    return {bits, "codes as the model has them"};
  return {request.exactNumerics ? "f32" : "f32, products in bf16",
          "quality not measured (give --calib)"};
}

/// The same with the format of caches, where they have one that the model did not give them.
std::pair<std::string, std::string> describe(LoadedModel &model, const CompileRequest &request) {
  auto described = schemeAndQuality(model, request);
  if (std::string format = pipeline::cacheFormat(request); !format.empty())
    described.first += " · kv " + format;
  return described;
}

/// The target-independent model in one file.
Error writeQnt(LoadedModel &model, const CompileRequest &request, raw_ostream &err) {
  pack::WeightStore store(*model.module, model.modelDir, model.blobDir, request.threads);
  AtomicOutputs outputs;
  Expected<size_t> file = outputs.add(request.output);
  if (!file)
    return file.takeError();
  llvm::json::Object metadata = request.provenance;
  metadata["schema"] = "qcc.qnt/1";
  metadata["options"] = llvm::json::Array(request.options);
  metadata["source_sha256"] = sourceHash(request.input);
  metadata["scheme"] = request.quantize.keep ? "keep" : request.quantize.text;
  if (std::string format = pipeline::cacheFormat(request); !format.empty())
    metadata["kv"] = format;
  if (!request.quantize.keep) {
    metadata.try_emplace("methods", "rtn");
    metadata["seed"] = static_cast<int64_t>(request.quantize.seed);
  }
  if (!request.quantize.recipe.empty())
    metadata["recipe_sha256"] = sourceHash(request.quantize.recipe);
  uint64_t end = 0;
  auto weights = [&](qnt::WeightOp weight, quantize::BytesSink sink) {
    return store.write(weight, sink);
  };
  auto writeAt = [&](uint64_t offset, ArrayRef<uint8_t> bytes) {
    end = std::max<uint64_t>(end, offset + bytes.size());
    return outputs.write(*file, offset, bytes);
  };
  std::string text = llvm::formatv("{0}", llvm::json::Value(std::move(metadata)));
  if (Error failed = quantize::writeQntFile(*model.module, text, weights, writeAt))
    return failed;
  if (Error failed = outputs.commit())
    return failed;
  auto [scheme, quality] = describe(model, request);
  if (!request.quiet)
    err << llvm::formatv("{0} · {1:F1} MB · {2} · any target\n", scheme, end / 1e6, quality);
  return Error::success();
}

/// The model as ONNX carries it.
Error writeOnnx(LoadedModel &model, const CompileRequest &request, raw_ostream &err) {
  ExportOptions options;
  options.form = request.emit == EmitKind::OnnxMs ? OnnxForm::Microsoft : OnnxForm::Standard;
  options.modelDir = model.modelDir;
  options.blobDir = model.blobDir;
  options.threads = request.threads;
  Expected<ExportedModel> written = exportOnnx(*model.module, request.output, options);
  if (!written)
    return written.takeError();
  auto [scheme, quality] = describe(model, request);
  if (!request.quiet)
    err << llvm::formatv("{0} · {1:F1} MB{2} · {3} · ONNX opset {4}\n", scheme,
                         written->bytes / 1e6,
                         written->hasDataFile ? ", weights in " + request.output + ".data" : "",
                         quality, written->opset);
  return Error::success();
}

/// The kernels of one GPU level as text.
Error writePtx(LoadedModel &model, ArrayRef<std::string> levels, const CompileRequest &request,
               raw_ostream &err) {
  const Target &target = *findTarget(levels.front());
  if (levels.size() != 1 || !target.isGpu())
    return makeError(Diag::UsageError, request.output,
                     "PTX is for one GPU target, as --target=nvptx-sm_80");
  auto code = ptx::emitPtx(pipeline::nestedModule(*model.module, target.name), target);
  if (!code)
    return code.takeError();
  if (!request.quiet)
    err << llvm::formatv("{0} kernels · {1:F1} MB · {2}\n", code->kernels.size(),
                         code->text.size() / 1e6, target.name);
  if (request.output == "-") {
    llvm::outs() << code->text;
    return Error::success();
  }
  return writeFileAtomically(request.output, code->text);
}

uint64_t sourceWeightBytes(ModuleOp module) {
  uint64_t bytes = 0;
  for (qnt::WeightOp weight : module.getOps<qnt::WeightOp>())
    if (weight.getSource())
      if (auto file = dyn_cast<qnt::FileAttr>(*weight.getSource()))
        bytes += file.getLength();
  return bytes;
}

} // namespace

Error qcc::emitArtifact(LoadedModel &model, const std::vector<std::string> &levels,
                        const CompileRequest &request, raw_ostream &err) {
  if (request.emit == EmitKind::Mlir)
    return writeMlir(model, request);
  if (request.emit == EmitKind::Qnt)
    return writeQnt(model, request, err);
  if (isModelFile(request.emit))
    return writeOnnx(model, request, err);
  if (request.emit == EmitKind::Ptx)
    return writePtx(model, levels, request, err);
  uint64_t before = sourceWeightBytes(*model.module);
  pack::WeightStore store(*model.module, model.modelDir, model.blobDir, request.threads);
  auto parts = pipeline::makeParts(model, levels, request, store);
  if (!parts)
    return parts.takeError();
  std::string names = llvm::join(pipeline::levelNames(*parts), ", ");
  emit::EmitOptions options;
  switch (request.emit) {
  case EmitKind::Object:
    options.kind = emit::OutputKind::Object;
    break;
  case EmitKind::Archive:
    options.kind = emit::OutputKind::Archive;
    break;
  case EmitKind::LlvmIr:
    options.kind = emit::OutputKind::LlvmIr;
    break;
  case EmitKind::Assembly:
    options.kind = emit::OutputKind::Assembly;
    break;
  default:
    options.kind = emit::OutputKind::SharedObject;
  }
  options.path = request.output;
  options.sidecar = request.weightsInFile;
  options.optLevel = 1; // of the model body only: kernels arrive optimised
  options.threads = request.threads;
  emit::EmitReport report;
  if (Error failed = emit::emitModel(std::move(*parts), options, &report))
    return failed;
  if (request.facts) {
    (*request.facts)["weights_bytes"] = static_cast<int64_t>(report.weightsBytes);
    (*request.facts)["code_bytes"] = static_cast<int64_t>(report.codeBytes);
  }
  if (!request.quiet) {
    auto [scheme, quality] = describe(model, request);
    err << llvm::formatv("{0} · {1:F1}→{2:F1} MB · {3} · {4}\n", scheme, before / 1e6,
                         (report.weightsBytes + report.codeBytes) / 1e6, quality, names);
  }
  return Error::success();
}
