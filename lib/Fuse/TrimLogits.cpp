// Logits of the last positions only: a slice, moved in front of all that works position by
// position.
#include "Qnt/Qnt.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_TRIMLOGITS
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkTrim = remark::RemarkOpts::name("trim-logits").category("fuse");

constexpr int64_t positionAxis = 1; ///< of [b, s, v]

Type withPositions(Type type, DimExpr count) {
  SmallVector<DimExpr> dims = dimsOf(type);
  dims[positionAxis] = count;
  if (auto codes = dyn_cast<QType>(type))
    return codes.withDims(makeDims(type.getContext(), dims));
  return makeTensorType(dims, elementTypeOf(type));
}

/// The ops between one result of a function and the value to slice, last one first.
class Head {
public:
  Head(func::FuncOp function, unsigned result, DimExpr all)
      : function(function), result(result), all(all) {}

  /// Whether a layer is behind the value that is found.
  bool find();
  void trim(StringRef name, int64_t most);

private:
  Operation *terminator() { return function.getBody().front().getTerminator(); }
  bool hasPositions(Value value) const {
    SmallVector<DimExpr> dims = dimsOf(value.getType());
    return dims.size() == 3 && dims[positionAxis] == all;
  }
  OpOperand *onlyOperandOfPositions(Operation *op) const;
  OpOperand *behind(Operation *op) const;

  func::FuncOp function;
  unsigned result;
  DimExpr all;
  SmallVector<OpOperand *> chain; ///< what each op has positions from
};

/// The operand that has positions, where all others are without them.
OpOperand *Head::onlyOperandOfPositions(Operation *op) const {
  OpOperand *found = nullptr;
  for (OpOperand &operand : op->getOpOperands()) {
    bool mentions = llvm::any_of(dimsOf(operand.get().getType()), [&](DimExpr dim) {
      bool any = false;
      dim.collectSymbols([&](StringRef name) { any |= name == all.symbolName(); });
      return any;
    });
    if (mentions && (found || !hasPositions(operand.get())))
      return nullptr;
    if (mentions)
      found = &operand;
  }
  return found;
}

/// Where the positions of `op` come from, if it computes each one from itself alone.
OpOperand *Head::behind(Operation *op) const {
  if (!op || op->getNumResults() != 1 || !op->hasOneUse() || !hasPositions(op->getResult(0)))
    return nullptr;
  bool apart = llvm::TypeSwitch<Operation *, bool>(op)
                   .Case<IdentityOp, DequantizeOp, LayerNormOp, RmsNormOp, LinearOp, QLinearOp,
                         SparseLinearOp, QuantizeStaticOp>([](auto) { return true; })
                   .Case<QuantizeOp>([](QuantizeOp q) {
                     return cast<QType>(q.getType()).getGranularity() == Granularity::token;
                   })
                   .Case<HadamardOp>([](HadamardOp h) { return h.getAxis() != positionAxis; })
                   .Default([](Operation *o) { return o->hasTrait<Elementwise>(); });
  return apart ? onlyOperandOfPositions(op) : nullptr;
}

bool Head::find() {
  bool layers = false;
  size_t kept = 0; // codes are no place to slice
  OpOperand *at = &terminator()->getOpOperand(result);
  while (OpOperand *next = behind(at->get().getDefiningOp())) {
    chain.push_back(next);
    layers |= isa<LinearOp, QLinearOp, SparseLinearOp>(next->getOwner());
    if (layers && isa<RankedTensorType>(next->get().getType()))
      kept = chain.size();
    at = next;
  }
  chain.resize(kept);
  return kept > 0;
}

void Head::trim(StringRef name, int64_t most) {
  MLIRContext *context = function.getContext();
  DimExpr some = DimExpr::symbol(context, name), zero = DimExpr::constant(context, 0);
  auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName);
  SmallVector<Attribute> declared(symbols.begin(), symbols.end());
  declared.push_back(SymbolAttr::get(context, name, SymbolAttr::kAsked, most, 1, INT64_MAX, 1));
  function->setAttr(symbolsAttrName, ArrayAttr::get(context, declared));

  Value from = chain.back()->get();
  OpBuilder builder(chain.back()->getOwner());
  SmallVector<DimExpr> starts = {zero, all - some, zero};
  Value value = SliceOp::create(builder, from.getLoc(), withPositions(from.getType(), some), from,
                                makeDims(context, starts), builder.getDenseI64ArrayAttr({1, 1, 1}));
  for (OpOperand *operand : llvm::reverse(chain)) {
    Operation *op = operand->getOwner();
    operand->set(value);
    value = op->getResult(0);
    value.setType(withPositions(value.getType(), some));
  }
  SmallVector<Type> results(terminator()->getOperandTypes());
  function.setType(FunctionType::get(context, function.getArgumentTypes(), results));
}

struct TrimLogits : qcc::fuse::impl::TrimLogitsBase<TrimLogits> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName);
    if (!symbols || function.isExternal() || function.getOps<KvAppendOp>().empty())
      return;
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      auto role = function.getResultAttrOfType<StringAttr>(i, roleAttrName);
      SmallVector<DimExpr> dims = dimsOf(function.getResultTypes()[i]);
      if (role && role.getValue() == "logits" && dims.size() == 3)
        return trim(i, dims[positionAxis], symbols);
    }
  }

  void trim(unsigned result, DimExpr positions, ArrayAttr symbols) {
    Location loc = getOperation().getLoc();
    std::string name = "n";
    std::optional<int64_t> most;
    for (auto [i, symbol] : llvm::enumerate(symbols.getAsRange<SymbolAttr>())) {
      if (symbol.isBound() && positions.isSymbol() && symbol.getName() == positions.symbolName())
        most = static_cast<int64_t>(i);
      if (symbol.getName() == name)
        name += "'";
    }
    if (!most) {
      remark::missed(loc, remarkTrim) << remark::reason("positions are no symbol of an input");
      return;
    }
    Head head(getOperation(), result, positions);
    if (!head.find()) {
      remark::missed(loc, remarkTrim)
          << remark::reason("no layer computes them position by position");
      return;
    }
    head.trim(name, *most);
    remark::passed(loc, remarkTrim) << remark::metric("symbol", name);
  }
};

} // namespace
