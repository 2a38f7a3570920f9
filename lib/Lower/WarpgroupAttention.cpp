// Attention of many rows by warpgroups that multiply together (Shah et al. 2024,
// "FlashAttention-3"): one copies, two have 64 query rows each.
//
// Queries and weights are operands in registers, keys and values swizzled lines in shared memory,
// as the hardware reads them. Tiles of keys come in a ring of stages, ahead of their use, in the
// next task too. A product waits for its result; while it runs, the other warpgroup computes
// weights. So nobody waits for a whole block.
#include "TensorAttention.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

constexpr int64_t kTileKeys = 128;
constexpr int64_t kChunkChannels = 64, kChunk = kTileKeys * kChunkChannels * 2;
constexpr int64_t kTaskRows = (attentionWarpgroups - 1) * queryBlock;
/// Columns of results that leave registers at once.
constexpr int64_t kPart = 64;
/// Registers of a thread: 168 each where all have the same.
constexpr int64_t kCopyRegisters = 56, kMultiplyRegisters = 224;

class WarpgroupAttention : public TensorAttention {
public:
  using TensorAttention::TensorAttention;
  void emit();

private:
  void copy();
  void copyTile(const Task &task, Value first, Value use);
  void multiply();
  void finish(Value number, const State &state);
  Value forTasks(llvm::function_ref<Value(Value number, Value use)> body);
  Task ownTask(Value number);

  /// Masks take the registers that queries could stay in.
  bool holdsQueries() { return !op.getMask(); }
  int64_t chunks(int64_t channels) { return llvm::divideCeil(channels, kChunkChannels); }
  int64_t keyBytes() { return chunks(t.width) * kChunk; }
  int64_t stageBytes() { return keyBytes() + chunks(t.outWidth) * kChunk; }
  /// A warpgroup's queries, and its results in parts.
  int64_t ownBytes() { return queryBlock * std::max(t.queryLine(), t.resultLine(kPart)); }
  int64_t ringAt() { return stages * stageBytes() + (attentionWarpgroups - 1) * ownBytes(); }
  int64_t sharedBytes() { return ringAt() + 16 * stages; }

  Value stageAt(Value use) {
    Value stage = k.toI64(k.and_(use, k.ci32(static_cast<int32_t>(stages - 1))));
    return k.bytePtr(shared, k.mul(stage, k.ci64(stageBytes())));
  }
  void wait(Value use, bool free) {
    tile::RingWaitOp::create(k.builder(), k.loc(), ring, k.toI64(use), stages, free);
  }
  void pass(Value use, bool free, bool written = false) {
    tile::RingPassOp::create(k.builder(), k.loc(), ring, k.toI64(use), stages, free, written);
  }

  int64_t stages = 4;
  Value block, blocks, shared, ring, aligned;
  Value own; ///< memory of a warpgroup that multiplies
};

/// Uses of the ring go on from task to task.
Value WarpgroupAttention::forTasks(llvm::function_ref<Value(Value, Value)> body) {
  Value count = k.mul(quotient(k.end(), rowBlocks), k.ceilDiv(rows, k.ci64(kTaskRows)));
  return k.forLoop(
      k.toI32(block), k.toI32(count), k.toI32(blocks), {k.ci32(0)},
      [&](Value number, ValueRange use) { return Values{body(k.toI64(number), use[0])}; })[0];
}

//===-- The warpgroup that copies -------------------------------------------------------------===//

/// What lies in numbers of 16 bits at multiples of 16 bytes is copied, all else goes through
/// registers; codes by words, wherever they are.
void WarpgroupAttention::copyTile(const Task &task, Value first, Value use) {
  Value lines = k.sub(keys, first), stage = stageAt(use);
  auto both = [&](auto one) {
    one(key, t.width, stage);
    one(value, t.outWidth, k.bytePtr(stage, k.ci64(keyBytes())));
  };
  auto copies = [&] {
    both([&](const Operand &operand, int64_t channels, Value to) {
      auto [from, stride] = linesOf(operand, task, first);
      for (int64_t chunk = 0; chunk < chunks(channels); ++chunk) {
        int64_t bytes = (channels - chunk * kChunkChannels) * 2, line = kChunkChannels * 2;
        tile::CopyAsyncOp::create(k.builder(), k.loc(), k.bytePtr(from, k.ci64(chunk * line)),
                                  stride, lines, k.ci64(std::min(bytes, line)),
                                  k.bytePtr(to, k.ci64(chunk * kChunk)), kTileKeys, line, line,
                                  /*pad=*/0, /*piece=*/16, /*swizzled=*/true);
      }
    });
    pass(use, /*free=*/false);
  };
  auto fetches = [&](bool whole) {
    both([&](const Operand &operand, int64_t channels, Value to) {
      auto [from, stride] = linesOf(operand, task, first);
      tile::FetchLinesOp::create(k.builder(), k.loc(), from, stride, lines, to, kTileKeys, channels,
                                 kChunk, t.numbers(k.builder().getContext()), t.scalesAt(channels),
                                 /*aligned=*/whole);
    });
    pass(use, /*free=*/false, /*written=*/true);
  };
  if (t.codes)
    return fetches(false);
  auto whole = [&] { t.converts() ? fetches(true) : copies(); };
  k.ifElse(aligned, whole, [&] { fetches(false); });
}

void WarpgroupAttention::copy() {
  tile::RegistersOp::create(k.builder(), k.loc(), kCopyRegisters);
  forTasks([&](Value number, Value use) {
    Task task = taskOf(number, kTaskRows);
    return k.forLoop(k.toI32(task.from), k.toI32(task.to), k.ci32(kTileKeys), {use},
                     [&](Value first, ValueRange c) {
                       wait(c[0], /*free=*/true);
                       copyTile(task, k.toI64(first), c[0]);
                       return Values{k.add(c[0], k.ci32(1))};
                     })[0];
  });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
}

//===-- The others ----------------------------------------------------------------------------===//

/// The rows of a task that are this warpgroup's.
WarpgroupAttention::Task WarpgroupAttention::ownTask(Value number) {
  auto place = tile::PositionOp::create(k.builder(), k.loc());
  group = place.getGroup(), groupsHere = place.getGroups();
  Value warpgroup = tile::WarpgroupOp::create(k.builder(), k.loc()).getWarpgroup();
  own =
      k.bytePtr(shared, k.add(k.ci64(stages * stageBytes()), k.mul(warpgroup, k.ci64(ownBytes()))));
  Task task = taskOf(number, kTaskRows);
  Value firstRow = k.mul(warpgroup, k.ci64(queryBlock));
  task.first = k.add(task.first, firstRow);
  task.count = k.min(k.ci64(queryBlock), k.sub(task.count, firstRow));
  return task;
}

void WarpgroupAttention::finish(Value number, const State &state) {
  Task task = ownTask(tile::AgainOp::create(k.builder(), k.loc(), number));
  for (int64_t first = 0; first < t.outWidth; first += kPart) {
    int64_t columns = std::min(kPart, t.outWidth - first);
    barrier(); // nobody needs any more what is there
    storeRows(state, first, columns, own);
    barrier();
    k.forLoop(group, task.count, groupsHere, [&](Value row) {
      finishRow(task, row, rowOfSlices(own, row, columns, 1), first, columns);
    });
  }
  barrier();
}

void WarpgroupAttention::multiply() {
  tile::RegistersOp::create(k.builder(), k.loc(), kMultiplyRegisters, /*more=*/true);
  forTasks([&](Value number, Value use) {
    Task task = ownTask(number);
    packQueries(task, queryBlock, own);
    barrier();
    rowsOf(task, kTileKeys, 1);
    Values held, carried = {use};
    if (holdsQueries())
      held = loadQueries(own, 0, t.width, 1);
    llvm::append_range(carried, start().all());
    carried =
        k.forLoop(task.from, task.to, k.ci64(kTileKeys), carried, [&](Value first, ValueRange c) {
          wait(c[0], /*free=*/false);
          Value stage = stageAt(c[0]);
          Lines lines{stage,
                      k.bytePtr(stage, k.ci64(keyBytes())),
                      kChunk,
                      kChunk,
                      kTileKeys,
                      /*swizzled=*/true};
          if (!holdsQueries())
            held = loadQueries(own, 0, t.width, 1);
          State state = step(task, first, lines, held, own, State::of(c.drop_front()), 1);
          pass(c[0], /*free=*/true);
          Values next = {k.add(c[0], k.ci32(1))};
          llvm::append_range(next, state.all());
          return next;
        });
    finish(number, State::of(ValueRange(carried).drop_front()));
    return carried[0];
  });
}

void WarpgroupAttention::emit() {
  (void)findOperands(); // which succeeded before
  while (stages > 2 && sharedBytes() > k.target().sharedBytes)
    stages /= 2;
  auto place = tile::WarpgroupOp::create(k.builder(), k.loc());
  block = place.getBlock(), blocks = place.getBlocks();
  aligned = areAligned();
  shared = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), sharedBytes(), /*whole=*/true);
  ring = k.bytePtr(shared, k.ci64(ringAt()));
  tile::RingBeginOp::create(k.builder(), k.loc(), ring, stages);
  Value copies = k.eq(place.getWarpgroup(), k.ci64(attentionWarpgroups - 1));
  k.ifElse(copies, [&] { copy(); }, [&] { multiply(); });
}

} // namespace

void lower::emitWarpgroupAttention(KernelFrame &frame, const AttentionPlan &plan,
                                   const TensorPlan &t) {
  WarpgroupAttention(frame, plan, t).emit();
}
