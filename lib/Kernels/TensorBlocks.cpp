// Products with codes in blocks, by tensor cores.
//
// Codes are decoded by the groups of lanes, sixteen outputs at a time as on every level, into
// stages of shared memory, zero points or bias taken off: signed bytes in the order of panels of
// 8-bit codes, or bf16 in that of pairs, which rows of f32 are rounded to when they are multiplied.
// Beside them lie the scales of each step. What one iteration decodes it has loaded before it
// multiplied what was decoded earlier. Codes of 8-bit floats are operands as they lie.
#include "BlockMicro.h"
#include "TensorSteps.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

class TensorBlocks {
public:
  using Values = KernelBuilder::Values;
  TensorBlocks(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o, TensorTile &tile,
               TensorTileAt at)
      : k(k), w(spec.block.layout), o(o), tile(tile), at(at), steps(k, spec, o, tile, at),
        decoder(k, spec.block) {}
  void run();

private:
  // A stage: rows of A, panels, and numbers of each of its steps: scales, and what is left of zero
  // points.
  /// Inputs of a stage. Few rows have few columns, and would have too little to load at once.
  int64_t depth() const { return (tile.shape.rows == 16 ? 4 : 1) * kSliceDepth / codeBytes(); }
  int64_t codeBytes() const { return steps.reals() ? 2 : 1; } ///< of what codes are decoded to
  int64_t rowPadding() const { return steps.isWide() ? kWidePadding : kRowPadding; }
  int64_t rowBytes() const { return depth() * steps.inputBytes() + rowPadding(); }
  int64_t panelSize() const { return paddedPanel(depth() * codeBytes()); }
  int64_t panelsAt() const { return tile.shape.rows * rowBytes(); }
  int64_t numbersAt() const { return panelsAt() + tile.panels() * panelSize(); }
  int64_t numberBytes() const { return steps.numberBytes(); }
  int64_t stageBytes() const { return numbersAt() + stageSteps() * numberBytes(); }
  /// Steps of a stage, or stages of a step.
  int64_t stageSteps() const { return isStepped() ? std::max<int64_t>(1, depth() / inputs()) : 1; }
  int64_t stepStages() const { return std::max<int64_t>(1, inputs() / depth()); }
  int64_t inputs() const { return steps.inputs(); }
  /// Of a unit, which a block may have a part of alone.
  int64_t unitInputs() const { return w.group ? std::min(w.unit(), w.group) : w.unit(); }
  bool isStepped() const { return inputs() != 0; }
  bool takesZeros() const { return steps.hasZeros() && !steps.needsSums(); } ///< off codes

  Value here(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }
  Value panelAt(Value panel);
  Value blockAt(Value input);
  /// Units that groups decode, of all panels.
  int64_t decodedItems() const {
    return steps.float8() ? 0 : tile.panels() * (depth() / unitInputs());
  }
  void copyCodes(Value first, Value stage);
  Values begin(Value step, Value stage);
  void finish(ValueRange values, Value stage);
  void decode(ArrayRef<Value> planes, Value zeros, Value to, Value unit);

  Values use(Value step, Value stage, ValueRange carried);
  Values multiply(Value stage, int64_t first, int64_t count, ValueRange sums);
  Values scaleRows(ValueRange sums);

  KernelBuilder &k;
  const BlockLayout &w;
  const MatmulOperands &o;
  TensorTile &tile;
  TensorTileAt at;
  TensorSteps steps;
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

/// Begins to copy codes that are operands as they lie: those of a stage are of one block.
void TensorBlocks::copyCodes(Value first, Value stage) {
  Value block = blockAt(first), within = w.group ? k.rem(first, k.ci64(w.group)) : first;
  Value offset = k.add(block, k.mul(within, k.ci64(kPanel)));
  Value end = w.group ? panelBytes : k.add(block, decoder.codeBytes(o.k));
  Value from = k.bytePtr(base, k.add(k.mul(at.panel, panelBytes), offset));
  tile.copyPanels(from, panelBytes, k.add(k.sub(lastPanel, at.panel), k.ci64(1)),
                  k.sub(end, offset), here(stage, panelsAt()));
}

/// Loads what a group decodes of a step: codes, with their zero points, then numbers.
TensorBlocks::Values TensorBlocks::begin(Value step, Value stage) {
  Value first = k.mul(step, k.ci64(depth()));
  steps.copyRows(first, stage, depth(), rowPadding());
  if (steps.float8())
    copyCodes(first, stage);
  Values values;
  Value group = groupHere();
  int64_t units = depth() / unitInputs();
  for (int64_t i = 0; i < decodedItems(); i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(units));
    Value unit = k.sub(item, k.mul(panel, k.ci64(units)));
    Value input = k.min(k.add(first, k.mul(unit, k.ci64(unitInputs()))), lastUnit);
    Value block = blockAt(input), own = panelAt(panel);
    Value within = w.group ? k.rem(input, k.ci64(w.group)) : input;
    Value codes = k.mul(k.div(within, k.ci64(unitInputs())), k.ci64(w.unitBytes()));
    llvm::append_range(values, decoder.loadPlanes(k.bytePtr(own, k.add(block, codes))));
    if (takesZeros())
      values.push_back(decoder.zeros(own, block, o.k));
  }
  if (!isStepped())
    return values;
  for (int64_t i = 0; i < tile.panels() * stageSteps(); i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(stageSteps()));
    Value t = k.sub(item, k.mul(panel, k.ci64(stageSteps())));
    Value input = k.min(k.add(first, k.mul(t, k.ci64(inputs()))), lastUnit);
    Value own = panelAt(panel), block = blockAt(input);
    values.push_back(decoder.scales(own, block, o.k));
    if (steps.needsSums() && steps.hasZeros())
      values.push_back(decoder.zeros(own, block, o.k));
  }
  return values;
}

/// Decodes unit `unit` of a panel at `to`.
void TensorBlocks::decode(ArrayRef<Value> planes, Value zeros, Value to, Value unit) {
  auto put = [&](Value line, Value words) {
    Value padding = k.mul(k.shrU(line, k.ci64(1)), k.ci64(kPanelPadding));
    k.rawStore(words, k.bytePtr(to, k.add(k.mul(line, k.ci64(4 * kPanel)), padding)), 4);
  };
  SmallVector<int64_t> pairs;
  for (int64_t l = 0; l < kLanes; ++l)
    pairs.append({l, kLanes + l});
  if (zeros && steps.reals())
    zeros = decoder.valueZeros(zeros);
  for (int64_t s = 0; s < unitInputs() / 4; ++s) {
    Value line = k.add(k.mul(unit, k.ci64(unitInputs() / 4)), k.ci64(s));
    auto sub = static_cast<int>(s);
    if (!steps.reals()) {
      put(line, decoder.signedCodes(planes, sub, zeros));
      continue;
    }
    Value joined = decoder.joined(planes, sub);
    for (int i = 0; i < 4; i += 2) {
      Value two = k.shuffle(decoder.value(planes, joined, sub, i, zeros),
                            decoder.value(planes, joined, sub, i + 1, zeros), pairs);
      two = tile::ToBf16Op::create(k.builder(), k.loc(),
                                   k.vec(k.builder().getBF16Type(), 2 * kLanes), two);
      put(k.add(k.mul(line, k.ci64(2)), k.ci64(i / 2)), two);
    }
  }
}

void TensorBlocks::finish(ValueRange values, Value stage) {
  Value group = groupHere();
  auto take = [&] {
    Value first = values.front();
    values = values.drop_front();
    return first;
  };
  auto where = [&](int64_t items, Value item, llvm::function_ref<void()> body) {
    items % tile::kBlockGroups ? k.ifThen(k.lt(item, k.ci64(items)), body) : body();
  };
  int64_t units = depth() / unitInputs(), vectors = w.unitBytes() / 64, items = decodedItems();
  for (int64_t i = 0; i < items; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(units));
    Value unit = k.sub(item, k.mul(panel, k.ci64(units)));
    SmallVector<Value> planes(values.take_front(vectors));
    values = values.drop_front(vectors);
    Value zeros = takesZeros() ? take() : Value();
    Value to = k.bytePtr(here(stage, panelsAt()), k.mul(panel, k.ci64(panelSize())));
    where(items, item, [&] { decode(planes, zeros, to, unit); });
  }
  if (!isStepped())
    return;
  items = tile.panels() * stageSteps();
  for (int64_t i = 0; i < items; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.div(item, k.ci64(stageSteps()));
    Value t = k.sub(item, k.mul(panel, k.ci64(stageSteps())));
    Value to = k.bytePtr(here(stage, numbersAt()), k.mul(t, k.ci64(numberBytes())));
    Value scales = take(), zeros = steps.needsSums() && steps.hasZeros() ? take() : Value();
    where(items, item, [&] { steps.storeNumbers(scales, zeros, to, panel); });
  }
}

//===-- Products ------------------------------------------------------------------------------===//

/// Adds the products of inputs [first, first + count) of a stage.
TensorBlocks::Values TensorBlocks::multiply(Value stage, int64_t first, int64_t count,
                                            ValueRange sums) {
  Values next(sums);
  int64_t each = std::min(count, kSliceDepth / codeBytes());
  for (int64_t i = first; i < first + count; i += each)
    next = tile.multiply(next, here(stage, i * steps.inputBytes()), rowBytes(),
                         here(stage, panelsAt() + paddedPanel(i * codeBytes())), panelSize(),
                         each * codeBytes(), steps.codes());
  return next;
}

/// `carried` are results so far, and sums of a step that has several stages, or only those.
TensorBlocks::Values TensorBlocks::use(Value step, Value stage, ValueRange carried) {
  if (!isStepped())
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
          Values next = steps.scaled(sums, numbers, number, acc);
          llvm::append_range(next, steps.noSums());
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
      Values sums = multiply(stage, t * inputs(), inputs(), steps.noSums());
      return steps.scaled(sums, here(numbers, t * numberBytes()), number, acc);
    };
    Value exists = k.lt(k.mul(number, k.ci64(inputs())), o.k);
    acc = t ? k.ifElse(exists, ValueRange(acc).getTypes(), add, [&] { return acc; }) : add();
  }
  return acc;
}

/// Sums over all of K, of which each column has one scale.
TensorBlocks::Values TensorBlocks::scaleRows(ValueRange sums) {
  Value numbers = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), numberBytes());
  Value group = groupHere();
  k.ifThen(k.lt(group, k.ci64(tile.panels())), [&] {
    steps.storeNumbers(decoder, panelAt(group), blockAt(k.ci64(0)), numbers, group);
  });
  tile::BarrierOp::create(k.builder(), k.loc());
  Values results = steps.scaled(sums, numbers, k.ci64(0), tile.noSums(k.f32()));
  tile::BarrierOp::create(k.builder(), k.loc());
  return results;
}

void TensorBlocks::run() {
  panelBytes = blockPanelBytes(k, w, o.k);
  base = k.bytePtr(o.b, k.ci64(w.tableBytes()));
  lastPanel = k.sub(k.ceilDiv(o.n, k.ci64(kPanel)), k.ci64(1));
  lastUnit = k.mul(k.sub(k.ceilDiv(o.k, k.ci64(unitInputs())), k.ci64(1)), k.ci64(unitInputs()));
  Ring ring{3, stageBytes(), Value()};
  int64_t bytes = std::max(ring.stages * ring.bytes, tile.resultBytes());
  ring.base = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(), bytes);
  if (steps.reals())
    decoder.beginValues(o.b);
  Values start = isStepped() ? tile.noSums(k.f32()) : steps.noSums();
  if (isStepped() && stepStages() > 1)
    llvm::append_range(start, steps.noSums());
  Values results = runRing(
      k, ring, k.ceilDiv(o.k, k.ci64(depth())), start,
      [&](Value step, Value stage) { return begin(step, stage); },
      [&](ValueRange values, Value stage) { finish(values, stage); },
      [&](Value step, Value stage, ValueRange c) { return use(step, stage, c); });
  if (!isStepped())
    results = scaleRows(results);
  tile.store(ArrayRef(results).take_front(tile.shape.vectors()), ring.base);
}

} // namespace

bool fitsTensorBlocks(const BlockProduct &p) {
  auto isStep = [](int64_t n) { return !n || (std::has_single_bit(uint64_t(n)) && n >= 16); };
  if (p.core == BlockCore::Float)
    return isStep(p.layout.group);
  if (p.core == BlockCore::Float8) { // a stage has 64 inputs, of few rows 256
    int64_t group = p.layout.group;
    return isStep(group) && (!group || (group >= kSliceDepth && group <= 4 * kSliceDepth));
  }
  return p.core == BlockCore::Int8 && isStep(p.inputs) && p.layout.zeros != BlockZeros::Float &&
         (p.aSums || fitsSignedBytes(p));
}

void emitBlockSums(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                   TensorTile &tile, TensorTileAt at) {
  TensorBlocks(k, spec, o, tile, at).run();
}

} // namespace qcc
