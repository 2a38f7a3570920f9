// What products by warpgroups share, and those whose panels are multiplied as they are.
//
// The sums of a multiplying warpgroup take up to half of the registers that a thread can have,
// which is why the copying one gives some of its up. They leave registers a few rows at a time,
// through a place in shared memory that only their warpgroup knows.
#include "WarpgroupTiles.h"

using namespace mlir;

namespace qcc {
namespace {

constexpr int64_t kDepth = tile::kWarpgroupDepth; ///< bytes of K of a line
constexpr int64_t kPanels = kWarpgroupTileColumns / kPanel;
constexpr int64_t kOwnPanels = tile::kWarpgroupColumns / kPanel;
/// Rows of sums that leave registers at once.
constexpr int64_t kPart = 64;
constexpr int64_t kPartBytes = kPart * (tile::kWarpgroupColumns + kSumsPadding) * 4;
/// Registers of three threads, one of each warpgroup: 168 each where all have the same.
constexpr int64_t kRegisters = 3 * 168;

} // namespace

//===-- What all share ------------------------------------------------------------------------===//

int64_t warpgroupBesides(int64_t ownBytes) {
  constexpr int64_t mbarriers = 16 * 16; // of up to 16 stages
  return roundUp((kTileWarpgroups - 1) * (kPartBytes + ownBytes) + mbarriers, 1024);
}

int64_t WarpgroupTiles::ownAt() const { return partsAt() + (kTileWarpgroups - 1) * kPartBytes; }

Value WarpgroupTiles::ownMemory() {
  return k.bytePtr(shared, k.add(k.ci64(ownAt()), k.mul(warpgroup, k.ci64(plan.ownBytes))));
}

Value WarpgroupTiles::stageAt(Value use) {
  Value stage = k.and_(use, k.ci64(plan.stages - 1));
  return k.bytePtr(shared, k.mul(stage, k.ci64(plan.stageBytes)));
}
void WarpgroupTiles::wait(Value use, bool free) {
  tile::RingWaitOp::create(k.builder(), k.loc(), ring, use, plan.stages, free);
}
void WarpgroupTiles::pass(Value use, bool free) {
  tile::RingPassOp::create(k.builder(), k.loc(), ring, use, plan.stages, free);
}

WarpgroupTiles::Values WarpgroupTiles::noSums(Type element) {
  Value zero = k.broadcast(k.constant(element, 0), tile::kSumsPerVector);
  return Values(plan.rows / tile::kWarpgroupVectorRows, zero);
}

Value WarpgroupTiles::rowTiles() { return k.ceilDiv(o.m, k.ci64(plan.rows)); }

/// Tiles of the same columns follow each other, and find these in the second-level cache.
TensorTileAt WarpgroupTiles::tileAt(Value number) {
  Value column = k.div(number, rowTiles()), row = k.sub(number, k.mul(column, rowTiles()));
  return {k.mul(row, k.ci64(plan.rows)), k.mul(column, k.ci64(kPanels))};
}

/// Uses of the ring go on from tile to tile.
void WarpgroupTiles::forTiles(llvm::function_ref<Value(Value, Value)> body) {
  Value columnTiles = k.ceilDiv(o.n, k.ci64(kWarpgroupTileColumns));
  k.forLoop(block, k.mul(rowTiles(), columnTiles), blocks, {k.ci64(0)},
            [&](Value number, ValueRange use) { return Values{body(number, use[0])}; });
}

void WarpgroupTiles::copyRows(TensorTileAt at, Value rowBytes, Value offset, Value end, Value to) {
  Value from = k.bytePtr(o.a, k.add(k.mul(at.row, rowBytes), offset));
  tile::CopyAsyncOp::create(k.builder(), k.loc(), from, rowBytes, k.sub(o.m, at.row),
                            k.sub(end, offset), to, plan.rows, kDepth, kDepth, /*pad=*/0,
                            /*piece=*/16,
                            /*swizzled=*/true);
}

void WarpgroupTiles::copy() {
  tile::RegistersOp::create(k.builder(), k.loc(), plan.copyRegisters);
  forTiles([&](Value number, Value use) {
    TensorTileAt at = tileAt(number);
    return k.forRange(steps, use, [&](Value step, ValueRange c) {
      wait(c[0], /*free=*/true);
      copyStage(at, step, c[0], stageAt(c[0]));
      pass(c[0], /*free=*/false);
      return Values{k.add(c[0], k.ci64(1))};
    })[0];
  });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
}

void WarpgroupTiles::parts(TensorTileAt at, ValueRange sums) {
  constexpr int64_t vectors = kPart / tile::kWarpgroupVectorRows;
  TensorSums part;
  part.base = k.bytePtr(shared, k.add(k.ci64(partsAt()), k.mul(warpgroup, k.ci64(kPartBytes))));
  part.rows = k.ci64(kPart), part.panels = k.ci64(kOwnPanels);
  part.at.panel = k.add(at.panel, k.mul(warpgroup, k.ci64(kOwnPanels)));
  Value here = k.min(k.ci64(plan.rows), k.sub(o.m, at.row));
  k.forRange(k.ceilDiv(here, k.ci64(kPart)), [&](Value number) {
    for (int64_t i = 0; i < plan.rows / kPart; ++i)
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

WarpgroupTiles::Values
WarpgroupTiles::forStages(Value use, Values carried,
                          llvm::function_ref<Values(Value, Value, ValueRange)> body) {
  carried.insert(carried.begin(), use);
  return k.forRange(steps, carried, [&](Value step, ValueRange c) {
    wait(c[0], /*free=*/false);
    Values next = body(step, stageAt(c[0]), c.drop_front());
    pass(c[0], /*free=*/true);
    next.insert(next.begin(), k.add(c[0], k.ci64(1)));
    return next;
  });
}

void WarpgroupTiles::multiply() {
  tile::RegistersOp::create(k.builder(), k.loc(),
                            (kRegisters - plan.copyRegisters) / (kTileWarpgroups - 1),
                            /*more=*/true);
  forTiles([&](Value number, Value use) {
    Values made = sums(tileAt(number), use);
    // Where results go is computed when they are there: sums need the registers before.
    Value again = tile::AgainOp::create(k.builder(), k.loc(), number);
    parts(tileAt(again), ArrayRef(made).drop_front());
    return made[0];
  });
}

void WarpgroupTiles::run() {
  auto place = tile::WarpgroupOp::create(k.builder(), k.loc());
  warpgroup = place.getWarpgroup(), block = place.getBlock(), blocks = place.getBlocks();
  int64_t bytes = plan.stages * plan.stageBytes + warpgroupBesides(plan.ownBytes);
  shared = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), bytes, /*whole=*/true);
  ring = k.bytePtr(shared, k.ci64(ringAt()));
  begin();
  tile::RingBeginOp::create(k.builder(), k.loc(), ring, plan.stages);
  k.ifElse(k.eq(warpgroup, k.ci64(kTileWarpgroups - 1)), [&] { copy(); }, [&] { multiply(); });
}

//===-- Panels of words -----------------------------------------------------------------------===//

namespace {

constexpr int64_t kWordRows = 256, kWordStages = 4, kWordRowsBytes = kWordRows * kDepth;
constexpr int64_t kPanelStage = kDepth * kPanel;

/// Of codes of 8 bits or of pairs of bf16; K, and rows of A, are counted in bytes.
class WarpgroupWords : public WarpgroupTiles {
public:
  WarpgroupWords(KernelBuilder &k, const MatmulOperands &o, TensorTile::Codes codes,
                 TensorResults results)
      : WarpgroupTiles(k, o, results,
                       {kWordRows, kWordStages, kWordRowsBytes + kPanels * kPanelStage,
                        /*copyRegisters=*/56}),
        codes(codes) {}

private:
  void begin() override;
  void copyStage(TensorTileAt at, Value step, Value use, Value stage) override;
  Values sums(TensorTileAt at, Value use) override;

  const TensorTile::Codes codes;
  Value panelBytes, panels;
};

void WarpgroupWords::begin() {
  steps = k.ceilDiv(o.k, k.ci64(kDepth)), panels = k.ceilDiv(o.n, k.ci64(kPanel));
  panelBytes = k.mul(k.ceilDiv(o.k, k.ci64(4)), k.ci64(4 * kPanel));
}

/// Panels in bulk as long as they go on; their ends are filled up with zeros.
void WarpgroupWords::copyStage(TensorTileAt at, Value step, Value use, Value stage) {
  Value offset = k.mul(step, k.ci64(kPanelStage)), left = k.sub(panelBytes, offset);
  Value from = k.bytePtr(o.b, k.add(k.mul(at.panel, panelBytes), offset));
  Value to = k.bytePtr(stage, k.ci64(kWordRowsBytes)), count = k.sub(panels, at.panel);
  k.ifElse(
      k.ge(left, k.ci64(kPanelStage)),
      [&] {
        tile::CopyBulkOp::create(k.builder(), k.loc(), from, panelBytes, k.sub(count, k.ci64(1)),
                                 to, ring, use, kPanels, kPanelStage, plan.stages);
      },
      [&] {
        tile::CopyAsyncOp::create(k.builder(), k.loc(), from, panelBytes, count, left, to, kPanels,
                                  kPanelStage, kPanelStage, /*pad=*/0);
      });
  copyRows(at, o.aStride, k.mul(step, k.ci64(kDepth)), o.k, stage);
}

WarpgroupTiles::Values WarpgroupWords::sums(TensorTileAt, Value use) {
  Value own = k.add(k.ci64(kWordRowsBytes), k.mul(warpgroup, k.ci64(kOwnPanels * kPanelStage)));
  bool reals = codes != TensorTile::Codes::Unsigned;
  return forStages(
      use, noSums(reals ? k.f32() : k.i32()), [&](Value, Value stage, ValueRange sums) {
        auto made = tile::WarpgroupMultiplyOp::create(k.builder(), k.loc(), sums.getTypes(), sums,
                                                      stage, k.bytePtr(stage, own), kWordRows,
                                                      /*isSigned=*/false, /*bf16=*/reals);
        return Values(made.getResults());
      });
}

} // namespace

bool usesWarpgroups(const Target &target, const MatmulSpec &spec) {
  return target.hasWarpgroupProducts() && (hasWordRows(spec) || fitsWarpgroupBlocks(spec));
}

int64_t warpgroupTileRows(const MatmulSpec &spec) {
  return hasWordRows(spec) ? kWordRows : kWarpgroupBlockRows;
}

void emitWarpgroupTiles(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                        TensorResults results) {
  if (hasWordRows(spec))
    WarpgroupWords(k, operands, codesOf(spec), results).run();
  else
    emitWarpgroupBlocks(k, spec, operands, results);
}

} // namespace qcc
