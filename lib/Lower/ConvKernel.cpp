// Convolution, any number of spatial axes. A task takes a block of output positions of one sample
// and group, packs what they read as columns of a matrix, and multiplies it with the weights of a
// block of channels.
#include "FamilySupport.h"
#include "PackedProduct.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Output channels that share one packed block of positions.
constexpr int64_t channelChunk = 256;

struct ConvPlan {
  DimExpr batch, perGroup, channels, taps, depth, area, channelChunks, positionChunks;
  SmallVector<DimExpr> space, kernel, outSpace;
  Elem elem;

  explicit ConvPlan(ConvOp op) : elem(elemOfValue(op.getX())) {
    MLIRContext *context = op.getContext();
    SmallVector<DimExpr> x = dimsOf(op.getX().getType()), w = dimsOf(op.getWeight().getType());
    SmallVector<DimExpr> out = dimsOf(op.getType());
    batch = x[0];
    perGroup = w[1];
    channels = w[0].floorDiv(DimExpr::constant(context, op.getGroups()));
    space.assign(x.begin() + 2, x.end());
    kernel.assign(w.begin() + 2, w.end());
    outSpace.assign(out.begin() + 2, out.end());
    taps = elementCount(context, kernel);
    depth = perGroup * taps;
    area = elementCount(context, outSpace);
    channelChunks = channels.ceilDiv(DimExpr::constant(context, channelChunk));
    positionChunks = area.ceilDiv(DimExpr::constant(context, packedColumns));
  }
};

class ConvEmitter {
public:
  explicit ConvEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<ConvOp>(frame.kernel)), plan(op) {}
  LogicalResult emit();

private:
  void emitTask(Value task);
  void packPositions(Value image, Value first, Value count);
  void packTaps(Value image, ArrayRef<Value> origin, size_t axis, Value offset, Value inside,
                Value tap, Value column);

  KernelFrame &frame;
  KernelBuilder &k;
  ConvOp op;
  ConvPlan plan;
  Value x, weight, bias, out;
  SmallVector<Value> space, strides, kernel, outSpace;
  Value perGroup, channels, taps, depth, area, channelChunks, positionChunks, volume;
};

/// Loops over the kernel positions of axes `axis` and later; `offset` is that of the axes before.
void ConvEmitter::packTaps(Value image, ArrayRef<Value> origin, size_t axis, Value offset,
                           Value inside, Value tap, Value column) {
  Elem compute = computeElem(plan.elem);
  if (axis == origin.size()) {
    k.forRange(perGroup, [&](Value c) {
      auto value = k.ifElse(
          inside, TypeRange(k.computeType(compute)),
          [&] {
            Value at = k.add(image, k.add(k.mul(c, volume), offset));
            return KernelBuilder::Values{k.cast(k.load(plan.elem, x, at), plan.elem, compute)};
          },
          [&] { return KernelBuilder::Values{k.constant(k.computeType(compute), 0)}; });
      Value row = k.add(k.mul(c, taps), tap);
      k.store(compute, value[0], k.scratch(), k.add(k.mul(row, k.ci64(packedColumns)), column));
    });
    return;
  }
  k.forRange(kernel[axis], [&](Value t) {
    Value at = k.add(origin[axis], k.mul(t, k.ci64(op.getDilations()[axis])));
    packTaps(image, origin, axis + 1, k.add(offset, k.mul(at, strides[axis])),
             k.and_(inside, k.ltU(at, space[axis])), k.add(k.mul(tap, kernel[axis]), t), column);
  });
}

/// Column p of the block: the elements that output position first + p reads, zeros outside of x.
void ConvEmitter::packPositions(Value image, Value first, Value count) {
  k.forRange(count, [&](Value column) {
    SmallVector<Value> origin = unravel(k, k.add(first, column), outSpace);
    for (auto [i, at] : llvm::enumerate(origin))
      at = k.sub(k.mul(at, k.ci64(op.getStrides()[i])), k.ci64(op.getPads()[i]));
    packTaps(image, origin, 0, k.ci64(0), k.ci1(true), k.ci64(0), column);
  });
}

void ConvEmitter::emitTask(Value task) {
  Value rest = task;
  auto take = [&](Value size) {
    Value index = k.remU(rest, size);
    rest = k.divU(rest, size);
    return index;
  };
  Value block = take(channelChunks), position = take(positionChunks);
  Value group = take(k.ci64(op.getGroups())), sample = rest;
  Value first = k.mul(position, k.ci64(packedColumns));
  Value columns = k.min(k.ci64(packedColumns), k.sub(area, first));
  Value plane = k.add(k.mul(sample, k.ci64(op.getGroups())), group);
  packPositions(k.mul(k.mul(plane, perGroup), volume), first, columns);
  Value m0 = k.mul(block, k.ci64(channelChunk));
  Value channel = k.add(k.mul(group, channels), m0); // of the weights and the bias
  Value a = k.elemPtr(plan.elem, weight, k.mul(channel, depth));
  PackedProduct product = {plan.elem, a, depth, k.scratch(), depth, columns};
  Value outBase = k.add(k.mul(k.add(k.mul(plane, channels), m0), area), first);
  emitPackedProduct(k, product, k.min(k.ci64(channelChunk), k.sub(channels, m0)),
                    [&](Value m, Value column, Value lanes, Value sum) {
                      if (bias)
                        sum = k.add(sum, k.broadcast(k.load(plan.elem, bias, k.add(channel, m))));
                      Value at = k.add(outBase, k.add(k.mul(m, area), column));
                      k.vstore(plan.elem, sum, out, at, lanes);
                    });
}

LogicalResult ConvEmitter::emit() {
  auto input = densePointer(frame, op.getX()), weights = densePointer(frame, op.getWeight());
  if (failed(input) || failed(weights))
    return failure();
  x = *input;
  weight = *weights;
  if (op.getBias()) {
    auto pointer = densePointer(frame, op.getBias());
    if (failed(pointer))
      return failure();
    bias = *pointer;
  }
  MLIRContext *context = op.getContext();
  out = frame.resultPointer(0);
  space = dimValues(frame, plan.space);
  strides = dimValues(frame, denseStrides(context, plan.space));
  kernel = dimValues(frame, plan.kernel);
  outSpace = dimValues(frame, plan.outSpace);
  perGroup = frame.dim(plan.perGroup);
  channels = frame.dim(plan.channels);
  taps = frame.dim(plan.taps);
  depth = frame.dim(plan.depth);
  area = frame.dim(plan.area);
  channelChunks = frame.dim(plan.channelChunks);
  positionChunks = frame.dim(plan.positionChunks);
  volume = frame.dim(elementCount(context, plan.space));
  k.forTasks([&](Value task) { emitTask(task); });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::convShape(KernelOp kernel) {
  auto op = opOf<ConvOp>(kernel);
  MLIRContext *context = op.getContext();
  ConvPlan plan(op);
  LaunchShape shape;
  shape.tasks = plan.batch * plan.positionChunks * plan.channelChunks * op.getGroups();
  DimExpr work = plan.channels.min(DimExpr::constant(context, channelChunk)) * plan.depth;
  shape.grain = DimExpr::constant(context, 4096).ceilDiv(work + 1);
  shape.scratchBytes = packedBytes(plan.elem, plan.depth);
  return shape;
}
LogicalResult lower::emitConv(KernelFrame &frame) { return ConvEmitter(frame).emit(); }
