// The loop over the stages. The loop is the architecture.
#include "qcc/Pipeline/Compile.h"
#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/Timing.h"
#include "qcc/Emit/Translate.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Import/Import.h"
#include "qcc/Pipeline/BlobFolder.h"
#include "qcc/Pipeline/ValidatePasses.h"
#include "qcc/Quantize/QntFile.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

std::unique_ptr<MLIRContext> qcc::makeContext(unsigned threads) {
  DialectRegistry registry;
  registry.insert<qnt::QntDialect, tile::TileDialect>();
  ptx::registerGpuDialects(registry);
  emit::registerTranslations(registry);
  auto context = std::make_unique<MLIRContext>(
      registry, threads == 1 ? MLIRContext::Threading::DISABLED : MLIRContext::Threading::ENABLED);
  context->loadAllAvailableDialects();
  context->printOpOnDiagnostic(false); // a message names the node; the dump of a function hides it
  return context;
}

namespace {

/// Collects diagnostics while it lives; the first error becomes an llvm::Error.
class Collector {
public:
  /// `otherwise` is the code of errors that name none.
  explicit Collector(MLIRContext &context, Diag otherwise = Diag::Internal)
      : code(otherwise), handler(&context, [this](Diagnostic &diagnostic) { take(diagnostic); }) {}

  /// The first error with its notes, or an internal one when a pass failed silently.
  Error error(StringRef stage) {
    if (first.empty())
      return makeError(Diag::Internal, "", "a pass of stage '" + stage.str() + "' failed");
    return makeError(code, where, first, notes);
  }

private:
  void take(Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error || !first.empty())
      return;
    first = diagnostic.str();
    StringRef text = first;
    // Passes spell codes in front: "QCC1650: message", which emitOpError puts the op before.
    auto [op, coded] = text.split("QCC");
    int number;
    if (!coded.consumeInteger(10, number) && coded.consume_front(": ") &&
        !explainDiag(number).empty()) {
      code = static_cast<Diag>(number);
      first = (op + coded).str();
    }
    StringRef node = qnt::nodeName(diagnostic.getLocation());
    if (!node.empty())
      where = "node '" + node.str() + "'";
    for (Diagnostic &note : diagnostic.getNotes())
      notes.push_back(note.str());
  }

  Diag code;
  std::string first, where;
  std::vector<std::string> notes;
  ScopedDiagnosticHandler handler;
};

/// Where blobs live while a model is compiled: as told, or a temporary folder.
std::string blobFolderFor(const CompileRequest &request) {
  if (!request.blobs.empty())
    return request.blobs;
  if (request.emit == EmitKind::Mlir && request.output != "-")
    return request.output + ".blobs";
  if (StringRef(request.input).ends_with(".mlir"))
    return request.input + ".blobs";
  SmallString<128> path;
  llvm::sys::path::system_temp_directory(true, path);
  llvm::sys::path::append(path, "qcc-blobs-" + std::to_string(llvm::sys::Process::getProcessId()));
  return std::string(path);
}

Error dumpStage(ModuleOp module, Stage stage, const CompileRequest &request) {
  if (request.dumpStages.empty())
    return Error::success();
  if (std::error_code failed = llvm::sys::fs::create_directories(request.dumpStages))
    return makeError(Diag::CannotWrite, request.dumpStages, failed.message());
  SmallString<128> path(request.dumpStages);
  llvm::sys::path::append(path, std::to_string(static_cast<int>(stage)) + "." +
                                    stageName(stage).str() + ".mlir");
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().enableDebugInfo(false).assumeVerified());
  return writeFileAtomically(path, text);
}

Expected<Stage> stageOption(StringRef option, StringRef name, Stage otherwise) {
  if (name.empty())
    return otherwise;
  if (auto stage = stageByName(name))
    return *stage;
  std::string known;
  for (Stage stage : allStages())
    known += (known.empty() ? "" : ", ") + stageName(stage).str();
  return makeError(Diag::UsageError, "",
                   ("--" + option + ": no stage is called '" + name + "'").str(),
                   {"stages are " + known});
}

/// How deep brackets are nested in MLIR text, outside of comments and strings.
unsigned nestingOf(StringRef text) {
  unsigned depth = 0, deepest = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    StringRef rest = text.drop_front(i);
    char c = text[i];
    if (rest.starts_with("//"))
      i = std::min(text.find('\n', i), text.size());
    else if (c == '"')
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
        i += text[i] == '\\';
    else if (rest.starts_with("->") || rest.starts_with(">="))
      ++i;
    else if (c == '{' || c == '(' || c == '[' || c == '<')
      deepest = std::max(deepest, ++depth);
    else if ((c == '}' || c == ')' || c == ']' || c == '>') && depth)
      --depth;
  }
  return deepest;
}

/// Passes rely on what import leaves: a function of one block, tensors in and out.
Error checkFunctions(ModuleOp module, StringRef path) {
  if (module.getOps<func::FuncOp>().empty() && module.getOps<qnt::EntryOp>().empty())
    return makeError(Diag::BadMlir, path.str(), "holds no function");
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    std::string where = path.str() + ": function '" + function.getSymName().str() + "'";
    if (!function.getBody().hasOneBlock())
      return makeError(Diag::BadMlir, where,
                       "has " + std::to_string(function.getBody().getBlocks().size()) +
                           " blocks; a model function has one");
    for (ArrayRef<Type> types : {function.getArgumentTypes(), function.getResultTypes()})
      for (Type type : types)
        if (!isa<RankedTensorType>(type))
          return makeError(Diag::BadMlir, where, "takes or gives something other than tensors");
  }
  return Error::success();
}

/// MLIR text; its parser recurses, so depth is bounded before it starts.
Error parseMlir(MLIRContext &context, StringRef path, OwningOpRef<ModuleOp> &module) {
  constexpr unsigned maxNesting = 256;
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  if (unsigned depth = nestingOf((*buffer)->getBuffer()); depth > maxNesting)
    return makeError(Diag::TooDeep, path.str(),
                     "brackets are nested " + std::to_string(depth) + " deep, at most " +
                         std::to_string(maxNesting) + " are read");
  Collector collector(context, Diag::BadMlir);
  module = parseSourceString<ModuleOp>((*buffer)->getBuffer(), &context, path);
  if (!module)
    return collector.error("parse");
  return checkFunctions(*module, path);
}

/// The options that MLIR itself understands; qcc passes them through.
struct MlirArguments {
  bool timing = false, printAfterAll = false;
  explicit MlirArguments(const std::vector<std::string> &args) {
    for (const std::string &arg : args) {
      timing |= arg == "--mlir-timing";
      printAfterAll |= arg == "--mlir-print-ir-after-all";
    }
  }
};

} // namespace

ImportOptions qcc::importOptions(MLIRContext &context, const CompileRequest &request) {
  ImportOptions options;
  options.inputs = request.cutInputs;
  options.outputs = request.cutOutputs;
  options.roles = request.binds;
  if (!request.functions.empty())
    options.functionFiles.push_back(request.functions);
  options.hostOps = request.hostOps;
  for (const ShapeBinding &shape : request.shapes) {
    ShapeOption option{shape.input, {}};
    for (ShapeRange range : shape.dims)
      option.dims.push_back({range.min, range.max});
    options.shapes.push_back(option);
  }
  options.addBlob = [&context, blobs = BlobFolder(blobFolderFor(request))](
                        ArrayRef<uint8_t> bytes) mutable { return blobs.add(context, bytes); };
  return options;
}

Expected<LoadedModel> qcc::loadModel(MLIRContext &context, const CompileRequest &request) {
  LoadedModel model;
  StringRef input = request.input;
  model.modelDir = llvm::sys::path::parent_path(input).str();
  model.blobDir = blobFolderFor(request);
  if (input.ends_with(".mlir")) {
    if (Error failed = parseMlir(context, input, model.module))
      return std::move(failed);
    // File ranges count from the folder that the model was imported from, which is told relative
    // to this file.
    if (auto folder = (*model.module)->getAttrOfType<StringAttr>(modelFolderAttrName)) {
      SmallString<128> path(folder.getValue());
      if (llvm::sys::path::is_relative(path)) {
        path = model.modelDir;
        llvm::sys::path::append(path, folder.getValue());
        llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/false);
      }
      model.modelDir = path.str().str();
    }
    return model;
  }
  if (input.ends_with(".qnt")) {
    Expected<quantize::QntFile> file = quantize::readQntFile(input, context);
    if (!file)
      return file.takeError();
    model.module = std::move(file->module);
    if (Error failed = checkFunctions(*model.module, input))
      return std::move(failed);
    return model;
  }
  Expected<OwningOpRef<ModuleOp>> imported =
      importOnnx(input, context, importOptions(context, request));
  if (!imported)
    return imported.takeError();
  model.module = std::move(*imported);
  return model;
}

Error qcc::runStages(LoadedModel &model, Stage from, Stage to, const PipelineOptions &options,
                     const CompileRequest &request, TimingScope &timing) {
  MlirArguments arguments(request.mlirArgs);
  std::optional<PassValidator> validator;
  if (request.validatePasses) {
    model.module->getContext()->disableMultithreading();
    validator.emplace(model.modelDir, model.blobDir);
    if (Error failed = validator->start(*model.module))
      return failed;
  }
  for (Stage stage : allStages()) {
    if (stage < from || stage > to)
      continue;
    // A pass manager of its own: timing, reproducers and dumps are per stage.
    PassManager pm(model.module->getContext());
    pm.enableVerifier(true);
    TimingScope scope = timing.nest(stageName(stage));
    pm.enableTiming(scope);
    if (arguments.printAfterAll) {
      model.module->getContext()->disableMultithreading();
      pm.enableIRPrinting();
    }
    buildStage(pm, stage, options);
    if (validator)
      pm.addInstrumentation(validator->instrumentation());
    Collector collector(*model.module->getContext());
    if (failed(pm.run(*model.module)))
      return collector.error(stageName(stage));
    if (validator)
      if (Error failed = validator->result())
        return failed;
    if (Error failed = dumpStage(*model.module, stage, request))
      return failed;
  }
  return Error::success();
}

/// Whether a dump of the last stage was read: entry points, and a module of code for each level.
static bool isLowered(ModuleOp module) { return !module.getOps<qnt::EntryOp>().empty(); }

/// Goes on from a dump of the last stage: nothing is left to do but to emit the code it holds.
static Error emitLowered(LoadedModel &model, Stage from, PipelineOptions options,
                         const CompileRequest &request, raw_ostream &err) {
  if (from != Stage::Lower)
    return makeError(Diag::BadMlir, request.input, "is lowered already, which is the last stage",
                     {}, "go on with --from=lower, or start from a dump of an earlier stage");
  std::vector<std::string> present, levels;
  for (ModuleOp code : model.module->getOps<ModuleOp>())
    if (code.getName() && findTarget(*code.getName()))
      present.push_back(code.getName()->str());
  for (const std::string &level : options.levels)
    if (llvm::is_contained(present, level))
      levels.push_back(level);
    else if (!request.targets.empty())
      return makeError(Diag::BadMlir, request.input, "holds no code for '" + level + "'",
                       {"it holds code for " + llvm::join(present, ", ")});
  if (levels.empty())
    levels = present;
  // A body that was written for GPUs too asks for services that come with their code.
  if (request.emit != EmitKind::Ptx)
    for (const std::string &level : present)
      if (findTarget(level)->isGpu() && !llvm::is_contained(levels, level))
        levels.push_back(level);
  if (levels.empty() || model.module->getOps<qnt::SectionOp>().empty())
    return makeError(Diag::BadMlir, request.input, "holds entry points, but no code for them");
  return emitArtifact(model, levels, request, err);
}

PipelineOptions qcc::pipelineOptions(const QuantizeRequest &wish) {
  PipelineOptions options;
  options.scheme = wish.keep ? "keep" : wish.text;
  options.embed = wish.embed;
  options.head = wish.head;
  options.skip = wish.skip;
  options.recipe = wish.recipe;
  options.attention = wish.attention;
  options.kv = wish.kv == "f32" ? "" : wish.kv;
  options.costTable = wish.costTable;
  return options;
}

Error qcc::compileModel(const CompileRequest &request, raw_ostream &err) {
  std::string spec;
  for (const std::string &target : request.targets)
    spec += (spec.empty() ? "" : ",") + target;
  Expected<std::vector<const Target *>> targets = expandTarget(spec);
  if (!targets)
    return targets.takeError();
  PipelineOptions options = pipelineOptions(request.quantize);
  options.optLevel = request.optLevel;
  options.exactNumerics = request.exactNumerics;
  for (const Target *target : *targets)
    options.levels.push_back(target->name);
  // Artifacts with code for GPUs run on all of them.
  if (request.emit != EmitKind::Ptx && targets->back()->isGpu() &&
      targets->back() != &fallbackGpu())
    options.levels.push_back(fallbackGpu().name);

  Expected<Stage> from = stageOption("from", request.fromStage, Stage::Import);
  if (!from)
    return from.takeError();
  Expected<Stage> to = stageOption("to", request.toStage, Stage::Lower);
  if (!to)
    return to.takeError();
  // What a .qnt holds has been through the quantize stage, which finds nothing new to do but
  // caches.
  if (StringRef(request.input).ends_with(".qnt") && *from < Stage::Fuse)
    from = options.kv.empty() ? Stage::Fuse : Stage::Quantize;
  bool isDone = StringRef(request.input).ends_with(".qnt") && *to == Stage::Quantize;
  if (*to < *from && !isDone)
    return makeError(Diag::UsageError, "",
                     "--to=" + stageName(*to).str() + " lies before --from=" +
                         stageName(*from).str() + "; data only flows down");
  if (isModelFile(request.emit))
    to = Stage::Quantize;

  DefaultTimingManager manager;
  manager.setEnabled(MlirArguments(request.mlirArgs).timing);
  TimingScope timing = manager.getRootScope();
  auto context = makeContext(request.threads);
  Expected<LoadedModel> model = loadModel(*context, request);
  if (!model)
    return model.takeError();
  if (isLowered(*model->module))
    return emitLowered(*model, *from, options, request, err);
  if (Error failed = runStages(*model, *from, *to, options, request, timing))
    return failed;
  TimingScope emission = timing.nest("emit");
  return emitArtifact(*model, options.levels, request, err);
}
