// Products by tensor cores: tiles of results, one after another for each block of threads.
//
// A block computes a tile of sums over all of K, operands passing through a ring of stages in
// shared memory, and leaves the sums there. From there its groups of lanes scale them and call the
// epilogue, sixteen columns of a row at a time, as on every other level. Few rows are a matter of
// memory: tiles are narrow then, so that there are enough of them, and deep, as four warps share K.
#include "TensorMatmul.h"
#include "MatmulResults.h"
#include "TensorTiles.h"
#include "WarpgroupTiles.h"

using namespace mlir;

namespace qcc {

bool hasWordRows(const MatmulSpec &spec) {
  return spec.kind == MatmulKind::W8A8 || (spec.kind == MatmulKind::F32 && spec.a == Elem::BF16);
}

TensorTile::Codes codesOf(const MatmulSpec &spec) {
  using Codes = TensorTile::Codes;
  return spec.kind == MatmulKind::W8A8 ? Codes::Unsigned
         : hasWordRows(spec)           ? Codes::Pairs
                                       : Codes::Reals;
}

namespace {

/// Operands with K and rows of A in bytes, where they are words.
MatmulOperands inBytes(KernelBuilder &k, const MatmulSpec &spec, MatmulOperands o) {
  if (!hasWordRows(spec) || spec.kind == MatmulKind::W8A8)
    return o;
  Value size = k.ci64(elemBytes(spec.a));
  o.k = k.mul(o.k, size), o.aStride = k.mul(o.aStride, size);
  return o;
}

class TensorMatmul {
public:
  using Values = KernelBuilder::Values;
  TensorMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
               MatmulEpilogue epilogue, int64_t fewTiles)
      : k(k), spec(spec), o(o), epilogue(epilogue), fewTiles(fewTiles), words(inBytes(k, spec, o)) {
  }
  void run();

private:
  /// Whether products by single warps are made of several instructions, for which sums of large
  /// tiles leave no registers.
  bool takesRegisters() const {
    return spec.block.core == BlockCore::Float8 && k.target().hasWarpgroupProducts();
  }
  /// Shapes for up to 16 rows, for up to 64 or few tiles, and for all others, which warpgroups may
  /// do instead.
  std::array<tile::SumsShape, 3> shapes() const {
    if (spec.kind == MatmulKind::Block) // a warp keeps all of K: steps are added in turn
      return {{{16, 32, 1}, {64, takesRegisters() ? 32 : 64, 1}, {128, 64, 1}}};
    if (!hasWordRows(spec)) // rows are f32: more of them do not fit
      return {{{16, 32, 4}, {64, 64, 1}, {128, 128, 1}}};
    return {{{16, 32, 4}, {64, 32, 4}, {128, 128, 1}}};
  }
  Value pick(llvm::function_ref<int64_t(const tile::SumsShape &)> what);
  void walk();
  void sums(TensorTileAt at);
  void results(const TensorSums &sums);
  Value sumsOf(const TensorSums &sums, Value row, Value panel);

  KernelBuilder &k;
  const MatmulSpec &spec;
  const MatmulOperands &o;
  MatmulEpilogue epilogue;
  const int64_t fewTiles;
  const MatmulOperands words; ///< K and rows of A in bytes
  Value isFew, isMany;        ///< isMany: null where all others do not come here
};

Value TensorMatmul::pick(llvm::function_ref<int64_t(const tile::SumsShape &)> what) {
  auto all = shapes();
  Value fewer = k.select(isFew, k.ci64(what(all[0])), k.ci64(what(all[1])));
  return isMany ? k.select(isMany, k.ci64(what(all[2])), fewer) : fewer;
}

void TensorMatmul::run() {
  bool warpgroups = usesWarpgroups(k.target(), spec);
  tile::SumsShape large = shapes()[2];
  if (warpgroups)
    large.rows = warpgroupTileRows(spec), large.columns = kWarpgroupTileColumns;
  Value largeTiles =
      k.mul(k.ceilDiv(o.m, k.ci64(large.rows)), k.ceilDiv(o.n, k.ci64(large.columns)));
  isFew = k.le(o.m, k.ci64(shapes()[0].rows));
  isMany = k.and_(k.gt(o.m, k.ci64(shapes()[1].rows)), k.ge(largeTiles, k.ci64(fewTiles)));
  if (takesRegisters() && !warpgroups)
    isMany = Value();
  if (!warpgroups)
    return walk();
  k.func()->setAttr(tile::kWarpgroups, k.builder().getI64IntegerAttr(kTileWarpgroups));
  Value many = std::exchange(isMany, Value());
  k.ifElse(
      many, [&] { emitWarpgroupTiles(k, spec, words, [&](const TensorSums &s) { results(s); }); },
      [&] { walk(); });
}

void TensorMatmul::walk() {
  auto blockHere = [&] {
    auto place = tile::PositionOp::create(k.builder(), k.loc());
    return std::pair(k.toI32(place.getBlock()), k.toI32(place.getBlocks()));
  };
  Value rows = pick([](const tile::SumsShape &s) { return s.rows; });
  Value panels = pick([](const tile::SumsShape &s) { return s.columns / kPanel; });
  Value slices = pick([](const tile::SumsShape &s) { return s.slices; });
  // Tiles of the same columns follow each other, and find these in the second-level cache. There
  // are fewer than 2^31, so that a number is one register.
  Value rowTiles = k.toI32(k.ceilDiv(o.m, rows));
  Value columnTiles = k.toI32(k.ceilDiv(o.n, k.mul(panels, k.ci64(kPanel))));
  auto tileAt = [&](Value number) {
    Value column = k.divU(number, rowTiles), row = k.sub(number, k.mul(column, rowTiles));
    return TensorTileAt{k.mul(k.toI64(row), rows), k.mul(k.toI64(column), panels)};
  };
  Value tiles = k.mul(rowTiles, columnTiles), zero = k.ci32(0);
  auto [first, apart] = blockHere();
  Value rounds = k.ceilDiv(k.max(k.sub(tiles, first), zero), apart);
  // Which tile it is, and after its sums where results go, is computed each time: sums need the
  // registers.
  k.forLoop(zero, rounds, k.ci32(1), [&](Value round) {
    auto tileOf = [&](Value number) {
      auto [block, blocks] = blockHere();
      return tileAt(k.add(block, k.mul(number, blocks)));
    };
    sums(tileOf(round));
    Value shared = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), 128);
    Value again = tile::AgainOp::create(k.builder(), k.loc(), k.toI64(round));
    results({tileOf(k.toI32(again)), rows, panels, shared, slices});
    tile::BarrierOp::create(k.builder(), k.loc()); // the next tile's operands go to the same place
  });
}

void TensorMatmul::sums(TensorTileAt at) {
  auto emit = [&](int shape) {
    TensorTile tile(k, shapes()[shape]);
    if (spec.kind == MatmulKind::Block && tile.shape.rows == 16 && fitsFewRows(spec.block))
      emitFewRowSums(k, spec, o, tile, at);
    else if (spec.kind == MatmulKind::Block)
      emitBlockSums(k, spec, o, tile, at);
    else if (hasWordRows(spec))
      emitWordSums(k, codesOf(spec), words, tile, at);
    else
      emitPairSums(k, o, tile, at);
  };
  auto few = [&] { k.ifElse(isFew, [&] { emit(0); }, [&] { emit(1); }); };
  if (isMany)
    k.ifElse(isMany, [&] { emit(2); }, few);
  else
    few();
  tile::BarrierOp::create(k.builder(), k.loc());
}

/// Sixteen sums; of slices together, always in the same order.
Value TensorMatmul::sumsOf(const TensorSums &sums, Value row, Value panel) {
  Type type = k.vec(spec.kind == MatmulKind::W8A8 ? k.i32() : k.f32());
  Value stride = k.add(k.mul(sums.panels, k.ci64(kPanel)), k.ci64(kSumsPadding));
  Value first = k.add(k.mul(row, stride), k.mul(panel, k.ci64(kPanel)));
  auto slice = [&](int64_t w) {
    Value number = k.add(first, k.mul(k.mul(sums.rows, stride), k.ci64(w)));
    return k.rawLoad(type, k.bytePtr(sums.base, k.mul(number, k.ci64(4))), 4);
  };
  if (!sums.slices)
    return slice(0);
  return k.ifElse(
      k.eq(sums.slices, k.ci64(1)), {type}, [&] { return Values{slice(0)}; },
      [&] { return Values{k.add(k.add(slice(0), slice(1)), k.add(slice(2), slice(3)))}; })[0];
}

/// Neighbouring groups do neighbouring columns.
void TensorMatmul::results(const TensorSums &sums) {
  auto place = tile::PositionOp::create(k.builder(), k.loc());
  Value here = k.min(sums.rows, k.sub(o.m, sums.at.row));
  Value lastPanel = k.ceilDiv(o.n, k.ci64(kPanel));
  k.forLoop(place.getGroup(), k.mul(here, sums.panels), place.getGroups(), [&](Value i) {
    Value row = k.divU(i, sums.panels), panel = k.sub(i, k.mul(row, sums.panels));
    Value column = k.add(sums.at.panel, panel);
    MatmulResult result;
    result.row = k.add(sums.at.row, row), result.col = k.mul(column, k.ci64(kPanel));
    k.ifThen(k.lt(column, lastPanel), [&] {
      result.acc = sumsOf(sums, row, panel);
      if (spec.kind == MatmulKind::W8A8) // what codes with 128 added make the sums too large by
        result.acc = k.add(result.acc, k.vload(Elem::I32, o.bCorrection, result.col));
      storeGroup(k, spec, o, epilogue, result, rowScaleOf(k, spec, o, result.row));
    });
  });
}

} // namespace

//===-- Products without scales ---------------------------------------------------------------===//

static Value here(KernelBuilder &k, Value base, int64_t offset) {
  return k.bytePtr(base, k.ci64(offset));
}

/// The ring of a tile whose panels go to shared memory as they are, behind `rowsBytes` of rows.
static Ring ringFor(KernelBuilder &k, const TensorTile &tile, int64_t rowsBytes) {
  int64_t bytesOfStage = rowsBytes + tile.panels() * tile.panelBytes();
  Ring ring = Ring::of(k, bytesOfStage);
  int64_t bytes = std::max(ring.stages * ring.bytes, tile.resultBytes());
  ring.base = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), bytes);
  return ring;
}

/// Begins to copy panels of words of four bytes of K for a step.
static void beginPanels(KernelBuilder &k, const MatmulOperands &o, TensorTile &tile,
                        TensorTileAt at, Value panelBytes, Value step, Value to) {
  Value offset = k.mul(step, k.ci64(tile.depth() * kPanel));
  Value from = k.bytePtr(o.b, k.add(k.mul(at.panel, panelBytes), offset));
  tile.copyPanels(from, panelBytes, k.sub(k.ceilDiv(o.n, k.ci64(kPanel)), at.panel),
                  k.sub(panelBytes, offset), to);
}

void emitWordSums(KernelBuilder &k, TensorTile::Codes codes, const MatmulOperands &o,
                  TensorTile &tile, TensorTileAt at) {
  using Values = KernelBuilder::Values;
  Ring ring = ringFor(k, tile, tile.rowsBytes());
  Value panelBytes = k.mul(k.ceilDiv(o.k, k.ci64(4)), k.ci64(4 * kPanel));
  Value steps = k.ceilDiv(o.k, k.ci64(tile.depth()));
  auto begin = [&](Value step, Value stage) {
    k.ifThen(k.lt(step, steps), [&] {
      Value offset = k.mul(step, k.ci64(tile.depth()));
      Value from = k.bytePtr(o.a, k.add(k.mul(at.row, o.aStride), offset));
      tile.copyRows(from, o.aStride, k.sub(o.m, at.row), k.sub(o.k, offset), stage, tile.depth());
      beginPanels(k, o, tile, at, panelBytes, step, here(k, stage, tile.rowsBytes()));
    });
    return Values();
  };
  Values sums = runRing(
      k, ring, steps,
      tile.noSums(codes == TensorTile::Codes::Unsigned ? Type(k.i32()) : Type(k.f32())), begin,
      [](ValueRange, Value) {},
      [&](Value, Value stage, ValueRange c) {
        return tile.multiply(c, stage, tile.rowBytes(), here(k, stage, tile.rowsBytes()),
                             tile.panelBytes(), kSliceDepth, codes);
      });
  tile.store(sums, ring.base);
}

/// Rows stay f32 until they are multiplied: what rounds them is on its way to registers anyway.
void emitPairSums(KernelBuilder &k, const MatmulOperands &o, TensorTile &tile, TensorTileAt at) {
  using Values = KernelBuilder::Values;
  Ring ring = ringFor(k, tile, tile.wideRowsBytes());
  Value panelBytes = k.mul(k.ceilDiv(o.k, k.ci64(2)), k.ci64(4 * kPanel));
  int64_t inputs = tile.depth() / 2;
  Value steps = k.ceilDiv(o.k, k.ci64(inputs));
  auto begin = [&](Value step, Value stage) {
    k.ifThen(k.lt(step, steps), [&] {
      tile.copyReals(o, at.row, k.mul(step, k.ci64(inputs)), stage, inputs, kWidePadding);
      beginPanels(k, o, tile, at, panelBytes, step, here(k, stage, tile.wideRowsBytes()));
    });
    return Values();
  };
  Values sums = runRing(
      k, ring, steps, tile.noSums(k.f32()), begin, [](ValueRange, Value) {},
      [&](Value, Value stage, ValueRange c) {
        return tile.multiply(c, stage, tile.wideRowBytes(), here(k, stage, tile.wideRowsBytes()),
                             tile.panelBytes(), kSliceDepth, TensorTile::Codes::Reals);
      });
  tile.store(sums, ring.base);
}

bool fitsTensorCores(const MatmulSpec &spec) {
  bool pairs = spec.pairs && (spec.a == Elem::F32 || spec.a == Elem::BF16);
  if (spec.kind == MatmulKind::Block)
    return (spec.block.core != BlockCore::Float || pairs) && fitsTensorBlocks(spec.block);
  return spec.kind == MatmulKind::W8A8 ||
         (spec.kind == MatmulKind::F32 && pairs && spec.b == Elem::BF16);
}

void emitTensorMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                      MatmulEpilogue epilogue, int64_t fewTiles) {
  TensorMatmul(k, spec, operands, epilogue, fewTiles).run();
}

} // namespace qcc
