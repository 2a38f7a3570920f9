// The order of emission: check, compile, link, stream the weights, verify, rename.
#include "qcc/Emit/Emit.h"
#include "Detail.h"
#include "MapFile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace qcc::emit {
namespace {

bool isText(OutputKind kind) { return kind == OutputKind::LlvmIr || kind == OutputKind::Assembly; }

/// "a/model.so" with ".weights" -> "a/model.weights".
std::string besidePath(StringRef path, StringRef suffix) {
  SmallString<128> text(path);
  sys::path::replace_extension(text, suffix);
  return text.str().str();
}

ArrayRef<uint8_t> bytesOf(StringRef text) { return {text.bytes_begin(), text.size()}; }

class Emission {
public:
  Emission(ModelParts &parts, const EmitOptions &options, EmitReport &report)
      : parts(parts), options(options), report(report) {}

  Error run();

private:
  Error reserveOutputs();
  Error emitText();
  Error compile(std::vector<ObjectCode> &objects);
  Error linkObjects(ArrayRef<ObjectCode> objects);
  Error linkStatic(ArrayRef<const ObjectCode *> objects);
  Error writeWeights();
  std::vector<CodeModule *> allModules();

  Error reserve(StringRef path, size_t &index) {
    Expected<size_t> added = outputs.add(path);
    if (!added)
      return added.takeError();
    index = *added;
    report.files.push_back(path.str());
    return Error::success();
  }
  Expected<std::unique_ptr<MemoryBuffer>> readOutput(uint64_t from) {
    return mapFile(outputs.tempPath(model), from, imageBytes);
  }

  bool sidecar() const { return options.sidecar && parts.weights.bytes && !isText(options.kind); }
  bool embedded() const { return parts.weights.bytes && !sidecar(); }

  ModelParts &parts;
  const EmitOptions &options;
  EmitReport &report;
  AtomicOutputs outputs;
  CodeModule descriptor, support;
  size_t model = 0, header = 0, weights = 0; // indices of outputs
  uint64_t imageStart = 0, imageBytes = 0;   // of the ELF image in the output, without weights
};

std::vector<CodeModule *> Emission::allModules() {
  std::vector<CodeModule *> modules;
  for (CodeModule &code : parts.bodyModules)
    modules.push_back(&code);
  for (LevelPart &level : parts.levels)
    for (CodeModule &code : level.modules)
      modules.push_back(&code);
  modules.push_back(&descriptor);
  return modules;
}

Error Emission::reserveOutputs() {
  // The model is renamed last: whoever sees it sees what belongs to it.
  if (sidecar())
    if (Error e = reserve(besidePath(options.path, ".weights"), weights))
      return e;
  if (options.kind == OutputKind::Object || options.kind == OutputKind::Archive) {
    if (Error e = reserve(besidePath(options.path, ".h"), header))
      return e;
    if (Error e = outputs.write(header, 0, bytesOf(modelHeader(parts.name))))
      return e;
  }
  if (Error e = reserve(options.path, model))
    return e;
  if (isText(options.kind))
    return Error::success();
  // Asked before the long part begins; code is small beside weights.
  return outputs.checkSpace(model, parts.weights.bytes + (uint64_t(8) << 20));
}

Error Emission::emitText() {
  std::vector<CodeModule *> modules = allModules();
  if (Error e = compileModules(modules, parts.triple, options.optLevel, options.threads, nullptr))
    return e;
  Expected<CodeModule> merged = mergeModules(modules, parts.name);
  if (!merged)
    return merged.takeError();
  std::string text;
  if (options.kind == OutputKind::LlvmIr) {
    raw_string_ostream os(text);
    merged->module->print(os, nullptr);
  } else {
    Expected<std::string> assembly = printAssembly(*merged, parts.triple, options.optLevel);
    if (!assembly)
      return assembly.takeError();
    text = std::move(*assembly);
  }
  report.codeBytes = text.size();
  if (options.path != "-") {
    if (Error e = outputs.write(model, 0, bytesOf(text)))
      return e;
    return outputs.commit();
  }
  outs() << text;
  outs().flush();
  if (!outs().has_error())
    return Error::success();
  std::error_code ec = outs().error();
  outs().clear_error();
  return writeError("stdout", ec.value());
}

Error Emission::compile(std::vector<ObjectCode> &objects) {
  std::vector<CodeModule *> modules = allModules();
  if (Error e = compileModules(modules, parts.triple, options.optLevel, options.threads, &objects))
    return e;
  for (const auto &[code, object] : zip_equal(modules, objects))
    if (!code->key.empty() && !code->cached)
      parts.cache->insert(code->key, object.bytes);
  if (embedded())
    objects.push_back(makeWeightsObject(Triple(parts.triple), parts.name, parts.weights.bytes));
  std::vector<const ObjectCode *> list;
  for (const ObjectCode &object : objects)
    list.push_back(&object);
  bool needsSupport = false;
  if (Error e = checkUndefined(list, needsSupport))
    return e;
  if (needsSupport) {
    support = makeSupportModule();
    std::vector<ObjectCode> more;
    if (Error e = compileModules({&support}, parts.triple, 2, 1, &more))
      return e;
    objects.push_back(std::move(more.front()));
  }
  for (const ObjectCode &object : objects)
    report.codeBytes += object.bytes.size();
  return Error::success();
}

/// Links to one object, hides its symbols and writes it, behind an archive's head if need be.
Error Emission::linkStatic(ArrayRef<const ObjectCode *> objects) {
  const std::string &temp = outputs.tempPath(model);
  if (Error e = linkRelocatable(objects, {temp, options.path, options.threads}))
    return e;
  auto linked = mapFile(temp);
  if (!linked)
    return linked.takeError();
  Expected<SmallVector<char, 0>> local = localizeSymbols(**linked, exportedSymbol(parts.name));
  if (!local)
    return local.takeError();
  linked->reset();
  sys::fs::remove(temp); // so that the next write makes a fresh file
  StringRef image(local->data(), local->size());
  imageBytes = image.size();
  if (options.kind == OutputKind::Archive) {
    uint64_t memberBytes = imageBytes;
    if (embedded()) {
      auto place = placeWeights(MemoryBufferRef(image, temp), parts.name, true);
      if (!place)
        return place.takeError();
      memberBytes = place->fileOffset + parts.weights.bytes;
    }
    // The size of a member has ten digits.
    if (memberBytes > 9999999999u)
      return makeError(Diag::OutputNoSpace, options.path,
                       "an archive cannot hold a member of " + std::to_string(memberBytes) +
                           " bytes",
                       {}, "emit an object (.o), or use --weights=file");
    std::string head = archiveHead(exportedSymbol(parts.name), memberBytes);
    imageStart = head.size();
    if (Error e = outputs.write(model, 0, bytesOf(head)))
      return e;
    if (memberBytes % 2)
      if (Error e = outputs.write(model, imageStart + memberBytes, bytesOf("\n")))
        return e;
  }
  return outputs.write(model, imageStart, bytesOf(image));
}

Error Emission::linkObjects(ArrayRef<ObjectCode> objects) {
  std::vector<const ObjectCode *> list;
  for (const ObjectCode &object : objects)
    list.push_back(&object);
  if (options.kind != OutputKind::SharedObject)
    return linkStatic(list);
  const std::string &temp = outputs.tempPath(model);
  if (Error e = linkShared(list, {temp, options.path, options.threads}))
    return e;
  auto linked = mapFile(temp);
  if (!linked)
    return linked.takeError();
  imageBytes = (*linked)->getBufferSize();
  return checkSelfContained(temp, {"qcc_model", exportedSymbol(parts.name)});
}

Error Emission::writeWeights() {
  if (!parts.weights.bytes)
    return Error::success();
  Expected<std::unique_ptr<MemoryBuffer>> image = readOutput(imageStart);
  if (!image)
    return image.takeError();
  Expected<WeightsPlacement> place = placeWeights(**image, parts.name, embedded());
  if (!place)
    return place.takeError();
  image->reset();
  for (const FilePatch &patch : place->patches)
    if (Error e = outputs.write(model, imageStart + patch.offset, patch.bytes))
      return e;
  Expected<Sha256> hash =
      embedded() ? streamWeights(parts.weights, outputs, model, imageStart + place->fileOffset)
                 : streamWeights(parts.weights, outputs, weights, 0);
  if (!hash)
    return hash.takeError();
  report.weightsBytes = parts.weights.bytes;
  report.weightsSha256 = toHex(*hash, /*LowerCase=*/true);
  return outputs.write(model, imageStart + place->hashOffset, *hash);
}

Error Emission::run() {
  bool toStdout = options.path == "-";
  if (toStdout && !isText(options.kind))
    return makeError(Diag::BinaryToStdout, "-o -", "only .ll and .s can be written to stdout", {},
                     "name a file with -o");
  if (Error e = checkParts(parts))
    return e;
  if (!toStdout)
    if (Error e = reserveOutputs())
      return e;
  prepareModules(parts);
  DescriptorOptions wanted;
  wanted.aliasForDlopen = options.kind == OutputKind::SharedObject;
  if (sidecar())
    wanted.sidecar = sys::path::filename(besidePath(options.path, ".weights")).str();
  descriptor = makeDescriptorModule(parts, wanted);
  if (isText(options.kind))
    return emitText();
  std::vector<ObjectCode> objects;
  if (Error e = compile(objects))
    return e;
  if (Error e = linkObjects(objects))
    return e;
  if (Error e = writeWeights())
    return e;
  return outputs.commit();
}

} // namespace

Error emitModel(ModelParts parts, const EmitOptions &options, EmitReport *report) {
  EmitReport own;
  return Emission(parts, options, report ? *report : own).run();
}

std::string modelNameFromPath(StringRef path) {
  std::string name = sys::path::stem(path).str();
  for (char &c : name)
    if (!isAlnum(c))
      c = '_';
  if (name.empty() || isDigit(name[0]))
    name.insert(0, "_");
  return name;
}

std::string modelHeader(StringRef modelName) {
  std::string guard = "QCC_MODEL_" + modelName.upper() + "_H";
  std::string getter = exportedSymbol(modelName);
  return "/* A model compiled by qcc: hand " + getter + "() to the qcc runtime. */\n#ifndef " +
         guard + "\n#define " + guard +
         "\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nstruct qcc_model_desc;\n\n"
         "/* The immutable description of the model; never null. */\n"
         "const struct qcc_model_desc *" +
         getter + "(void);\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
}

} // namespace qcc::emit
