// Ops over constants alone: small results become qnt.constant, large ones weights with a recipe.
#include "GraphImporter.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "qcc/Reference/Interpreter.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// A constant op holds at most this many bytes (QntShape.td).
constexpr int64_t maxBytes = 1024;

std::optional<int64_t> bytesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return std::nullopt;
  int64_t bits = tensor.getElementType().isInteger(1) ? 8 : tensor.getElementTypeBitWidth();
  for (int64_t size : tensor.getShape())
    if (llvm::MulOverflow(bits, size, bits))
      return std::nullopt;
  return bits / 8;
}

bool mentionsSymbols(Operation *op) {
  for (NamedAttribute attr : op->getAttrs())
    if (auto dims = dyn_cast<qnt::DimsAttr>(attr.getValue()))
      for (DimExpr dim : qnt::dimsOf(dims))
        if (!dim.constantValue())
          return true;
  return false;
}

/// Whether `op` makes data of constants; weights and constants themselves are leaves.
bool isFoldable(Operation *op) {
  return isa<qnt::QntDialect>(op->getDialect()) && isMemoryEffectFree(op) &&
         op->getNumRegions() == 0 && op->getNumResults() == 1 &&
         !isa<qnt::ConstantOp, qnt::UseOp, qnt::IdentityOp, qnt::DimTensorOp, qnt::RequireEqualOp>(
             op) &&
         bytesOf(op->getResult(0).getType()) && !mentionsSymbols(op);
}

class Folder {
public:
  explicit Folder(ModuleOp module) : module(module), builder(module.getContext()) {}

  void run(func::FuncOp func) {
    for (Operation &op : llvm::make_early_inc_range(func.getBody().front()))
      visit(&op);
    for (Operation *op : roots)
      if (!op->use_empty() && usedByVariable(op) && worthRecipe(op))
        makeRecipe(op);
  }

private:
  void visit(Operation *op) {
    if (isa<qnt::ConstantOp, qnt::UseOp>(op)) {
      constants.insert(op->getResult(0));
      return;
    }
    // Quantized values and what they stand for are parts of recipes, never roots: layers and
    // look-ups read the codes themselves.
    bool isPart = isa<qnt::AssembleOp, qnt::DequantizeOp>(op);
    if ((!isPart && !isFoldable(op)) ||
        !llvm::all_of(op->getOperands(), [&](Value v) { return constants.contains(v); }))
      return;
    if (isPart) {
      constants.insert(op->getResult(0));
      return;
    }
    if (*bytesOf(op->getResult(0).getType()) <= maxBytes && evaluate(op))
      return;
    constants.insert(op->getResult(0));
    roots.push_back(op);
  }

  /// Replaces `op` by its value when all operands are constant ops.
  bool evaluate(Operation *op) {
    SmallVector<reference::RtValue> operands;
    for (Value operand : op->getOperands()) {
      auto constant = operand.getDefiningOp<qnt::ConstantOp>();
      if (!constant)
        return false;
      auto tensor = reference::Tensor::fromAttr(constant.getValue());
      if (!tensor) {
        llvm::consumeError(tensor.takeError());
        return false;
      }
      operands.push_back(std::move(*tensor));
    }
    reference::Environment environment;
    auto results = reference::evaluateOp(op, operands, environment);
    if (!results) { // a fault at run time stays one
      llvm::consumeError(results.takeError());
      return false;
    }
    auto *tensor = std::get_if<reference::Tensor>(&results->front());
    if (!tensor)
      return false;
    builder.setInsertionPoint(op);
    Value constant = qnt::ConstantOp::create(builder, op->getLoc(), tensor->toAttr());
    if (constant.getType() != op->getResult(0).getType())
      return false;
    op->getResult(0).replaceAllUsesWith(constant);
    constants.insert(constant);
    op->erase();
    return true;
  }

  bool usedByVariable(Operation *op) {
    return llvm::any_of(op->getUsers(), [&](Operation *user) {
      return user->getNumResults() != 1 || !constants.contains(user->getResult(0));
    });
  }

  /// Repetition and counting cost less at run time than as data; a transposed or reshaped weight
  /// is packed as it is.
  static bool worthRecipe(Operation *op) {
    if (isa<qnt::BroadcastOp, qnt::IotaOp>(op))
      return false;
    bool formOnly = isa<qnt::TransposeOp, qnt::ReshapeOp>(op);
    return !formOnly || !isa_and_present<qnt::UseOp>(op->getOperand(0).getDefiningOp());
  }

  void makeRecipe(Operation *root) {
    llvm::SetVector<Operation *> needed;
    collect(root, needed);
    std::string base = recipeName(root), name = base;
    SymbolTable symbols(module);
    for (int n = 1; symbols.lookup(name); ++n)
      name = base + "_" + std::to_string(n);
    builder.setInsertionPoint(root->getParentOfType<func::FuncOp>());
    Type type = root->getResult(0).getType();
    auto weight =
        qnt::WeightOp::create(builder, root->getLoc(), name, type, Attribute(), StringAttr());
    Block *block = &weight.getRecipe().emplaceBlock();
    OpBuilder inside = OpBuilder::atBlockEnd(block);
    IRMapping mapping;
    for (Operation *op : needed)
      inside.clone(*op, mapping);
    qnt::YieldOp::create(inside, root->getLoc(), mapping.lookup(root->getResult(0)));
    builder.setInsertionPoint(root);
    Value use = qnt::UseOp::create(builder, root->getLoc(), type, name);
    root->getResult(0).replaceAllUsesWith(use);
    constants.insert(use);
  }

  /// Operands before users.
  void collect(Operation *op, llvm::SetVector<Operation *> &needed) {
    if (needed.contains(op))
      return;
    for (Value operand : op->getOperands())
      collect(operand.getDefiningOp(), needed);
    needed.insert(op);
  }

  /// After the first weight that the recipe reads, else after the node.
  std::string recipeName(Operation *root) {
    std::string name = "recipe";
    for (char c : qnt::nodeName(root->getLoc()).empty() ? StringRef("recipe")
                                                        : qnt::nodeName(root->getLoc()))
      name += llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_';
    return name;
  }

  ModuleOp module;
  OpBuilder builder;
  llvm::DenseSet<Value> constants;
  SmallVector<Operation *> roots;
};

} // namespace

llvm::Error qcc::import::foldConstants(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>())
    Folder(module).run(func);
  return llvm::Error::success();
}
