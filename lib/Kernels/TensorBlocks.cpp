// Products with codes in blocks, by tensor cores.
//
// Codes are decoded by the groups of lanes, sixteen outputs at a time as on every level, into
// stages of shared memory: signed bytes, zero points or bias taken off, in the order of panels of
// 8-bit codes. Beside them lie the scales of each step. What one iteration decodes it has loaded
// before it multiplied what was decoded earlier.
//
// The sums of a step are exact, and a warp keeps all of K of its results: steps are scaled and
// added in turn, as everywhere.
#include "BlockDecoder.h"
#include "BlockMicro.h"
#include "TensorTiles.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

class TensorBlocks {
public:
  using Values = KernelBuilder::Values;
  TensorBlocks(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o, TensorTile &tile,
               TensorTileAt at)
      : k(k), p(spec.block), w(p.layout), o(o), tile(tile), at(at), decoder(k, p) {}
  void run();

private:
  // A stage: rows of A, panels, and numbers of each of its steps: scales, and what is left of zero
  // points.
  /// Inputs of a stage. Few rows have few columns, and would have too little to load at once.
  int64_t depth() const { return tile.shape.rows == 16 ? 4 * kSliceDepth : kSliceDepth; }
  int64_t rowBytes() const { return depth() + kRowPadding; }
  int64_t panelsAt() const { return tile.shape.rows * rowBytes(); }
  int64_t numbersAt() const { return panelsAt() + tile.panels() * paddedPanel(depth()); }
  int64_t numberBytes() const { return 2 * tile.shape.columns * 4; }
  int64_t stageBytes() const { return numbersAt() + stageSteps() * numberBytes(); }
  /// Steps of a stage, or stages of a step.
  int64_t stageSteps() const { return p.inputs ? std::max<int64_t>(1, depth() / p.inputs) : 1; }
  int64_t stepStages() const { return std::max<int64_t>(1, p.inputs / depth()); }
  bool needsSums() const { return !fitsSignedBytes(p); }
  bool hasZeros() const { return w.zeros != BlockZeros::None; }

  Value here(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }
  Value panelAt(Value panel);
  Value blockAt(Value input);
  Values begin(Value step, Value stage);
  void finish(ValueRange values, Value stage);
  Values numbersOf(Value panel, Value block);
  void storeNumbers(ValueRange numbers, Value to, Value panel);

  Values use(Value step, Value stage, ValueRange carried);
  Values multiply(Value stage, int64_t first, int64_t bytes, ValueRange sums);
  Values scaled(ValueRange sums, Value numbers, Value step, ValueRange acc);
  Values scaleRows(ValueRange sums);

  KernelBuilder &k;
  const BlockProduct &p;
  const BlockLayout &w;
  const MatmulOperands &o;
  TensorTile &tile;
  TensorTileAt at;
  BlockDecoder decoder;
  Value groupHere() { return tile::PositionOp::create(k.builder(), k.loc()).getGroup(); }
  Value panelBytes, base, lastPanel, lastUnit;
};

//===-- Decoding ------------------------------------------------------------------------------===//

/// A panel of the tile; the last one where there is none.
Value TensorBlocks::panelAt(Value panel) {
  Value number = k.min(k.add(at.panel, panel), lastPanel);
  return k.bytePtr(base, k.mul(number, panelBytes));
}

/// Where the block of an input begins in a panel.
Value TensorBlocks::blockAt(Value input) {
  Value header = k.ci64(w.headerBytes());
  if (!w.group)
    return header;
  return k.add(header, k.mul(k.div(input, k.ci64(w.group)), k.ci64(w.blockBytes(0))));
}

/// Scales of a panel, and zero points that are taken off with sums of A.
TensorBlocks::Values TensorBlocks::numbersOf(Value panel, Value block) {
  Values numbers = {decoder.scales(panel, block, o.k)};
  if (needsSums() && hasZeros())
    numbers.push_back(k.sub(decoder.zeros(panel, block, o.k), k.ci32(kSignShift)));
  return numbers;
}

void TensorBlocks::storeNumbers(ValueRange numbers, Value to, Value panel) {
  for (auto [i, vector] : llvm::enumerate(numbers)) {
    Value line = k.bytePtr(to, k.mul(panel, k.ci64(64)));
    k.rawStore(vector, here(line, static_cast<int64_t>(i) * tile.shape.columns * 4), 4);
  }
}

/// Loads what a group decodes of a step: codes, with their zero points, then numbers.
TensorBlocks::Values TensorBlocks::begin(Value step, Value stage) {
  Value first = k.mul(step, k.ci64(depth()));
  Value from = k.bytePtr(o.a, k.add(k.mul(at.row, o.aStride), first));
  tile.copyRows(from, o.aStride, k.sub(o.m, at.row), k.sub(o.k, first), stage, depth());
  Values values;
  Value group = groupHere();
  int64_t units = depth() / w.unit();
  for (int64_t i = 0; i < tile.panels() * units; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(units));
    Value unit = k.sub(item, k.mul(panel, k.ci64(units)));
    Value input = k.min(k.add(first, k.mul(unit, k.ci64(w.unit()))), lastUnit);
    Value block = blockAt(input), own = panelAt(panel);
    Value within = w.group ? k.rem(input, k.ci64(w.group)) : input;
    Value codes = k.mul(k.div(within, k.ci64(w.unit())), k.ci64(w.unitBytes()));
    llvm::append_range(values, decoder.loadPlanes(k.bytePtr(own, k.add(block, codes))));
    if (hasZeros() && !needsSums())
      values.push_back(decoder.zeros(own, block, o.k));
  }
  if (!p.inputs)
    return values;
  for (int64_t i = 0; i < tile.panels() * stageSteps(); i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(stageSteps()));
    Value t = k.sub(item, k.mul(panel, k.ci64(stageSteps())));
    Value input = k.min(k.add(first, k.mul(t, k.ci64(p.inputs))), lastUnit);
    llvm::append_range(values, numbersOf(panelAt(panel), blockAt(input)));
  }
  return values;
}

void TensorBlocks::finish(ValueRange values, Value stage) {
  Value group = groupHere();
  int64_t units = depth() / w.unit(), vectors = w.unitBytes() / 64;
  for (int64_t i = 0; i < tile.panels() * units; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(units));
    Value unit = k.sub(item, k.mul(panel, k.ci64(units)));
    SmallVector<Value> planes(values.take_front(vectors));
    values = values.drop_front(vectors);
    Value zeros;
    if (hasZeros() && !needsSums())
      zeros = values.front(), values = values.drop_front();
    Value to = k.bytePtr(here(stage, panelsAt()), k.mul(panel, k.ci64(paddedPanel(depth()))));
    for (int64_t s = 0; s < w.unit() / 4; ++s) {
      Value line = k.add(k.mul(unit, k.ci64(w.unit() / 4)), k.ci64(s));
      Value padding = k.mul(k.shrU(line, k.ci64(1)), k.ci64(kPanelPadding));
      k.rawStore(decoder.signedCodes(planes, static_cast<int>(s), zeros),
                 k.bytePtr(to, k.add(k.mul(line, k.ci64(4 * kPanel)), padding)), 4);
    }
  }
  if (!p.inputs)
    return;
  size_t each = needsSums() && hasZeros() ? 2 : 1;
  int64_t items = tile.panels() * stageSteps();
  for (int64_t i = 0; i < items; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(stageSteps()));
    Value t = k.sub(item, k.mul(panel, k.ci64(stageSteps())));
    Value to = k.bytePtr(here(stage, numbersAt()), k.mul(t, k.ci64(numberBytes())));
    k.ifThen(k.lt(item, k.ci64(items)), [&] { storeNumbers(values.take_front(each), to, panel); });
    values = values.drop_front(each);
  }
}

//===-- Products ------------------------------------------------------------------------------===//

/// Adds the products of inputs [first, first + bytes) of a stage.
TensorBlocks::Values TensorBlocks::multiply(Value stage, int64_t first, int64_t bytes,
                                            ValueRange sums) {
  Values next(sums);
  for (int64_t each = std::min(bytes, kSliceDepth), i = first; i < first + bytes; i += each)
    next = tile.multiply(next, here(stage, i), rowBytes(), here(stage, panelsAt() + paddedPanel(i)),
                         paddedPanel(depth()), each, TensorTile::Codes::Signed);
  return next;
}

/// The sums of step `step` of K, times its scales, added to `acc`.
TensorBlocks::Values TensorBlocks::scaled(ValueRange sums, Value numbers, Value step,
                                          ValueRange acc) {
  Value last = k.sub(k.sub(o.m, at.row), k.ci64(1));
  Values scales = tile.byColumn(numbers, k.f32()), zeros, codeSums, aScales;
  if (needsSums()) {
    Value bias = k.broadcast(k.ci32(integerBias(p) - kSignShift), tile::kSumsPerVector);
    zeros = hasZeros() ? tile.byColumn(here(numbers, tile.shape.columns * 4), k.i32())
                       : Values(scales.size(), bias);
    Value from = k.elemPtr(Elem::I32, o.aSum, k.add(k.mul(at.row, o.aSumStride), step));
    codeSums = tile.byRow(from, o.aSumStride, last, k.i32());
  }
  if (p.aGroup) {
    Value number = k.div(step, k.ci64(p.aGroup / p.inputs));
    Value from = k.elemPtr(Elem::F32, o.aScale, k.add(k.mul(at.row, o.aScaleStride), number));
    aScales = tile.byRow(from, o.aScaleStride, last, k.f32());
  }
  Values next;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    size_t column = i % scales.size(), row = i / scales.size();
    Value exact = sum, scale = scales[column];
    if (needsSums())
      exact = k.sub(exact, k.mul(zeros[column], codeSums[row]));
    if (p.aGroup)
      scale = k.mul(scale, aScales[row]);
    next.push_back(k.fma(k.toF32(exact), scale, acc[i]));
  }
  return next;
}

/// `carried` are results so far, and sums of a step that has several stages, or only those.
TensorBlocks::Values TensorBlocks::use(Value step, Value stage, ValueRange carried) {
  if (!p.inputs)
    return multiply(stage, 0, depth(), carried);
  size_t vectors = tile.shape.vectors();
  Value numbers = here(stage, numbersAt());
  Values acc(carried.take_front(vectors));
  if (stepStages() > 1) {
    Values sums = multiply(stage, 0, depth(), carried.drop_front(vectors));
    Value after = k.add(step, k.ci64(1)), number = k.div(step, k.ci64(stepStages()));
    Value isLast = k.or_(k.eq(k.rem(after, k.ci64(stepStages())), k.ci64(0)),
                         k.ge(k.mul(after, k.ci64(depth())), o.k));
    return k.ifElse(
        isLast, carried.getTypes(),
        [&] {
          Values next = scaled(sums, numbers, number, acc);
          llvm::append_range(next, tile.noSums(k.i32()));
          return next;
        },
        [&] {
          Values next = acc;
          llvm::append_range(next, sums);
          return next;
        });
  }
  for (int64_t t = 0; t < stageSteps(); ++t) {
    Value number = k.add(k.mul(step, k.ci64(stageSteps())), k.ci64(t));
    auto add = [&] {
      Values sums = multiply(stage, t * p.inputs, p.inputs, tile.noSums(k.i32()));
      return scaled(sums, here(numbers, t * numberBytes()), number, acc);
    };
    Value exists = k.lt(k.mul(number, k.ci64(p.inputs)), o.k);
    acc = t ? k.ifElse(exists, ValueRange(acc).getTypes(), add, [&] { return acc; }) : add();
  }
  return acc;
}

/// Sums over all of K, of which each column has one scale.
TensorBlocks::Values TensorBlocks::scaleRows(ValueRange sums) {
  Value numbers = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), numberBytes());
  Value group = groupHere();
  k.ifThen(k.lt(group, k.ci64(tile.panels())),
           [&] { storeNumbers(numbersOf(panelAt(group), blockAt(k.ci64(0))), numbers, group); });
  tile::BarrierOp::create(k.builder(), k.loc());
  Values results = scaled(sums, numbers, k.ci64(0), tile.noSums(k.f32()));
  tile::BarrierOp::create(k.builder(), k.loc());
  return results;
}

void TensorBlocks::run() {
  panelBytes = blockPanelBytes(k, w, o.k);
  base = k.bytePtr(o.b, k.ci64(w.tableBytes()));
  lastPanel = k.sub(k.ceilDiv(o.n, k.ci64(kPanel)), k.ci64(1));
  lastUnit = k.mul(k.sub(k.ceilDiv(o.k, k.ci64(w.unit())), k.ci64(1)), k.ci64(w.unit()));
  Ring ring{3, stageBytes(), Value()};
  int64_t bytes = std::max(ring.stages * ring.bytes, tile.resultBytes());
  ring.base = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), bytes);
  Values start = p.inputs ? tile.noSums(k.f32()) : tile.noSums(k.i32());
  if (p.inputs && stepStages() > 1)
    llvm::append_range(start, tile.noSums(k.i32()));
  Values results = runRing(
      k, ring, k.ceilDiv(o.k, k.ci64(depth())), start,
      [&](Value step, Value stage) { return begin(step, stage); },
      [&](ValueRange values, Value stage) { finish(values, stage); },
      [&](Value step, Value stage, ValueRange c) { return use(step, stage, c); });
  if (!p.inputs)
    results = scaleRows(results);
  tile.store(ArrayRef(results).take_front(tile.shape.vectors()), ring.base);
}

} // namespace

bool fitsTensorBlocks(const BlockProduct &p) {
  bool isStep = !p.inputs || (std::has_single_bit(uint64_t(p.inputs)) && p.inputs >= 32);
  return p.core == BlockCore::Int8 && isStep && p.layout.zeros != BlockZeros::Float &&
         (p.aSums || fitsSignedBytes(p));
}

void emitBlockSums(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                   TensorTile &tile, TensorTileAt at) {
  TensorBlocks(k, spec, o, tile, at).run();
}

} // namespace qcc
