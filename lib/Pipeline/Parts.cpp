// The parts of an artifact: tables, modules to compile, weights to write.
#include "Parts.h"
#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "qcc/Emit/Translate.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Lower/KernelFrame.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Quantize/QntFile.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Target.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SHA256.h"
#include <atomic>
#include <thread>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

ModuleOp pipeline::nestedModule(ModuleOp module, StringRef name) {
  for (ModuleOp nested : module.getOps<ModuleOp>())
    if (nested.getSymName() == name)
      return nested;
  return {};
}

std::vector<std::string> pipeline::levelNames(const emit::ModelParts &parts) {
  std::vector<std::string> names;
  for (const emit::LevelPart &level : parts.levels)
    names.push_back(level.name);
  for (const emit::GpuPart &gpu : parts.gpus)
    names.push_back(gpu.name);
  return names;
}

std::string pipeline::qntMetadata(StringRef path, StringRef key) {
  if (!quantize::isQntFile(path))
    return "";
  auto text = quantize::readQntMetadata(path);
  Expected<llvm::json::Value> json =
      text ? llvm::json::parse(*text) : Expected<llvm::json::Value>(text.takeError());
  if (!json) {
    llvm::consumeError(json.takeError());
    return "";
  }
  const llvm::json::Object *object = json->getAsObject();
  return object ? object->getString(key).value_or("").str() : "";
}

std::string pipeline::cacheFormat(const CompileRequest &request) {
  const std::string &asked = request.quantize.kv;
  return asked.empty() || asked == "f32" ? qntMetadata(request.input, "kv") : asked;
}

namespace {

std::vector<std::string> dimTexts(Type type) {
  std::vector<std::string> texts;
  for (qnt::DimExpr dim : qnt::dimsOf(type))
    texts.push_back(dim.str());
  return texts;
}

emit::TensorPart tensorPart(Attribute description) {
  auto attrs = cast<DictionaryAttr>(description);
  Type type = cast<TypeAttr>(attrs.get("type")).getValue();
  emit::TensorPart part;
  part.name = cast<StringAttr>(attrs.get("name")).str();
  part.role = cast<StringAttr>(attrs.get("role")).str();
  part.dtype = dtypeOf(qnt::elementTypeOf(type));
  part.dims = dimTexts(type);
  return part;
}

int64_t integer(DictionaryAttr attrs, StringRef name) {
  return cast<IntegerAttr>(attrs.get(name)).getInt();
}

/// "past.3.key" -> layer 3, key.
void readCacheRole(StringRef role, emit::KvPart &part) {
  auto [past, rest] = role.split('.');
  auto [layer, what] = rest.split('.');
  unsigned number = 0;
  if (!layer.getAsInteger(10, number))
    part.layer = number;
  part.isValue = what == "value";
}

emit::HostPart hostPart(DictionaryAttr attrs) {
  auto text = [&](StringRef name) { return cast<StringAttr>(attrs.get(name)).str(); };
  emit::HostPart part;
  part.domain = text("domain");
  part.callee = text("callee");
  part.node = text("node");
  part.attributes = text("attributes");
  for (StringRef list : {"inputs", "outputs"})
    for (Attribute entry : cast<ArrayAttr>(attrs.get(list))) {
      auto type = dyn_cast<TypeAttr>(entry); // a unit: absent
      part.dtypes.push_back(type ? dtypeOf(qnt::elementTypeOf(type.getValue())) : 0);
      part.ranks.push_back(type ? qnt::dimsOf(type.getValue()).size() : 0);
    }
  part.inputs = cast<ArrayAttr>(attrs.get("inputs")).size();
  return part;
}

emit::EntryPart entryPart(qnt::EntryOp entry) {
  emit::EntryPart part;
  part.name = entry.getSymName().str();
  part.planSymbol = entry.getPlan().str();
  part.runSymbol = entry.getRun().str();
  part.segments = entry.getSegments();
  llvm::StringMap<int32_t> symbolNumbers;
  for (Attribute attr : entry.getInputs())
    part.inputs.push_back(tensorPart(attr));
  for (Attribute attr : entry.getOutputs())
    part.outputs.push_back(tensorPart(attr));
  for (auto [i, attr] : llvm::enumerate(entry.getSymbols())) {
    auto symbol = cast<qnt::SymbolAttr>(attr);
    symbolNumbers[symbol.getName()] = i;
    part.symbols.push_back({symbol.getName().str(), symbol.getMin(), symbol.getMax(),
                            symbol.getDivisor(), static_cast<int32_t>(symbol.getInput()),
                            static_cast<int32_t>(symbol.getAxis())});
  }
  if (auto slices = entry.getSlices())
    part.slices = 1 + symbolNumbers.lookup(*slices);
  if (auto accesses = entry.getAccesses())
    for (auto launch : accesses->getAsRange<DenseI32ArrayAttr>())
      part.accesses.emplace_back(launch.asArrayRef().begin(), launch.asArrayRef().end());
  for (Attribute attr : entry.getCaches()) {
    auto cache = cast<DictionaryAttr>(attr);
    emit::KvPart kv;
    kv.input = integer(cache, "input");
    kv.output = integer(cache, "output");
    readCacheRole(part.inputs[kv.input].role, kv);
    auto symbol = symbolNumbers.find(part.inputs[kv.input].dims[2]);
    if (symbol != symbolNumbers.end())
      kv.pastSymbol = symbol->second;
    part.kv.push_back(kv);
  }
  for (Attribute attr : entry.getChecks()) {
    auto check = cast<DictionaryAttr>(attr);
    auto text = [&](StringRef name) { return cast<StringAttr>(check.get(name)).str(); };
    part.checks.push_back({text("lhs"), text("rhs"), text("site")});
  }
  if (ArrayAttr hosts = entry.getHostsAttr())
    for (Attribute host : hosts)
      part.hosts.push_back(hostPart(cast<DictionaryAttr>(host)));
  for (Attribute site : entry.getSites())
    part.sites.push_back(cast<StringAttr>(site).str());
  return part;
}

/// Kernels a chunk: small enough to keep all cores busy, large enough to amortise a module. What
/// goes to a cache goes there by kernels.
constexpr size_t chunkSize = 6;

/// What is there of a module before it is translated: the code that a cache has, or a key for it.
/// Emission puts the names of model and level before those of symbols.
emit::CodeModule asCached(ModuleOp module, StringRef level, const emit::ModelParts &parts) {
  emit::CodeModule code;
  if (!parts.cache)
    return code;
  std::string text = parts.name + ' ' + parts.triple + ' ' + level.str() + '\n';
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().printGenericOpForm().useLocalScope());
  code.key = llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text)));
  code.cached = parts.cache->find(code.key);
  if (code.cached)
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      if (function.isPublic() && !function.isDeclaration())
        code.symbols.push_back(function.getSymName().str());
  return code;
}

/// The kernels of a level in the order of its table; the other functions are parts of kernels.
SmallVector<func::FuncOp> kernelFunctions(ModuleOp level) {
  SmallVector<func::FuncOp> functions;
  for (func::FuncOp function : level.getOps<func::FuncOp>())
    if (function.isPublic())
      functions.push_back(function);
  return functions;
}

/// Whether `op` becomes instructions that `target` has and `base` lacks.
bool isOwn(Operation *op, const Target &target, const Target &base) {
  if (isa<tile::ConfigureOp>(op)) // kernels that go in matrix tiles configure them first
    return target.hasTiles && !base.hasTiles;
  return isa<tile::DotBf16Op, tile::ToBf16Op>(op) && target.hasBf16Dots && !base.hasBf16Dots;
}

/// Whether `function` or a part that it calls has such ops.
bool hasOwnOps(func::FuncOp function, SymbolTable &symbols, const Target &target,
               const Target &base) {
  return function
      .walk([&](Operation *op) {
        auto call = dyn_cast<func::CallOp>(op);
        bool own = isOwn(op, target, base) ||
                   (call && hasOwnOps(symbols.lookup<func::FuncOp>(call.getCallee()), symbols,
                                      target, base));
        return own ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// What a level's table is made of. Kernels whose code would be that of the level's base, if that
/// is in the same artifact, are not its own.
struct LevelCode {
  const Target *target;
  ModuleOp module; ///< null: there is no code for the level
  int base;        ///< the place of the next of the level's bases that is in the list, or -1
  SmallVector<func::FuncOp> own;

  bool owns(StringRef kernel) const {
    return llvm::any_of(own, [&](func::FuncOp f) { return f.getSymName() == kernel; });
  }
};

int baseOf(const Target &level, ArrayRef<std::string> levels) {
  for (const char *name = level.base; name; name = findTarget(name)->base)
    if (const std::string *found = llvm::find(levels, name); found != levels.end())
      return static_cast<int>(found - levels.begin());
  return -1;
}

std::vector<LevelCode> levelCode(ModuleOp module, ArrayRef<std::string> levels) {
  std::vector<LevelCode> all;
  for (const std::string &name : levels) {
    const Target &target = *findTarget(name);
    LevelCode level{&target, pipeline::nestedModule(module, name), baseOf(target, levels), {}};
    if (level.module) {
      level.own = kernelFunctions(level.module);
      SymbolTable symbols(level.module);
      if (level.base >= 0)
        llvm::erase_if(level.own, [&](func::FuncOp f) {
          return !hasOwnOps(f, symbols, target, *findTarget(levels[level.base]));
        });
    }
    all.push_back(std::move(level));
  }
  return all;
}

/// The same without levels that would be their base under another name.
std::vector<LevelCode> distinctLevels(ModuleOp module, ArrayRef<std::string> levels) {
  std::vector<std::string> distinct;
  for (const LevelCode &level : levelCode(module, levels))
    if (!level.module || level.base < 0 || !level.own.empty())
      distinct.push_back(level.target->name);
  return levelCode(module, distinct);
}

/// The level of the list that `kernel` of level `at` is compiled for.
int homeOf(StringRef kernel, int at, ArrayRef<LevelCode> levels) {
  while (!levels[at].owns(kernel))
    at = levels[at].base;
  return at;
}

/// Copies `function` and the parts it calls into `chunk`.
void copyWithParts(func::FuncOp function, SymbolTable &symbols, ModuleOp chunk) {
  if (chunk.lookupSymbol(function.getSymName()))
    return;
  OpBuilder::atBlockEnd(chunk.getBody()).clone(*function);
  function.walk([&](func::CallOp call) {
    copyWithParts(symbols.lookup<func::FuncOp>(call.getCallee()), symbols, chunk);
  });
}

/// Kernels of a level as nested modules of a few, so that they lower and compile in parallel.
OwningOpRef<ModuleOp> splitKernels(ModuleOp level, ArrayRef<func::FuncOp> kernels, size_t each) {
  OwningOpRef<ModuleOp> all(ModuleOp::create(level.getLoc()));
  OpBuilder outer = OpBuilder::atBlockEnd(all->getBody());
  SymbolTable symbols(level);
  ModuleOp chunk;
  for (auto [i, function] : llvm::enumerate(kernels)) {
    if (i % each == 0)
      chunk = ModuleOp::create(outer, level.getLoc());
    copyWithParts(function, symbols, chunk);
  }
  return all;
}

Expected<std::vector<emit::CodeModule>> translateLevel(ModuleOp level,
                                                       ArrayRef<func::FuncOp> kernels,
                                                       const Target &target, unsigned threads,
                                                       const emit::ModelParts &parts) {
  OwningOpRef<ModuleOp> all = splitKernels(level, kernels, parts.cache ? 1 : chunkSize);
  std::vector<emit::CodeModule> modules;
  SmallVector<ModuleOp> chunks; // null where there is code
  for (ModuleOp chunk : llvm::make_early_inc_range(all->getOps<ModuleOp>())) {
    modules.push_back(asCached(chunk, target.name, parts));
    chunks.push_back(modules.back().cached ? ModuleOp() : chunk);
    if (modules.back().cached)
      chunk.erase();
  }
  PassManager pm(level.getContext());
  pm.enableVerifier(false);
  populateKernelToLlvm(pm.nest<ModuleOp>(), target);
  if (failed(pm.run(*all)))
    return makeError(Diag::Internal, "",
                     std::string("the kernels for ") + target.name + " do not lower to LLVM");
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < chunks.size();) {
      if (!chunks[i])
        continue;
      modules[i].context = std::make_unique<llvm::LLVMContext>();
      modules[i].module = translateLowered(chunks[i], target, *modules[i].context);
      modules[i].optimized = true;
      if (modules[i].module)
        modules[i].module->setModuleIdentifier(std::string(target.name) + "." + std::to_string(i));
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < std::min<size_t>(threads, chunks.size()); ++i)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  for (emit::CodeModule &module : modules)
    if (!module.module && !module.cached)
      return makeError(Diag::Internal, "",
                       std::string("the kernels for ") + target.name + " do not translate to LLVM");
  return modules;
}

Expected<emit::CodeModule> translateBody(ModuleOp body, const emit::ModelParts &parts) {
  emit::CodeModule code = asCached(body, "", parts);
  if (code.cached)
    return code;
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(body->clone()));
  PassManager pm(body.getContext());
  populateKernelToLlvm(pm, *findTarget("scalar"));
  if (failed(pm.run(*copy)))
    return makeError(Diag::Internal, "", "the model body does not translate to LLVM");
  auto made = emit::translateModule(*copy, "body");
  if (made)
    made->key = std::move(code.key);
  return made;
}

/// What a weight is called in reports: its storage and granularity, or its element type.
std::string schemeText(Type type) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto q = dyn_cast<qnt::QType>(type)) {
    os << qnt::stringifyStorage(q.getStorage());
    if (q.getGranularity() == qnt::Granularity::block)
      os << " g" << q.getBlock() << (q.isSymmetric() ? "" : " asym");
    else if (q.getGranularity() == qnt::Granularity::axis)
      os << " per row";
  } else {
    os << qnt::elementTypeOf(type);
  }
  return text;
}

std::string manifest(ModuleOp module, qnt::SectionOp section, const CompileRequest &request,
                     ArrayRef<std::string> levels) {
  SymbolTable symbols(module);
  llvm::json::Array weights;
  for (auto [i, reference] : llvm::enumerate(section.getWeights())) {
    StringRef name = cast<FlatSymbolRefAttr>(reference).getValue();
    auto weight = symbols.lookup<qnt::WeightOp>(name);
    int64_t bytes = *lower::bufferBytes(weight.getType()).constantValue();
    llvm::json::Array dims;
    for (qnt::DimExpr dim : qnt::dimsOf(weight.getType()))
      dims.push_back(*dim.constantValue());
    weights.push_back(llvm::json::Object{{"name", name},
                                         {"dims", std::move(dims)},
                                         {"scheme", schemeText(weight.getType())},
                                         {"bytes", bytes}});
  }
  llvm::json::Object object{{"schema", "qcc.manifest/1"},
                            {"name", request.name},
                            {"options", llvm::json::Array(request.options)},
                            {"source_sha256", sourceHash(request.input)},
                            {"targets", llvm::json::Array(levels)},
                            {"scheme", request.quantize.keep ? "keep" : request.quantize.text},
                            {"quality", "not measured"},
                            {"weights", std::move(weights)}};
  if (std::string format = pipeline::cacheFormat(request); !format.empty())
    object["kv"] = format;
  return llvm::formatv("{0:2}", llvm::json::Value(std::move(object)));
}

bool isGpu(const std::string &level) { return findTarget(level)->isGpu(); }

Error noCodeFor(const Target &target) {
  return makeError(Diag::UsageError, "",
                   std::string("the module holds no code for ") + target.name +
                       "; start from an earlier stage");
}

/// Tables of all levels of CPUs.
Error addLevels(ModuleOp module, ArrayRef<std::string> requested, unsigned threads,
                emit::ModelParts &parts) {
  std::vector<LevelCode> levels = distinctLevels(module, requested);
  for (const auto &[i, code] : llvm::enumerate(levels)) {
    const Target &target = *code.target;
    if (!code.module)
      return noCodeFor(target);
    emit::LevelPart level;
    level.name = target.name;
    level.features = target.featureBits;
    level.cpu = target.cpu;
    level.cpuFeatures = target.features;
    auto modules = translateLevel(code.module, code.own, target, threads, parts);
    if (!modules)
      return modules.takeError();
    level.modules = std::move(*modules);
    for (func::FuncOp function : kernelFunctions(code.module)) {
      std::string name = function.getSymName().str();
      int home = homeOf(name, static_cast<int>(i), levels);
      level.kernels.push_back({name, home == static_cast<int>(i) ? -1 : home});
    }
    parts.levels.push_back(std::move(level));
  }
  return Error::success();
}

/// The code for one kind of GPU, kernels in the order of the table.
Error addGpu(ModuleOp module, const Target &target, emit::ModelParts &parts) {
  ModuleOp code = pipeline::nestedModule(module, target.name);
  if (!code)
    return noCodeFor(target);
  auto made = ptx::emitPtx(code, target);
  if (!made)
    return made.takeError();
  llvm::StringMap<const ptx::PtxKernel *> byName;
  for (const ptx::PtxKernel &kernel : made->kernels)
    byName[kernel.name] = &kernel;
  ComputeCapability capability = target.capability();
  emit::GpuPart part{target.name, capability.major, capability.minor, capability.exact, {}, {}};
  for (const std::string &name : parts.kernelNames) {
    const ptx::PtxKernel &kernel = *byName.lookup(name);
    emit::GpuKernelPart k;
    k.name = name;
    k.slots = kernel.slots;
    k.blockThreads = kernel.blockThreads;
    k.blockWorkers = kernel.blockWorkers;
    k.dynamicSharedBytes = kernel.sharedBytes;
    k.frameBytes = kernel.frameBytes;
    k.sharesTasks = kernel.sharesTasks;
    part.kernels.push_back(std::move(k));
  }
  part.ptx = std::move(made->text);
  parts.gpus.push_back(std::move(part));
  return Error::success();
}

/// Code for GPUs comes with that of the machine it is launched from.
const char *tripleOf(ArrayRef<std::string> cpus) {
  return cpus.empty() ? hostLevels().front()->triple : findTarget(cpus.front())->triple;
}

} // namespace

Expected<emit::ModelParts> pipeline::makeParts(LoadedModel &model, ArrayRef<std::string> requested,
                                               const CompileRequest &request,
                                               pack::WeightStore &store) {
  ModuleOp module = *model.module;
  std::vector<std::string> cpus, gpus;
  for (const std::string &level : requested)
    (isGpu(level) ? gpus : cpus).push_back(level);
  emit::ModelParts parts;
  parts.name = request.name;
  if (request.emit != EmitKind::LlvmIr && request.emit != EmitKind::Assembly)
    parts.cache = model.codes;
  parts.triple = tripleOf(cpus);
  unsigned threads =
      request.threads ? request.threads : std::max(1u, std::thread::hardware_concurrency());
  if (ModuleOp first = pipeline::nestedModule(module, requested.front()))
    for (func::FuncOp function : kernelFunctions(first))
      parts.kernelNames.push_back(function.getSymName().str());
  if (Error failed = addLevels(module, cpus, threads, parts))
    return std::move(failed);
  for (const std::string &gpu : gpus)
    if (Error failed = addGpu(module, *findTarget(gpu), parts))
      return std::move(failed);
  auto body = translateBody(pipeline::nestedModule(module, "body"), parts);
  if (!body)
    return body.takeError();
  parts.bodyModules.push_back(std::move(*body));
  for (qnt::EntryOp entry : module.getOps<qnt::EntryOp>())
    parts.entries.push_back(entryPart(entry));
  qnt::SectionOp section = *module.getOps<qnt::SectionOp>().begin();
  parts.weights.bytes = section.getBytes();
  parts.weights.write = [&store, section](emit::WeightsSink sink) {
    return store.writeSection(section, sink);
  };
  parts.manifest = manifest(module, section, request, levelNames(parts));
  return parts;
}
