// Attention with an online softmax (Milakov and Gimelshein 2018; Dao et al. 2022): no more than one
// block of scores exists at a time.
//
// A task is one batch index, one group of key heads and up to 64 of the query rows that read it
// (heads of the group times positions). For each block of 64 keys, by absolute index:
//
//   a[key]  scores, scaled (AttentionFloats.cpp, AttentionCodes.cpp); then softcap, mask
//   m' = max(m, max a), w = exp(a - m'), c = exp(m - m')
//   l  = fma(l, c, sum w)                     four vectors ascending, then the tree
//   o  = o c, then w times values
//
// What a row computes depends on nothing but its own query and the absolute indices of keys: not on
// the other rows of the task, not on how many keys follow. A key with score -inf adds exactly 0,
// and so does a block of them, which is why blocks that causality or the window exclude are
// skipped.
#include "AttentionEmitter.h"
#include "PackedProduct.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

FailureOr<AttentionPlan> AttentionPlan::build(KernelOp kernel) {
  AttentionPlan plan;
  plan.op = opOf<AttentionOp>(kernel);
  SmallVector<DimExpr> q = dimsOf(plan.op.getQuery().getType());
  SmallVector<DimExpr> key = dimsOf(plan.op.getKey().getType());
  plan.batch = q[0];
  plan.heads = q[1];
  plan.queries = q[2];
  plan.width = q[3];
  plan.groups = key[1];
  plan.keys = key[2];
  plan.outWidth = dimsOf(plan.op.getValue().getType())[3];
  plan.perGroup = *plan.heads.exactDiv(plan.groups);
  plan.rows = plan.perGroup * plan.queries;
  plan.rowBlocks = plan.rows.ceilDiv(DimExpr::constant(kernel.getContext(), queryBlock));
  for (Value value : {plan.op.getQuery(), plan.op.getKey(), plan.op.getValue()})
    if (computeElem(elemOfValue(value)) != Elem::F32)
      return refuse(plan.op,
                    "attention computes in f32; its operands can be f32 or smaller floats");
  return plan;
}

DimExpr AttentionPlan::keyBytes() const {
  if (!onCodes())
    return width * (keyBlock * 4);
  DimExpr pairs = width.ceilDiv(DimExpr::constant(width.getContext(), 2));
  return pairs * (keyBlock * 4);
}

DimExpr AttentionPlan::scratchBytes() const {
  return keyBytes() + transposedBytes() + queryBytes() + sumBytes() + valueBytes();
}

DimExpr AttentionPlan::rangeBytes() const {
  constexpr int64_t rows = 2 * queryBlock;
  return (paddedOutWidth() + kLanes) * (rows * 4);
}

/// Strides of the attention's axes (batch, head, query, element) in the kernel's result, which may
/// be transposed and reshaped.
static FailureOr<SmallVector<DimExpr>> outputStrides(KernelFrame &frame, AttentionOp op) {
  MLIRContext *context = op.getContext();
  Value value = frame.yield()->getOperand(0);
  auto strip = [&] {
    while (auto reshape = value.getDefiningOp<ReshapeOp>())
      value = reshape.getX();
  };
  strip();
  if (auto transpose = value.getDefiningOp<TransposeOp>()) {
    SmallVector<DimExpr> dense = denseStrides(context, dimsOf(transpose.getType()));
    SmallVector<DimExpr> strides(dense.size());
    for (auto [axis, from] : llvm::enumerate(transpose.getPermutation()))
      strides[from] = dense[axis];
    value = transpose.getX();
    if (value == op.getOut())
      return strides;
    strip();
    return refuse(frame.kernel, "the result of attention is reshaped before it is transposed");
  }
  if (value != op.getOut())
    return refuse(frame.kernel, "the result is not the attention's");
  return denseStrides(context, dimsOf(op.getType()));
}

LogicalResult AttentionOperands::findOperands() {
  SmallVector<DimExpr> full = {plan.batch, plan.heads, plan.queries, plan.keys};
  auto q = operandOf(frame, op.getQuery()), kk = operandOf(frame, op.getKey());
  auto v = operandOf(frame, op.getValue());
  if (failed(q) || failed(kk) || failed(v))
    return failure();
  query = *q;
  key = *kk;
  value = *v;
  if (op.getMask()) {
    auto m = operandOf(frame, op.getMask(), full);
    if (failed(m))
      return failure();
    mask = *m;
  }
  if (op.getSink()) {
    auto s = operandOf(frame, op.getSink());
    if (failed(s))
      return failure();
    sink = *s;
  }
  auto strides = outputStrides(frame, op);
  if (failed(strides))
    return failure();
  if (!strides->back().isConstant(1))
    return refuse(op, "the result of attention is stored with its channels apart");
  outStrides = dimValues(frame, *strides);
  queries = frame.dim(plan.queries);
  keys = frame.dim(plan.keys);
  width = frame.dim(plan.width);
  outWidth = frame.dim(plan.outWidth);
  perGroup = frame.dim(plan.perGroup);
  rows = frame.dim(plan.rows);
  rowBlocks = frame.dim(plan.rowBlocks);
  groups = frame.dim(plan.groups);
  return success();
}

LogicalResult AttentionEmitter::prepare() {
  if (failed(findOperands()))
    return failure();
  queryStride = frame.dim(plan.paddedWidth());
  sumStride = frame.dim(plan.paddedOutWidth());
  keysAt = k.scratch();
  queriesAt = k.bytePtr(keysAt, frame.dim(plan.keyBytes() + plan.transposedBytes()));
  sumsAt = k.bytePtr(queriesAt, frame.dim(plan.queryBytes()));
  valuesAt = k.bytePtr(sumsAt, frame.dim(plan.sumBytes()));
  weightsAt = k.stackBuffer(groupsTogether * rowGroup * keyBlock * 4);
  // The last row reads a whole vector, too.
  maxima = k.stackBuffer((queryBlock * stateLanes + kLanes) * 4);
  totals = k.stackBuffer((queryBlock * stateLanes + kLanes) * 4);
  corrections = k.stackBuffer(groupsTogether * kLanes * 4);
  maskOffsets = k.stackBuffer(queryBlock * 8);
  positions = k.stackBuffer(queryBlock * 8);
  outOffsets = k.stackBuffer(queryBlock * 8);
  allocate();
  return success();
}

/// Packs the task's query rows and starts their sums.
void AttentionEmitter::startRows(Value batch, Value group, Value first, Value count) {
  k.forRange(count, [&](Value i) {
    Value row = k.add(first, i), s = row, head = group;
    if (!plan.perGroup.isConstant(1)) {
      s = k.remU(row, queries);
      head = k.add(k.mul(group, perGroup), k.divU(row, queries));
    }
    packQuery(query.at(k, {batch, head, s}), i);
    fillRun(k, Elem::F32, k.cf32(0), sumsAt, k.mul(i, sumStride), sumStride);
    // A sink is a score without a value, before all others.
    Value score = op.getSink() ? k.toF32(k.load(sink.elem, sink.pointer, sink.at(k, {head})))
                               : minusInfinity();
    Value state = k.mul(i, k.ci64(stateLanes)), started = k.cf32(op.getSink() ? 1 : 0);
    k.vstore(Elem::F32, k.broadcast(score), maxima, state);
    k.vstore(Elem::F32, k.broadcast(started), totals, state);
    if (op.getMask())
      k.store(Elem::I64, mask.at(k, {batch, head, s}), maskOffsets, i);
    k.store(Elem::I64, k.add(s, k.sub(keys, queries)), positions, i);
    Value out = k.add(k.mul(batch, outStrides[0]), k.mul(head, outStrides[1]));
    k.store(Elem::I64, k.add(out, k.mul(s, outStrides[2])), outOffsets, i);
  });
}

std::pair<Value, Value> AttentionOperands::positionRange(Value first, Value count) {
  Value last = k.sub(k.add(first, count), k.ci64(1)), shift = k.sub(keys, queries);
  Value oneHead = k.eq(quotient(first, queries), quotient(last, queries));
  Value smallest = k.select(oneHead, remainder(first, queries), k.ci64(0));
  Value largest = k.select(oneHead, remainder(last, queries), k.sub(queries, k.ci64(1)));
  return {k.add(smallest, shift), k.add(largest, shift)};
}

std::pair<Value, Value> AttentionOperands::keyRange(std::pair<Value, Value> positions) {
  Value zero = k.ci64(0), from = zero, to = keys;
  if (op.getCausal())
    to = k.max(zero, k.min(keys, k.add(positions.second, k.ci64(1))));
  if (op.getWindow() > 0) {
    Value oldest = k.add(k.sub(positions.first, k.ci64(op.getWindow())), k.ci64(1));
    from = k.and_(k.max(zero, oldest), k.ci64(-keyBlock));
  }
  return {from, to};
}

/// Rows at a time, from most to one: just one where a fused multiply-add is a hundred instructions.
SmallVector<int64_t> AttentionEmitter::rowSteps() {
  if (!k.target().hasFma)
    return {1};
  if (k.target().registersPerVector() == 1)
    return {groupsTogether * rowGroup, rowGroup, 1};
  return {rowGroup, 1};
}

/// Key vectors, or columns of values, whose sums `count` rows keep in registers.
int64_t AttentionEmitter::vectorsFor(int64_t count) {
  if (!k.target().hasFma)
    return 1;
  return k.target().registersPerVector() == 1 || count == 1 ? keyVectors : 1;
}

/// Scores of `count` query rows with all keys of the block: [row][keyVectors].
AttentionEmitter::Values AttentionEmitter::scores(Value row, int64_t count) {
  int64_t each = vectorsFor(count);
  Values all(count * keyVectors);
  for (int64_t vector = 0; vector < keyVectors; vector += each)
    for (auto [i, v] : llvm::enumerate(scoreVectors(row, count, vector, each)))
      all[i / each * keyVectors + vector + i % each] = v;
  return all;
}

Value AttentionEmitter::blockRow(const Operand &operand, Value base, Value row) {
  if (operand.known[2] == 0)
    return base;
  Value t = k.min(k.add(blockKey, row), k.sub(keys, k.ci64(1)));
  return k.add(base, k.mul(t, operand.strides[2]));
}

/// The 16 scores `a` of the keys from `first` on, after softcap, mask, causality and window.
Value AttentionEmitter::admit(Value a, Value first, Value row) {
  double cap = op.getSoftcap().convertToDouble();
  if (cap > 0)
    a = k.mul(k.cf32(cap), k.tanh(k.div(a, k.broadcast(k.cf32(cap)))));
  Value none = k.broadcast(minusInfinity());
  if (op.getMask()) {
    // Lanes beyond the keys are not read.
    Value at = k.load(Elem::I64, maskOffsets, row), rest = k.sub(keys, first);
    auto apply = [&](Value lanes) {
      Value m = mask.vload(k, at, first, lanes);
      if (mask.elem == Elem::Bool)
        return Values{k.select(m, a, none)};
      return Values{k.add(a, k.toF32(m))};
    };
    if (k.target().hasMaskedMemory)
      a = apply(rest)[0];
    else // whole vectors, and the rest of the last one
      a = k.ifElse(
          k.ge(rest, k.ci64(kLanes)), TypeRange(a.getType()), [&] { return apply({}); },
          [&] {
            return k.ifElse(
                k.gt(rest, k.ci64(0)), TypeRange(a.getType()), [&] { return apply(rest); },
                [&] { return Values{none}; });
          })[0];
  }
  Value number = k.add(k.iota32(), k.broadcast(k.toI32(first)));
  Value admitted = k.lt(number, k.broadcast(k.toI32(keys)));
  if (hasPositions()) {
    Value position = k.toI32(k.load(Elem::I64, positions, row));
    if (op.getCausal())
      admitted = k.and_(admitted, k.le(number, k.broadcast(position)));
    if (op.getWindow() > 0) {
      int64_t window = std::min<int64_t>(op.getWindow(), INT32_MAX / 2);
      Value oldest = k.sub(position, k.ci32(static_cast<int32_t>(window)));
      admitted = k.and_(admitted, k.gt(number, k.broadcast(oldest)));
    }
  }
  return k.select(admitted, a, none);
}

Value AttentionEmitter::reduceRows(ArrayRef<Value> v, Combine combine) {
  if (v.size() == 1)
    return k.broadcast(k.reduce(v[0], combine));
  static_assert(rowGroup == 4);
  auto halves = [&](Value x, Value y, int64_t run) { // runs of both, low halves and high halves
    SmallVector<int64_t> low, high;
    for (int64_t at = 0; at < 2 * kLanes; at += 2 * run)
      for (int64_t i = 0; i < run; ++i) {
        low.push_back(at + i);
        high.push_back(at + run + i);
      }
    return combine(k.shuffle(x, y, low), k.shuffle(x, y, high));
  };
  Value r = halves(halves(v[0], v[1], 8), halves(v[2], v[3], 8), 4);
  for (int64_t apart : {2, 1}) {
    SmallVector<int64_t> other;
    for (int64_t i = 0; i < kLanes; ++i)
      other.push_back(i ^ apart);
    r = combine(r, k.shuffle(r, r, other));
  }
  return r;
}

Value AttentionEmitter::reduceBlock(ArrayRef<Value> vectors, Value start, Combine combine) {
  SmallVector<Value> rows;
  for (; !vectors.empty(); vectors = vectors.drop_front(keyVectors)) {
    rows.push_back(start);
    for (Value v : vectors.take_front(keyVectors))
      rows.back() = combine(rows.back(), v);
  }
  return reduceRows(rows, combine);
}

/// Turns the scores of `count` rows into weights and updates the rows' maxima and sums. All vectors
/// of a group are in registers, or where the compiler puts them: a round trip through memory of our
/// own would cost as much as the exponential.
void AttentionEmitter::weights(Value row, int64_t count, int64_t slot) {
  Value none = k.broadcast(minusInfinity()), zero = k.broadcast(k.cf32(0));
  auto largest = [&](Value x, Value y) { return k.maxFast(x, y); };
  Values v = scores(row, count);
  for (int64_t i = 0; i < count * keyVectors; ++i)
    v[i] = admit(v[i], k.add(blockKey, k.ci64(i % keyVectors * kLanes)),
                 k.add(row, k.ci64(i / keyVectors)));
  Value state = k.mul(row, k.ci64(stateLanes));
  Value blockMax = reduceBlock(v, none, largest);
  Value oldMax = k.vload(Elem::F32, maxima, state), newMax = k.maxFast(oldMax, blockMax);
  // A row that has admitted no key yet subtracts 0: -inf - -inf would be NaN.
  Value running = k.select(k.eq(newMax, none), zero, newMax);
  Base base = weightBase(blockMax, running);
  for (int64_t r = 0; r < count; ++r) {
    Value subtract = ofRow(base.base, r);
    for (Value &x : MutableArrayRef<Value>(v).slice(r * keyVectors, keyVectors))
      x = k.exp(k.sub(x, subtract));
  }
  Value sum = reduceBlock(v, zero, [&](Value x, Value y) { return k.add(x, y); });
  if (base.rescale)
    sum = k.mul(sum, base.rescale);
  Value correction = k.exp(k.sub(oldMax, running));
  Value total = k.fma(k.vload(Elem::F32, totals, state), correction, sum);
  Value lanes = count == 1 ? k.ci64(stateLanes) : Value(); // the next row's are its own
  k.vstore(Elem::F32, newMax, maxima, state, lanes);
  k.vstore(Elem::F32, total, totals, state, lanes);
  k.vstore(Elem::F32, correction, corrections, k.ci64(slot * stateLanes));
  keepWeights(v, count, slot, base.rescale);
}

SmallVector<Value> AttentionEmitter::rescaledSums(Value row, int64_t count, Value column,
                                                  int64_t vectors) {
  SmallVector<Value> sums;
  for (int64_t r = 0; r < count; ++r) {
    Value at = k.add(k.mul(k.add(row, k.ci64(r)), sumStride), column);
    Value correction = k.broadcast(k.load(Elem::F32, corrections, k.ci64(r * stateLanes)));
    for (int64_t v = 0; v < vectors; ++v)
      sums.push_back(k.mul(k.vload(Elem::F32, sumsAt, k.add(at, k.ci64(v * kLanes))), correction));
  }
  return sums;
}

/// The sums of a row are padded to whole vectors.
void AttentionEmitter::storeSums(ArrayRef<Value> sums, Value row, int64_t count, Value column,
                                 int64_t vectors) {
  for (int64_t r = 0; r < count; ++r) {
    Value at = k.add(k.mul(k.add(row, k.ci64(r)), sumStride), column);
    for (int64_t v = 0; v < vectors; ++v)
      k.vstore(Elem::F32, sums[r * vectors + v], sumsAt, k.add(at, k.ci64(v * kLanes)));
  }
}

void AttentionEmitter::accumulate(Value row, int64_t count, Value valueBase) {
  int64_t vectors = count > rowGroup ? keyVectors / groupsTogether : vectorsFor(count);
  auto constant = plan.outWidth.constantValue();
  if (!constant) {
    k.forLanes(outWidth, [&](Value column, Value lanes) {
      accumulateColumns(row, count, valueBase, column, 1, lanes);
    });
    return;
  }
  int64_t whole = *constant / kLanes, step = vectors * kLanes;
  Value chunked = k.ci64(whole / vectors * step);
  k.forLoop(k.ci64(0), chunked, k.ci64(step),
            [&](Value column) { accumulateColumns(row, count, valueBase, column, vectors, {}); });
  if (int64_t left = whole % vectors)
    accumulateColumns(row, count, valueBase, chunked, left, {});
  if (int64_t lanes = *constant % kLanes)
    accumulateColumns(row, count, valueBase, k.ci64(whole * kLanes), 1, k.ci64(lanes));
}

/// What the block adds to `count` rows from `row` on.
void AttentionEmitter::rowsTogether(Value row, int64_t count, Value valueBase) {
  int64_t each = std::min(count, rowGroup);
  for (int64_t slot = 0; slot < count; slot += each) {
    Value first = k.add(row, k.ci64(slot));
    weights(first, each, slot);
  }
  accumulate(row, count, valueBase);
}

void AttentionEmitter::finishRow(Value row) {
  Value total = k.load(Elem::F32, totals, k.mul(row, k.ci64(stateLanes))),
        factor = k.div(k.cf32(1), total);
  // Without admitted keys 0 * (1 / 0) is the NaN that is asked for.
  if (op.getSafe())
    factor = k.select(k.eq(total, k.cf32(0)), k.cf32(0), factor);
  Value out = k.load(Elem::I64, outOffsets, row), from = k.mul(row, sumStride);
  Elem elem = elemOfValue(op.getOut());
  Value result = k.elemPtr(elem, frame.resultPointer(0), out);
  // Adding +0 makes every zero positive, whatever keys of weight 0 went before.
  k.forLanes(outWidth, [&](Value i, Value lanes) {
    Value sum = k.vload(Elem::F32, sumsAt, k.add(from, i), lanes);
    Value x = k.fma(sum, k.broadcast(factor), k.broadcast(k.cf32(0)));
    k.vstore(elem, x, result, i, lanes);
  });
}

void AttentionEmitter::emitTask(Value task) {
  Value block = k.remU(task, rowBlocks), rest = k.divU(task, rowBlocks);
  Value group = k.remU(rest, groups), batch = k.divU(rest, groups);
  Value first = k.mul(block, k.ci64(queryBlock));
  Value count = k.min(k.ci64(queryBlock), k.sub(rows, first));
  startRows(batch, group, first, count);
  auto [from, to] = keyRange(positionRange(first, count));
  Value keyBase = key.at(k, {batch, group}), valueBase = value.at(k, {batch, group});
  k.forLoop(from, to, k.ci64(keyBlock), [&](Value t) {
    blockKey = t;
    blockKeys = k.min(k.ci64(keyBlock), k.sub(keys, t));
    packBlock(keyBase, valueBase);
    Value done = k.ci64(0);
    for (int64_t size : rowSteps()) {
      Value to = size == 1 ? count : k.and_(count, k.ci64(-size));
      k.forLoop(done, to, k.ci64(size), [&](Value row) { rowsTogether(row, size, valueBase); });
      done = to;
    }
  });
  k.forRange(count, [&](Value row) { finishRow(row); });
}

LogicalResult AttentionEmitter::emit() {
  if (failed(prepare()))
    return failure();
  k.forTasks([&](Value task) { emitTask(task); });
  return success();
}

FailureOr<LaunchShape> lower::attentionShape(KernelOp kernel) {
  auto plan = AttentionPlan::build(kernel);
  if (failed(plan))
    return failure();
  MLIRContext *context = kernel.getContext();
  LaunchShape shape;
  shape.tasks = plan->batch * plan->groups * plan->rowBlocks;
  DimExpr rows = plan->rows.min(DimExpr::constant(context, queryBlock));
  DimExpr work = (rows + 8) * plan->keys * (plan->width + plan->outWidth);
  shape.grain = DimExpr::constant(context, 1 << 17).ceilDiv(work + 1);
  shape.scratchBytes = plan->scratchBytes().max(plan->rangeBytes());
  return shape;
}

LogicalResult lower::emitAttention(KernelFrame &frame) {
  auto plan = AttentionPlan::build(frame.kernel);
  if (failed(plan))
    return failure();
  if (fitsTensorAttention(*plan, frame.k.target()))
    return emitTensorAttention(frame, *plan);
  auto emitter =
      plan->onCodes() ? makeCodeAttention(frame, *plan) : makeFloatAttention(frame, *plan);
  return emitter->emit();
}
