// From options to a CompileRequest: suffixes, names, schemes, shapes.
#include "Options.h"
#include "qcc/Cli/Names.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {
struct Suffix {
  const char *name; // of --emit, and the suffix with a dot before it
  EmitKind kind;
};
constexpr Suffix suffixes[] = {{"so", EmitKind::SharedObject}, {"o", EmitKind::Object},
                               {"a", EmitKind::Archive},       {"qnt", EmitKind::Qnt},
                               {"onnx", EmitKind::Onnx},       {"onnx-ms", EmitKind::OnnxMs},
                               {"mlir", EmitKind::Mlir},       {"ll", EmitKind::LlvmIr},
                               {"s", EmitKind::Assembly},      {"ptx", EmitKind::Ptx}};

std::optional<EmitKind> kindOf(StringRef name) {
  for (const Suffix &suffix : suffixes)
    if (name == suffix.name)
      return suffix.kind;
  return std::nullopt;
}

bool isText(EmitKind kind) {
  return kind == EmitKind::Mlir || kind == EmitKind::LlvmIr || kind == EmitKind::Assembly ||
         kind == EmitKind::Ptx;
}

llvm::Error parseTarget(const Args &args, bool temporary, CompileRequest &request) {
  bool arm = llvm::Triple(llvm::sys::getProcessTriple()).isAArch64();
  // On the way to a run on a GPU it may be any.
  bool gpu = temporary && StringRef(args.get("--device")).starts_with("gpu");
  std::string text = args.get("--target", gpu         ? "nvptx-sm_90a,nvptx-sm_89"
                                          : temporary ? "native"
                                          : arm       ? "aarch64"
                                                      : "x86");
  llvm::SmallVector<StringRef> parts;
  StringRef(text).split(parts, ',');
  for (StringRef part : parts) {
    if (part.trim().empty())
      return badValue("--target", text, "qcc targets lists the names");
    request.targets.push_back(part.trim().str());
  }
  request.triple = args.get("--triple");
  request.mcpu = args.get("--mcpu");
  request.mattr = args.get("--mattr");
  return llvm::Error::success();
}

llvm::Error parseShapes(const Args &args, CompileRequest &request) {
  for (const std::string &text : args.all("--shape")) {
    auto [name, dims] = StringRef(text).rsplit('=');
    ShapeBinding binding{name.str(), {}};
    llvm::SmallVector<StringRef> parts;
    dims.split(parts, 'x');
    for (StringRef part : parts) {
      ShapeRange range;
      auto [low, high] = part.split("..");
      bool bounded = part.contains("..");
      if (low.getAsInteger(10, range.min) || (bounded && high.getAsInteger(10, range.max)))
        return badValue("--shape", text, "it reads NAME=1x128 or NAME=1..8x1..512");
      if (!bounded)
        range.max = range.min;
      if (range.min < 0 || range.max < range.min)
        return makeError(Diag::BadOptionValue, "",
                         "--shape '" + text + "': " + part.str() + " is not a range of sizes");
      binding.dims.push_back(range);
    }
    if (name.empty())
      return badValue("--shape", text, "it reads NAME=1x128 or NAME=1..8x1..512");
    request.shapes.push_back(std::move(binding));
  }
  return llvm::Error::success();
}

llvm::Error parseBinds(const Args &args, CompileRequest &request) {
  for (const std::string &text : args.all("--bind")) {
    auto [role, name] = StringRef(text).split('=');
    if (role.empty() || name.empty())
      return badValue("--bind", text, "it reads ROLE=NAME, for example ids=tokens");
    request.binds.push_back({role.str(), name.str()});
  }
  return llvm::Error::success();
}

std::vector<std::string> splitNames(const Args &args, StringRef option) {
  std::vector<std::string> names;
  for (const std::string &value : args.all(option)) {
    llvm::SmallVector<StringRef> parts;
    StringRef(value).split(parts, ',', -1, /*KeepEmpty=*/false);
    for (StringRef part : parts)
      names.push_back(part.str());
  }
  return names;
}

/// What ends up in the manifest: everything that determines the artifact, no paths, no job counts.
llvm::Expected<std::vector<std::string>> canonicalOptions(const Args &args,
                                                          const CompileRequest &request) {
  std::vector<std::string> options = {"-O" + std::to_string(request.optLevel),
                                      "--target=" + llvm::join(request.targets, ",")};
  auto given = [&](StringRef option, const std::string &value) {
    if (!value.empty())
      options.push_back((option + "=" + value).str());
  };
  given("--triple", request.triple);
  given("--mcpu", request.mcpu);
  given("--mattr", request.mattr);
  if (llvm::Error error = quantizeOptions(request.quantize, options))
    return std::move(error);
  given("--numerics", request.exactNumerics ? "exact" : "fast");
  given("--weights", request.weightsInFile ? "file" : "embed");
  for (const std::string &shape : args.all("--shape"))
    given("--shape", shape);
  for (auto &[role, name] : request.binds)
    given("--bind", role + "=" + name);
  given("--inputs", llvm::join(request.cutInputs, ","));
  given("--outputs", llvm::join(request.cutOutputs, ","));
  for (const std::string &op : request.hostOps)
    given("--host-op", op);
  given("--name", request.name);
  given("--from", request.fromStage);
  given("--to", request.toStage);
  options.insert(options.end(), request.mlirArgs.begin(), request.mlirArgs.end());
  return options;
}

llvm::Expected<std::string> hashOfSource(const Context &context, StringRef file) {
  if (context.backend.sourceHash)
    return context.backend.sourceHash(file);
  auto buffer = llvm::MemoryBuffer::getFile(file, false, false);
  if (!buffer)
    return makeError(Diag::CannotRead, file.str(), buffer.getError().message());
  llvm::StringRef bytes = (*buffer)->getBuffer();
  auto digest = llvm::SHA256::hash(
      llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
  return llvm::toHex(digest, /*LowerCase=*/true);
}

/// An output that the user did not name may replace only what came from the same model.
llvm::Error checkOverwrite(const Context &context, const CompileRequest &request) {
  if (!fs::exists(request.output))
    return llvm::Error::success();
  std::string existing;
  if (request.emit == EmitKind::SharedObject) {
    auto model = loadRuntimeModel(request.output, {});
    if (model) {
      auto manifest = llvm::json::parse((*model)->manifest);
      if (!manifest)
        llvm::consumeError(manifest.takeError());
      else if (const llvm::json::Object *object = manifest->getAsObject())
        existing = object->getString("source_sha256").value_or("").str();
    } else {
      llvm::consumeError(model.takeError());
    }
  }
  auto hash = hashOfSource(context, request.input);
  if (!hash)
    return hash.takeError();
  if (!existing.empty() && existing == *hash)
    return llvm::Error::success();
  return makeError(Diag::WouldOverwrite, request.output,
                   "exists and does not come from '" + request.input + "'", {},
                   "name the output with -o");
}

llvm::Error decideOutput(const Args &args, StringRef temporaryOutput, CompileRequest &request) {
  bool given = args.has("-o") || !temporaryOutput.empty();
  request.output = temporaryOutput.empty() ? args.get("-o") : temporaryOutput.str();
  std::string kindName = args.get("--emit");
  if (kindName.empty() && given && request.output != "-")
    kindName =
        path::extension(request.output).drop_front(path::has_extension(request.output)).str();
  if (kindName.empty() && (request.output == "-" || !request.toStage.empty()))
    kindName = "mlir";
  if (kindName.empty() && !given)
    kindName = "so";
  std::optional<EmitKind> kind = kindOf(kindName);
  if (!kind)
    return makeError(Diag::BadOptionValue, "",
                     args.has("--emit")
                         ? "--emit '" + kindName + "' is not a kind of output"
                         : "the suffix of '" + request.output + "' does not say what to write",
                     {}, "use .so .o .a .qnt .onnx .mlir .ll .s .ptx, or --emit");
  request.emit = *kind;
  if (request.output == "-" && !isText(request.emit))
    return makeError(Diag::UsageError, "",
                     "-o - is for text (mlir, ll, s, ptx), not for ." + kindName);
  std::string stem = outputStem(request.input);
  if (!given)
    request.output = stem + "." + (request.emit == EmitKind::OnnxMs ? "onnx" : kindName);
  if (args.has("--name")) {
    request.name = args.get("--name");
    if (request.name != identifierOf(request.name))
      return badValue("--name", request.name, "a C identifier is letters, digits and _");
  } else {
    request.name =
        identifierOf(request.output == "-" ? StringRef(stem) : path::stem(request.output));
  }
  if (request.output != "-" && fs::equivalent(request.output, request.input))
    return makeError(Diag::UsageError, request.output, "the output is the input file");
  return llvm::Error::success();
}

/// How the model is read.
void parseReading(const Args &args, CompileRequest &request) {
  request.cutInputs = splitNames(args, "--inputs");
  request.cutOutputs = splitNames(args, "--outputs");
  request.functions = args.get("--functions");
  request.hostOps = args.all("--host-op");
  request.blobs = args.get("--blobs");
}

llvm::Error parseNumerics(const Args &args, CompileRequest &request) {
  std::string numerics = "exact";
  if (llvm::Error error = choose(args, "--numerics", {"fast", "exact"}, numerics))
    return error;
  request.exactNumerics = numerics == "exact";
  return llvm::Error::success();
}

llvm::Error parseCompilerOptions(const Args &args, CompileRequest &request) {
  std::string level = args.get("-O", "2");
  if (level.size() != 1 || level[0] < '0' || level[0] > '3')
    return badValue("-O", level, "levels are -O0 to -O3");
  request.optLevel = level[0] - '0';
  std::string weights = "embed";
  if (llvm::Error error = parseNumerics(args, request))
    return error;
  if (llvm::Error error = choose(args, "--weights", {"embed", "file"}, weights))
    return error;
  request.weightsInFile = weights == "file";
  request.fromStage = args.get("--from");
  request.toStage = args.get("--to");
  request.dumpStages = args.get("--dump-stages");
  parseReading(args, request);
  request.report = args.get("--report");
  if (!request.report.empty() && path::extension(request.report) != ".json")
    return later("--report in the form '" + path::extension(request.report) + "'");
  // A report is asked for by those who can wait.
  auto runs = args.integer("--attribution", request.report.empty() ? 0 : 64, 0, INT32_MAX);
  if (!runs)
    return runs.takeError();
  request.attribution = *runs;
  request.provenance["version"] = QCC_VERSION;
  request.validatePasses = args.has("--validate-passes");
  request.mlirArgs = args.passThrough;
  return llvm::Error::success();
}
} // namespace

std::string cli::outputStem(StringRef input) {
  std::string stem = path::stem(input).str();
  if (stem != "model")
    return stem;
  llvm::SmallString<256> whole(input);
  if (fs::make_absolute(whole))
    return stem;
  path::remove_dots(whole, /*remove_dot_dot=*/true);
  StringRef folder = path::filename(path::parent_path(whole));
  return folder.empty() || folder == "/" ? stem : folder.str();
}

std::string cli::identifierOf(StringRef text) {
  std::string name;
  for (char c : text)
    name += llvm::isAlnum(c) ? c : '_';
  if (name.empty() || llvm::isDigit(name[0]))
    name.insert(0, "_");
  return name;
}

llvm::Expected<CompileRequest> cli::makeLookRequest(const Args &args, const Context &context,
                                                    StringRef input) {
  CompileRequest request;
  request.input = input.str();
  parseReading(args, request);
  if (args.has("--target"))
    if (llvm::Error error = parseTarget(args, /*temporary=*/true, request))
      return std::move(error);
  if (llvm::Error error = parseNumerics(args, request))
    return std::move(error);
  if (llvm::Error error = parseQuantize(args, context, /*consent=*/true, request.quantize))
    return std::move(error);
  if (request.quantize.needsRuns())
    return makeError(Diag::NotAvailable, "",
                     "this scheme looks at data; inspect the .qnt that qcc quantize makes");
  if (llvm::Error error = parseBinds(args, request))
    return std::move(error);
  if (llvm::Error error = parseShapes(args, request))
    return std::move(error);
  return request;
}

llvm::Expected<CompileRequest> cli::makeCompileRequest(const Args &args, const Context &context,
                                                       StringRef input, StringRef temporaryOutput) {
  bool temporary = !temporaryOutput.empty();
  CompileRequest request;
  request.input = input.str();
  request.quiet = temporary;
  if (llvm::Error error = parseCompilerOptions(args, request))
    return error;
  if (llvm::Error error = parseQuantize(args, context, /*consent=*/true, request.quantize))
    return error;
  if (llvm::Error error = parseTarget(args, temporary, request))
    return error;
  if (llvm::Error error = parseBinds(args, request))
    return error;
  if (!temporary) {
    auto threads = args.integer("--threads", 0, 1, 1023);
    if (!threads)
      return threads.takeError();
    request.threads = static_cast<unsigned>(*threads);
    if (llvm::Error error = parseShapes(args, request))
      return error;
  }
  if (!fs::exists(input))
    return makeError(Diag::CannotRead, input.str(), "no such file");
  if (fs::is_directory(input))
    return makeError(Diag::CannotRead, input.str(), "is a folder, not a model file");
  if (llvm::Error error = decideOutput(args, temporaryOutput, request))
    return error;
  const std::string &kv = request.quantize.kv;
  if (!kv.empty() && kv != "f32" &&
      (request.emit == EmitKind::Onnx || request.emit == EmitKind::OnnxMs))
    return makeError(Diag::UsageError, "", "models in ONNX keep the cache that they have", {},
                     "give --kv=" + kv + " where the model is compiled");
  if (!temporary && !args.has("-o"))
    if (llvm::Error error = checkOverwrite(context, request))
      return error;
  auto options = canonicalOptions(args, request);
  if (!options)
    return options.takeError();
  request.options = std::move(*options);
  return request;
}

llvm::Error cli::runCompile(const Args &args, const Context &context) {
  auto input = onlyModel(args, "compile");
  if (!input)
    return input.takeError();
  StringRef suffix = path::extension(*input);
  if (suffix == ".gguf")
    return later("compiling .gguf files");
  if (suffix == ".so" || suffix == ".o" || suffix == ".a")
    return makeError(Diag::UsageError, *input, "is compiled already", {},
                     "use qcc run, bench, eval or inspect on it");
  auto request = makeCompileRequest(args, context, *input);
  if (!request)
    return request.takeError();
  llvm::json::Object facts;
  // A compile with runs on data reports those; others what --json prints.
  bool tells = !request->report.empty() && !request->quantize.needsRuns();
  request->facts = context.json || tells ? &facts : nullptr;
  if (context.json && request->output == "-")
    return makeError(Diag::UsageError, "", "--json and -o - both write to stdout");
  if (llvm::Error error = compileWithRuns(*request, context))
    return error;
  facts["schema"] = "qcc.compile/1";
  facts["output"] = request->output;
  facts["name"] = request->name;
  facts["options"] = llvm::json::Array(request->options);
  if (tells) {
    std::string text = llvm::formatv("{0:2}\n", llvm::json::Value(llvm::json::Object(facts)));
    if (llvm::Error error = writeFileAtomically(request->report, text))
      return error;
  }
  if (context.json)
    context.printJson(std::move(facts));
  return llvm::Error::success();
}
