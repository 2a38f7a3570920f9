// LLVM modules to machine code, many at a time. Each module has a context of its own, and results
// are kept in the order of the modules: threads have no influence on the bytes.
#include "Detail.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace llvm;

namespace qcc::emit {
namespace {

Error badParts(const Twine &message) {
  return makeError(Diag::BadModelParts, "emit", message.str());
}

bool isIdentifier(StringRef name) {
  return !name.empty() && !isDigit(name[0]) &&
         all_of(name, [](char c) { return isAlnum(c) || c == '_'; });
}

bool isOurs(const GlobalValue &value) {
  return !value.isDeclaration() && !value.hasLocalLinkage() &&
         !value.getName().starts_with("llvm.");
}

StringSet<> definedBy(ArrayRef<CodeModule> modules) {
  StringSet<> names;
  for (const CodeModule &code : modules) {
    names.insert_range(code.symbols);
    if (code.module)
      for (const GlobalValue &value : code.module->global_values())
        if (isOurs(value))
          names.insert(value.getName());
  }
  return names;
}

void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser(); // inline assembly
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
  });
}

/// Keeps the first error that LLVM reports; its own handler would print and exit.
struct ErrorCollector : DiagnosticHandler {
  explicit ErrorCollector(std::string &first) : first(first) {}
  bool handleDiagnostics(const DiagnosticInfo &info) override {
    if (info.getSeverity() != DS_Error || !first.empty())
      return true;
    raw_string_ostream os(first);
    DiagnosticPrinterRawOStream printer(os);
    info.print(printer);
    return true;
  }
  std::string &first;
};

Error codegenError(StringRef module, const Twine &message) {
  return makeError(Diag::CodegenFailed, "module '" + module.str() + "'", message.str());
}

Expected<std::unique_ptr<TargetMachine>> makeMachine(const std::string &text, unsigned optLevel) {
  initializeTargets();
  Triple triple(text);
  std::string problem;
  const Target *target = nullptr;
  if (triple.isOSLinux() &&
      (triple.getArch() == Triple::x86_64 || triple.getArch() == Triple::aarch64))
    target = TargetRegistry::lookupTarget(triple, problem);
  if (!target)
    return makeError(Diag::NoCodeGenerator, text, "no code generator for this target");
  TargetOptions options;
  options.FunctionSections = true;
  options.DataSections = true;
  auto level = CodeGenOpt::getLevel(static_cast<int>(std::min(optLevel, 3u)));
  // Functions name their CPU themselves; what is left runs on every machine of the architecture.
  const char *cpu = triple.getArch() == Triple::x86_64 ? "x86-64" : "generic";
  return std::unique_ptr<TargetMachine>(
      target->createTargetMachine(triple, cpu, "", options, Reloc::PIC_, CodeModel::Small, *level));
}

/// LLVM's own pipeline, told that there is no C library.
void optimize(Module &module, TargetMachine &machine, unsigned optLevel) {
  PipelineTuningOptions tuning;
  tuning.LoopInterleaving = tuning.LoopVectorization = optLevel >= 2;
  tuning.SLPVectorization = optLevel >= 2;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  TargetLibraryInfoImpl noLibrary(machine.getTargetTriple());
  noLibrary.disableAllFunctions();
  functions.registerPass([&] { return TargetLibraryAnalysis(noLibrary); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  static const OptimizationLevel levels[] = {OptimizationLevel::O0, OptimizationLevel::O1,
                                             OptimizationLevel::O2, OptimizationLevel::O3};
  OptimizationLevel level = levels[std::min(optLevel, 3u)];
  ModulePassManager passes = optLevel == 0 ? builder.buildO0DefaultPipeline(level)
                                           : builder.buildPerModuleDefaultPipeline(level);
  passes.run(module, modules);
}

Error generate(Module &module, TargetMachine &machine, CodeGenFileType kind,
               SmallVectorImpl<char> &out) {
  raw_svector_ostream os(out);
  legacy::PassManager passes;
  auto *noLibrary = new TargetLibraryInfoWrapperPass(machine.getTargetTriple());
  passes.add(noLibrary);
  if (machine.addPassesToEmitFile(passes, os, nullptr, kind, /*DisableVerify=*/true))
    return codegenError(module.getName(), "the target cannot write this kind of file");
  passes.run(module);
  return Error::success();
}

/// Runs `work` with LLVM's errors turned into ours.
Error collectErrors(Module &module, function_ref<Error()> work) {
  std::string first;
  LLVMContext &context = module.getContext();
  auto before = context.getDiagnosticHandler();
  context.setDiagnosticHandler(std::make_unique<ErrorCollector>(first));
  Error result = work();
  context.setDiagnosticHandler(std::move(before));
  if (!result && !first.empty())
    return codegenError(module.getName(), first);
  return result;
}

Error compileOne(CodeModule &code, const std::string &triple, unsigned optLevel,
                 ObjectCode *object) {
  if (code.cached) {
    *object = {code.symbols.front(), *code.cached};
    return Error::success();
  }
  Module &module = *code.module;
  Expected<std::unique_ptr<TargetMachine>> machine = makeMachine(triple, optLevel);
  if (!machine)
    return machine.takeError();
  module.setTargetTriple(Triple(triple));
  module.setDataLayout((*machine)->createDataLayout());
  module.setPICLevel(PICLevel::BigPIC);
  std::string problem;
  raw_string_ostream os(problem);
  if (verifyModule(module, &os))
    return codegenError(module.getName(), StringRef(problem).rtrim());
  if (module.getTargetTriple().isX86())
    expandBfloatRounding(module);
  return collectErrors(module, [&]() -> Error {
    if (!code.optimized)
      optimize(module, **machine, optLevel);
    if (!object)
      return Error::success();
    object->name = module.getName().str();
    return generate(module, **machine, CodeGenFileType::ObjectFile, object->bytes);
  });
}

void prepareGroup(MutableArrayRef<CodeModule> modules, StringRef cpu, StringRef features,
                  ArrayRef<std::pair<std::string, std::string>> attributes,
                  function_ref<std::string(StringRef)> rename) {
  StringSet<> names = definedBy(modules);
  for (CodeModule &code : modules) {
    if (!code.module)
      continue;
    for (GlobalValue &value : code.module->global_values()) {
      if (isOurs(value) && !value.hasAppendingLinkage()) {
        value.setVisibility(GlobalValue::HiddenVisibility);
        value.setDSOLocal(true);
      }
      if (names.contains(value.getName()) && !value.hasLocalLinkage()) {
        value.setName(rename(value.getName()));
        value.setVisibility(GlobalValue::HiddenVisibility);
        value.setDSOLocal(true);
      }
    }
    for (Function &function : *code.module) {
      if (function.isDeclaration())
        continue;
      // No exceptions, hence no unwind tables.
      function.setDoesNotThrow();
      function.setUWTableKind(UWTableKind::None);
      if (!cpu.empty() && !function.hasFnAttribute("target-cpu"))
        function.addFnAttr("target-cpu", cpu);
      if (!features.empty() && !function.hasFnAttribute("target-features"))
        function.addFnAttr("target-features", features);
      for (const auto &[key, value] : attributes)
        if (!function.hasFnAttribute(key))
          function.addFnAttr(key, value);
    }
  }
}

} // namespace

std::shared_ptr<const MachineCode> CodeCache::find(StringRef key) const {
  std::lock_guard<std::mutex> lock(mutex);
  return codes.lookup(key);
}

void CodeCache::insert(StringRef key, MachineCode code) {
  std::lock_guard<std::mutex> lock(mutex);
  codes.try_emplace(key, std::make_shared<const MachineCode>(std::move(code)));
}

size_t CodeCache::size() const {
  std::lock_guard<std::mutex> lock(mutex);
  return codes.size();
}

Error checkParts(const ModelParts &parts) {
  if (!isIdentifier(parts.name))
    return badParts("model name '" + parts.name + "' is not a C identifier");
  std::vector<StringSet<>> defined;
  StringSet<> levelNames;
  for (const LevelPart &level : parts.levels) {
    defined.push_back(definedBy(level.modules));
    if (!levelNames.insert(level.name).second)
      return badParts("two levels are named '" + level.name + "'");
  }
  for (const auto &[i, level] : enumerate(parts.levels)) {
    if (level.kernels.size() != parts.kernelNames.size())
      return badParts("level '" + level.name + "' has " + Twine(level.kernels.size()) +
                      " kernels, the model " + Twine(parts.kernelNames.size()));
    for (const KernelRef &ref : level.kernels) {
      size_t home = ref.level < 0 ? i : size_t(ref.level);
      if (home >= parts.levels.size() || !defined[home].contains(ref.symbol))
        return badParts("level '" + level.name + "' has no kernel '" + ref.symbol + "'");
    }
  }
  if (parts.levels.empty() && parts.gpus.empty())
    return badParts("no level has code");
  for (const GpuPart &gpu : parts.gpus) {
    StringSet<> names;
    for (const GpuKernelPart &kernel : gpu.kernels)
      names.insert(kernel.name);
    if (gpu.kernels.size() != parts.kernelNames.size() || names.size() != gpu.kernels.size())
      return badParts("'" + gpu.name + "' has " + Twine(names.size()) + " kernels, the model " +
                      Twine(parts.kernelNames.size()));
  }
  StringSet<> body = definedBy(parts.bodyModules);
  for (const EntryPart &entry : parts.entries)
    for (const std::string &symbol : {entry.planSymbol, entry.runSymbol})
      if (!body.contains(symbol))
        return badParts("entry '" + entry.name + "' has no function '" + symbol + "'");
  if (parts.weights.bytes && !parts.weights.write)
    return badParts("weights without a producer");
  return Error::success();
}

void prepareModules(ModelParts &parts) {
  prepareGroup(parts.bodyModules, parts.bodyCpu, parts.bodyCpuFeatures, {},
               [&](StringRef name) { return prefixed(parts, name); });
  for (LevelPart &level : parts.levels)
    prepareGroup(level.modules, level.cpu, level.cpuFeatures, level.attributes,
                 [&](StringRef name) { return prefixed(parts, level, name); });
}

Error compileModules(ArrayRef<CodeModule *> modules, const std::string &triple, unsigned optLevel,
                     unsigned threads, std::vector<ObjectCode> *objects) {
  if (objects)
    objects->resize(modules.size());
  std::vector<std::optional<Error>> errors(modules.size());
  auto compile = [&](size_t i) {
    errors[i].emplace(
        compileOne(*modules[i], triple, optLevel, objects ? &(*objects)[i] : nullptr));
  };
  initializeTargets();
  if (threads == 1) {
    for (size_t i = 0; i < modules.size(); ++i)
      compile(i);
  } else {
    DefaultThreadPool pool(hardware_concurrency(threads));
    for (size_t i = 0; i < modules.size(); ++i)
      pool.async(compile, i);
    pool.wait();
  }
  // The first in module order is reported, whichever came first in time.
  Error result = Error::success();
  for (std::optional<Error> &error : errors) {
    if (*error && !result)
      result = std::move(*error);
    else
      consumeError(std::move(*error));
  }
  return result;
}

Expected<CodeModule> mergeModules(ArrayRef<CodeModule *> modules, StringRef name) {
  CodeModule merged;
  merged.context = std::make_unique<LLVMContext>();
  merged.module = std::make_unique<Module>(name, *merged.context);
  if (!modules.empty()) {
    merged.module->setTargetTriple(modules.front()->module->getTargetTriple());
    merged.module->setDataLayout(modules.front()->module->getDataLayout());
  }
  Error result = collectErrors(*merged.module, [&]() -> Error {
    Linker linker(*merged.module);
    for (CodeModule *code : modules) {
      // Contexts differ; bitcode is how a module travels from one to another.
      SmallVector<char, 0> bitcode;
      raw_svector_ostream os(bitcode);
      WriteBitcodeToFile(*code->module, os);
      auto copy = parseBitcodeFile(
          MemoryBufferRef(StringRef(bitcode.data(), bitcode.size()), code->module->getName()),
          *merged.context);
      if (!copy)
        return copy.takeError();
      if (linker.linkInModule(std::move(*copy)))
        return codegenError(code->module->getName(), "does not link with the other modules");
    }
    return Error::success();
  });
  if (result)
    return std::move(result);
  return merged;
}

Expected<std::string> printAssembly(CodeModule &code, const std::string &triple,
                                    unsigned optLevel) {
  Expected<std::unique_ptr<TargetMachine>> machine = makeMachine(triple, optLevel);
  if (!machine)
    return machine.takeError();
  SmallVector<char, 0> out;
  if (Error e = collectErrors(*code.module, [&] {
        return generate(*code.module, **machine, CodeGenFileType::AssemblyFile, out);
      }))
    return std::move(e);
  return std::string(out.begin(), out.end());
}

} // namespace qcc::emit
