// The batch, told by what ops do: the symbol whose indices no op mixes.
#include "Qnt/Qnt.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_MARKSLICES
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkSlices = remark::RemarkOpts::name("mark-slices").category("fuse");

/// Follows one symbol through a function. A value is cut where its first axis is the symbol, or a
/// multiple of it: as elements lie in row-major order, index i of the symbol is then one run of
/// them, whatever the axes behind it are.
class Slicing {
public:
  Slicing(func::FuncOp function, StringRef symbol) : function(function), symbol(symbol) {}

  /// The first op that mixes different indices of the symbol, the function itself where its
  /// signature does, or null.
  Operation *obstacle();

private:
  bool mentions(DimExpr dim) const;
  bool mentions(Operation &op) const;
  bool isCutType(Type type) const;
  bool isCut(Value value) const { return cut.contains(value); }
  bool keepsApart(Operation &op) const;
  /// Operands that are cut line up with the result, as in all that broadcasts.
  bool linesUp(Operation &op) const;
  /// Of the operands, that one alone is cut.
  bool onlyCut(Operation &op, unsigned operand) const;

  func::FuncOp function;
  StringRef symbol;
  DenseSet<Value> cut;
};

bool Slicing::mentions(DimExpr dim) const {
  bool found = false;
  dim.collectSymbols([&](StringRef name) { found |= name == symbol; });
  return found;
}

/// In its results' types, its attributes or those of what it contains.
bool Slicing::mentions(Operation &op) const {
  auto any = [&](ArrayRef<DimExpr> dims) {
    return llvm::any_of(dims, [&](DimExpr dim) { return mentions(dim); });
  };
  return op
      .walk([&](Operation *inner) {
        for (Type type : inner->getResultTypes())
          if (any(dimsOf(type)))
            return WalkResult::interrupt();
        for (NamedAttribute attr : inner->getAttrs())
          if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
            if (any(dimsOf(dims)))
              return WalkResult::interrupt();
        return WalkResult::advance();
      })
      .wasInterrupted();
}

bool Slicing::isCutType(Type type) const {
  SmallVector<DimExpr> dims = dimsOf(type);
  if (dims.empty() ||
      llvm::any_of(ArrayRef(dims).drop_front(), [&](DimExpr d) { return mentions(d); }))
    return false;
  auto each = dims[0].exactDiv(DimExpr::symbol(type.getContext(), symbol));
  return each && !mentions(*each);
}

bool Slicing::onlyCut(Operation &op, unsigned operand) const {
  for (auto [i, value] : llvm::enumerate(op.getOperands()))
    if (isCut(value) != (i == operand))
      return false;
  return true;
}

bool Slicing::linesUp(Operation &op) const {
  size_t rank = dimsOf(op.getResult(0).getType()).size();
  return llvm::all_of(op.getOperands(), [&](Value value) {
    return !isCut(value) || dimsOf(value.getType()).size() == rank;
  });
}

/// Whether each slice of the result, which is cut, is made of the same slices of the operands.
bool Slicing::keepsApart(Operation &op) const {
  size_t rank = dimsOf(op.getResult(0).getType()).size();
  if (op.hasTrait<Elementwise>())
    return linesUp(op);
  return llvm::TypeSwitch<Operation *, bool>(&op)
      .Case<IdentityOp, ReshapeOp, DequantizeOp, EncodeRowsOp, DecodeRowsOp>(
          [&](auto) { return onlyCut(op, 0); })
      .Case<BroadcastOp, RopeOp>([&](auto) { return linesUp(op); })
      .Case<GatherElementsOp>([&](GatherElementsOp g) {
        return g.getAxis() != 0 && linesUp(op) && isCut(g.getX()) && isCut(g.getIndices());
      })
      .Case<TransposeOp>([](auto t) { return t.getPermutation().front() == 0; })
      // Along the last axis, which is not the first.
      .Case<SoftmaxOp, LayerNormOp, RmsNormOp>([&](auto) { return rank > 1 && onlyCut(op, 0); })
      .Case<LinearOp, QLinearOp, SparseLinearOp>([&](auto) { return rank > 1 && onlyCut(op, 0); })
      .Case<ConvOp, QuantizeStaticOp>([&](auto) { return onlyCut(op, 0); })
      .Case<QuantizeOp>([&](QuantizeOp q) {
        return rank > 1 && cast<QType>(q.getType()).getGranularity() == Granularity::token;
      })
      .Case<MatmulOp>([&](auto) {
        auto fits = [&](Value operand, size_t least) {
          size_t own = dimsOf(operand.getType()).size();
          return !isCut(operand) || (own == rank && own >= least);
        };
        return fits(op.getOperand(0), 2) && fits(op.getOperand(1), 3);
      })
      .Case<AttentionOp>([&](AttentionOp a) {
        return isCut(a.getQuery()) && isCut(a.getKey()) && isCut(a.getValue()) &&
               (!a.getMask() || !isCut(a.getMask()) ||
                dimsOf(a.getMask().getType()).size() == rank) &&
               (!a.getSink() || !isCut(a.getSink()));
      })
      .Case<ReduceOp>([](auto r) { return !llvm::is_contained(r.getAxes(), 0); })
      .Case<ArgReduceOp, CumSumOp, HadamardOp, ConcatOp>([](auto o) { return o.getAxis() != 0; })
      .Case<GatherOp>(
          [&](GatherOp g) { return g.getAxis() == 0 ? onlyCut(op, 1) : onlyCut(op, 0); })
      .Case<QGatherOp>([&](auto) { return onlyCut(op, 1); })
      .Case<SliceOp>([&](SliceOp s) {
        return dimsOf(s.getStarts())[0].isConstant(0) && s.getSteps()[0] == 1 &&
               dimsOf(s.getType())[0] == dimsOf(s.getX().getType())[0];
      })
      .Case<PadOp>([&](PadOp p) {
        return dimsOf(p.getLow())[0].isConstant(0) && dimsOf(p.getHigh())[0].isConstant(0) &&
               onlyCut(op, 0);
      })
      .Case<IotaOp>(
          [&](IotaOp i) { return i.getAxis() != 0 && !mentions(dimsOf(i.getStart())[0]); })
      .Default([](Operation *) { return false; });
}

Operation *Slicing::obstacle() {
  for (Value argument : function.getArguments()) {
    if (isCutType(argument.getType()))
      cut.insert(argument);
    else if (llvm::any_of(dimsOf(argument.getType()), [&](DimExpr d) { return mentions(d); }))
      return function;
  }
  Block &body = function.getBody().front();
  for (Operation &op : body.without_terminator()) {
    if (!mentions(op) && llvm::none_of(op.getOperands(), [&](Value v) { return isCut(v); }))
      continue;
    if (op.getNumResults() != 1 || !isCutType(op.getResult(0).getType()) || !keepsApart(op))
      return &op;
    cut.insert(op.getResult(0));
  }
  // An output without the symbol would be written by every part.
  for (Value result : body.getTerminator()->getOperands())
    if (!isCut(result))
      return body.getTerminator();
  return nullptr;
}

struct MarkSlices : qcc::fuse::impl::MarkSlicesBase<MarkSlices> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName);
    if (!symbols || function.isExternal())
      return;
    for (auto symbol : symbols.getAsRange<SymbolAttr>()) {
      // The runtime finds names in texts, where control characters are codes.
      bool odd = llvm::any_of(symbol.getName(), [](unsigned char c) { return c < ' '; });
      if (!symbol.isBound() || symbol.getAxis() != 0 || odd)
        continue;
      Operation *mixes = Slicing(function, symbol.getName()).obstacle();
      if (!mixes) {
        function->setAttr(slicesAttrName, StringAttr::get(&getContext(), symbol.getName()));
        remark::passed(function.getLoc(), remarkSlices)
            << remark::metric("symbol", symbol.getName());
        return;
      }
      remark::missed(mixes->getLoc(), remarkSlices) << remark::reason(
          "{0} mixes indices of {1}", mixes->getName().getStringRef(), symbol.getName());
    }
  }
};

} // namespace
