// Matrix products: task ranges, blocking by registers, micro-kernels, the common epilogue.
//
// A task range is walked as (batch, block of rows) × a run of column panels. For each group of
// panels all rows of the block are swept, so that the group is read from memory once and then
// from L2. The micro-kernel of each (rows, panels) shape keeps its accumulators in registers over
// all of K and leaves them in a small tile on the stack, from which one shared loop scales them and
// calls the epilogue: the epilogue's code exists twice (full groups and tails), not once a shape.
#include "qcc/Kernels/Matmul.h"
#include "BlockMicro.h"
#include "BlockTiles.h"
#include "ByteMicro.h"
#include "MatmulResults.h"
#include "PairMicro.h"
#include "TensorMatmul.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "qcc/Kernels/RegisterTiles.h"
#include <bit>
#include <map>

using namespace mlir;

namespace qcc {
namespace {

constexpr int64_t kTileRows = 16, kTilePanels = 2; ///< panels of codes of 8 bits, or of bf16
constexpr int64_t kTileDepth = 64;                 ///< bytes of a row in a matrix tile
constexpr int64_t kTileBytes = kTileDepth * kPanel;

/// Bytes of a stream that are asked for ahead.
constexpr int64_t kPrefetchAhead = 2048;

/// The micro-kernels of tiles of these rows: the last rows of a block go in powers of two.
SmallVector<int> ladder(int rows) {
  SmallVector<int> rungs = {rows};
  for (auto rung = static_cast<int>(std::bit_floor(static_cast<unsigned>(rows - 1))); rung;
       rung /= 2)
    rungs.push_back(rung);
  return rungs;
}

class MatmulEmitter {
public:
  MatmulEmitter(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                MatmulEpilogue epilogue)
      : k(k), spec(spec), o(o), epilogue(epilogue), rules(tileRules(spec, k.target(), k.costs())) {
    for (auto [from, tile] : rules)
      llvm::append_range(microRows[tile.panels], ladder(tile.rows));
    if (microRows.try_emplace(1).second) // left-over panels: few shapes
      microRows[1] = {rules.front().tile.rows, 1};
    for (auto &[panels, rows] : microRows) {
      llvm::sort(rows, std::greater<>());
      rows.erase(llvm::unique(rows), rows.end());
    }
  }
  void run();

private:
  using Values = KernelBuilder::Values;
  /// Rows and columns of a walk: everything below is relative to one batch.
  struct Range {
    Value m0, m1, p0, p1;
    Value tileRows, tilePanels; ///< the tile for so many rows
  };
  void pickRule(Range &range);
  void sweep(const Range &range);
  void sweepRows(const Range &range, Value panel, Value width);
  Value pickTile(Value width, Value left, Value row, Value panel);
  Value pickRows(ArrayRef<int> rows, int panels, Value left, Value row, Value panel);

  void micro(int rows, int panels, Value row, Value panel);
  Values microFloat(int rows, int panels, ValueRange captured);
  Values microPairs(int rows, int panels, ValueRange captured);
  Values microBytes(int rows, int panels, ValueRange captured);
  Values microBlock(int rows, int panels, ValueRange captured);
  void beginTiles();
  Value fillsTiles(const Range &range) {
    return k.ge(k.sub(range.m1, range.m0), k.ci64(kTileRows));
  }
  void copyLastStep(Value panel);
  void computeBlockTiles(const Range &range, Value panel);
  Values pickMatrixTile(const Range &range, Value row, Value panel);
  void microTile(int64_t rows, Value row, Value panel);

  Prefetch prefetchFor(int rows, Value isFirst);

  void packRows(const Range &range);
  void packColumns(Value panel, Value width);
  void packRowMajor(Value target, Value column);
  void packTransposed(Value target, Value column);

  void storeTile(Value rows, Value sums, Value width, Value row, Value panel);

  bool isBlock() const { return spec.kind == MatmulKind::Block; }
  /// A is packed as pairs of bf16, a block of rows at a time.
  bool usesPairs() const {
    return spec.kind == MatmulKind::F32 && spec.pairs && k.target().hasBf16Dots;
  }
  bool usesTiles() const {
    bool fits =
        spec.kind == MatmulKind::W8A8 || usesPairs() || (isBlock() && fitsMatrixTiles(spec.block));
    return fits && k.target().hasTiles;
  }
  bool isBatched() const { return spec.kind == MatmulKind::Batched; }
  Elem panelElem() const { return isBatched() ? Elem::F32 : spec.b; }
  bool hasPairPanels() const { return !isBatched() && spec.b == Elem::BF16; }
  /// What micro-kernels read A as.
  Elem rowElem() const {
    if (usesPairs())
      return Elem::BF16;
    if (spec.kind == MatmulKind::Block && spec.block.core != BlockCore::Float)
      return Elem::I8;
    return spec.kind == MatmulKind::W8A8 ? Elem::U8 : spec.a;
  }
  Value rowAddress(Value row) {
    Value inBlock = firstRow ? k.sub(row, firstRow) : row;
    return k.elemPtr(rowElem(), rowBase, k.mul(inBlock, rowStride));
  }

  KernelBuilder &k;
  const MatmulSpec &spec;
  MatmulOperands o;
  MatmulEpilogue epilogue;
  TileRules rules;
  /// Rows of the micro-kernels by their panels, both descending.
  std::map<int, SmallVector<int>, std::greater<>> microRows;
  Value tile;               ///< accumulators of a finished tile, [rows][panels][16]
  Value panelBytes;         ///< distance of panels in bytes
  Value panelStep;          ///< from a panel of a tile to the next one, in panels
  Value panelBase;          ///< panel 0, or Batched: the panels packed last
  Value rowsFrom;           ///< first row of the sweep
  Value rowBase, rowStride; ///< of A as micro-kernels read it
  Value firstRow;           ///< that rowBase points to; row 0 where null
  Value batch0, batch1;
  SmallVector<Value> rowPtr, panelPtr; ///< of the micro-kernel being emitted
  // Matrix tiles: whether the kernel call has enough rows, the steps in K but the last, whether the
  // last one is shorter, what it is copied to then, and how far apart its tiles are.
  Value hasTileRows, tileSteps, isRagged, lastCopy, lastStride, noSums;
};

//===-- Tasks ---------------------------------------------------------------------------------===//

void MatmulEmitter::run() {
  int most = 0;
  for (auto &[panels, rows] : microRows)
    most = std::max(most, panels * rows.front());
  if (usesTiles())
    most = std::max<int>(most, 2 * kTileRows * kTilePanels);
  tile = k.stackBuffer(most * 64);
  switch (spec.kind) {
  case MatmulKind::F32:
    panelBytes = hasPairPanels() ? k.mul(k.ceilDiv(o.k, k.ci64(2)), k.ci64(kPanel * 4))
                                 : k.mul(o.k, k.ci64(kPanel * elemBytes(spec.b)));
    break;
  case MatmulKind::Batched:
    panelBytes = k.mul(k.and_(k.add(o.k, k.ci64(15)), k.ci64(-16)), k.ci64(kPanel * 4));
    break;
  case MatmulKind::W8A8:
    panelBytes = k.mul(k.ceilDiv(o.k, k.ci64(4)), k.ci64(64));
    break;
  case MatmulKind::Block:
    panelBytes = blockPanelBytes(k, spec.block.layout, o.k);
    break;
  }
  panelBase = isBatched() ? k.scratch() : o.b;
  if (isBlock())
    panelBase = k.bytePtr(o.b, k.ci64(spec.block.layout.tableBytes()));
  Value rowTasks = k.ceilDiv(o.m, k.ci64(kMatmulRowBlock));
  Value columnTasks = k.ceilDiv(o.n, k.ci64(kMatmulColBlock));
  Value lastPanel = k.ceilDiv(o.n, k.ci64(kPanel));
  // Blocks of rows are of nearly equal size: 128 rows are 64 + 64, not 96 + 32. Only the last one
  // may have a lone row, which is the slowest to do.
  Value rowsPerTask = k.ceilDiv(o.m, k.max(rowTasks, k.ci64(1)));
  int64_t step = usesTiles() ? kTileRows : 2;
  rowsPerTask = k.and_(k.add(rowsPerTask, k.ci64(step - 1)), k.ci64(-step));
  MatmulOperands whole = o;
  rowBase = usesPairs() ? k.scratch() : o.a;
  rowStride = usesPairs() ? k.and_(k.add(o.k, k.ci64(kMatmulPairRow - 1)), k.ci64(-kMatmulPairRow))
                          : o.aStride;
  if (usesTiles())
    beginTiles();
  k.whileLoop(
      {k.begin()}, [&](ValueRange c) { return k.lt(c[0], k.end()); },
      [&](ValueRange c) {
        Value block = k.div(c[0], columnTasks), first = k.sub(c[0], k.mul(block, columnTasks));
        Value count = k.min(k.sub(k.end(), c[0]), k.sub(columnTasks, first));
        if (isBatched()) {
          Value batch = k.div(block, rowTasks);
          block = k.sub(block, k.mul(batch, rowTasks));
          batch0 = k.div(batch, o.batchCount1);
          batch1 = k.sub(batch, k.mul(batch0, o.batchCount1));
          auto offset = [&](Value s0, Value s1) {
            return k.add(k.mul(batch0, s0), k.mul(batch1, s1));
          };
          rowBase = k.elemPtr(spec.a, whole.a, offset(o.aBatch0, o.aBatch1));
          o.b = k.elemPtr(spec.b, whole.b, offset(o.bBatch0, o.bBatch1));
        }
        Range range;
        range.m0 = k.min(k.mul(block, rowsPerTask), o.m);
        range.m1 = k.min(k.add(range.m0, rowsPerTask), o.m);
        Value perTask = k.ci64(kMatmulColBlock / kPanel);
        range.p0 = k.mul(first, perTask);
        range.p1 = k.min(k.mul(k.add(first, count), perTask), lastPanel);
        if (usesPairs())
          packRows(range);
        pickRule(range);
        sweep(range);
        return Values{k.add(c[0], count)};
      });
  o = whole;
  if (usesTiles())
    k.ifThen(hasTileRows, [&] { tile::ReleaseOp::create(k.builder(), k.loc()); });
}

void MatmulEmitter::pickRule(Range &range) {
  Value rows = k.sub(range.m1, range.m0);
  for (auto [from, tile] : llvm::reverse(rules)) {
    Value tileRows = k.ci64(tile.rows), tilePanels = k.ci64(tile.panels);
    if (range.tileRows) {
      Value enough = k.ge(rows, k.ci64(from));
      tileRows = k.select(enough, tileRows, range.tileRows);
      tilePanels = k.select(enough, tilePanels, range.tilePanels);
    }
    range.tileRows = tileRows, range.tilePanels = tilePanels;
  }
}

void MatmulEmitter::sweep(const Range &range) {
  // Memory is fastest to deliver a few long streams: each panel of a tile is in a run of `each`
  // panels, which is read from end to end.
  Value each = k.ci64(0), one = k.ci64(1);
  if (!isBatched())
    each = k.div(k.sub(range.p1, range.p0), range.tilePanels);
  if (usesTiles()) // which take neighbours
    each = k.select(fillsTiles(range), k.ci64(0), each);
  Value streamed = k.add(range.p0, each), rest = k.add(range.p0, k.mul(each, range.tilePanels));
  k.whileLoop(
      {range.p0}, [&](ValueRange c) { return k.lt(c[0], range.p1); },
      [&](ValueRange c) {
        Value width = one, left = k.sub(range.p1, c[0]);
        for (auto &[panels, rows] : llvm::reverse(microRows))
          width =
              k.select(k.ge(k.min(left, range.tilePanels), k.ci64(panels)), k.ci64(panels), width);
        Value isStream = k.lt(c[0], streamed), after = k.add(c[0], one);
        Value next = k.add(c[0], width);
        width = k.select(isStream, range.tilePanels, width);
        panelStep = k.select(isStream, each, one);
        next = k.select(isStream, k.select(k.lt(after, streamed), after, rest), next);
        if (usesTiles()) {
          Value several = k.ci64(isBlock() ? 1 : kTilePanels);
          Value fits = k.and_(fillsTiles(range), k.ge(left, several));
          width = k.select(fits, several, width);
          next = k.select(fits, k.add(c[0], several), next);
          if (isBlock())
            k.ifThen(fits, [&] { computeBlockTiles(range, c[0]); });
          else
            k.ifThen(k.and_(fits, isRagged), [&] { copyLastStep(c[0]); });
        }
        if (isBatched())
          packColumns(c[0], width);
        sweepRows(range, c[0], width);
        return Values{next};
      });
}

void MatmulEmitter::sweepRows(const Range &range, Value panel, Value width) {
  rowsFrom = range.m0;
  k.whileLoop(
      {range.m0}, [&](ValueRange c) { return k.lt(c[0], range.m1); },
      [&](ValueRange c) {
        auto vectors = [&] {
          Value left = k.min(k.sub(range.m1, c[0]), range.tileRows);
          return Values{pickTile(width, left, c[0], panel), tile};
        };
        auto matrices = [&] { return pickMatrixTile(range, c[0], panel); };
        auto byWidth = [&] {
          Value fits = fillsTiles(range);
          if (!isBlock()) // a last odd panel
            fits = k.and_(fits, k.eq(width, k.ci64(kTilePanels)));
          return k.ifElse(fits, {k.i64(), k.ptrType()}, matrices, vectors);
        };
        Values done = usesTiles() ? byWidth() : vectors();
        storeTile(done[0], done[1], width, c[0], panel);
        return Values{k.add(c[0], done[0])};
      });
}

/// Runs the micro-kernel that fits and gives the rows it did.
Value MatmulEmitter::pickTile(Value width, Value left, Value row, Value panel) {
  auto pick = [&](auto &self, auto at) -> Value {
    auto run = [&] { return Values{pickRows(at->second, at->first, left, row, panel)}; };
    auto next = std::next(at);
    if (next == microRows.end())
      return run()[0];
    return k.ifElse(k.eq(width, k.ci64(at->first)), k.i64(), run,
                    [&] { return Values{self(self, next)}; })[0];
  };
  return pick(pick, microRows.begin());
}

Value MatmulEmitter::pickRows(ArrayRef<int> rows, int panels, Value left, Value row, Value panel) {
  auto run = [&] {
    micro(rows.front(), panels, row, panel);
    return Values{k.ci64(rows.front())};
  };
  if (rows.size() == 1)
    return run()[0];
  return k.ifElse(k.ge(left, k.ci64(rows.front())), k.i64(), run,
                  [&] { return Values{pickRows(rows.drop_front(), panels, left, row, panel)}; })[0];
}

//===-- Micro-kernels -------------------------------------------------------------------------===//

/// Each shape is a function of its own, so that nothing around its loop takes its registers.
void MatmulEmitter::micro(int rows, int panels, Value row, Value panel) {
  Value first = isBatched() ? panelBase : k.bytePtr(panelBase, k.mul(panel, panelBytes));
  Value apart = k.mul(panelBytes, panelStep);
  SmallVector<Value> captured = {o.k,  rowAddress(row),    rowStride, first, apart,
                                 tile, k.eq(row, rowsFrom)};
  if (spec.kind == MatmulKind::W8A8)
    captured.append({k.elemPtr(Elem::I32, o.bCorrection, k.mul(panel, k.ci64(kPanel))),
                     k.mul(panelStep, k.ci64(kPanel))});
  if (isBlock()) {
    // What a core does not read is passed as the weights: kernels of one shape look alike.
    bool integer = spec.block.core != BlockCore::Float, grouped = spec.block.aGroup;
    Value none = k.ci64(0);
    captured.append({integer ? k.elemPtr(Elem::I32, o.aSum, k.mul(row, o.aSumStride)) : o.b,
                     integer ? o.aSumStride : none,
                     grouped ? k.elemPtr(Elem::F32, o.aScale, k.mul(row, o.aScaleStride)) : o.b,
                     grouped ? o.aScaleStride : none, o.aLow ? o.aLow : none, o.b});
  }
  std::string suffix = "tile" + std::to_string(rows) + "x" + std::to_string(panels * kPanel);
  k.outlined(suffix, captured, [&](ValueRange v) {
    rowPtr.clear();
    panelPtr.clear();
    for (int r = 0; r < rows; ++r)
      rowPtr.push_back(k.elemPtr(rowElem(), v[1], k.mul(k.ci64(r), v[2])));
    for (int g = 0; g < panels; ++g)
      panelPtr.push_back(k.bytePtr(v[3], k.mul(k.ci64(g), v[4])));
    Values acc = spec.kind == MatmulKind::W8A8 ? microBytes(rows, panels, v)
                 : isBlock()                   ? microBlock(rows, panels, v)
                 : hasPairPanels()             ? microPairs(rows, panels, v)
                                               : microFloat(rows, panels, v);
    for (auto [i, value] : llvm::enumerate(acc))
      k.rawStore(value, k.bytePtr(v[5], k.ci64(i * 64)), 64);
  });
}

MatmulEmitter::Values MatmulEmitter::microBlock(int rows, int panels, ValueRange v) {
  BlockTile tile{rows,  panels, prefetchFor(rows, v[6]), v[0], rowPtr, panelPtr, {}, {},
                 v[11], v[12]};
  for (int r = 0; r < rows; ++r) {
    tile.rowSum.push_back(k.elemPtr(Elem::I32, v[7], k.mul(k.ci64(r), v[8])));
    tile.aScale.push_back(k.elemPtr(Elem::F32, v[9], k.mul(k.ci64(r), v[10])));
  }
  return emitBlockMicro(k, spec, tile);
}

MatmulEmitter::Values MatmulEmitter::microBytes(int rows, int panels, ValueRange v) {
  return emitByteMicro(k,
                       {rows, panels, v[0], rowPtr, panelPtr, v[7], v[8], prefetchFor(rows, v[6])});
}

/// Streams go on from panel to panel, so that what lies ahead is always read next. Where there are
/// many rows, the first of them ask for all.
Prefetch MatmulEmitter::prefetchFor(int rows, Value isFirst) {
  bool many = rows > 1 && rows == rules.front().tile.rows;
  return {k.ci64(kPrefetchAhead), many ? isFirst : Value()};
}

MatmulEmitter::Values MatmulEmitter::microPairs(int rows, int panels, ValueRange v) {
  return emitPairMicro(
      k, {rows, panels, v[0], rowPtr, panelPtr, spec.a, usesPairs(), prefetchFor(rows, v[6])});
}

MatmulEmitter::Values MatmulEmitter::microFloat(int rows, int panels, ValueRange v) {
  Values init(rows * panels, k.broadcast(k.cf32(0)));
  Prefetch prefetch = prefetchFor(rows, v[6]);
  return k.forRange(v[0], init, [&](Value i, ValueRange acc) {
    Value at = k.mul(i, k.ci64(kPanel));
    int64_t bytes = elemBytes(panelElem());
    if (!isBatched()) // panels have just been packed
      prefetchAhead(k, panelPtr, k.mul(at, k.ci64(bytes)), kPanel * bytes, prefetch);
    Values next, columns;
    for (int g = 0; g < panels; ++g)
      columns.push_back(k.vload(panelElem(), panelPtr[g], at));
    for (int r = 0; r < rows; ++r) {
      Value x = k.broadcast(k.load(spec.a, rowPtr[r], i));
      for (int g = 0; g < panels; ++g)
        next.push_back(k.fma(x, columns[g], acc[r * panels + g]));
    }
    return next;
  });
}

//===-- Matrix tiles --------------------------------------------------------------------------===//

/// What all products of this kernel call share.
void MatmulEmitter::beginTiles() {
  hasTileRows = k.ge(o.m, k.ci64(kTileRows));
  k.ifThen(hasTileRows, [&] { tile::ConfigureOp::create(k.builder(), k.loc()); });
  if (isBlock())
    return k.ifThen(hasTileRows, [&] { beginBlockTiles(k, spec.block); });
  Value depth = k.mul(o.k, k.ci64(elemBytes(rowElem())));
  tileSteps = k.sub(k.ceilDiv(depth, k.ci64(kTileDepth)), k.ci64(1));
  isRagged = k.ne(k.mul(k.add(tileSteps, k.ci64(1)), k.ci64(kTileDepth)), depth);
  lastCopy = k.stackBuffer(kTilePanels * kTileBytes);
  lastStride = k.select(isRagged, k.ci64(kTileBytes), panelBytes);
  if (usesPairs()) { // what sums start with
    noSums = k.stackBuffer(kTilePanels * kPanel * 4);
    for (int64_t g = 0; g < kTilePanels; ++g)
      k.vstore(Elem::F32, k.broadcast(k.cf32(0)), noSums, k.ci64(g * kPanel));
  }
}

/// A panel ends with K; the tile of its last step goes on with zeros.
void MatmulEmitter::copyLastStep(Value panel) {
  Value done = k.mul(tileSteps, k.ci64(kTileBytes)), present = k.sub(panelBytes, done);
  auto row = k.vec(k.builder().getI8Type(), 64);
  for (int64_t g = 0; g < kTilePanels; ++g) {
    Value from = k.bytePtr(panelBase, k.mul(k.add(panel, k.ci64(g)), panelBytes));
    Value to = k.bytePtr(lastCopy, k.ci64(g * kTileBytes));
    k.forLoop(k.ci64(0), present, k.ci64(64), [&](Value i) {
      k.rawStore(k.rawLoad(row, k.bytePtr(from, k.add(done, i))), k.bytePtr(to, i));
    });
    k.forLoop(present, k.ci64(kTileBytes), k.ci64(64), [&](Value i) {
      k.rawStore(k.broadcast(k.constant(k.builder().getI8Type(), 0), 64), k.bytePtr(to, i));
    });
  }
}

/// All rows of a range.
void MatmulEmitter::computeBlockTiles(const Range &range, Value panel) {
  bool grouped = spec.block.aGroup;
  Value none = k.ci64(0); // where nothing is read
  emitBlockTiles(k, spec.block,
                 {k.sub(range.m1, range.m0), o.k, k.bytePtr(o.a, k.mul(range.m0, o.aStride)),
                  o.aStride, k.bytePtr(panelBase, k.mul(panel, panelBytes)),
                  k.elemPtr(Elem::I32, o.aSum, k.mul(range.m0, o.aSumStride)), o.aSumStride,
                  grouped ? k.elemPtr(Elem::F32, o.aScale, k.mul(range.m0, o.aScaleStride)) : o.b,
                  grouped ? o.aScaleStride : none});
}

/// Does 32 rows or 16, or finds them done, and gives how many of them are new, and where their sums
/// are. The last rows of a range are done together with some before them: a tile of few rows takes
/// as long as a full one.
MatmulEmitter::Values MatmulEmitter::pickMatrixTile(const Range &range, Value row, Value panel) {
  auto run = [&](int64_t rows) {
    Value first = k.min(row, k.sub(range.m1, k.ci64(rows))), old = k.sub(row, first), sums = tile;
    if (isBlock())
      sums = blockTileSums(k, k.div(k.sub(row, range.m0), k.ci64(rows)));
    else
      microTile(rows, first, panel);
    int64_t panels = isBlock() ? 1 : kTilePanels;
    return Values{k.sub(k.ci64(rows), old),
                  k.bytePtr(sums, k.mul(old, k.ci64(panels * kPanel * 4)))};
  };
  if (isBlock())
    return run(kTileRows);
  Value isTall = k.ge(k.sub(range.m1, range.m0), k.ci64(2 * kTileRows));
  Value isLong = k.gt(k.sub(range.m1, row), k.ci64(kTileRows));
  return k.ifElse(
      k.and_(isTall, isLong), {k.i64(), k.ptrType()}, [&] { return run(2 * kTileRows); },
      [&] { return run(kTileRows); });
}

void MatmulEmitter::microTile(int64_t rows, Value row, Value panel) {
  Value first = k.bytePtr(panelBase, k.mul(panel, panelBytes));
  Value own = k.bytePtr(first, k.mul(tileSteps, k.ci64(kTileBytes)));
  bool pairs = usesPairs();
  Value init = pairs ? noSums : k.elemPtr(Elem::I32, o.bCorrection, k.mul(panel, k.ci64(kPanel)));
  SmallVector<Value> captured = {init,
                                 rowAddress(row),
                                 k.mul(rowStride, k.ci64(elemBytes(rowElem()))),
                                 first,
                                 panelBytes,
                                 tileSteps,
                                 k.select(isRagged, lastCopy, own),
                                 lastStride,
                                 tile};
  std::string suffix = "tiles" + std::to_string(rows);
  k.outlined(suffix, captured, [&](ValueRange v) {
    tile::BlockDotOp::create(k.builder(), k.loc(), v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
                             v[8], rows, pairs);
  });
}

//===-- Packing of activations (pairs, Batched) -----------------------------------------------===//

void MatmulEmitter::packRows(const Range &range) {
  firstRow = range.m0;
  emitRowsOfPairs(k, {spec.a, k.sub(range.m1, range.m0), o.k,
                      k.elemPtr(spec.a, o.a, k.mul(range.m0, o.aStride)), o.aStride, rowBase,
                      rowStride});
}

void MatmulEmitter::packColumns(Value panel, Value width) {
  k.forRange(width, [&](Value g) {
    Value target = k.bytePtr(k.scratch(), k.mul(g, panelBytes));
    Value column = k.mul(k.add(panel, g), k.ci64(kPanel));
    spec.bTransposed ? packTransposed(target, column) : packRowMajor(target, column);
  });
}

void MatmulEmitter::packRowMajor(Value target, Value column) {
  Value lanes = k.sub(o.n, column), source = k.elemPtr(spec.b, o.b, column);
  auto copy = [&](Value tail) {
    k.forRange(o.k, [&](Value i) {
      Value v = k.vload(spec.b, source, k.mul(i, o.bStride), tail);
      k.vstore(Elem::F32, v, target, k.mul(i, k.ci64(kPanel)));
    });
  };
  k.ifElse(k.ge(lanes, k.ci64(kPanel)), [&] { copy(Value()); }, [&] { copy(lanes); });
}

/// Transposes blocks of 16 × 16 by four rounds of interleaving row i with row i + 8.
void MatmulEmitter::packTransposed(Value target, Value column) {
  Value last = k.sub(o.n, k.ci64(1));
  SmallVector<Value> rows;
  for (int64_t j = 0; j < kPanel; ++j) // columns beyond N repeat the last one
    rows.push_back(k.elemPtr(spec.b, o.b, k.mul(k.min(k.add(column, k.ci64(j)), last), o.bStride)));
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < kPanel / 2; ++i) {
    low.append({i, i + kPanel});
    high.append({i + kPanel / 2, i + kPanel / 2 + kPanel});
  }
  k.forLanes(o.k, [&](Value i, Value lanes) {
    SmallVector<Value> v, next(kPanel);
    for (Value row : rows)
      v.push_back(k.vload(spec.b, row, i, lanes));
    for (int round = 0; round < 4; ++round, v = next)
      for (int64_t j = 0; j < kPanel / 2; ++j) {
        next[2 * j] = k.shuffle(v[j], v[j + kPanel / 2], low);
        next[2 * j + 1] = k.shuffle(v[j], v[j + kPanel / 2], high);
      }
    for (int64_t j = 0; j < kPanel; ++j) // scratch has room for K rounded up to 16
      k.vstore(Elem::F32, v[j], target, k.mul(k.add(i, k.ci64(j)), k.ci64(kPanel)));
  });
}

//===-- Results -------------------------------------------------------------------------------===//

/// `sums` are the accumulators of `rows` rows, [rows][width][16].
void MatmulEmitter::storeTile(Value rows, Value sums, Value width, Value row, Value panel) {
  k.forRange(rows, [&](Value r) {
    Value at = k.add(row, r), rowScale = rowScaleOf(k, spec, o, at);
    k.forRange(width, [&](Value g) {
      Value group = k.bytePtr(sums, k.mul(k.add(k.mul(r, width), g), k.ci64(64)));
      Type type = spec.kind == MatmulKind::W8A8 ? k.vec(k.i32()) : k.vec(k.f32());
      Value column = k.mul(k.add(panel, k.mul(g, panelStep)), k.ci64(kPanel));
      storeGroup(k, spec, o, epilogue,
                 {at, column, Value(), k.rawLoad(type, group, 64), batch0, batch1}, rowScale);
    });
  });
}

} // namespace

void emitMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                MatmulEpilogue epilogue) {
  if (k.target().hasTensorCores() && fitsTensorCores(spec))
    return emitTensorMatmul(k, spec, operands, epilogue);
  MatmulSpec numbers = spec;
  if (numbers.block.core == BlockCore::Float8) // those that the codes of A spell
    numbers.block.core = BlockCore::Float;
  MatmulEmitter(k, numbers, operands, epilogue).run();
}

} // namespace qcc
