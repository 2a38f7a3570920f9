// What quantization adds beside layers: rotations as products with their matrix, outliers as sums
// over the columns they read.
#include "GraphExporter.h"
#include "qcc/Algorithms/Hadamard.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

/// From this order on a matrix takes more bytes than a model should get from a rotation.
constexpr int64_t kMaxOrder = 4096;

/// F (or its inverse) transposed, so that rows v become `v F'`.
std::string rotation(GraphExporter &e, HadamardOp op, int64_t order) {
  std::vector<float> f(order * order), transposed(order * order);
  for (int64_t i = 0; i < order; ++i)
    f[i * order + i] = 1;
  hadamardRotate(f.data(), order, order, order, op.getSeed(), op.getInverse());
  for (int64_t i = 0; i < order; ++i)
    for (int64_t j = 0; j < order; ++j)
      transposed[j * order + i] = f[i * order + j];
  std::vector<uint8_t> bytes(transposed.size() * 4);
  std::memcpy(bytes.data(), transposed.data(), bytes.size());
  return e.constant(onnx::Float, {order, order}, std::move(bytes), "rotation");
}

std::string rotated(GraphExporter &e, HadamardOp op) {
  SmallVector<DimExpr> dims = dimsOf(op.getType());
  int64_t axis = op.getAxisAttr().getInt(), order = op.getBlockAttr().getInt();
  if (!elementTypeOf(op.getType()).isF32() || order > kMaxOrder) {
    e.refuse(op, "a rotation of " + Twine(order) +
                     " channels, or of other floats than f32, has no ONNX form");
    return {};
  }
  auto last = static_cast<int64_t>(dims.size()) - 1;
  auto swap = llvm::to_vector(llvm::seq<int64_t>(0, last + 1));
  std::swap(swap[axis], swap[last]);
  std::string x = e.name(op.getX());
  if (axis != last) {
    x = e.transpose(x, swap);
    std::swap(dims[axis], dims[last]);
  }
  SmallVector<DimExpr> runs = dims;
  if (!dims[last].isConstant(order)) {
    runs[last] = DimExpr::constant(op.getContext(), *dims[last].constantValue() / order);
    runs.push_back(DimExpr::constant(op.getContext(), order));
  }
  std::string y = e.add("MatMul", {e.reshape(x, dims, runs), rotation(e, op, order)});
  y = e.reshape(y, runs, dims);
  return axis != last ? e.transpose(y, swap) : y;
}

std::string sparse(GraphExporter &e, SparseLinearOp op) {
  auto last = static_cast<int64_t>(dimsOf(op.getX().getType()).size()) - 1;
  Type f32 = Float32Type::get(op.getContext());
  std::string read =
      e.add("Gather", {e.name(op.getX()), e.name(op.getColumns())}, {attr("axis", last)});
  std::string values = e.cast(e.name(op.getValues()), elementTypeOf(op.getValues().getType()), f32);
  if (dimsOf(op.getColumns().getType()).size() == 1)
    return e.add("MatMul", {read, values});
  return e.add("ReduceSum", {e.add("Mul", {read, values}), e.integers({last})},
               {attr("keepdims", int64_t(0))});
}

} // namespace

bool exporter::exportTransform(GraphExporter &e, Operation *op) {
  if (!isa<HadamardOp, SparseLinearOp>(op))
    return false;
  auto hadamard = dyn_cast<HadamardOp>(op);
  std::string made = hadamard ? rotated(e, hadamard) : sparse(e, cast<SparseLinearOp>(op));
  if (!made.empty())
    e.define(op->getResult(0), made);
  return true;
}
