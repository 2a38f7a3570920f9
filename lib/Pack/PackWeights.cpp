// The layouts of matrices and codes.
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Pack/Passes.h"
#include "qcc/Support/Diagnostics.h"

namespace qcc::pack {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "qcc/Pack/Passes.h.inc"
} // namespace qcc::pack

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkPack = remark::RemarkOpts::name("pack-weights").category("pack");

std::optional<Storage> floatStorage(Type element) {
  return element.isF32()    ? std::optional(Storage::f32)
         : element.isF16()  ? std::optional(Storage::f16)
         : element.isBF16() ? std::optional(Storage::bf16)
                            : std::nullopt;
}

/// The type of a weight packed for products with `x`, or null.
QType packedType(Type x, Type weight) {
  MLIRContext *context = weight.getContext();
  if (auto tensor = dyn_cast<RankedTensorType>(weight)) {
    auto storage = floatStorage(tensor.getElementType());
    if (!storage)
      return {};
    return QType::get(context, makeDims(context, dimsOf(weight)), *storage, Granularity::tensor, -1,
                      0, Float32Type::get(context), Type(),
                      *storage == Storage::bf16 ? Layout::panel16_k2 : Layout::panel16_f32);
  }
  auto codes = cast<QType>(weight);
  bool isFnuz =
      codes.getStorage() == Storage::f8e4m3fnuz || codes.getStorage() == Storage::f8e5m2fnuz;
  bool unaligned = codes.getGranularity() == Granularity::block && codes.getBlock() % 4 != 0;
  if (!codes.isByRows() || codes.getBits() > 8 || isFnuz || unaligned)
    return {};
  bool whole = productOf(x, codes) == Product::FullSum;
  return codes.withLayout(whole ? Layout::panel16_k4 : Layout::panel16_block);
}

/// The type of the numbers that `layer` multiplies where its weight has others, or null.
Type roundedElement(Operation *layer) {
  auto linear = dyn_cast<LinearOp>(layer);
  bool rounds = linear && linear.getProducts() == Storage::bf16;
  return rounds ? BFloat16Type::get(layer->getContext()) : Type();
}

/// The index of the operand of `fused` that `value` of its body is.
std::optional<unsigned> operandOf(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? std::optional(argument.getArgNumber()) : std::nullopt;
}

class Packer {
public:
  explicit Packer(ModuleOp module)
      : module(module), symbols(module), builder(module.getContext()) {}
  LogicalResult packLayer(FusedOp fused, Operation *layer);
  void shareTable(FusedOp fused, QGatherOp lookUp);
  void shareTable(FusedOp fused, GatherOp lookUp);

private:
  WeightOp packedWeight(Operation *def, Operation *layer);
  void retarget(FusedOp fused, unsigned operand, WeightOp weight);

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  /// By weight name or constant, and layout.
  DenseMap<std::pair<Attribute, int>, WeightOp> made;
  DenseSet<Operation *> rounded; ///< those that hold other numbers than the model
};

/// A recipe that packs what `def` (a use or a constant) stands for.
WeightOp Packer::packedWeight(Operation *def, Operation *layer) {
  Location loc = def->getLoc();
  Type x = layer->getOperand(0).getType(), stored = def->getResult(0).getType();
  Type element = roundedElement(layer);
  auto use = dyn_cast<UseOp>(def);
  Attribute name = use ? Attribute(use.getWeightAttr()) : cast<ConstantOp>(def).getValue();
  QType wanted = packedType(x, element ? makeTensorType(dimsOf(stored), element) : stored);
  WeightOp &known = made[{name, static_cast<int>(wanted.getLayout())}];
  if (known)
    return known;
  auto source = use ? symbols.lookup<WeightOp>(use.getWeight()) : WeightOp();
  builder.setInsertionPointToStart(module.getBody());
  std::string packedName = (use ? use.getWeight().str() : "constant") + ".packed";
  auto weight = WeightOp::create(builder, loc, packedName, stored, Attribute(), StringAttr());
  builder.createBlock(&weight.getRecipe());
  Value value;
  if (source && !source.getRecipe().empty()) {
    IRMapping mapping;
    Block &body = source.getRecipe().front();
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    value = mapping.lookup(body.getTerminator()->getOperand(0));
  } else {
    value = builder.clone(*def)->getResult(0);
  }
  // What the model stores in 16 bits stays so: the kernel widens it.
  if (auto cast = value.getDefiningOp<CastOp>(); cast && elementTypeOf(cast.getType()).isF32())
    if (Type from = elementTypeOf(cast.getX().getType()); from.isF16() || from.isBF16()) {
      value = cast.getX();
      if (cast->use_empty())
        cast.erase();
    }
  if (element && elementTypeOf(value.getType()) != element) {
    value = CastOp::create(builder, loc, makeTensorType(dimsOf(stored), element), value);
    rounded.insert(weight);
  }
  QType type = packedType(x, value.getType());
  auto packed = PackOp::create(builder, loc, type, value);
  YieldOp::create(builder, loc, packed.getOut());
  weight.setType(type);
  symbols.insert(weight);
  return known = weight;
}

void Packer::retarget(FusedOp fused, unsigned operand, WeightOp weight) {
  builder.setInsertionPoint(fused);
  auto use = UseOp::create(builder, fused.getLoc(), weight.getType(),
                           FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  Operation *old = fused.getInputs()[operand].getDefiningOp();
  fused->setOperand(operand, use.getOut());
  fused.getBody().getArgument(operand).setType(weight.getType());
  if (old->use_empty())
    old->erase();
}

LogicalResult Packer::packLayer(FusedOp fused, Operation *layer) {
  auto refuse = [&](const Twine &why) {
    return layer->emitError(diagName(Diag::NotPackable) + ": the weight of a linear layer " + why);
  };
  Value inside = layer->getOperand(1);
  auto operand = operandOf(inside);
  if (auto type = dyn_cast<QType>(inside.getType()); type && type.getLayout() != Layout::logical)
    return success();
  Operation *def = operand ? fused.getInputs()[*operand].getDefiningOp() : nullptr;
  if (!isa_and_nonnull<UseOp, ConstantOp>(def))
    return refuse("is not a constant");
  if (!packedType(layer->getOperand(0).getType(), inside.getType())) {
    std::string text;
    llvm::raw_string_ostream(text) << inside.getType();
    return refuse("has no layout that kernels read: " + text);
  }
  WeightOp weight = packedWeight(def, layer);
  remark::passed(layer->getLoc(), remarkPack)
      << remark::metric("layout", stringifyLayout(cast<QType>(weight.getType()).getLayout()).str());
  retarget(fused, *operand, weight);
  return success();
}

/// A look-up reads the packed table where a layer has one.
void Packer::shareTable(FusedOp fused, QGatherOp lookUp) {
  auto operand = operandOf(lookUp.getTable());
  if (!operand)
    return;
  auto use = fused.getInputs()[*operand].getDefiningOp<UseOp>();
  for (Layout layout : {Layout::panel16_k4, Layout::panel16_block})
    if (WeightOp weight =
            use ? made.lookup({use.getWeightAttr(), static_cast<int>(layout)}) : WeightOp())
      return retarget(fused, *operand, weight);
}

/// The same for a table of floats. A row lies in one panel; reading it costs the memory traffic of
/// a panel, which is nothing beside a product with the whole table.
void Packer::shareTable(FusedOp fused, GatherOp lookUp) {
  auto operand = operandOf(lookUp.getX());
  if (!operand || lookUp.getAxis() != 0 || dimsOf(lookUp.getX().getType()).size() != 2 ||
      !elementTypeOf(lookUp.getType()).isF32() || fused.getKind() != "gather")
    return;
  auto use = fused.getInputs()[*operand].getDefiningOp<UseOp>();
  WeightOp weight;
  for (Layout layout : {Layout::panel16_f32, Layout::panel16_k2})
    if (use && !weight)
      weight = made.lookup({use.getWeightAttr(), static_cast<int>(layout)});
  if (!weight || rounded.contains(weight))
    return;
  retarget(fused, *operand, weight);
  fused.setKind("qgather");
  builder.setInsertionPoint(lookUp);
  auto shared = QGatherOp::create(builder, lookUp.getLoc(), lookUp.getType(), lookUp.getX(),
                                  lookUp.getIndices());
  lookUp.replaceAllUsesWith(shared.getOut());
  lookUp.erase();
}

/// Whether all products with codes of 8-bit floats are of these, which reads one byte of each.
bool multipliesFloat8(ModuleOp module) {
  return !module
              .walk([](QLinearOp layer) {
                Type x = layer.getX().getType();
                bool others =
                    productOf(x, layer.getWeight().getType()) == Product::ScaledFloatSums &&
                    layer.getProducts() != Storage::f8e4m3fn;
                return others ? WalkResult::interrupt() : WalkResult::advance();
              })
              .wasInterrupted();
}

/// Codes of activations get the layout that matrix kernels read.
void layOutTokens(ModuleOp module) {
  Layout float8 = multipliesFloat8(module) ? Layout::token_f8 : Layout::token_f32;
  AttrTypeReplacer replacer;
  replacer.addReplacement([float8](QType type) -> std::optional<Type> {
    if (type.getGranularity() != Granularity::token || type.getLayout() != Layout::logical)
      return std::nullopt;
    if (type.getStorage() == Storage::i16)
      return type.withLayout(Layout::token_s16);
    if (type.getStorage() == Storage::f8e4m3fn)
      return type.withLayout(float8);
    if (type.getStorage() != Storage::i8)
      return std::nullopt;
    bool inSteps = type.getBlock() || type.getGroup();
    return type.withLayout(inSteps ? Layout::token_s8 : Layout::token_u8);
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
}

struct PackWeights : qcc::pack::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    Packer packer(getOperation());
    SmallVector<FusedOp> groups;
    getOperation().walk([&](FusedOp fused) { groups.push_back(fused); });
    for (FusedOp fused : groups)
      for (Operation &op : fused.getBody().front())
        if (isa<LinearOp, QLinearOp>(op) && failed(packer.packLayer(fused, &op)))
          signalPassFailure();
    for (FusedOp fused : groups) {
      for (auto lookUp : fused.getBody().getOps<QGatherOp>())
        packer.shareTable(fused, lookUp);
      for (auto lookUp : llvm::make_early_inc_range(fused.getBody().getOps<GatherOp>()))
        packer.shareTable(fused, lookUp);
    }
    layOutTokens(getOperation());
  }
};

} // namespace
