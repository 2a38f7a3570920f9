// Tiles of products by warpgroups that do different things.
//
// The last warpgroup of a block copies: rows with cp.async, panels in bulk, into a ring of stages.
// The two others have half of a tile's columns each, and all of its rows: their sums take half of
// the registers that a thread can have, which is why the copying one gives some of its up. All
// three go from tile to tile without waiting for each other but for stages, so that copies run
// ahead while results are computed, and one of two has results to do while the other multiplies.
//
// Sums leave registers a few rows at a time, through a place in shared memory that only their
// warpgroup knows.
#include "WarpgroupTiles.h"

using namespace mlir;

namespace qcc {
namespace {

constexpr int64_t kRows = kWarpgroupTileRows, kColumns = kWarpgroupTileColumns;
constexpr int64_t kDepth = tile::kWarpgroupDepth; ///< bytes of K of a stage
constexpr int64_t kPanels = kColumns / kPanel, kOwnPanels = tile::kWarpgroupColumns / kPanel;
constexpr int64_t kStages = 4, kPanelStage = kDepth * kPanel;
constexpr int64_t kRowsBytes = kRows * kDepth, kStageBytes = kRowsBytes + kPanels * kPanelStage;
/// Rows of sums that leave registers at once.
constexpr int64_t kPart = 64;
constexpr int64_t kPartBytes = kPart * (tile::kWarpgroupColumns + kSumsPadding) * 4;
/// Of shared memory: stages, parts of sums, mbarriers.
constexpr int64_t kPartsAt = kStages * kStageBytes;
constexpr int64_t kRingAt = kPartsAt + (kTileWarpgroups - 1) * kPartBytes;
constexpr int64_t kSharedBytes = kRingAt + 1024;
/// Registers of a thread: 168 each where all have the same.
constexpr int64_t kCopyRegisters = 56, kMultiplyRegisters = 224;

class WarpgroupTiles {
public:
  using Values = KernelBuilder::Values;
  WarpgroupTiles(KernelBuilder &k, const MatmulOperands &o,
                 llvm::function_ref<void(const TensorSums &)> results)
      : k(k), o(o), results(results) {}
  void run();

private:
  void copy();
  void multiply();
  Values copyStage(TensorTileAt at, Value step, Value use);
  void copyPanels(TensorTileAt at, Value step, Value use, Value to);
  void parts(TensorTileAt at, ValueRange sums);
  Values forTiles(llvm::function_ref<Value(TensorTileAt, Value use)> body);

  Value stageAt(Value use);
  void wait(Value use, bool free);
  void pass(Value use, bool free);

  KernelBuilder &k;
  const MatmulOperands &o;
  llvm::function_ref<void(const TensorSums &)> results;
  Value warpgroup, block, blocks, shared, ring;
  Value steps, panelBytes, panels; ///< stages of a tile, and what all panels are
};

Value WarpgroupTiles::stageAt(Value use) {
  Value stage = k.and_(use, k.ci64(kStages - 1));
  return k.bytePtr(shared, k.mul(stage, k.ci64(kStageBytes)));
}
void WarpgroupTiles::wait(Value use, bool free) {
  tile::RingWaitOp::create(k.builder(), k.loc(), ring, use, kStages, free);
}
void WarpgroupTiles::pass(Value use, bool free) {
  tile::RingPassOp::create(k.builder(), k.loc(), ring, use, kStages, free);
}

/// Tiles of the same columns follow each other, and find these in the second-level cache. Uses of
/// the ring go on from tile to tile.
KernelBuilder::Values
WarpgroupTiles::forTiles(llvm::function_ref<Value(TensorTileAt, Value)> body) {
  Value rowTiles = k.ceilDiv(o.m, k.ci64(kRows)), columnTiles = k.ceilDiv(o.n, k.ci64(kColumns));
  return k.forLoop(block, k.mul(rowTiles, columnTiles), blocks, {k.ci64(0)},
                   [&](Value t, ValueRange use) {
                     Value column = k.div(t, rowTiles), row = k.sub(t, k.mul(column, rowTiles));
                     TensorTileAt at{k.mul(row, k.ci64(kRows)), k.mul(column, k.ci64(kPanels))};
                     return Values{body(at, use[0])};
                   });
}

//===-- The warpgroup that copies -------------------------------------------------------------===//

/// In bulk as long as panels go on; their ends are filled up with zeros.
void WarpgroupTiles::copyPanels(TensorTileAt at, Value step, Value use, Value to) {
  Value offset = k.mul(step, k.ci64(kPanelStage)), left = k.sub(panelBytes, offset);
  Value from = k.bytePtr(o.b, k.add(k.mul(at.panel, panelBytes), offset));
  Value count = k.sub(panels, at.panel);
  k.ifElse(
      k.ge(left, k.ci64(kPanelStage)),
      [&] {
        tile::CopyBulkOp::create(k.builder(), k.loc(), from, panelBytes, k.sub(count, k.ci64(1)),
                                 to, ring, use, kPanels, kPanelStage, kStages);
      },
      [&] {
        tile::CopyAsyncOp::create(k.builder(), k.loc(), from, panelBytes, count, left, to, kPanels,
                                  kPanelStage, kPanelStage, /*pad=*/0);
      });
}

KernelBuilder::Values WarpgroupTiles::copyStage(TensorTileAt at, Value step, Value use) {
  wait(use, /*free=*/true);
  Value stage = stageAt(use), offset = k.mul(step, k.ci64(kDepth));
  Value from = k.bytePtr(o.a, k.add(k.mul(at.row, o.aStride), offset));
  copyPanels(at, step, use, k.bytePtr(stage, k.ci64(kRowsBytes)));
  tile::CopyAsyncOp::create(k.builder(), k.loc(), from, o.aStride, k.sub(o.m, at.row),
                            k.sub(o.k, offset), stage, kRows, kDepth, kDepth, /*pad=*/0,
                            /*piece=*/16, /*swizzled=*/true);
  pass(use, /*free=*/false);
  return {k.add(use, k.ci64(1))};
}

void WarpgroupTiles::copy() {
  tile::RegistersOp::create(k.builder(), k.loc(), kCopyRegisters);
  forTiles([&](TensorTileAt at, Value use) {
    return k.forRange(steps, use,
                      [&](Value step, ValueRange c) { return copyStage(at, step, c[0]); })[0];
  });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
}

//===-- The others ----------------------------------------------------------------------------===//

void WarpgroupTiles::parts(TensorTileAt at, ValueRange sums) {
  constexpr int64_t vectors = kPart / tile::kWarpgroupVectorRows;
  TensorSums part;
  part.base = k.bytePtr(shared, k.add(k.ci64(kPartsAt), k.mul(warpgroup, k.ci64(kPartBytes))));
  part.rows = k.ci64(kPart), part.panels = k.ci64(kOwnPanels);
  part.at.panel = k.add(at.panel, k.mul(warpgroup, k.ci64(kOwnPanels)));
  Value here = k.min(k.ci64(kRows), k.sub(o.m, at.row));
  k.forRange(k.ceilDiv(here, k.ci64(kPart)), [&](Value number) {
    for (int64_t i = 0; i < kRows / kPart; ++i)
      k.ifThen(k.eq(number, k.ci64(i)), [&] {
        tile::WarpgroupStoreOp::create(k.builder(), k.loc(), sums.slice(i * vectors, vectors),
                                       part.base, kPart);
      });
    tile::BarrierOp::create(k.builder(), k.loc());
    part.at.row = k.add(at.row, k.mul(number, k.ci64(kPart)));
    results(part);
    tile::BarrierOp::create(k.builder(), k.loc()); // the next part goes to the same place
  });
}

void WarpgroupTiles::multiply() {
  tile::RegistersOp::create(k.builder(), k.loc(), kMultiplyRegisters, /*more=*/true);
  Value ownPanels = k.add(k.ci64(kRowsBytes), k.mul(warpgroup, k.ci64(kOwnPanels * kPanelStage)));
  forTiles([&](TensorTileAt at, Value use) {
    Values carried = {use};
    Value zero = k.broadcast(k.ci32(0), tile::kSumsPerVector);
    carried.append(kRows / tile::kWarpgroupVectorRows, zero);
    carried = k.forRange(steps, carried, [&](Value, ValueRange c) {
      wait(c[0], /*free=*/false);
      ValueRange sums = c.drop_front();
      Value stage = stageAt(c[0]);
      auto made = tile::WarpgroupMultiplyOp::create(k.builder(), k.loc(), sums.getTypes(), sums,
                                                    stage, k.bytePtr(stage, ownPanels), kRows);
      pass(c[0], /*free=*/true);
      Values next = {k.add(c[0], k.ci64(1))};
      llvm::append_range(next, made.getResults());
      return next;
    });
    parts(at, ArrayRef(carried).drop_front());
    return carried[0];
  });
}

void WarpgroupTiles::run() {
  auto place = tile::WarpgroupOp::create(k.builder(), k.loc());
  warpgroup = place.getWarpgroup(), block = place.getBlock(), blocks = place.getBlocks();
  shared = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), kSharedBytes, /*whole=*/true);
  ring = k.bytePtr(shared, k.ci64(kRingAt));
  steps = k.ceilDiv(o.k, k.ci64(kDepth)), panels = k.ceilDiv(o.n, k.ci64(kPanel));
  panelBytes = k.mul(k.ceilDiv(o.k, k.ci64(4)), k.ci64(4 * kPanel));
  tile::RingBeginOp::create(k.builder(), k.loc(), ring, kStages);
  k.ifElse(k.eq(warpgroup, k.ci64(kTileWarpgroups - 1)), [&] { copy(); }, [&] { multiply(); });
}

} // namespace

bool usesWarpgroups(const Target &target, const MatmulSpec &spec) {
  return target.hasWarpgroupProducts() && spec.kind == MatmulKind::W8A8;
}

void emitWarpgroupTiles(KernelBuilder &k, const MatmulOperands &operands,
                        llvm::function_ref<void(const TensorSums &)> results) {
  WarpgroupTiles(k, operands, results).run();
}

} // namespace qcc
