// Attention by tensor cores, for blocks of threads (Dao 2023, "FlashAttention-2"): scores, weights
// and sums stay in registers.
//
// A block has up to 64 query rows of a group of key heads, heads packed together, and walks the
// keys tile by tile. A warp has sixteen rows; where there are no more than that in all, the warps
// share the keys of each tile instead (slices), and their results are added up in the end, in
// order. With scores in units of u = log2(e), by which queries are scaled, and per warp and row:
//
//   s  = q · k, softcap; then mask, where a tile has what is not admitted
//   m' = max(m, max s), p = 2^(s - m'), c = 2^(m - m')
//   l  = fma(l, c, sum p)        each thread its own columns; added up in the end
//   o  = o c + p · v
//
// Numbers of a mask are added in units of 1, since they are the largest there are, and u multiplies
// s - m' then. Keys and values of 16 bits are multiplied as they are, f32 are rounded to bf16 on
// the way. They come to shared memory in two stages in turn; those to be rounded in one, behind
// which they lie rounded while the next ones come.
#include "AttentionEmitter.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

constexpr int64_t kStripRows = 16, kVectorColumns = 8;
constexpr int64_t kLinePadding = 16; ///< bytes that keep lines out of each other's banks
/// Columns with the largest score and the sum of weights behind those of a row's result, and some
/// that keep rows in different banks.
constexpr int64_t kStateColumns = 2 * kVectorColumns, kRowPadding = 8;
/// Channels of queries that stay in registers, and of those that do not, loaded at once.
constexpr int64_t kHeldChannels = 128, kPartChannels = 32;
constexpr int64_t kMostChannels = 256;
constexpr float kLog2E = 1.44269504f;

/// How a kernel uses shared memory.
struct TensorPlan {
  int64_t width, outWidth; ///< channels of keys and values
  Elem cache;              ///< what keys and values are stored as
  int64_t tileKeys;

  static std::optional<TensorPlan> of(const AttentionPlan &plan, const Target &target);

  bool rounds() const { return cache == Elem::F32; }
  bool half() const { return cache == Elem::F16; }
  bool holdsQueries() const { return width <= kHeldChannels; }
  /// Slices of the keys where there are few rows.
  int64_t slices() const { return tileKeys / kStripRows; }

  // Bytes. Lines as they are copied, and as they are multiplied.
  int64_t copied(int64_t channels) const {
    return static_cast<int64_t>(llvm::PowerOf2Ceil(channels * elemBytes(cache)));
  }
  int64_t line(int64_t channels) const {
    return (rounds() ? channels * 2 : copied(channels)) + kLinePadding;
  }
  int64_t queryLine() const { return width * 2 + kLinePadding; }
  int64_t stage() const {
    return tileKeys * (rounds() ? copied(width) + copied(outWidth) : line(width) + line(outWidth));
  }
  /// Where the second part of the memory is: the other stage, or rounded lines.
  int64_t second() const { return stage(); }
  int64_t secondBytes() const {
    return rounds() ? tileKeys * (line(width) + line(outWidth)) : stage();
  }
  /// Queries that go to registers are gone when the second part is needed.
  int64_t queryAt() const { return holdsQueries() ? second() : second() + secondBytes(); }
  int64_t resultLine() const { return (outWidth + kStateColumns + kRowPadding) * 4; }
  int64_t bytes() const {
    int64_t all = std::max(second() + secondBytes(), queryAt() + queryBlock * queryLine());
    return std::max(all, queryBlock * resultLine());
  }
};

/// Whether neighbouring elements of an operand's last axis lie side by side.
bool hasDenseRows(Value operand) {
  auto argument = dyn_cast<BlockArgument>(operand);
  if (argument && isa<KvType>(argument.getType()))
    return true;
  FailureOr<Access> access = accessOf(operand);
  return succeeded(access) && !access->strides.empty() && access->strides.back().isConstant(1);
}

/// The largest tiles that leave room for a second block, or the smallest ones.
std::optional<TensorPlan> TensorPlan::of(const AttentionPlan &plan, const Target &target) {
  AttentionOp op = plan.op;
  auto width = plan.width.constantValue(), outWidth = plan.outWidth.constantValue();
  auto fits = [](std::optional<int64_t> n) {
    return n && *n > 0 && *n <= kMostChannels && *n % kStripRows == 0;
  };
  bool narrow = op.getProducts() == Storage::bf16 && target.hasTensorCores();
  if (!narrow || !fits(width) || !fits(outWidth) || !hasDenseRows(op.getKey()) ||
      !hasDenseRows(op.getValue()) || elemOfValue(op.getKey()) != elemOfValue(op.getValue()))
    return std::nullopt;
  constexpr int64_t reserved = 1024; // of a block, for the system
  TensorPlan p{*width, *outWidth, elemOfValue(op.getKey()), 64};
  while (p.tileKeys > kStripRows && p.bytes() > target.sharedBytes / 2 - reserved)
    p.tileKeys /= 2;
  return p.bytes() <= target.sharedBytes ? std::optional(p) : std::nullopt;
}

class TensorAttention : public AttentionOperands {
public:
  TensorAttention(KernelFrame &frame, const AttentionPlan &plan, const TensorPlan &t)
      : AttentionOperands(frame, plan), t(t) {}
  LogicalResult emit();

private:
  /// What a strip carries from tile to tile.
  struct State {
    Values sums;
    Value largest, total;
    Values all() const {
      Values v = sums;
      v.push_back(largest), v.push_back(total);
      return v;
    }
    static State of(ValueRange v) { return {Values(v.drop_back(2)), v[v.size() - 2], v.back()}; }
  };
  struct Task {
    Value batch, group, first, count;
    Value from, to;                 ///< keys
    std::pair<Value, Value> places; ///< positionRange()
  };

  void emitTask(Value number, int64_t slices);
  void packQueries(const Task &task, int64_t count);
  void rowsOf(const Task &task, int64_t slices);
  Values loadQueries(int64_t first, int64_t channels, int64_t slices);
  Values scoresOf(Value tile, ValueRange held, int64_t slices);
  State attend(const Task &task, int64_t slices);
  void copyTile(const Task &task, Value first, Value stage);
  void copyLines(const Operand &operand, const Task &task, Value first, int64_t channels, Value to);
  State step(const Task &task, Value first, Value tile, ValueRange held, State state,
             int64_t slices);
  Values admit(const Task &task, Values scores, Value first);
  Value maskOf(Value columns);
  void finish(const Task &task, int64_t slices);
  void finishRow(const Task &task, Value row, int64_t slices);

  std::pair<Value, Value> headAndPosition(const Task &task, Value row);
  bool isAligned(const Operand &operand);
  Value alignment(const Operand &operand);
  Value shared(int64_t at) { return k.bytePtr(memory, k.ci64(at)); }
  Value all(Value scalar) { return k.broadcast(scalar, tile::kSumsPerVector); }
  Value minusInfinity() { return k.cf32(-std::numeric_limits<float>::infinity()); }
  void barrier() { tile::BarrierOp::create(k.builder(), k.loc()); }
  /// What scores are in units of.
  float unit() { return op.getMask() ? 1 : kLog2E; }
  Value powerOf(Value score) {
    Value x = op.getMask() ? k.mul(k.cf32(kLog2E), score) : score;
    return tile::Exp2Op::create(k.builder(), k.loc(), x.getType(), x);
  }
  /// The largest score, or 0 where there is none: -inf - -inf would be NaN.
  Value baseOf(Value largest) {
    return k.select(k.eq(largest, minusInfinity()), k.cf32(0), largest);
  }

  const TensorPlan t;
  Value memory, group, groupsHere, aligned;
  // In the places of a strip's sums: columns of its first vector, positions and where the mask of a
  // row begins.
  Value columns, positions, maskRows;
};

//===-- Rows ----------------------------------------------------------------------------------===//

/// Of rows of a task, one or in places of sums; those that do not exist are the last one.
std::pair<Value, Value> TensorAttention::headAndPosition(const Task &task, Value row) {
  row = k.min(k.add(row, task.first), k.sub(rows, k.ci64(1)));
  if (plan.perGroup.isConstant(1))
    return {k.mul(row, k.ci64(0)), row};
  Value head = k.divU(row, queries);
  return {head, k.sub(row, k.mul(head, queries))};
}

/// Queries in units of scores, as they are multiplied.
void TensorAttention::packQueries(const Task &task, int64_t count) {
  float scale = static_cast<float>(op.getScale().convertToDouble());
  double cap = op.getSoftcap().convertToDouble();
  scale = cap > 0 ? static_cast<float>(op.getScale().convertToDouble() / cap) : scale * unit();
  Elem elem = t.half() ? Elem::F16 : Elem::BF16;
  k.forLoop(group, k.ci64(count), groupsHere, [&](Value row) {
    auto [inGroup, s] = headAndPosition(task, row);
    Value head = k.add(k.mul(task.group, perGroup), inGroup);
    Value from = query.at(k, {task.batch, head, s});
    Value to = k.bytePtr(shared(t.queryAt()), k.mul(row, k.ci64(t.queryLine())));
    k.forLanes(k.ci64(t.width), [&](Value i, Value lanes) {
      k.vstore(elem, k.mul(query.vload(k, from, i, lanes), k.cf32(scale)), to, i, lanes);
    });
  });
}

void TensorAttention::rowsOf(const Task &task, int64_t slices) {
  VectorType numbers = k.vec(k.i32(), tile::kSumsPerVector);
  auto places =
      tile::PlacesOp::create(k.builder(), k.loc(), numbers, numbers, t.tileKeys / slices, slices);
  columns = places.getColumnsOf();
  if (!hasPositions() && !op.getMask())
    return;
  auto [inGroup, s] = headAndPosition(task, k.toI64(places.getRows()));
  positions = k.toI32(k.add(s, k.sub(keys, queries)));
  if (op.getMask())
    maskRows = mask.at(k, {task.batch, k.add(k.mul(task.group, perGroup), inGroup), s});
}

TensorAttention::Values TensorAttention::loadQueries(int64_t first, int64_t channels,
                                                     int64_t slices) {
  SmallVector<Type> types(channels / kStripRows, k.vec(k.i32(), tile::kSumsPerVector));
  return Values(tile::LoadRowsOp::create(k.builder(), k.loc(), types,
                                         shared(t.queryAt() + first * 2), t.queryLine(), slices)
                    .getResults());
}

//===-- Keys and values -----------------------------------------------------------------------===//

/// Bits of addresses of lines, of which the lowest are 0 where copies of 16 bytes can read them.
Value TensorAttention::alignment(const Operand &operand) {
  Value address = LLVM::PtrToIntOp::create(k.builder(), k.loc(), k.i64(), operand.pointer);
  Value elements = operand.offset;
  for (int axis : {0, 1, 2})
    if (operand.known[axis] != 0)
      elements = k.or_(elements, operand.strides[axis]);
  return k.or_(address, k.mul(elements, k.ci64(elemBytes(operand.elem))));
}

/// Begins to copy lines of keys or values from `first` on; what does not exist is 0.
void TensorAttention::copyLines(const Operand &operand, const Task &task, Value first,
                                int64_t channels, Value to) {
  Value base = operand.at(k, {task.batch, task.group, first});
  Value stride = operand.known[2] == 0 ? k.ci64(0) : operand.strides[2];
  Value lines = k.sub(keys, first);
  int64_t bytes = elemBytes(t.cache), width = t.copied(channels);
  int64_t padding = t.rounds() ? 0 : kLinePadding;
  auto copies = [&] {
    tile::CopyAsyncOp::create(k.builder(), k.loc(), k.elemPtr(t.cache, operand.pointer, base),
                              k.mul(stride, k.ci64(bytes)), lines, k.ci64(channels * bytes), to,
                              t.tileKeys, width, width, padding);
  };
  auto one = [&] {
    Elem elem = copyElem(t.cache);
    k.forLoop(group, k.ci64(t.tileKeys), groupsHere, [&](Value line) {
      Value target = k.bytePtr(to, k.mul(line, k.ci64(width + padding)));
      Value from = k.add(base, k.mul(line, stride)), count = k.ci64(channels);
      k.ifElse(
          k.lt(line, lines),
          [&] { copyRun(k, elem, operand.pointer, from, target, k.ci64(0), count); },
          [&] { fillRun(k, elem, k.ci32(0), target, k.ci64(0), count); });
    });
  };
  k.ifElse(aligned, copies, one);
}

void TensorAttention::copyTile(const Task &task, Value first, Value stage) {
  int64_t keyBytes = t.rounds() ? t.copied(t.width) : t.line(t.width);
  k.ifThen(k.lt(first, task.to), [&] {
    copyLines(key, task, first, t.width, stage);
    copyLines(value, task, first, t.outWidth, k.bytePtr(stage, k.ci64(t.tileKeys * keyBytes)));
  });
  tile::CommitOp::create(k.builder(), k.loc());
}

//===-- Tiles of keys -------------------------------------------------------------------------===//

/// The mask in the places of scores with keys `keyNumbers`: f32 or i1.
Value TensorAttention::maskOf(Value keyNumbers) {
  Value last = k.sub(keys, k.ci64(1)), index = maskRows;
  Value column = k.min(k.toI64(keyNumbers), last);
  if (mask.known[3] != 0)
    index = k.add(index, mask.known[3] == 1 ? column : k.mul(column, mask.strides[3]));
  Type stored = mask.elem == Elem::F16    ? Type(k.builder().getF16Type())
                : mask.elem == Elem::BF16 ? Type(k.builder().getBF16Type())
                                          : k.storageType(mask.elem);
  VectorType type = k.vec(stored, tile::kSumsPerVector);
  Value m = tile::GatherOp::create(k.builder(), k.loc(), type, mask.pointer, index);
  if (mask.elem == Elem::Bool)
    return k.ne(m, k.constant(stored, 0));
  if (mask.elem == Elem::F16 || mask.elem == Elem::BF16)
    return arith::ExtFOp::create(k.builder(), k.loc(), k.like(m, k.f32()), m);
  return k.toF32(m);
}

/// Scores after mask, causality and window.
TensorAttention::Values TensorAttention::admit(const Task &task, Values scores, Value first) {
  Value none = all(minusInfinity());
  auto numbers = [&](size_t vector) {
    Value shift = k.add(k.toI32(first), k.ci32(static_cast<int32_t>(vector * kVectorColumns)));
    return k.add(columns, shift);
  };
  if (op.getMask())
    for (auto [i, score] : llvm::enumerate(scores)) {
      Value m = maskOf(numbers(i));
      score = mask.elem == Elem::Bool ? k.select(m, score, none) : k.add(score, m);
    }
  // Most tiles have only keys that exist and that all rows admit.
  Value end = k.add(first, k.ci64(t.tileKeys)), partial = k.gt(end, keys);
  int64_t window = std::min<int64_t>(op.getWindow(), INT32_MAX / 2);
  if (op.getCausal())
    partial = k.or_(partial, k.gt(end, k.add(task.places.first, k.ci64(1))));
  if (window > 0)
    partial = k.or_(partial, k.le(first, k.sub(task.places.second, k.ci64(window))));
  return k.ifElse(
      partial, ValueRange(scores).getTypes(),
      [&] {
        Values admitted;
        for (auto [i, score] : llvm::enumerate(scores)) {
          Value number = numbers(i), good = k.lt(number, k.toI32(keys));
          if (op.getCausal())
            good = k.and_(good, k.le(number, positions));
          if (window > 0)
            good =
                k.and_(good, k.gt(k.add(number, k.ci32(static_cast<int32_t>(window))), positions));
          admitted.push_back(k.select(good, score, none));
        }
        return admitted;
      },
      [&] { return scores; });
}

/// Scores with the keys whose lines are at `tile`, of queries that are held or loaded in parts.
TensorAttention::Values TensorAttention::scoresOf(Value tile, ValueRange held, int64_t slices) {
  Values scores(t.tileKeys / slices / kVectorColumns, all(k.cf32(0)));
  auto add = [&](ValueRange queryRows, int64_t first) {
    scores = Values(tile::DotLinesOp::create(k.builder(), k.loc(), ValueRange(scores).getTypes(),
                                             scores, queryRows, k.bytePtr(tile, k.ci64(first * 2)),
                                             t.line(t.width), slices, t.half())
                        .getResults());
  };
  if (t.holdsQueries()) {
    add(held, 0);
    return scores;
  }
  for (int64_t first = 0; first < t.width; first += kPartChannels)
    add(loadQueries(first, std::min(kPartChannels, t.width - first), slices), first);
  return scores;
}

/// What the keys from `first` on, whose lines are at `tile`, add to a strip.
TensorAttention::State TensorAttention::step(const Task &task, Value first, Value tile,
                                             ValueRange held, State state, int64_t slices) {
  Values scores = scoresOf(tile, held, slices);
  if (double cap = op.getSoftcap().convertToDouble(); cap > 0)
    for (Value &score : scores)
      score = k.mul(k.cf32(static_cast<float>(cap) * unit()), k.tanh(score));
  scores = admit(task, scores, first);
  Value most = scores[0];
  for (Value score : ArrayRef(scores).drop_front())
    most = k.max(most, score);
  most = tile::ReduceRowsOp::create(k.builder(), k.loc(), most.getType(), most, true);
  State next;
  next.largest = k.max(state.largest, most);
  Value base = baseOf(next.largest), correction = powerOf(k.sub(state.largest, base));
  next.total = k.mul(state.total, correction);
  for (Value &score : scores) {
    score = powerOf(k.sub(score, base));
    next.total = k.add(next.total, score);
  }
  for (Value sum : state.sums)
    next.sums.push_back(k.mul(sum, correction));
  Value values = k.bytePtr(tile, k.ci64(t.tileKeys * t.line(t.width)));
  next.sums = Values(tile::WeighLinesOp::create(k.builder(), k.loc(),
                                                ValueRange(next.sums).getTypes(), next.sums, scores,
                                                values, t.line(t.outWidth), slices, t.half())
                         .getResults());
  return next;
}

TensorAttention::State TensorAttention::attend(const Task &task, int64_t slices) {
  copyTile(task, task.from, memory);
  packQueries(task, slices == 1 ? queryBlock : kStripRows * tile::kBlockWarps / slices);
  barrier();
  rowsOf(task, slices);
  Values held;
  if (t.holdsQueries())
    held = loadQueries(0, t.width, slices);
  State start{Values(t.outWidth / kVectorColumns, all(k.cf32(0))), all(minusInfinity()),
              all(k.cf32(0))};
  Values carried = {k.ci64(0)}; // where the tile is that has come
  llvm::append_range(carried, start.all());
  Value other = k.ci64(t.rounds() ? 0 : t.second());
  carried =
      k.forLoop(task.from, task.to, k.ci64(t.tileKeys), carried, [&](Value first, ValueRange c) {
        Value next = k.add(first, k.ci64(t.tileKeys)), tile = k.bytePtr(memory, c[0]);
        Value after = k.sub(other, c[0]);
        tile::AwaitOp::create(k.builder(), k.loc(), 0);
        barrier(); // nobody uses any more what is filled now
        if (t.rounds()) {
          tile = shared(t.second());
          int64_t keyBytes = t.tileKeys * t.copied(t.width),
                  keyLines = t.tileKeys * t.line(t.width);
          tile::NarrowLinesOp::create(k.builder(), k.loc(), memory, tile, t.tileKeys, t.width,
                                      t.copied(t.width), t.line(t.width));
          tile::NarrowLinesOp::create(k.builder(), k.loc(), shared(keyBytes),
                                      k.bytePtr(tile, k.ci64(keyLines)), t.tileKeys, t.outWidth,
                                      t.copied(t.outWidth), t.line(t.outWidth));
          barrier();
        }
        copyTile(task, next, k.bytePtr(memory, after));
        Values result = {after};
        State state = step(task, first, tile, held, State::of(c.drop_front()), slices);
        llvm::append_range(result, state.all());
        return result;
      });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
  barrier();
  return State::of(ValueRange(carried).drop_front());
}

//===-- Results -------------------------------------------------------------------------------===//

/// A row of results, by a group of lanes: those of all slices, in order.
void TensorAttention::finishRow(const Task &task, Value row, int64_t slices) {
  int64_t apart = queryBlock / slices * t.resultLine();
  Value line = k.bytePtr(memory, k.mul(row, k.ci64(t.resultLine())));
  auto at = [&](int64_t slice, int64_t column) {
    return k.bytePtr(line, k.ci64(slice * apart + column * 4));
  };
  auto number = [&](int64_t slice, int64_t column) {
    return k.broadcast(k.load(Elem::F32, at(slice, column)));
  };
  auto [inGroup, s] = headAndPosition(task, row);
  Value head = k.add(k.mul(task.group, perGroup), inGroup);
  Values largest;
  for (int64_t slice = 0; slice < slices; ++slice)
    largest.push_back(number(slice, t.outWidth));
  Value most = largest[0], total = k.broadcast(k.cf32(0)), sinkScore;
  for (Value other : ArrayRef(largest).drop_front())
    most = k.max(most, other);
  if (op.getSink()) { // a score without a value
    Value score = k.toF32(k.load(sink.elem, sink.pointer, sink.at(k, {head})));
    sinkScore = k.broadcast(k.mul(score, k.cf32(unit())));
    most = k.max(most, sinkScore);
  }
  Value base = baseOf(most);
  Values factors;
  for (int64_t slice = 0; slice < slices; ++slice) {
    factors.push_back(powerOf(k.sub(largest[slice], base)));
    total = k.fma(number(slice, t.outWidth + kVectorColumns), factors.back(), total);
  }
  if (op.getSink())
    total = k.add(total, powerOf(k.sub(sinkScore, base)));
  Value factor = k.div(k.broadcast(k.cf32(1)), total);
  // Without admitted keys 0 * (1 / 0) is the NaN that is asked for.
  if (op.getSafe())
    factor = k.select(k.eq(total, k.cf32(0)), k.cf32(0), factor);
  Value out = k.add(k.mul(task.batch, outStrides[0]), k.mul(head, outStrides[1]));
  out = k.add(out, k.mul(s, outStrides[2]));
  Elem elem = elemOfValue(op.getOut());
  Value result = k.elemPtr(elem, frame.resultPointer(0), out);
  k.forRange(k.ci64(t.outWidth / kLanes), [&](Value vector) {
    Value i = k.mul(vector, k.ci64(kLanes)), sum = k.broadcast(k.cf32(0));
    for (int64_t slice = 0; slice < slices; ++slice)
      sum = k.fma(k.vload(Elem::F32, at(slice, 0), i), factors[slice], sum);
    k.vstore(elem, k.mul(sum, factor), result, i);
  });
}

void TensorAttention::emitTask(Value number, int64_t slices) {
  // Where rows admit only keys before them, the last ones take the longest and go first.
  Value last = k.sub(rowBlocks, k.ci64(1)), rest = k.divU(number, rowBlocks);
  Task task;
  task.first = k.mul(k.sub(last, k.remU(number, rowBlocks)), k.ci64(queryBlock));
  task.group = k.remU(rest, groups), task.batch = k.divU(rest, groups);
  task.count = k.min(k.ci64(queryBlock), k.sub(rows, task.first));
  task.places = positionRange(task.first, task.count);
  std::tie(task.from, task.to) = keyRange(task.places);
  State state = attend(task, slices);
  auto reduced = [&](Value v) {
    return tile::ReduceRowsOp::create(k.builder(), k.loc(), v.getType(), v, false);
  };
  Values columnsOf = state.sums;
  columnsOf.push_back(state.largest), columnsOf.push_back(reduced(state.total));
  tile::StoreRowsOp::create(k.builder(), k.loc(), columnsOf, memory, t.resultLine());
  barrier();
  k.forLoop(group, task.count, groupsHere, [&](Value row) { finishRow(task, row, slices); });
  barrier(); // the next task's keys go to the same place
}

LogicalResult TensorAttention::emit() {
  if (failed(findOperands()))
    return failure();
  auto place = tile::PositionOp::create(k.builder(), k.loc());
  group = place.getGroup(), groupsHere = place.getGroups();
  memory = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), t.bytes());
  Value bits = k.and_(k.or_(alignment(key), alignment(value)), k.ci64(15));
  aligned = k.eq(bits, k.ci64(0));
  auto tasks = [&](int64_t slices) {
    k.forLoop(place.getBlock(), k.end(), place.getBlocks(),
              [&](Value task) { emitTask(task, slices); });
  };
  if (t.slices() == 1) {
    tasks(1);
    return success();
  }
  int64_t few = kStripRows * tile::kBlockWarps / t.slices();
  k.ifElse(k.le(rows, k.ci64(few)), [&] { tasks(t.slices()); }, [&] { tasks(1); });
  return success();
}

} // namespace

bool lower::fitsTensorAttention(const AttentionPlan &plan, const Target &target) {
  return TensorPlan::of(plan, target).has_value();
}

LogicalResult lower::emitTensorAttention(KernelFrame &frame, const AttentionPlan &plan) {
  return TensorAttention(frame, plan, *TensorPlan::of(plan, frame.k.target())).emit();
}
