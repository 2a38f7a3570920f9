// Products with codes in blocks by warpgroups, for many rows.
//
// Weights are the operand that comes from registers: threads load words of codes as they are
// stored, decode them, and multiply each block with sums that begin with 0. These are scaled and
// added to results, which stay in registers beside them; so tiles have half of the rows that others
// have.
#include "BlockStages.h"
#include "WarpgroupTiles.h"

using namespace mlir;

namespace qcc {
namespace {

constexpr int64_t kRows = kWarpgroupBlockRows, kMostInputs = 128; ///< of a tile, and of a stage
constexpr int64_t kLine = tile::kWarpgroupDepth, kLinesBytes = kRows * kLine;
constexpr int64_t kPanels = kWarpgroupTileColumns / kPanel;
constexpr int64_t kOwnPanels = tile::kWarpgroupColumns / kPanel;
constexpr int64_t kProductBytes = 32; ///< of K, in a product

/// Bytes of an input of a row.
int64_t inputBytes(const MatmulSpec &spec) {
  return spec.block.core == BlockCore::Float ? elemBytes(spec.a) : 1;
}

/// Inputs of a stage: a line of every row, or a whole block.
int64_t stageInputs(const MatmulSpec &spec) {
  return std::max(kLine / inputBytes(spec), spec.block.layout.group);
}

class WarpgroupBlocks : public WarpgroupTiles {
public:
  WarpgroupBlocks(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                  TensorResults results)
      : WarpgroupTiles(k, o, results, planOf(k.target(), spec)), spec(spec), w(spec.block.layout),
        tile(k, {64, tile::kWarpgroupColumns, 1}), steps(k, spec, o, tile, {}),
        decoder(k, spec.block, 4), raw(k, w, o, stageInputs(spec)) {}

  static int64_t rowsBytes(const MatmulSpec &spec) {
    return kRows * stageInputs(spec) * inputBytes(spec);
  }

private:
  static Plan planOf(const Target &target, const MatmulSpec &spec);
  void begin() override;
  void copyStage(TensorTileAt at, Value step, Value use, Value stage) override;
  Values sums(TensorTileAt at, Value use) override;

  Values use(TensorTileAt at, Value step, Value stage, Value super, ValueRange carried);
  Values multiply(Value stage, Value from, Value numbers, int64_t first, int64_t inputs,
                  ValueRange sums);
  void decode(Value from, ArrayRef<Value> zeros, int64_t first, Values &words);
  Value wordOf(ArrayRef<Value> planes, Value zeros);
  Values zerosOf(Value numbers);
  Value panelOfWarp();
  Values scaled(ValueRange sums, Value numbers, ValueRange acc);

  int64_t size() const { return steps.inputBytes(); }
  int64_t numbersBytes() const { return std::max<int64_t>(1, raw.blocks()) * steps.numberBytes(); }
  Value here(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }
  Value ownPanel(TensorTileAt at) { return k.add(at.panel, k.mul(warpgroup, k.ci64(kOwnPanels))); }

  const MatmulSpec &spec;
  const BlockLayout &w;
  TensorTile tile; ///< one whose numbers lie as those of a warpgroup
  TensorSteps steps;
  BlockDecoder decoder;
  BlockStages raw;
};

/// Each of the warpgroups that multiply has scales and zero points of two stages.
WarpgroupTiles::Plan WarpgroupBlocks::planOf(const Target &target, const MatmulSpec &spec) {
  const BlockLayout &w = spec.block.layout;
  int64_t inputs = stageInputs(spec), blocks = w.group ? inputs / w.group : 1;
  int64_t raw = w.group ? blocks * w.blockBytes(0) : inputs / w.unit() * w.unitBytes();
  int64_t stage = roundUp(rowsBytes(spec) + kPanels * roundUp(raw + 8, 16), 1024);
  int64_t own = 2 * blocks * 2 * tile::kWarpgroupColumns * 4;
  int64_t stages = 4 * stage + warpgroupBesides(own) <= target.sharedBytes ? 4 : 2;
  return {kRows, stages, stage, /*copyRegisters=*/88, own};
}

void WarpgroupBlocks::begin() {
  raw.begin();
  WarpgroupTiles::steps = k.ceilDiv(o.k, k.ci64(stageInputs(spec)));
  if (steps.reals())
    decoder.beginValues(o.b);
}

void WarpgroupBlocks::copyStage(TensorTileAt at, Value step, Value, Value stage) {
  raw.copy(at.panel, kPanels, step, here(stage, rowsBytes(spec)));
  Value bytes = k.ci64(size()), first = k.mul(step, k.ci64(stageInputs(spec) * size()));
  for (int64_t line = 0; line < rowsBytes(spec) / kLinesBytes; ++line)
    copyRows(at, k.mul(o.aStride, bytes), k.add(first, k.ci64(line * kLine)), k.mul(o.k, bytes),
             here(stage, line * kLinesBytes));
}

//===-- Decoding ------------------------------------------------------------------------------===//

Value WarpgroupBlocks::panelOfWarp() {
  Value group = tile::PositionOp::create(k.builder(), k.loc()).getGroup();
  return k.divU(group, k.ci64(2));
}

/// Of the first column that a thread has words of, and of the second.
WarpgroupBlocks::Values WarpgroupBlocks::zerosOf(Value numbers) {
  if (!steps.hasZeros())
    return {Value(), Value()};
  numbers = k.bytePtr(numbers, k.mul(panelOfWarp(), k.ci64(kPanel * 4)));
  auto zeros = tile::WarpgroupWordsOp::create(k.builder(), k.loc(), k.vec(k.i32()), k.vec(k.i32()),
                                              here(numbers, steps.zerosAt()), 0, 0, 0, 0);
  Values each = {zeros.getFirst(), zeros.getSecond()};
  for (Value &v : each)
    v = steps.reals() ? k.bitcast(v, k.vec(k.f32())) : v;
  return each;
}

/// Four codes as signed bytes, or as they are, or two as numbers of bf16.
Value WarpgroupBlocks::wordOf(ArrayRef<Value> planes, Value zeros) {
  if (steps.float8())
    return k.bitcast(planes[0], k.vec(k.i32()));
  if (!steps.reals())
    return decoder.signedCodes(planes, 0, zeros);
  Value joined = decoder.joined(planes, 0);
  SmallVector<int64_t> pairs;
  for (int64_t l = 0; l < kLanes; ++l)
    pairs.append({l, kLanes + l});
  Value two = k.shuffle(decoder.value(planes, joined, 0, 0, zeros),
                        decoder.value(planes, joined, 0, 1, zeros), pairs);
  two = tile::ToBf16Op::create(k.builder(), k.loc(), k.vec(k.builder().getBF16Type(), 2 * kLanes),
                               two);
  return k.bitcast(two, k.vec(k.i32()));
}

/// The words of 16 bytes of K from input `first` of the stage on. Of codes quarter q has sub-vector
/// q, of numbers half of one.
void WarpgroupBlocks::decode(Value from, ArrayRef<Value> zeros, int64_t first, Values &words) {
  Values planes[2];
  int64_t plane = 0;
  for (int64_t width : w.planes()) {
    if (!width)
      break;
    QuarterWords at =
        raw.place(width, plane, [&](int64_t q) { return first / 4 + (steps.reals() ? q / 2 : q); });
    int64_t half = steps.reals() ? 16 : 0; // bits of a word: every second quarter has its end
    auto loaded = tile::WarpgroupWordsOp::create(k.builder(), k.loc(), k.vec(k.i32()),
                                                 k.vec(k.i32()), here(from, at.byte), at.high,
                                                 at.low, at.highBits, at.lowBits + half);
    for (auto [i, word] : llvm::enumerate(loaded.getResults())) {
      Value own = at.bit ? k.shrU(word, k.ci32(static_cast<int32_t>(at.bit))) : word;
      planes[i].push_back(k.bitcast(own, decoder.byteVector()));
    }
    plane += raw.planeBytes(width);
  }
  for (int64_t i = 0; i < 2; ++i)
    words.push_back(wordOf(planes[i], zeros[i]));
}

//===-- Products ------------------------------------------------------------------------------===//

/// Adds the products of `inputs` from `first` on, which are of one block, to `sums`, or to 0 if
/// there are none.
WarpgroupBlocks::Values WarpgroupBlocks::multiply(Value stage, Value from, Value numbers,
                                                  int64_t first, int64_t inputs, ValueRange sums) {
  Values next(sums), zeros = zerosOf(numbers);
  SmallVector<Type> types(
      kRows / tile::kWarpgroupVectorRows,
      k.vec(steps.sumsReals() ? Type(k.f32()) : Type(k.i32()), tile::kSumsPerVector));
  TypeAttr float8 = TensorTile::float8Of(k.builder().getContext(), steps.codes());
  int64_t begin = first * size(), end = begin + inputs * size();
  for (int64_t byte = begin; byte < end; byte = std::min(end, byte / kLine * kLine + kLine)) {
    int64_t until = std::min(end, byte / kLine * kLine + kLine);
    Values words;
    for (int64_t at = byte; at < until; at += kProductBytes / 2)
      decode(from, zeros, at / size(), words);
    Value lines = here(stage, byte / kLine * kLinesBytes + byte % kLine);
    auto made = tile::WarpgroupMultiplyWordsOp::create(k.builder(), k.loc(), types, next, lines,
                                                       words, kRows, float8);
    next.assign(made.result_begin(), made.result_end());
  }
  return next;
}

WarpgroupBlocks::Values WarpgroupBlocks::scaled(ValueRange sums, Value numbers, ValueRange acc) {
  Value scale = tile::WarpgroupByColumnOp::create(k.builder(), k.loc(),
                                                  k.vec(k.f32(), tile::kSumsPerVector), numbers);
  Values next;
  for (auto [sum, result] : llvm::zip(sums, acc))
    next.push_back(k.fma(steps.sumsReals() ? sum : k.toF32(sum), scale, result));
  return next;
}

/// `carried` are results so far, or sums, if all of K is a step. Blocks beyond K add 0.
WarpgroupBlocks::Values WarpgroupBlocks::use(TensorTileAt at, Value step, Value stage, Value super,
                                             ValueRange carried) {
  Value own = ownMemory(), panel = ownPanel(at), ofWarp = panelOfWarp();
  Value slots = k.bytePtr(here(stage, rowsBytes(spec)),
                          k.mul(warpgroup, k.ci64(kOwnPanels * raw.slotBytes())));
  Value from = k.bytePtr(slots, k.add(k.mul(ofWarp, k.ci64(raw.slotBytes())),
                                      raw.shiftOf(k.add(panel, ofWarp), step)));
  if (!steps.inputs())
    return multiply(stage, from, own, 0, stageInputs(spec), carried);
  Value numbers = own;
  if (w.group) {
    // Those of a stage and the next one do not touch, so that one wait is enough.
    numbers = k.bytePtr(own, k.mul(k.and_(step, k.ci64(1)), k.ci64(numbersBytes())));
    raw.unpack(steps, decoder, super, panel, kOwnPanels, step, slots, numbers);
    tile::BarrierOp::create(k.builder(), k.loc());
  }
  Values acc(carried);
  for (int64_t first = 0; first < stageInputs(spec); first += steps.inputs()) {
    Value now = here(numbers, first / steps.inputs() * steps.numberBytes());
    acc = scaled(multiply(stage, from, now, first, steps.inputs(), {}), now, acc);
  }
  return acc;
}

WarpgroupTiles::Values WarpgroupBlocks::sums(TensorTileAt at, Value first) {
  Value panel = ownPanel(at), super = raw.superOf(panel, kOwnPanels);
  if (!w.group) {
    Value group = tile::PositionOp::create(k.builder(), k.loc()).getGroup();
    k.ifThen(k.lt(group, k.ci64(kOwnPanels)), [&] {
      steps.storeNumbers(decoder, raw.panelAt(k.add(panel, group)), k.ci64(w.headerBytes()),
                         ownMemory(), group);
    });
    tile::BarrierOp::create(k.builder(), k.loc());
  }
  bool exact = !steps.inputs() && !steps.reals();
  Values made = forStages(first, noSums(exact ? Type(k.i32()) : Type(k.f32())),
                          [&](Value step, Value stage, ValueRange carried) {
                            return use(at, step, stage, super, carried);
                          });
  if (steps.inputs())
    return made;
  Values results = scaled(ArrayRef(made).drop_front(), ownMemory(), noSums(k.f32()));
  results.insert(results.begin(), made[0]);
  return results;
}

} // namespace

bool fitsWarpgroupBlocks(const MatmulSpec &spec) {
  const BlockProduct &p = spec.block;
  bool reals = p.core == BlockCore::Float;
  int64_t group = p.layout.group;
  bool whole = group == 0 || (group <= kMostInputs && group * inputBytes(spec) >= kProductBytes);
  if (spec.kind != MatmulKind::Block || !fitsFewRows(p) || !whole)
    return false;
  if (p.core == BlockCore::Float8)
    return true;
  // Of numbers, smaller blocks and panels that begin anywhere take more registers than there are.
  if (reals)
    return spec.pairs && spec.a == Elem::BF16 && group >= 64 && p.layout.blockBytes(0) % 16 == 0;
  return p.inputs == group && !p.aGroup && fitsSignedBytes(p);
}

void emitWarpgroupBlocks(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                         TensorResults results) {
  WarpgroupBlocks(k, spec, operands, results).run();
}

} // namespace qcc
