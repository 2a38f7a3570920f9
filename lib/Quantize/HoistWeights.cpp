// Expressions over weights and constants become recipes.
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/ADT/SetVector.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_HOISTWEIGHTS
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkHoist =
    remark::RemarkOpts::name("hoist-weights").category("quantize");

/// A constant op holds at most this many bytes (QntShape.td).
constexpr int64_t maxConstantBytes = 1024;
/// Values made of constants alone, such as masks and tables of angles, are kept up to here; what is
/// made of weights may be a few times larger than they are.
constexpr int64_t maxTableBytes = 4 << 20;
constexpr int64_t maxGrowth = 4;

/// Bytes of a value of constant size, nothing otherwise.
std::optional<int64_t> byteSize(Type type) {
  if (isa<KvType>(type))
    return std::nullopt;
  int64_t count = 1;
  for (DimExpr dim : dimsOf(type)) {
    auto value = dim.constantValue();
    if (!value)
      return std::nullopt;
    count *= *value;
  }
  if (auto quantized = dyn_cast<QType>(type))
    return count * quantized.getBits() / 8;
  Type element = elementTypeOf(type);
  return element.isIntOrFloat() ? count * std::max<int64_t>(8, element.getIntOrFloatBitWidth()) / 8
                                : count;
}

bool isLeaf(Operation *op) { return isa_and_nonnull<UseOp, ConstantOp>(op); }

/// Ops whose value the compiler may compute once: pure, of constant size, and more than another
/// name.
bool mayHoist(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 || !isMemoryEffectFree(op) ||
      op->hasTrait<OpTrait::IsTerminator>() || isLeaf(op))
    return false;
  if (!isa<QntDialect>(op->getDialect()) ||
      isa<IdentityOp, LaunchOp, NonZeroOp, KvBeginOp, KvAppendOp, KvResultOp>(op))
    return false;
  for (NamedAttribute attr : op->getAttrs())
    if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
      for (DimExpr dim : dimsOf(dims))
        if (!dim.constantValue())
          return false;
  return byteSize(op->getResult(0).getType()).has_value();
}

/// An expression: its ops in block order, leaves included.
using Expression = SetVector<Operation *>;

void collect(Operation *op, Expression &expression) {
  for (Value operand : op->getOperands())
    collect(operand.getDefiningOp(), expression);
  expression.insert(op);
}

class Hoister {
public:
  explicit Hoister(ModuleOp module)
      : module(module), symbols(module), rewriter(module.getContext()) {}
  void hoistFrom(func::FuncOp function);
  LogicalResult inlineRecipes();
  void eraseDead();

private:
  LogicalResult inlineInto(WeightOp weight, DenseSet<Operation *> &done,
                           DenseSet<Operation *> &open);
  void hoist(Operation *root);
  bool isWorthKeeping(Operation *root, const Expression &expression);
  bool fold(Operation *root, const Expression &expression);
  WeightOp makeRecipe(Operation *root, const Expression &expression);
  std::string nameFor(Operation *root, const Expression &expression);

  ModuleOp module;
  SymbolTable symbols;
  IRRewriter rewriter;
  llvm::StringMap<WeightOp> byRecipe;
};

/// Whether everything that `op` reads is constant, and so its value.
void markConstant(Block &block, DenseSet<Operation *> &constant) {
  for (Operation &op : block) {
    bool yes = isLeaf(&op) || (mayHoist(&op) && llvm::all_of(op.getOperands(), [&](Value operand) {
                                 return constant.contains(operand.getDefiningOp());
                               }));
    if (yes)
      constant.insert(&op);
  }
}

void Hoister::hoistFrom(func::FuncOp function) {
  Block &block = function.getBody().front();
  DenseSet<Operation *> constant;
  markConstant(block, constant);
  // A root is read by something that is not constant. One that is not worth keeping is computed at
  // run time, and its operands become roots.
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops)) {
    if (!constant.contains(op) || isLeaf(op))
      continue;
    bool isRoot =
        llvm::any_of(op->getUsers(), [&](Operation *user) { return !constant.contains(user); });
    if (!isRoot)
      continue;
    if (isa<BroadcastOp>(op)) { // kernels repeat elements while they read
      constant.erase(op);
      continue;
    }
    Expression expression;
    collect(op, expression);
    if (!isWorthKeeping(op, expression)) {
      remark::missed(op->getLoc(), remarkHoist)
          << remark::reason("the value is much larger than what it is made of");
      constant.erase(op);
      continue;
    }
    hoist(op);
  }
  for (Operation *op : llvm::reverse(ops))
    if (constant.contains(op) && op->use_empty())
      rewriter.eraseOp(op);
}

bool Hoister::isWorthKeeping(Operation *root, const Expression &expression) {
  int64_t leaves = 0;
  for (Operation *op : expression)
    if (isLeaf(op))
      leaves += byteSize(op->getResult(0).getType()).value_or(0);
  int64_t bytes = *byteSize(root->getResult(0).getType());
  return bytes <= maxTableBytes || bytes <= maxGrowth * leaves;
}

/// Replaces an expression of constants by its value where that is small.
bool Hoister::fold(Operation *root, const Expression &expression) {
  Type type = root->getResult(0).getType();
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || *byteSize(type) > maxConstantBytes || tensor.getElementTypeBitWidth() % 8 != 0)
    return false;
  DenseMap<Value, reference::RtValue> values;
  reference::Environment environment;
  for (Operation *op : expression) {
    if (isa<UseOp>(op))
      return false; // bytes of files are read when code is emitted
    SmallVector<reference::RtValue> operands;
    for (Value operand : op->getOperands())
      operands.push_back(values.lookup(operand));
    auto results = reference::evaluateOp(op, operands, environment);
    if (!results) { // a fault, such as an index outside its axis, is reported where it happens
      llvm::consumeError(results.takeError());
      return false;
    }
    values[op->getResult(0)] = (*results)[0];
  }
  auto value = std::get<reference::Tensor>(values[root->getResult(0)]).toAttr();
  rewriter.setInsertionPoint(root);
  auto constant = ConstantOp::create(rewriter, root->getLoc(), value);
  rewriter.replaceAllUsesWith(root->getResult(0), constant.getResult());
  remark::passed(root->getLoc(), remarkHoist) << remark::metric("folded", *byteSize(type));
  return true;
}

/// "encoder.w.q8": the first weight, then what the last op makes of it.
std::string Hoister::nameFor(Operation *root, const Expression &expression) {
  std::string base = "constant";
  for (Operation *op : expression)
    if (auto use = dyn_cast<UseOp>(op)) {
      base = use.getWeight().str();
      break;
    }
  if (auto quantized = dyn_cast<QType>(root->getResult(0).getType()))
    return base + ".q" + std::to_string(quantized.getBits());
  return base + "." + root->getName().stripDialect().str();
}

WeightOp Hoister::makeRecipe(Operation *root, const Expression &expression) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(root->getParentOfType<func::FuncOp>());
  Type type = root->getResult(0).getType();
  auto weight =
      WeightOp::create(rewriter, root->getLoc(), "recipe", type, Attribute(), StringAttr());
  rewriter.createBlock(&weight.getRecipe());
  IRMapping mapping;
  for (Operation *op : expression)
    rewriter.clone(*op, mapping);
  YieldOp::create(rewriter, root->getLoc(), mapping.lookup(root->getResult(0)));
  std::string text;
  llvm::raw_string_ostream os(text);
  // Without its name, the printed op is the recipe.
  weight->print(os, OpPrintingFlags().useLocalScope());
  auto [it, isNew] = byRecipe.try_emplace(text, weight);
  if (!isNew) {
    rewriter.eraseOp(weight);
    return it->second;
  }
  weight.setSymName(nameFor(root, expression));
  symbols.insert(weight);
  return weight;
}

void Hoister::hoist(Operation *root) {
  Expression expression;
  collect(root, expression);
  if (fold(root, expression))
    return;
  WeightOp weight = makeRecipe(root, expression);
  rewriter.setInsertionPoint(root);
  auto use = UseOp::create(rewriter, root->getLoc(), root->getResult(0).getType(),
                           FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  rewriter.replaceAllUsesWith(root->getResult(0), use.getOut());
  remark::passed(use.getLoc(), remarkHoist)
      << remark::metric("weight", weight.getSymName().str())
      << remark::metric("ops", static_cast<int64_t>(expression.size()));
}

/// A recipe that reads another takes in its ops, so that recipes start from bytes.
LogicalResult Hoister::inlineInto(WeightOp weight, DenseSet<Operation *> &done,
                                  DenseSet<Operation *> &open) {
  if (weight.getRecipe().empty() || done.contains(weight))
    return success();
  if (!open.insert(weight).second)
    return weight.emitError("recipes read each other in a circle");
  SmallVector<UseOp> uses(weight.getRecipe().getOps<UseOp>());
  for (UseOp use : uses) {
    auto inner = symbols.lookup<WeightOp>(use.getWeight());
    if (!inner || inner.getRecipe().empty())
      continue;
    if (failed(inlineInto(inner, done, open)))
      return failure();
    IRMapping mapping;
    rewriter.setInsertionPoint(use);
    Block &body = inner.getRecipe().front();
    for (Operation &op : body.without_terminator())
      rewriter.clone(op, mapping);
    rewriter.replaceOp(use, mapping.lookup(body.getTerminator()->getOperand(0)));
  }
  open.erase(weight);
  done.insert(weight);
  return success();
}

LogicalResult Hoister::inlineRecipes() {
  DenseSet<Operation *> done, open;
  for (WeightOp weight : module.getOps<WeightOp>())
    if (failed(inlineInto(weight, done, open)))
      return failure();
  return success();
}

void Hoister::eraseDead() {
  DenseSet<StringAttr> live;
  SmallVector<StringAttr> work;
  auto mark = [&](Operation *scope) {
    scope->walk([&](UseOp use) {
      if (live.insert(use.getWeightAttr().getAttr()).second)
        work.push_back(use.getWeightAttr().getAttr());
    });
  };
  for (Operation &op : *module.getBody())
    if (!isa<WeightOp>(op))
      mark(&op);
  while (!work.empty())
    if (Operation *weight = symbols.lookup(work.pop_back_val()))
      mark(weight);
  for (WeightOp weight : llvm::make_early_inc_range(module.getOps<WeightOp>()))
    if (!live.contains(weight.getSymNameAttr()))
      rewriter.eraseOp(weight);
}

struct HoistWeights : qcc::quantize::impl::HoistWeightsBase<HoistWeights> {
  void runOnOperation() override {
    Hoister hoister(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration()) {
        hoister.hoistFrom(function);
        function.walk([](LoopOp loop) { loop.sinkConstants(); });
      }
    if (failed(hoister.inlineRecipes()))
      return signalPassFailure();
    hoister.eraseDead();
  }
};

} // namespace
