// Fused groups become launches of kernels; equal structures share one.
#include "qcc/Lower/Passes.h"
#include "llvm/ADT/StringSet.h"

namespace qcc::lower {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// Renames the dimensions of a group to d0, d1, ... in order of appearance.
class DimParameters {
public:
  DimParameters(MLIRContext *context, bool constantsToo)
      : context(context), constantsToo(constantsToo) {}

  DimExpr rename(DimExpr dim) {
    if (auto value = dim.constantValue())
      return *value == 0 || *value == 1 || !constantsToo ? dim : parameter(dim);
    llvm::StringMap<DimExpr> values;
    dim.collectSymbols(
        [&](StringRef name) { values[name] = parameter(DimExpr::symbol(context, name)); });
    return dim.substitute(values);
  }
  DimsAttr rename(DimsAttr dims) {
    return makeDims(context,
                    llvm::map_to_vector(dimsOf(dims), [&](DimExpr d) { return rename(d); }));
  }
  Type rename(Type type) {
    if (auto q = dyn_cast<QType>(type))
      return q.withDims(rename(q.getDims()));
    if (auto kv = dyn_cast<KvType>(type))
      return KvType::get(context, rename(kv.getDims()), kv.getElement());
    auto renamed = llvm::map_to_vector(dimsOf(type), [&](DimExpr d) { return rename(d); });
    return makeTensorType(renamed, elementTypeOf(type));
  }
  ArrayRef<DimExpr> values() const { return arguments; }

private:
  DimExpr parameter(DimExpr dim) {
    auto [it, isNew] = numbers.try_emplace(dim.getAttr(), arguments.size());
    if (isNew)
      arguments.push_back(dim);
    return DimExpr::symbol(context, "d" + std::to_string(it->second));
  }

  MLIRContext *context;
  bool constantsToo;
  llvm::DenseMap<Attribute, size_t> numbers;
  SmallVector<DimExpr> arguments;
};

/// Kinds whose code does not depend on sizes. Rotary embedding relates two sizes (C = 2 W), which
/// parameters could not say.
bool isGenericInSizes(FusedOp fused) {
  if (!llvm::is_contained({"map", "row", "linear", "qlinear"}, fused.getKind()))
    return false;
  return fused.getBody().getOps<RopeOp>().empty();
}

class Outliner {
public:
  explicit Outliner(ModuleOp module) : module(module) {
    for (KernelOp kernel : module.getOps<KernelOp>())
      names.insert(kernel.getSymName());
  }
  void outline(FusedOp fused);

private:
  KernelOp makeKernel(FusedOp fused, DimParameters &parameters);
  std::string nameFor(FusedOp fused);

  ModuleOp module;
  llvm::StringMap<KernelOp> byText;
  llvm::StringSet<> names;
};

/// "row_add_layer_norm_0": the kind, the first ops, a number.
std::string Outliner::nameFor(FusedOp fused) {
  std::string stem = fused.getKind().str();
  int count = 0;
  for (Operation &op : fused.getBody().front().without_terminator()) {
    StringRef mnemonic = op.getName().stripDialect();
    if (mnemonic == "constant" || mnemonic == fused.getKind())
      continue;
    if (++count > 3)
      break;
    stem += "_" + mnemonic.str();
  }
  std::string name;
  for (int i = 0; name.empty() || names.contains(name); ++i)
    name = stem + "_" + std::to_string(i);
  names.insert(name);
  return name;
}

KernelOp Outliner::makeKernel(FusedOp fused, DimParameters &parameters) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto kernel =
      KernelOp::create(builder, fused.getLoc(), "kernel", fused.getKind(), 0, StringAttr());
  IRMapping mapping;
  fused.getBody().cloneInto(&kernel.getBody(), mapping);
  Block &body = kernel.getBody().front();
  for (BlockArgument argument : body.getArguments())
    argument.setType(parameters.rename(argument.getType()));
  for (Operation &op : body) {
    for (Value result : op.getResults())
      result.setType(parameters.rename(result.getType()));
    if (auto nonZero = dyn_cast<NonZeroOp>(op)) {
      DimExpr symbol = DimExpr::symbol(module.getContext(), nonZero.getSymbol());
      nonZero.setSymbol(parameters.rename(symbol).symbolName());
    }
    for (NamedAttribute attr : op.getAttrs())
      if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
        op.setAttr(attr.getName(), parameters.rename(dims));
  }
  kernel.setNumDims(parameters.values().size());
  return kernel;
}

void Outliner::outline(FusedOp fused) {
  DimParameters parameters(module.getContext(), isGenericInSizes(fused));
  KernelOp kernel = makeKernel(fused, parameters);
  std::string text;
  llvm::raw_string_ostream os(text);
  // In its own scope: else every print numbers the values of the whole module.
  kernel->print(os, OpPrintingFlags().printGenericOpForm().useLocalScope());
  auto [it, isNew] = byText.try_emplace(text, kernel);
  if (isNew) {
    kernel.setSymName(nameFor(fused));
  } else {
    kernel.erase();
    kernel = it->second;
  }
  OpBuilder builder(fused);
  auto launch =
      LaunchOp::create(builder, fused.getLoc(), fused.getResultTypes(),
                       FlatSymbolRefAttr::get(kernel.getSymNameAttr()),
                       makeDims(module.getContext(), parameters.values()), fused.getInputs());
  fused.replaceAllUsesWith(launch);
  fused.erase();
}

struct OutlineKernels : qcc::lower::impl::OutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    Outliner outliner(getOperation());
    SmallVector<FusedOp> groups;
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      function.walk([&](FusedOp fused) { groups.push_back(fused); });
    for (FusedOp fused : groups)
      outliner.outline(fused);
  }
};

} // namespace
