// Attention on tensor cores by blocks whose warps multiply alone, on all levels; where warpgroups
// multiply together, of few rows.
//
// A block has up to 64 query rows, sixteen a warp; where there are few rows in all, the warps share
// the keys of each tile instead (slices), and their results are added up in the end, in order.
// Tiles come to shared memory in two stages in turn; those to be converted in one, behind which
// they lie as bf16 while the next ones come.
//
// Where there are fewer tasks than blocks, blocks share the keys of a task, too (Dao et al. 2023,
// "Flash-Decoding"): each leaves what its range adds in its scratch memory, and the last one to
// come adds up all ranges, in their order, whoever it is. How many ranges there are depends on
// sizes and blocks alone.
#include "TensorAttention.h"
#include "qcc/model.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Keys that are worth a block: fewer take less than to add up what they add.
constexpr int64_t kLeastKeys = 256;
/// Ranges whose results are read together.
constexpr int64_t kRangesAtOnce = 8;
constexpr int64_t kPieceBytes = 16; ///< of copies

class StripAttention : public TensorAttention {
public:
  using TensorAttention::TensorAttention;
  LogicalResult emit();

private:
  /// What blocks do together.
  struct Share {
    Value item, number, range; ///< the block's, of all ranges of all tasks; its task and range
    int64_t rows;              ///< that a task has at most
  };

  void tasks(int64_t slices, int64_t taskRows);
  void emitTask(const Share &share, int64_t slices);
  State attend(const Task &task, int64_t slices);
  Lines convertLines();
  void copyTile(const Task &task, Value first, Value stage);
  void copyLines(const Operand &operand, const Task &task, Value first, int64_t channels, Value to);

  void narrowRange(Task &task, const Share &share);
  void finish(const Task &task, const Share &share, int64_t slices);
  void leaveRow(Value row, const Row &sums, Value to);
  Row rowOfRanges(Value row, const Share &share);
  void forRows(const Task &task, llvm::function_ref<void(Value)> body) {
    k.forLoop(group, task.count, groupsHere, body);
  }
  /// A line of scratch memory: sums, the largest score, the sum of weights.
  int64_t rangeLine() { return (t.outWidth + kLanes) * 4; }
  Value scratchOf(Value item, const Share &share) {
    return tile::ScratchOfOp::create(k.builder(), k.loc(), k.ptrType(), item,
                                     share.rows * rangeLine());
  }
  Value shared(int64_t at) { return k.bytePtr(memory, k.ci64(at)); }

  Value block, blocks, memory, aligned, ranges;
};

//===-- Keys and values -----------------------------------------------------------------------===//

/// Begins to copy lines of keys or values from `first` on; what does not exist is 0.
void StripAttention::copyLines(const Operand &operand, const Task &task, Value first,
                               int64_t channels, Value to) {
  auto [from, stride] = linesOf(operand, task, first);
  Value lines = k.sub(keys, first), start = from, apart = stride;
  int64_t width = t.copied(channels), padding = t.converts() ? 0 : t.line(channels) - width;
  auto copies = [&] {
    if (t.codes) { // lines without gaps are one
      Value bytes = k.mul(k.min(lines, k.ci64(t.tileKeys)), k.ci64(width));
      tile::CopyAsyncOp::create(k.builder(), k.loc(), start, k.ci64(0), k.ci64(1), bytes, to, 1,
                                t.tileKeys * width, kPieceBytes, /*pad=*/0);
      return;
    }
    tile::CopyAsyncOp::create(k.builder(), k.loc(), start, apart, lines,
                              k.ci64(channels * elemBytes(t.cache)), to, t.tileKeys, width, width,
                              padding);
  };
  auto one = [&] {
    Elem elem = t.codes ? Elem::I32 : copyElem(t.cache); // rows of codes are whole words
    Value count = k.ci64(t.stored(channels) / elemBytes(elem));
    k.forLoop(group, k.ci64(t.tileKeys), groupsHere, [&](Value line) {
      Value target = k.bytePtr(to, k.mul(line, k.ci64(width + padding)));
      k.ifElse(
          k.lt(line, lines),
          [&] {
            Value source = k.bytePtr(start, k.mul(line, apart));
            copyRun(k, elem, source, k.ci64(0), target, k.ci64(0), count);
          },
          [&] { fillRun(k, elem, k.ci32(0), target, k.ci64(0), count); });
    });
  };
  k.ifElse(aligned, copies, one);
}

void StripAttention::copyTile(const Task &task, Value first, Value stage) {
  int64_t keyBytes = t.converts() ? t.copied(t.width) : t.line(t.width);
  k.ifThen(k.lt(first, task.to), [&] {
    copyLines(key, task, first, t.width, stage);
    copyLines(value, task, first, t.outWidth, k.bytePtr(stage, k.ci64(t.tileKeys * keyBytes)));
  });
  tile::CommitOp::create(k.builder(), k.loc());
}

/// What has come, as it is multiplied: in the second part of the memory.
StripAttention::Lines StripAttention::convertLines() {
  int64_t keyBytes = t.tileKeys * t.copied(t.width), keyLines = t.tileKeys * t.line(t.width);
  Lines lines{shared(t.second()), shared(t.second() + keyLines), t.line(t.width),
              t.line(t.outWidth), t.tileKeys};
  Type numbers = t.numbers(k.builder().getContext());
  tile::NarrowLinesOp::create(k.builder(), k.loc(), memory, lines.keys, t.tileKeys, t.width,
                              t.copied(t.width), lines.keyStride, numbers, t.scalesAt(t.width));
  tile::NarrowLinesOp::create(k.builder(), k.loc(), shared(keyBytes), lines.values, t.tileKeys,
                              t.outWidth, t.copied(t.outWidth), lines.valueStride, numbers,
                              t.scalesAt(t.outWidth));
  barrier();
  return lines;
}

StripAttention::State StripAttention::attend(const Task &task, int64_t slices) {
  Value queryLines = shared(t.queryAt());
  copyTile(task, task.from, memory);
  packQueries(task, slices == 1 ? queryBlock : t.fewRows(), queryLines);
  barrier();
  rowsOf(task, t.tileKeys / slices, slices);
  Values held;
  if (t.holdsQueries())
    held = loadQueries(queryLines, 0, t.width, slices);
  Values carried = {k.ci64(0)}; // where the tile is that has come
  llvm::append_range(carried, start().all());
  Value other = k.ci64(t.converts() ? 0 : t.second());
  carried =
      k.forLoop(task.from, task.to, k.ci64(t.tileKeys), carried, [&](Value first, ValueRange c) {
        Value next = k.add(first, k.ci64(t.tileKeys)), tile = k.bytePtr(memory, c[0]);
        Value after = k.sub(other, c[0]);
        tile::AwaitOp::create(k.builder(), k.loc(), 0);
        barrier(); // nobody uses any more what is filled now
        Lines lines{tile, k.bytePtr(tile, k.ci64(t.tileKeys * t.line(t.width))), t.line(t.width),
                    t.line(t.outWidth), t.tileKeys};
        if (t.converts())
          lines = convertLines();
        copyTile(task, next, k.bytePtr(memory, after));
        Values result = {after};
        State state = step(task, first, lines, held, queryLines, State::of(c.drop_front()), slices);
        llvm::append_range(result, state.all());
        return result;
      });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
  barrier();
  return State::of(ValueRange(carried).drop_front());
}

//===-- Ranges of keys ------------------------------------------------------------------------===//

/// Whole tiles for each.
void StripAttention::narrowRange(Task &task, const Share &share) {
  Value count = k.max(k.sub(task.to, task.from), k.ci64(0));
  Value tiles =
      k.ceilDiv(quotient(k.add(count, k.sub(ranges, k.ci64(1))), ranges), k.ci64(t.tileKeys));
  Value each = k.mul(tiles, k.ci64(t.tileKeys));
  task.from = k.add(task.from, k.mul(share.range, each));
  task.to = k.min(task.to, k.add(task.from, each));
}

void StripAttention::leaveRow(Value row, const Row &sums, Value to) {
  Value line = k.bytePtr(to, k.mul(row, k.ci64(rangeLine())));
  k.forLoop(k.ci64(0), k.ci64(t.outWidth), k.ci64(kLanes),
            [&](Value column) { k.vstore(Elem::F32, sums.sums(column, 1)[0], line, column); });
  k.store(Elem::F32, k.extract(sums.largest, 0), line, k.ci64(t.outWidth));
  k.store(Elem::F32, k.extract(sums.total, 0), line, k.ci64(t.outWidth + 1));
}

/// Of all ranges of the task, in order. Those beyond the last one weigh nothing.
StripAttention::Row StripAttention::rowOfRanges(Value row, const Share &share) {
  Value first = k.mul(share.number, ranges), line = k.mul(row, k.ci64(rangeLine()));
  auto lineOf = [=, this](Value range) {
    Value item = k.add(first, k.min(range, k.sub(ranges, k.ci64(1))));
    return k.bytePtr(scratchOf(item, share), line);
  };
  auto number = [=, this](Value at, int64_t column) {
    return k.broadcast(k.load(Elem::F32, at, k.ci64(column)));
  };
  auto forRanges = [=, this](ValueRange init, auto body) {
    return k.forLoop(k.ci64(0), ranges, k.ci64(kRangesAtOnce), init,
                     [&](Value begin, ValueRange carried) {
                       Values values(carried), numbers, lines;
                       for (int64_t i = 0; i < kRangesAtOnce; ++i) {
                         numbers.push_back(k.add(begin, k.ci64(i)));
                         lines.push_back(lineOf(numbers.back()));
                       }
                       body(values, numbers, lines);
                       return values;
                     });
  };
  Value none = k.broadcast(minusInfinity()), nothing = k.broadcast(k.cf32(0));
  Value largest = forRanges(none, [=, this](Values &most, auto, auto lines) {
    for (Value at : lines)
      most[0] = k.max(most[0], number(at, t.outWidth));
  })[0];
  Value base = baseOf(largest);
  auto weightOf = [=, this](Value range, Value at) {
    Value weight = powerOf(k.sub(number(at, t.outWidth), base));
    return k.select(k.lt(range, ranges), weight, nothing);
  };
  Value total = forRanges(nothing, [=, this](Values &sum, auto numbers, auto lines) {
    for (auto [range, at] : llvm::zip_equal(numbers, lines))
      sum[0] = k.fma(number(at, t.outWidth + 1), weightOf(range, at), sum[0]);
  })[0];
  auto sums = [=, this](Value column, int64_t vectors) {
    return forRanges(Values(vectors, nothing), [=, this](Values &sum, auto numbers, auto lines) {
      for (auto [range, at] : llvm::zip_equal(numbers, lines)) {
        Value weight = weightOf(range, at);
        for (int64_t v = 0; v < vectors; ++v)
          sum[v] = k.fma(k.vload(Elem::F32, at, k.add(column, k.ci64(v * kLanes))), weight, sum[v]);
      }
    });
  };
  return {largest, total, sums};
}

//===-- Tasks ---------------------------------------------------------------------------------===//

void StripAttention::finish(const Task &task, const Share &share, int64_t slices) {
  auto row = [&](Value number) { return rowOfSlices(memory, number, t.outWidth, slices); };
  auto alone = [&] { forRows(task, [&](Value r) { finishRow(task, r, row(r), 0, t.outWidth); }); };
  auto together = [&] {
    Value own = scratchOf(share.item, share);
    forRows(task, [&](Value r) { leaveRow(r, row(r), own); });
    Value last = tile::JoinOp::create(k.builder(), k.loc(), share.number, ranges, memory);
    k.ifThen(last, [&] {
      forRows(task, [&](Value r) { finishRow(task, r, rowOfRanges(r, share), 0, t.outWidth); });
    });
  };
  k.ifElse(k.eq(ranges, k.ci64(1)), alone, together);
}

void StripAttention::emitTask(const Share &share, int64_t slices) {
  Task task = taskOf(share.number, queryBlock);
  narrowRange(task, share);
  State state = attend(task, slices);
  storeRows(state, 0, t.outWidth, memory);
  barrier();
  finish(task, share, slices);
  barrier(); // the next task's keys go to the same place
}

/// Ranges are as many as blocks are there for, if each has something to do.
void StripAttention::tasks(int64_t slices, int64_t taskRows) {
  Value one = k.ci64(1), worth = k.ceilDiv(keys, k.ci64(kLeastKeys));
  ranges = k.max(one, k.min(quotient(blocks, k.end()), worth));
  ranges = k.select(k.gt(k.end(), k.ci64(QCC_GPU_COUNTERS)), one, ranges);
  Value items = k.mul(k.end(), ranges);
  k.forLoop(k.toI32(block), k.toI32(items), k.toI32(blocks), [&](Value narrow) {
    Value item = k.toI64(narrow);
    Value number = quotient(item, ranges);
    emitTask({item, number, k.sub(item, k.mul(number, ranges)), taskRows}, slices);
  });
}

LogicalResult StripAttention::emit() {
  if (failed(findOperands()))
    return failure();
  if (t.warpgroups)
    k.func()->setAttr(tile::kWarpgroups, k.builder().getI64IntegerAttr(attentionWarpgroups));
  auto strips = [&](int64_t slices, int64_t taskRows) {
    auto place = tile::PositionOp::create(k.builder(), k.loc());
    group = place.getGroup(), groupsHere = place.getGroups();
    block = place.getBlock(), blocks = place.getBlocks();
    memory = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), t.bytes());
    aligned = areAligned();
    tasks(slices, taskRows);
  };
  auto few = [&] { strips(t.slices(), t.fewRows()); };
  if (t.slices() == 1 && !t.warpgroups) {
    few();
    return success();
  }
  auto many = [&] {
    if (t.warpgroups)
      emitWarpgroupAttention(frame, plan, t);
    else
      strips(1, queryBlock);
  };
  k.ifElse(k.le(rows, k.ci64(t.fewRows())), few, many);
  return success();
}

} // namespace

LogicalResult lower::emitTensorAttention(KernelFrame &frame, const AttentionPlan &plan) {
  return StripAttention(frame, plan, *TensorPlan::of(plan, frame.k.target())).emit();
}
