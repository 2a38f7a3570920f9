// The constant tables of model.h as an LLVM module. LLVM's layout of these struct types is C's on
// every 64-bit target; the unit test walks the result with the C header.
#include "Detail.h"
#include "qcc/model.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace qcc::emit {

uint64_t descriptorHashOffset() { return offsetof(qcc_model_desc, weights_sha256); }

std::string prefixed(const ModelParts &parts, const LevelPart &level, StringRef symbol) {
  std::string text = parts.name + "." + level.name;
  for (char &c : text)
    if (c == '-')
      c = '_';
  return text + "." + symbol.str();
}

namespace {

class DescriptorBuilder {
public:
  DescriptorBuilder(const ModelParts &parts, Module &module)
      : parts(parts), module(module), context(module.getContext()),
        pointer(PointerType::get(context, 0)), null(ConstantPointerNull::get(pointer)) {}

  void build(const DescriptorOptions &options);

private:
  Constant *i32(uint64_t v) {
    return ConstantInt::get(Type::getInt32Ty(context), static_cast<uint32_t>(v));
  }
  Constant *i64(uint64_t v) { return ConstantInt::get(Type::getInt64Ty(context), v); }
  Constant *record(ArrayRef<Constant *> fields) { return ConstantStruct::getAnon(context, fields); }

  GlobalVariable *global(Constant *value, const Twine &name) {
    auto *variable = new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                        GlobalValue::PrivateLinkage, value, name);
    return variable;
  }

  /// Pointer to a zero-terminated text, one copy of each.
  Constant *text(StringRef value) {
    Constant *&known = texts[value];
    if (!known) {
      auto *variable = global(ConstantDataArray::getString(context, value), "text");
      variable->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
      variable->setAlignment(Align(1));
      known = variable;
    }
    return known;
  }

  /// Pointer to the elements, or null for none.
  Constant *array(ArrayRef<Constant *> elements, const Twine &name) {
    if (elements.empty())
      return null;
    auto *type = ArrayType::get(elements.front()->getType(), elements.size());
    return global(ConstantArray::get(type, elements), name);
  }

  template <typename Range, typename Make>
  Constant *table(const Range &range, const Twine &name, Make make) {
    SmallVector<Constant *> elements;
    for (const auto &item : range)
      elements.push_back(make(item));
    return array(elements, name);
  }

  Constant *textTable(ArrayRef<std::string> values, const Twine &name) {
    return table(values, name, [&](const std::string &s) { return text(s); });
  }

  Constant *function(const std::string &symbol) {
    auto *type = FunctionType::get(Type::getInt64Ty(context), /*isVarArg=*/false);
    auto *callee = cast<Function>(module.getOrInsertFunction(symbol, type).getCallee());
    callee->setVisibility(GlobalValue::HiddenVisibility);
    callee->setDSOLocal(true);
    return callee;
  }

  Constant *tensors(ArrayRef<TensorPart> list, const Twine &name) {
    return table(list, name, [&](const TensorPart &t) {
      return record({text(t.name), i32(t.dtype), i32(t.dims.size()), textTable(t.dims, "dims"),
                     text(t.role)});
    });
  }

  Constant *entry(const EntryPart &entry);
  Constant *level(const LevelPart &level);
  Constant *gpu(const GpuPart &gpu);
  uint32_t abiMinor() const;

  const ModelParts &parts;
  Module &module;
  LLVMContext &context;
  PointerType *pointer;
  Constant *null;
  StringMap<Constant *> texts;
};

Constant *DescriptorBuilder::entry(const EntryPart &e) {
  Constant *symbols = table(e.symbols, "symbols", [&](const SymbolPart &s) {
    return record(
        {text(s.name), i64(s.min), i64(s.max), i64(s.divisor), i32(s.input), i32(s.axis)});
  });
  Constant *kv = table(e.kv, "kv", [&](const KvPart &k) {
    return record({i32(k.input), i32(k.output), i32(k.layer), i32(k.isValue), i32(k.pastSymbol)});
  });
  Constant *checks = table(e.checks, "checks", [&](const CheckPart &c) {
    return record({text(c.lhs), text(c.rhs), text(c.site)});
  });
  auto numbers = [&](ArrayRef<uint32_t> list, const Twine &name) {
    return table(list, name, [&](uint32_t v) { return i32(v); });
  };
  Constant *hosts = table(e.hosts, "hosts", [&](const HostPart &h) {
    return record({text(h.domain), text(h.callee), text(h.node), text(h.attributes), i32(h.inputs),
                   i32(h.dtypes.size() - h.inputs), numbers(h.dtypes, "dtypes"),
                   numbers(h.ranks, "ranks")});
  });
  bool hasGpus = !parts.gpus.empty();
  SmallVector<Constant *> fields = {
      i64(hasGpus ? sizeof(qcc_entry_desc) : offsetof(qcc_entry_desc, n_places)),
      text(e.name),
      i32(e.inputs.size()),
      i32(e.outputs.size()),
      i32(e.symbols.size()),
      i32(e.kv.size()),
      i32(e.checks.size()),
      i32(e.sites.size()),
      i32(e.segments),
      i32(e.slices),
      tensors(e.inputs, "inputs"),
      tensors(e.outputs, "outputs"),
      symbols,
      kv,
      checks,
      textTable(e.sites, "sites"),
      function(prefixed(parts, e.planSymbol)),
      function(prefixed(parts, e.runSymbol)),
      i32(e.hosts.size()),
      i32(0),
      hosts};
  if (hasGpus) {
    uint32_t places = 0;
    std::vector<uint32_t> starts = {0}, accesses;
    for (size_t site = 0; site != e.sites.size(); ++site) {
      if (site < e.accesses.size())
        append_range(accesses, e.accesses[site]);
      starts.push_back(accesses.size());
    }
    for (uint32_t access : accesses)
      places = std::max(places, access / 2 + 1);
    fields.append(
        {i32(places), i32(0), numbers(starts, "access_starts"), numbers(accesses, "accesses")});
  }
  return record(fields);
}

Constant *DescriptorBuilder::level(const LevelPart &own) {
  Constant *kernels = table(own.kernels, "kernels", [&](const KernelRef &ref) {
    const LevelPart &home = ref.level < 0 ? own : parts.levels[ref.level];
    return function(prefixed(parts, home, ref.symbol));
  });
  return record(
      {text(own.name), i64(own.features), kernels, textTable(parts.kernelNames, "kernel_names")});
}

Constant *DescriptorBuilder::gpu(const GpuPart &gpu) {
  Constant *kernels = table(gpu.kernels, "gpu_kernels", [&](const GpuKernelPart &k) {
    return record({text(k.name), i32(k.slots), i32(k.blockThreads), i32(k.blockWorkers),
                   i32(k.staticSharedBytes), i32(k.dynamicSharedBytes), i32(k.sharesTasks),
                   i64(k.frameBytes)});
  });
  return record({i64(sizeof(qcc_gpu_code_desc)), text(gpu.name), i32(gpu.major), i32(gpu.minor),
                 i32(gpu.exact), i32(sizeof(qcc_gpu_kernel_desc)), text(gpu.ptx),
                 i64(gpu.ptx.size()), kernels});
}

/// What asks for nothing new is loaded by older runtimes too.
uint32_t DescriptorBuilder::abiMinor() const {
  uint32_t minor = parts.gpus.empty() ? 0 : QCC_ABI_MINOR_GPU;
  for (const EntryPart &e : parts.entries) {
    if (!e.hosts.empty())
      minor = std::max<uint32_t>(minor, QCC_ABI_MINOR_HOST_OPS);
    if (any_of(e.symbols, [](const SymbolPart &s) { return s.input == QCC_SYMBOL_ASKED; }))
      minor = std::max<uint32_t>(minor, QCC_ABI_MINOR_ASKED);
  }
  return minor;
}

void DescriptorBuilder::build(const DescriptorOptions &options) {
  Constant *entries = table(parts.entries, "entries", [&](const EntryPart &e) { return entry(e); });
  Constant *levels = table(parts.levels, "levels", [&](const LevelPart &l) { return level(l); });

  GlobalVariable *manifest =
      global(ConstantDataArray::getString(context, parts.manifest), "manifest");
  manifest->setSection(manifestSection);

  Constant *weights = null, *sidecar = null;
  if (!options.sidecar.empty()) {
    sidecar = text(options.sidecar);
  } else if (parts.weights.bytes) {
    auto *start =
        new GlobalVariable(module, Type::getInt8Ty(context), true, GlobalValue::ExternalLinkage,
                           nullptr, weightsSymbol(parts.name));
    start->setVisibility(GlobalValue::HiddenVisibility);
    start->setDSOLocal(true);
    weights = start;
  }
  bool x86 = Triple(parts.triple).getArch() == Triple::x86_64;
  Constant *hash = ConstantAggregateZero::get(ArrayType::get(Type::getInt8Ty(context), 32));
  bool hasGpus = !parts.gpus.empty();
  SmallVector<Constant *> fields = {
      i64(QCC_MODEL_MAGIC),
      i32(QCC_ABI_MAJOR),
      i32(abiMinor()),
      i64(hasGpus ? sizeof(qcc_model_desc) : offsetof(qcc_model_desc, n_gpu_codes)),
      text(parts.name),
      i32(x86 ? QCC_ARCH_X86_64 : QCC_ARCH_AARCH64),
      i32(parts.entries.size()),
      i32(parts.levels.size()),
      i32(parts.kernelNames.size()),
      entries,
      levels,
      weights,
      i64(parts.weights.bytes),
      sidecar,
      hash,
      manifest,
      i64(parts.manifest.size())};
  if (hasGpus)
    fields.append({i32(parts.gpus.size()), i32(0),
                   table(parts.gpus, "gpus", [&](const GpuPart &g) { return gpu(g); })});
  GlobalVariable *descriptor = global(record(fields), descriptorSymbol(parts.name));
  // Found again by name to fill in the hash; and not to be folded into code as a constant.
  descriptor->setLinkage(GlobalValue::ExternalLinkage);
  descriptor->setVisibility(GlobalValue::HiddenVisibility);
  descriptor->setDSOLocal(true);

  auto *getter = Function::Create(FunctionType::get(pointer, false), GlobalValue::ExternalLinkage,
                                  exportedSymbol(parts.name), module);
  getter->setDoesNotThrow();
  IRBuilder<> builder(BasicBlock::Create(context, "", getter));
  builder.CreateRet(descriptor);
  if (options.aliasForDlopen)
    GlobalAlias::create(GlobalValue::ExternalLinkage, "qcc_model", getter);
}

} // namespace

CodeModule makeDescriptorModule(const ModelParts &parts, const DescriptorOptions &options) {
  CodeModule code;
  code.context = std::make_unique<LLVMContext>();
  code.module = std::make_unique<Module>("descriptor", *code.context);
  DescriptorBuilder(parts, *code.module).build(options);
  return code;
}

} // namespace qcc::emit
