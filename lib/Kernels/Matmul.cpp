// Matrix products: task ranges, blocking by registers, micro-kernels, the common epilogue.
//
// A task range is walked as (batch, block of rows) × a run of column panels. For each group of
// panels all rows of the block are swept, so that the group is read from memory once and then
// from L2. The micro-kernel of each (rows, panels) shape keeps its accumulators in registers over
// all of K and leaves them in a small tile on the stack, from which one shared loop scales them and
// calls the epilogue: the epilogue's code exists twice (full groups and tails), not once a shape.
#include "qcc/Kernels/Matmul.h"
#include "BlockMicro.h"
#include "ByteMicro.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;

namespace qcc {
namespace {

/// Shapes of register tiles in rows × panels of 16 columns.
struct Blocking {
  SmallVector<int> rows; ///< descending, ending in 1
  int panels;            ///< of the main tiles; left-over panels go one by one
  int singleRowPanels;   ///< of a lone row, where more streams hide the latency of memory
};

/// Products in blocks, where sums of a block and of all blocks are live.
Blocking blockingFor(const BlockProduct &p, const Target &t) {
  bool wide = t.vectorBytes == 64, medium = t.vectorBytes == 32;
  bool many = t.vectorRegisters >= 32;
  if (p.core == BlockCore::Int16) { // sums of low and of high bytes
    if (t.dot == DotLowering::Vnni512)
      return {{4, 2, 1}, 2, 4};
    return wide ? Blocking{{2, 1}, 2, 4} : many ? Blocking{{2, 1}, 1, 1} : Blocking{{1}, 1, 1};
  }
  if (p.core == BlockCore::Int8 && wide && t.dot != DotLowering::Vnni512)
    return {{4, 2, 1}, 2, 4};
  if (wide)
    return {{6, 4, 2, 1}, 2, 8};
  if (medium)
    return {{2, 1}, 1, 2};
  if (t.hasLaneDots() && p.core == BlockCore::Int8)
    return {{2, 1}, 1, 1};
  return many ? Blocking{{3, 1}, 1, 1} : Blocking{{1}, 1, 1};
}

Blocking blockingFor(const MatmulSpec &spec, const Target &t) {
  bool wide = t.vectorBytes == 64, medium = t.vectorBytes == 32;
  switch (spec.kind) {
  case MatmulKind::F32:
  case MatmulKind::Batched:
    if (wide)
      return {{6, 4, 2, 1}, 4, 8};
    if (medium) // six rows would leave no register to spare
      return {{5, 2, 1}, 1, 4};
    return t.vectorRegisters >= 32 ? Blocking{{6, 3, 1}, 1, 2} : Blocking{{2, 1}, 1, 1};
  case MatmulKind::W8A8:
    if (t.dot == DotLowering::Vnni512)
      return {{6, 4, 2, 1}, 4, 8};
    if (wide) // even and odd bytes of the weights take twice their registers
      return {{4, 2, 1}, 4, 8};
    if (medium)
      return {{3, 1}, 1, 2};
    if (t.hasMmla())
      return {{4, 2, 1}, 1, 4};
    if (t.hasLaneDots())
      return {{5, 2, 1}, 1, 4};
    return t.vectorRegisters >= 32 ? Blocking{{3, 1}, 1, 1} : Blocking{{2, 1}, 1, 1};
  case MatmulKind::Block:
    return blockingFor(spec.block, t);
  }
  llvm_unreachable("unknown kind of product");
}

class MatmulEmitter {
public:
  MatmulEmitter(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                MatmulEpilogue epilogue)
      : k(k), spec(spec), o(o), epilogue(epilogue), blocking(blockingFor(spec, k.target())) {}
  void run();

private:
  using Values = KernelBuilder::Values;
  /// Rows and columns of a walk: everything below is relative to one batch.
  struct Range {
    Value m0, m1, p0, p1;
  };
  void sweep(const Range &range);
  bool streamsLoneRow() const { return !isBatched() && blocking.singleRowPanels > blocking.panels; }
  void sweepRows(const Range &range, Value panel, Value width);
  Value pickTile(Value width, Value left, Value row, Value panel);
  Value pickRows(ArrayRef<int> rows, int panels, Value left, Value row, Value panel);

  void micro(int rows, int panels, Value row, Value panel);
  Values microFloat(int rows, int panels, Value depth);
  Values microBytes(int rows, int panels, ValueRange captured);
  Values microBlock(int rows, int panels, ValueRange captured);
  void prefetchPanels(int rows, int panels, Value offset);

  void packColumns(Value panel, Value width);
  void packRowMajor(Value target, Value column);
  void packTransposed(Value target, Value column);

  void storeTile(Value rows, Value width, Value row, Value panel);
  void storeGroup(Value row, Value column, Value acc, Value rowScale);

  bool isBatched() const { return spec.kind == MatmulKind::Batched; }
  /// What a whole row of results is multiplied by, at the end.
  bool hasRowScale() const {
    bool codes = spec.block.core != BlockCore::Float && !spec.block.aGroup;
    return spec.kind == MatmulKind::W8A8 || (spec.kind == MatmulKind::Block && codes);
  }
  Elem panelElem() const { return isBatched() ? Elem::F32 : spec.b; }

  KernelBuilder &k;
  const MatmulSpec &spec;
  MatmulOperands o;
  MatmulEpilogue epilogue;
  Blocking blocking;
  Value tile;       ///< accumulators of a finished tile, [rows][panels][16]
  Value panelBytes; ///< distance of panels in bytes
  Value panelStep;  ///< from a panel of a tile to the next one, in panels
  Value panelBase;  ///< panel 0, or Batched: the panels packed last
  Value batch0, batch1;
  SmallVector<Value> rowPtr, panelPtr; ///< of the micro-kernel being emitted
};

//===-- Tasks ---------------------------------------------------------------------------------===//

void MatmulEmitter::run() {
  int most = blocking.singleRowPanels;
  most = std::max(most, blocking.rows.front() * blocking.panels);
  tile = k.stackBuffer(most * 64);
  switch (spec.kind) {
  case MatmulKind::F32:
    panelBytes = k.mul(o.k, k.ci64(kPanel * elemBytes(spec.b)));
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
  if (spec.kind == MatmulKind::Block)
    panelBase = k.bytePtr(o.b, k.ci64(spec.block.layout.tableBytes()));
  Value rowTasks = k.ceilDiv(o.m, k.ci64(kMatmulRowBlock));
  Value columnTasks = k.ceilDiv(o.n, k.ci64(kMatmulColBlock));
  Value lastPanel = k.ceilDiv(o.n, k.ci64(kPanel));
  // Blocks of rows are of nearly equal size: 128 rows are 64 + 64, not 96 + 32. Only the last one
  // may have a lone row, which is the slowest to do.
  Value rowsPerTask = k.ceilDiv(o.m, k.max(rowTasks, k.ci64(1)));
  rowsPerTask = k.and_(k.add(rowsPerTask, k.ci64(1)), k.ci64(-2));
  MatmulOperands whole = o;
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
          o.a = k.elemPtr(spec.a, whole.a, offset(o.aBatch0, o.aBatch1));
          o.b = k.elemPtr(spec.b, whole.b, offset(o.bBatch0, o.bBatch1));
        }
        Range range;
        range.m0 = k.min(k.mul(block, rowsPerTask), o.m);
        range.m1 = k.min(k.add(range.m0, rowsPerTask), o.m);
        Value perTask = k.ci64(kMatmulColBlock / kPanel);
        range.p0 = k.mul(first, perTask);
        range.p1 = k.min(k.mul(k.add(first, count), perTask), lastPanel);
        sweep(range);
        return Values{k.add(c[0], count)};
      });
  o = whole;
}

void MatmulEmitter::sweep(const Range &range) {
  // A lone row waits for memory, which is fastest to deliver a few long streams: each reads a run
  // of `each` panels from end to end.
  Value each = k.ci64(0), streams = k.ci64(blocking.singleRowPanels);
  if (streamsLoneRow()) {
    Value lone = k.eq(k.sub(range.m1, range.m0), k.ci64(1));
    each = k.select(lone, k.div(k.sub(range.p1, range.p0), streams), each);
  }
  Value streamed = k.add(range.p0, each), rest = k.add(range.p0, k.mul(each, streams));
  k.whileLoop(
      {range.p0}, [&](ValueRange c) { return k.lt(c[0], range.p1); },
      [&](ValueRange c) {
        Value whole = k.ge(k.sub(range.p1, c[0]), k.ci64(blocking.panels));
        Value width = k.select(whole, k.ci64(blocking.panels), k.ci64(1));
        Value next = k.add(c[0], width), one = k.ci64(1);
        panelStep = one;
        if (streamsLoneRow()) {
          Value streaming = k.lt(c[0], streamed), after = k.add(c[0], one);
          width = k.select(streaming, streams, width);
          panelStep = k.select(streaming, each, one);
          next = k.select(streaming, k.select(k.lt(after, streamed), after, rest), next);
        }
        if (isBatched())
          packColumns(c[0], width);
        sweepRows(range, c[0], width);
        return Values{next};
      });
}

void MatmulEmitter::sweepRows(const Range &range, Value panel, Value width) {
  k.whileLoop(
      {range.m0}, [&](ValueRange c) { return k.lt(c[0], range.m1); },
      [&](ValueRange c) {
        Value rows = pickTile(width, k.sub(range.m1, c[0]), c[0], panel);
        storeTile(rows, width, c[0], panel);
        return Values{k.add(c[0], rows)};
      });
}

/// Runs the micro-kernel that fits and gives the rows it did.
Value MatmulEmitter::pickTile(Value width, Value left, Value row, Value panel) {
  auto single = [&] {
    SmallVector<int> rows = blocking.rows;
    if (blocking.panels > 1) // left-over panels: fewer shapes
      rows = {blocking.rows.front(), 1};
    return Values{pickRows(rows, 1, left, row, panel)};
  };
  auto main = [&] {
    if (blocking.panels == 1)
      return single();
    return k.ifElse(
        k.eq(width, k.ci64(blocking.panels)), k.i64(),
        [&] { return Values{pickRows(blocking.rows, blocking.panels, left, row, panel)}; }, single);
  };
  if (!streamsLoneRow())
    return main()[0];
  return k.ifElse(
      k.eq(width, k.ci64(blocking.singleRowPanels)), k.i64(),
      [&] { return Values{pickRows({1}, blocking.singleRowPanels, left, row, panel)}; }, main)[0];
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
  bool isBlock = spec.kind == MatmulKind::Block;
  Elem element = spec.kind == MatmulKind::W8A8                    ? Elem::U8
                 : isBlock && spec.block.core != BlockCore::Float ? Elem::I8
                                                                  : spec.a;
  Value firstRow = k.elemPtr(element, o.a, k.mul(row, o.aStride));
  Value first = isBatched() ? panelBase : k.bytePtr(panelBase, k.mul(panel, panelBytes));
  Value apart = k.mul(panelBytes, panelStep);
  SmallVector<Value> captured = {o.k, firstRow, o.aStride, first, apart, tile};
  if (spec.kind == MatmulKind::W8A8)
    captured.append({k.elemPtr(Elem::I32, o.bCorrection, k.mul(panel, k.ci64(kPanel))),
                     k.mul(panelStep, k.ci64(kPanel))});
  if (isBlock) {
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
      rowPtr.push_back(k.elemPtr(element, v[1], k.mul(k.ci64(r), v[2])));
    for (int g = 0; g < panels; ++g)
      panelPtr.push_back(k.bytePtr(v[3], k.mul(k.ci64(g), v[4])));
    Values acc = spec.kind == MatmulKind::W8A8 ? microBytes(rows, panels, v)
                 : isBlock                     ? microBlock(rows, panels, v)
                                               : microFloat(rows, panels, v[0]);
    for (auto [i, value] : llvm::enumerate(acc))
      k.rawStore(value, k.bytePtr(v[5], k.ci64(i * 64)), 64);
  });
}

MatmulEmitter::Values MatmulEmitter::microBlock(int rows, int panels, ValueRange v) {
  BlockTile tile{
      rows,  panels, rows < blocking.rows.front() || rows == 1, v[0], rowPtr, panelPtr, {}, {},
      v[10], v[11]};
  for (int r = 0; r < rows; ++r) {
    tile.rowSum.push_back(k.elemPtr(Elem::I32, v[6], k.mul(k.ci64(r), v[7])));
    tile.aScale.push_back(k.elemPtr(Elem::F32, v[8], k.mul(k.ci64(r), v[9])));
  }
  return emitBlockMicro(k, spec, tile);
}

MatmulEmitter::Values MatmulEmitter::microBytes(int rows, int panels, ValueRange v) {
  bool few = rows < blocking.rows.front();
  return emitByteMicro(k, {rows, panels, v[0], rowPtr, panelPtr, v[6], v[7], few});
}

/// Few rows wait for memory.
void MatmulEmitter::prefetchPanels(int rows, int panels, Value offset) {
  if (rows >= blocking.rows.front() || isBatched())
    return;
  for (int g = 0; g < panels; ++g)
    prefetchAhead(k, panelPtr[g], offset);
}

MatmulEmitter::Values MatmulEmitter::microFloat(int rows, int panels, Value depth) {
  Values init(rows * panels, k.broadcast(k.cf32(0)));
  return k.forRange(depth, init, [&](Value i, ValueRange acc) {
    Value at = k.mul(i, k.ci64(kPanel));
    prefetchPanels(rows, panels, k.mul(at, k.ci64(elemBytes(panelElem()))));
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

//===-- Packing of activations (Batched) ------------------------------------------------------===//

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

//===-- Scaling and epilogue ------------------------------------------------------------------===//

void MatmulEmitter::storeTile(Value rows, Value width, Value row, Value panel) {
  k.forRange(rows, [&](Value r) {
    Value at = k.add(row, r), rowScale;
    if (hasRowScale())
      rowScale = o.aScale ? k.load(Elem::F32, o.aScale, at) : o.aScaleUniform;
    k.forRange(width, [&](Value g) {
      Value group = k.bytePtr(tile, k.mul(k.add(k.mul(r, width), g), k.ci64(64)));
      Type type = spec.kind == MatmulKind::W8A8 ? k.vec(k.i32()) : k.vec(k.f32());
      Value column = k.mul(k.add(panel, k.mul(g, panelStep)), k.ci64(kPanel));
      storeGroup(at, column, k.rawLoad(type, group, 64), rowScale);
    });
  });
}

void MatmulEmitter::storeGroup(Value row, Value column, Value acc, Value rowScale) {
  if (spec.kind == MatmulKind::W8A8) {
    if (spec.weightZeroPoints) {
      Value sum = k.load(Elem::I32, o.aSum, row);
      acc = k.sub(acc, k.mul(k.vload(Elem::I32, o.bZero, column), sum));
    }
    if (o.aZero) {
      // The correction is -128 times the column's sum, which is what zero points multiply.
      Value sum = k.shr(k.vload(Elem::I32, o.bCorrection, column), k.ci32(7));
      acc = k.add(acc, k.mul(sum, k.load(Elem::I32, o.aZero, row)));
    }
    Value scale = k.mul(rowScale, k.vload(Elem::F32, o.bScale, column));
    acc = k.mul(k.toF32(acc), scale);
  } else if (hasRowScale()) {
    acc = k.mul(acc, rowScale);
  }
  Value lanes = k.sub(o.n, column);
  MatmulResult result{row, column, Value(), acc, batch0, batch1};
  k.ifElse(
      k.ge(lanes, k.ci64(kPanel)), [&] { epilogue(result); },
      [&] {
        result.lanes = lanes;
        epilogue(result);
      });
}

} // namespace

void emitMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                MatmulEpilogue epilogue) {
  MatmulEmitter(k, spec, operands, epilogue).run();
}

} // namespace qcc
