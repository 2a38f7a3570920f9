// Products, norms, attention, reductions. What the standard has no single operator for in opset 21
// is written out in the form that the raise stage finds again.
#include "GraphExporter.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

SmallVector<int64_t> lastTwoSwapped(size_t rank) {
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  std::swap(order[rank - 1], order[rank - 2]);
  return order;
}

std::string matmul(GraphExporter &e, MatmulOp op) {
  std::string y = e.name(op.getY());
  if (op.getTransposeY())
    y = e.transpose(y, lastTwoSwapped(dimsOf(op.getY().getType()).size()));
  return e.add("MatMul", {e.name(op.getX()), y});
}

std::string linear(GraphExporter &e, LinearOp op) {
  std::string product = e.add("MatMul", {e.name(op.getX()), e.rightOperand(op.getWeight())});
  return op.getBias() ? e.add("Add", {product, e.name(op.getBias())}) : product;
}

std::string conv(GraphExporter &e, ConvOp op) {
  if (!isa<FloatType>(elementTypeOf(op.getType()))) {
    e.refuse(op, "a convolution of integers in 32 bits has no ONNX form");
    return {};
  }
  Names inputs = {e.name(op.getX()), e.name(op.getWeight())};
  if (op.getBias())
    inputs.push_back(e.name(op.getBias()));
  return e.add("Conv", inputs,
               {attr("strides", op.getStrides()), attr("dilations", op.getDilations()),
                attr("pads", op.getPads()), attr("group", int64_t(op.getGroups()))});
}

//===-- Norms ------------------------------------------------------------------------------------//

/// The gain, or ones.
std::string gainOf(GraphExporter &e, Value gain, Type x) {
  if (gain)
    return e.name(gain);
  DimExpr channels = dimsOf(x).back();
  return e.add("Expand", {e.number(elementTypeOf(x), 1), e.shape({channels})});
}

std::string layerNorm(GraphExporter &e, LayerNormOp op) {
  Names inputs = {e.name(op.getX()), gainOf(e, op.getGain(), op.getType())};
  if (op.getBias())
    inputs.push_back(e.name(op.getBias()));
  return e.add("LayerNormalization", inputs,
               {attr("axis", int64_t(-1)), attr("epsilon", op.getEpsilon().convertToDouble())});
}

std::string rmsNorm(GraphExporter &e, RmsNormOp op) {
  Type element = elementTypeOf(op.getType());
  std::string x = e.name(op.getX());
  auto last = static_cast<int64_t>(dimsOf(op.getType()).size()) - 1;
  std::string mean = e.add("ReduceMean", {e.add("Mul", {x, x}), e.integers({last})});
  std::string shifted = e.add("Add", {mean, e.number(element, op.getEpsilon().convertToDouble())});
  std::string normed = e.add("Mul", {x, e.add("Reciprocal", {e.add("Sqrt", {shifted})})});
  return op.getGain() ? e.add("Mul", {normed, e.name(op.getGain())}) : normed;
}

//===-- Rotary embedding -------------------------------------------------------------------------//

std::string rope(GraphExporter &e, RopeOp op) {
  SmallVector<DimExpr> dims = dimsOf(op.getType());
  auto width = dimsOf(op.getCos().getType()).back().constantValue();
  auto channels = dims.back().constantValue();
  if (!width || !channels || elementTypeOf(op.getCos().getType()) != elementTypeOf(op.getType())) {
    e.refuse(op, "a rotation of a size that is not constant, or of another type than its angles, "
                 "has no ONNX form");
    return {};
  }
  int64_t w = *width, axis = static_cast<int64_t>(dims.size()) - 1;
  bool pairs = op.getInterleaved();
  std::string x = e.name(op.getX()), cos = e.name(op.getCos()), sin = e.name(op.getSin());
  std::string a = pairs ? e.slice(x, axis, 0, 2 * w, 2) : e.slice(x, axis, 0, w);
  std::string b = pairs ? e.slice(x, axis, 1, 2 * w, 2) : e.slice(x, axis, w, 2 * w);
  Names halves = {e.add("Sub", {e.add("Mul", {a, cos}), e.add("Mul", {b, sin})}),
                  e.add("Add", {e.add("Mul", {b, cos}), e.add("Mul", {a, sin})})};
  std::string turned;
  if (pairs) {
    for (std::string &half : halves)
      half = e.add("Unsqueeze", {half, e.integers({axis + 1})});
    SmallVector<DimExpr> split = dims, whole = dims;
    split.back() = DimExpr::constant(op.getContext(), w);
    split.push_back(DimExpr::constant(op.getContext(), 2));
    whole.back() = DimExpr::constant(op.getContext(), 2 * w);
    turned = e.reshape(e.add("Concat", halves, {attr("axis", axis + 1)}), split, whole);
  } else if (2 * w == *channels) {
    return e.add("Concat", halves, {attr("axis", axis)});
  }
  if (2 * w == *channels)
    return turned;
  Names all = pairs ? Names{turned} : halves;
  all.push_back(e.slice(x, axis, 2 * w, *channels));
  return e.add("Concat", all, {attr("axis", axis)});
}

//===-- Attention --------------------------------------------------------------------------------//

/// [B, G, T, D] with each head repeated for the queries that share it.
std::string repeated(GraphExporter &e, Value x, DimExpr heads) {
  SmallVector<DimExpr> dims = dimsOf(x.getType());
  if (dims[1] == heads)
    return e.name(x);
  DimExpr one = DimExpr::constant(x.getContext(), 1), times = *heads.exactDiv(dims[1]);
  std::string wide = e.add("Unsqueeze", {e.name(x), e.integers({2})});
  wide = e.add("Expand", {wide, e.shape({one, one, times, one, one})});
  return e.reshape(wide, {dims[0], dims[1], times, dims[2], dims[3]},
                   {dims[0], heads, dims[2], dims[3]});
}

/// Which keys positions admit: none after them, none before the window.
std::string admitted(GraphExporter &e, AttentionOp op, DimExpr s, DimExpr t) {
  Type i64 = IntegerType::get(op.getContext(), 64);
  std::string row = e.add("Add", {e.range(s), e.scalar(t - s)});
  row = e.add("Unsqueeze", {row, e.integers({1})});
  std::string column = e.add("Unsqueeze", {e.range(t), e.integers({0})}), admits;
  if (op.getCausal())
    admits = e.add("LessOrEqual", {column, row});
  if (int64_t window = op.getWindow(); window > 0) {
    std::string first = e.add("Sub", {row, e.number(i64, static_cast<double>(window))});
    std::string inside = e.add("Greater", {column, first});
    admits = admits.empty() ? inside : e.add("And", {admits, inside});
  }
  return admits;
}

std::string attention(GraphExporter &e, AttentionOp op) {
  SmallVector<DimExpr> q = dimsOf(op.getQuery().getType()), k = dimsOf(op.getKey().getType());
  Type element = elementTypeOf(op.getType());
  if (!isa<RankedTensorType>(op.getKey().getType())) {
    e.refuse(op, "a cache has no ONNX form");
    return {};
  }
  std::string infinity = e.number(element, -std::numeric_limits<double>::infinity());
  std::string keys = e.transpose(repeated(e, op.getKey(), q[1]), {0, 1, 3, 2});
  std::string scores = e.add("MatMul", {e.name(op.getQuery()), keys});
  scores = e.add("Mul", {scores, e.number(element, op.getScale().convertToDouble())});
  if (double cap = op.getSoftcap().convertToDouble(); cap > 0) {
    std::string limit = e.number(element, cap);
    scores = e.add("Mul", {e.add("Tanh", {e.add("Div", {scores, limit})}), limit});
  }
  if (Value mask = op.getMask()) {
    Type type = elementTypeOf(mask.getType());
    scores = type.isInteger(1) ? e.add("Where", {e.name(mask), scores, infinity})
                               : e.add("Add", {scores, e.cast(e.name(mask), type, element)});
  }
  if (std::string admits = admitted(e, op, q[2], k[2]); !admits.empty())
    scores = e.add("Where", {admits, scores, infinity});
  if (Value sink = op.getSink()) {
    DimExpr one = DimExpr::constant(op.getContext(), 1);
    Type own = elementTypeOf(sink.getType());
    std::string extra =
        e.reshape(e.cast(e.name(sink), own, element), {q[1]}, {one, q[1], one, one});
    extra = e.add("Expand", {extra, e.shape({q[0], q[1], q[2], one})});
    scores = e.add("Concat", {scores, extra}, {attr("axis", int64_t(3))});
  }
  std::string weights = e.add("Softmax", {scores}, {attr("axis", int64_t(-1))});
  if (op.getSink())
    weights = e.add("Slice", {weights, e.integers({0}), e.shape({k[2]}), e.integers({3})});
  if (op.getSafe())
    weights = e.add("Where", {e.add("IsNaN", {weights}), e.number(element, 0), weights});
  return e.add("MatMul", {weights, repeated(e, op.getValue(), q[1])});
}

//===-- Reductions -------------------------------------------------------------------------------//

StringRef operatorOf(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::sum:
    return "ReduceSum";
  case ReduceKind::mean:
    return "ReduceMean";
  case ReduceKind::max:
    return "ReduceMax";
  case ReduceKind::min:
    return "ReduceMin";
  case ReduceKind::prod:
    return "ReduceProd";
  case ReduceKind::l1:
    return "ReduceL1";
  case ReduceKind::l2:
    return "ReduceL2";
  case ReduceKind::sum_square:
    return "ReduceSumSquare";
  case ReduceKind::log_sum:
    return "ReduceLogSum";
  case ReduceKind::log_sum_exp:
    return "ReduceLogSumExp";
  }
  return {};
}

std::string reduced(GraphExporter &e, ReduceOp op) {
  return e.add(
      operatorOf(op.getKind()), {e.name(op.getX()), e.integers(op.getAxes())},
      {attr("keepdims", int64_t(op.getKeepDims())), attr("noop_with_empty_axes", int64_t(1))});
}

std::string argReduced(GraphExporter &e, ArgReduceOp op) {
  return e.add(op.getMinimum() ? "ArgMin" : "ArgMax", {e.name(op.getX())},
               {attr("axis", op.getAxisAttr().getInt()),
                attr("keepdims", int64_t(op.getKeepDims())),
                attr("select_last_index", int64_t(op.getSelectLast()))});
}

std::string cumulated(GraphExporter &e, CumSumOp op) {
  Type i64 = IntegerType::get(op.getContext(), 64);
  std::string axis = e.number(i64, static_cast<double>(op.getAxisAttr().getInt()));
  return e.add(
      "CumSum", {e.name(op.getX()), axis},
      {attr("exclusive", int64_t(op.getExclusive())), attr("reverse", int64_t(op.getReverse()))});
}

void topK(GraphExporter &e, TopKOp op) {
  int64_t axis = op.getAxisAttr().getInt();
  Names both =
      e.addMany("TopK", {e.name(op.getX()), e.dimension(dimsOf(op.getValues().getType())[axis])}, 2,
                {attr("axis", axis), attr("largest", int64_t(op.getLargest()))});
  e.define(op.getValues(), both[0]);
  e.define(op.getIndices(), both[1]);
}

} // namespace

bool exporter::exportLayer(GraphExporter &e, Operation *op) {
  if (auto top = dyn_cast<TopKOp>(op))
    return topK(e, top), true;
  auto made = llvm::TypeSwitch<Operation *, std::optional<std::string>>(op)
                  .Case([&](MatmulOp o) { return matmul(e, o); })
                  .Case([&](LinearOp o) { return linear(e, o); })
                  .Case([&](ConvOp o) { return conv(e, o); })
                  .Case([&](SoftmaxOp o) {
                    return e.add(o.getLog() ? "LogSoftmax" : "Softmax", {e.name(o.getX())},
                                 {attr("axis", int64_t(-1))});
                  })
                  .Case([&](LayerNormOp o) { return layerNorm(e, o); })
                  .Case([&](RmsNormOp o) { return rmsNorm(e, o); })
                  .Case([&](RopeOp o) { return rope(e, o); })
                  .Case([&](AttentionOp o) { return attention(e, o); })
                  .Case([&](ReduceOp o) { return reduced(e, o); })
                  .Case([&](ArgReduceOp o) { return argReduced(e, o); })
                  .Case([&](CumSumOp o) { return cumulated(e, o); })
                  .Default([](Operation *) { return std::nullopt; });
  if (!made)
    return false;
  if (!made->empty())
    e.define(op->getResult(0), *made);
  return true;
}
