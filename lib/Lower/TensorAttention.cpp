// Attention by tensor cores, for blocks of threads (Dao 2023, "FlashAttention-2"): scores, weights
// and sums stay in registers.
//
// Rows are query rows of a group of key heads, heads packed together; a strip of sixteen walks
// keys tile by tile. With scores in units of u = log2(e), by which queries are scaled, and per
// warp and row:
//
//   s  = q · k, softcap; then mask, where a tile has what is not admitted
//   m' = max(m, max s), p = 2^(s - m'), c = 2^(m - m')
//   l  = fma(l, c, sum p)        each thread its own columns; added up in the end
//   o  = o c + p · v
//
// Numbers of a mask are added in units of 1, since they are the largest there are, and u multiplies
// s - m' then. Keys and values of 16 bits are multiplied as they are; f32, floats of 8 bits and
// what codes stand for are rounded to bf16 on the way.
//
// Who comes to which rows, and keys to shared memory, is different where warps multiply alone
// (StripAttention.cpp) and where warpgroups do (WarpgroupAttention.cpp).
#include "TensorAttention.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

constexpr int64_t kLinePadding = 16; ///< bytes that keep lines out of each other's banks
/// Columns with the largest score and the sum of weights behind those of a row's result, and some
/// that keep rows in different banks.
constexpr int64_t kStateColumns = 2 * vectorColumns, kRowPadding = 8;
/// Channels of queries that stay in registers, and of those that do not, loaded at once.
constexpr int64_t kHeldChannels = 128, kPartChannels = 16;
constexpr int64_t kMostChannels = 256;
constexpr float kLog2E = 1.44269504f;

/// Keys or values as they are stored.
struct Cache {
  Value rows;
  Elem elem;
  std::optional<Storage> codes;

  explicit Cache(Value operand) : rows(operand) {
    if (auto decode = operand.getDefiningOp<DecodeRowsOp>())
      rows = decode.getX(), codes = decode.getCodes();
    elem = elemOfValue(rows);
  }
  bool isKnown() const { return codes || elem == Elem::F8E4M3FN || !elemIsSmallFloat(elem); }
};

/// Whether neighbouring elements of an operand's last axis lie side by side.
bool hasDenseRows(Value operand) {
  auto argument = dyn_cast<BlockArgument>(operand);
  if (argument && isa<KvType>(argument.getType()))
    return true;
  FailureOr<Access> access = accessOf(operand);
  return succeeded(access) && !access->strides.empty() && access->strides.back().isConstant(1);
}

} // namespace

//===-- Plan ----------------------------------------------------------------------------------===//

Type TensorPlan::numbers(MLIRContext *context) const {
  if (codes == Storage::i8)
    return IntegerType::get(context, 8, IntegerType::Signed);
  static_assert(qnt::RowCodes::block == 32 && qnt::RowCodes::blockScaleBytes == 4,
                "tile.narrow_lines and tile.fetch_lines know such blocks alone");
  if (codes)
    return IntegerType::get(context, 4, IntegerType::Unsigned);
  if (cache == Elem::F32)
    return Float32Type::get(context);
  if (cache == Elem::F8E4M3FN)
    return Float8E4M3FNType::get(context);
  return IntegerType::get(context, 16);
}
bool TensorPlan::holdsQueries() const { return width <= (warpgroups ? 64 : kHeldChannels); }
int64_t TensorPlan::line(int64_t channels) const {
  return (converts() ? channels * 2 : copied(channels)) + kLinePadding;
}
int64_t TensorPlan::queryLine() const { return width * 2 + kLinePadding; }
int64_t TensorPlan::resultLine(int64_t columns) const {
  return (columns + kStateColumns + kRowPadding) * 4;
}
int64_t TensorPlan::bytes() const {
  int64_t rows = warpgroups ? fewRows() : queryBlock;
  int64_t all = std::max(second() + secondBytes(), queryAt() + rows * queryLine());
  return std::max(all, queryBlock * resultLine(outWidth));
}

/// The largest tiles that leave room for a second block, or other warpgroups, or the smallest ones.
std::optional<TensorPlan> TensorPlan::of(const AttentionPlan &plan, const Target &target) {
  AttentionOp op = plan.op;
  auto width = plan.width.constantValue(), outWidth = plan.outWidth.constantValue();
  auto fits = [](std::optional<int64_t> n) {
    return n && *n > 0 && *n <= kMostChannels && *n % stripRows == 0;
  };
  bool narrow = op.getProducts() == Storage::bf16 && target.hasTensorCores();
  Cache key(op.getKey()), value(op.getValue());
  if (!narrow || !fits(width) || !fits(outWidth) || !hasDenseRows(key.rows) ||
      !hasDenseRows(value.rows) || key.elem != value.elem || key.codes != value.codes ||
      !key.isKnown())
    return std::nullopt;
  // Beside sums of more channels there are no registers for scores with many keys, for which
  // numbers of one byte leave memory.
  bool fewKeys = elemBytes(key.elem) == 1 && std::max(*width, *outWidth) > kHeldChannels;
  // To copy lines of two widths takes more registers than a warpgroup that copies has.
  bool warpgroups = target.hasWarpgroupProducts() && *width == *outWidth && *width <= kHeldChannels;
  TensorPlan p{*width, *outWidth, key.elem, key.codes, warpgroups, fewKeys ? 32 : 64};
  int64_t room = target.sharedBytes / (warpgroups ? attentionWarpgroups : 2) - systemShared;
  while (p.tileKeys > stripRows && p.bytes() > room)
    p.tileKeys /= 2;
  return p.bytes() <= (warpgroups ? room : target.sharedBytes) ? std::optional(p) : std::nullopt;
}

//===-- Rows ----------------------------------------------------------------------------------===//

float TensorAttention::unit() { return op.getMask() ? 1 : kLog2E; }

Value TensorAttention::powerOf(Value score) {
  Value x = op.getMask() ? k.mul(k.cf32(kLog2E), score) : score;
  return tile::Exp2Op::create(k.builder(), k.loc(), x.getType(), x);
}

/// Where rows admit only keys before them, the last ones take the longest and go first.
TensorAttention::Task TensorAttention::taskOf(Value number, int64_t size) {
  Value blocks = k.ceilDiv(rows, k.ci64(size)), last = k.sub(blocks, k.ci64(1));
  Value rest = quotient(number, blocks);
  Task task;
  task.first = k.mul(k.sub(last, remainder(number, blocks)), k.ci64(size));
  task.group = remainder(rest, groups), task.batch = quotient(rest, groups);
  task.count = k.min(k.ci64(size), k.sub(rows, task.first));
  task.places = positionRange(task.first, task.count);
  std::tie(task.from, task.to) = keyRange(task.places);
  return task;
}

/// Of rows of a task, one or in places of sums; those that do not exist are the last one.
std::pair<Value, Value> TensorAttention::headAndPosition(const Task &task, Value row) {
  row = k.min(k.add(row, task.first), k.sub(rows, k.ci64(1)));
  if (plan.perGroup.isConstant(1))
    return {k.mul(row, k.ci64(0)), row};
  Value head = quotient(row, queries);
  return {head, k.sub(row, k.mul(head, queries))};
}

/// Queries in units of scores, as they are multiplied.
void TensorAttention::packQueries(const Task &task, int64_t count, Value to) {
  float scale = static_cast<float>(op.getScale().convertToDouble());
  double cap = op.getSoftcap().convertToDouble();
  scale = cap > 0 ? static_cast<float>(op.getScale().convertToDouble() / cap) : scale * unit();
  Elem elem = t.half() ? Elem::F16 : Elem::BF16;
  k.forLoop(group, k.ci64(count), groupsHere, [&](Value row) {
    auto [inGroup, s] = headAndPosition(task, row);
    Value head = k.add(k.mul(task.group, perGroup), inGroup);
    Value from = query.at(k, {task.batch, head, s});
    Value line = k.bytePtr(to, k.mul(row, k.ci64(t.queryLine())));
    k.forLanes(k.ci64(t.width), [&](Value i, Value lanes) {
      k.vstore(elem, k.mul(query.vload(k, from, i, lanes), k.cf32(scale)), line, i, lanes);
    });
  });
}

void TensorAttention::rowsOf(const Task &task, int64_t columnCount, int64_t slices) {
  VectorType numbers = k.vec(k.i32(), tile::kSumsPerVector);
  auto places = tile::PlacesOp::create(k.builder(), k.loc(), numbers, numbers, columnCount, slices);
  columns = places.getColumnsOf();
  if (!hasPositions() && !op.getMask())
    return;
  auto [inGroup, s] = headAndPosition(task, k.toI64(places.getRows()));
  positions = k.toI32(k.add(s, k.sub(keys, queries)));
  if (op.getMask())
    maskRows = mask.at(k, {task.batch, k.add(k.mul(task.group, perGroup), inGroup), s});
}

TensorAttention::Values TensorAttention::loadQueries(Value lines, int64_t first, int64_t channels,
                                                     int64_t slices) {
  SmallVector<Type> types(channels / stripRows, k.vec(k.i32(), tile::kSumsPerVector));
  return Values(tile::LoadRowsOp::create(k.builder(), k.loc(), types,
                                         k.bytePtr(lines, k.ci64(first * 2)), t.queryLine(), slices)
                    .getResults());
}

TensorAttention::State TensorAttention::start() {
  return {Values(t.outWidth / vectorColumns, all(k.cf32(0))), all(minusInfinity()), all(k.cf32(0))};
}

//===-- Keys and values -----------------------------------------------------------------------===//

/// Bits of addresses of lines, or the first ones of heads if they are codes, of which the lowest
/// are 0 where copies of 16 bytes can read them.
Value TensorAttention::alignment(const Operand &operand) {
  Value address = LLVM::PtrToIntOp::create(k.builder(), k.loc(), k.i64(), operand.pointer);
  Value elements = operand.offset;
  for (int axis = 0; axis < (t.codes ? 2 : 3); ++axis)
    if (operand.known[axis] != 0)
      elements = k.or_(elements, operand.strides[axis]);
  return k.or_(address, k.mul(elements, k.ci64(elemBytes(operand.elem))));
}

/// Of codes: whether the lines of a head have no gaps.
Value TensorAttention::isDense(const Operand &operand, int64_t channels) {
  if (operand.known[2] == 0)
    return k.ci1(false);
  return k.eq(operand.strides[2], k.ci64(t.stored(channels)));
}

Value TensorAttention::areAligned() {
  Value good = k.eq(k.and_(k.or_(alignment(key), alignment(value)), k.ci64(15)), k.ci64(0));
  if (!t.codes)
    return good;
  return k.and_(good, k.and_(isDense(key, t.width), isDense(value, t.outWidth)));
}

std::pair<Value, Value> TensorAttention::linesOf(const Operand &operand, const Task &task,
                                                 Value first) {
  Value base = operand.at(k, {task.batch, task.group, first});
  Value stride = operand.known[2] == 0 ? k.ci64(0) : operand.strides[2];
  return {k.elemPtr(t.cache, operand.pointer, base), k.mul(stride, k.ci64(elemBytes(t.cache)))};
}

//===-- Tiles of keys -------------------------------------------------------------------------===//

/// The mask in the places of scores with keys `keyNumbers`: f32 or i1.
Value TensorAttention::maskOf(Value keyNumbers) {
  Value last = k.sub(keys, k.ci64(1)), index = maskRows;
  Value column = k.min(k.toI64(keyNumbers), last);
  if (mask.known[3] != 0)
    index = k.add(index, mask.known[3] == 1 ? column : k.mul(column, mask.strides[3]));
  Type stored = mask.elem == Elem::F16    ? Type(k.builder().getF16Type())
                : mask.elem == Elem::BF16 ? Type(k.builder().getBF16Type())
                                          : k.storageType(mask.elem);
  VectorType type = k.vec(stored, tile::kSumsPerVector);
  Value m = tile::GatherOp::create(k.builder(), k.loc(), type, mask.pointer, index);
  if (mask.elem == Elem::Bool)
    return k.ne(m, k.constant(stored, 0));
  if (mask.elem == Elem::F16 || mask.elem == Elem::BF16)
    return arith::ExtFOp::create(k.builder(), k.loc(), k.like(m, k.f32()), m);
  return k.toF32(m);
}

/// Scores after mask, causality and window.
TensorAttention::Values TensorAttention::admit(const Task &task, Values scores, Value first,
                                               int64_t count) {
  Value none = all(minusInfinity());
  auto numbers = [&](size_t vector) {
    Value shift = k.add(k.toI32(first), k.ci32(static_cast<int32_t>(vector * vectorColumns)));
    return k.add(columns, shift);
  };
  if (op.getMask())
    for (auto [i, score] : llvm::enumerate(scores)) {
      Value m = maskOf(numbers(i));
      score = mask.elem == Elem::Bool ? k.select(m, score, none) : k.add(score, m);
    }
  // Most tiles have only keys that exist and that all rows admit.
  Value end = k.add(first, k.ci64(count)), partial = k.gt(end, keys);
  int64_t window = std::min<int64_t>(op.getWindow(), INT32_MAX / 2);
  if (op.getCausal())
    partial = k.or_(partial, k.gt(end, k.add(task.places.first, k.ci64(1))));
  if (window > 0)
    partial = k.or_(partial, k.le(first, k.sub(task.places.second, k.ci64(window))));
  return k.ifElse(
      partial, ValueRange(scores).getTypes(),
      [&] {
        Values admitted;
        for (auto [i, score] : llvm::enumerate(scores)) {
          Value number = numbers(i), good = k.lt(number, k.toI32(keys));
          if (op.getCausal())
            good = k.and_(good, k.le(number, positions));
          if (window > 0)
            good =
                k.and_(good, k.gt(k.add(number, k.ci32(static_cast<int32_t>(window))), positions));
          admitted.push_back(k.select(good, score, none));
        }
        return admitted;
      },
      [&] { return scores; });
}

/// Scores with a tile's keys, of queries that are held or loaded in parts.
TensorAttention::Values TensorAttention::scoresOf(const Lines &lines, ValueRange held,
                                                  Value queryLines, int64_t slices) {
  Values scores(lines.count / slices / vectorColumns, all(k.cf32(0)));
  auto add = [&](ValueRange queryRows, int64_t first) {
    scores =
        Values(tile::DotLinesOp::create(k.builder(), k.loc(), ValueRange(scores).getTypes(), scores,
                                        queryRows, k.bytePtr(lines.keys, k.ci64(first * 2)),
                                        lines.keyStride, slices, t.half(), lines.swizzled)
                   .getResults());
  };
  if (!held.empty()) {
    add(held, 0);
    return scores;
  }
  for (int64_t first = 0; first < t.width; first += kPartChannels) {
    int64_t channels = std::min(kPartChannels, t.width - first);
    add(loadQueries(queryLines, first, channels, slices), first);
  }
  return scores;
}

TensorAttention::State TensorAttention::step(const Task &task, Value first, const Lines &lines,
                                             ValueRange held, Value queryLines, State state,
                                             int64_t slices) {
  Values scores = scoresOf(lines, held, queryLines, slices);
  if (double cap = op.getSoftcap().convertToDouble(); cap > 0)
    for (Value &score : scores)
      score = k.mul(k.cf32(static_cast<float>(cap) * unit()), k.tanh(score));
  scores = admit(task, scores, first, lines.count);
  Value most = scores[0];
  for (Value score : ArrayRef(scores).drop_front())
    most = k.max(most, score);
  most = tile::ReduceRowsOp::create(k.builder(), k.loc(), most.getType(), most, true);
  State next;
  next.largest = k.max(state.largest, most);
  Value base = baseOf(next.largest), correction = powerOf(k.sub(state.largest, base));
  next.total = k.mul(state.total, correction);
  for (Value &score : scores) {
    score = powerOf(k.sub(score, base));
    next.total = k.add(next.total, score);
  }
  for (Value sum : state.sums)
    next.sums.push_back(k.mul(sum, correction));
  next.sums = Values(tile::WeighLinesOp::create(
                         k.builder(), k.loc(), ValueRange(next.sums).getTypes(), next.sums, scores,
                         lines.values, lines.valueStride, slices, t.half(), lines.swizzled)
                         .getResults());
  return next;
}

//===-- Results -------------------------------------------------------------------------------===//

void TensorAttention::storeRows(const State &state, int64_t first, int64_t columnCount, Value to) {
  Values vectors(ArrayRef(state.sums).slice(first / vectorColumns, columnCount / vectorColumns));
  Value total = tile::ReduceRowsOp::create(k.builder(), k.loc(), state.total.getType(), state.total,
                                           /*largest=*/false);
  vectors.push_back(state.largest), vectors.push_back(total);
  tile::StoreRowsOp::create(k.builder(), k.loc(), vectors, to, t.resultLine(columnCount));
}

/// Added in order.
TensorAttention::Row TensorAttention::rowOfSlices(Value from, Value row, int64_t columnCount,
                                                  int64_t slices) {
  int64_t lineBytes = t.resultLine(columnCount), apart = queryBlock / slices * lineBytes;
  Value line = k.bytePtr(from, k.mul(row, k.ci64(lineBytes)));
  auto at = [=, this](int64_t slice, int64_t column) {
    return k.bytePtr(line, k.ci64(slice * apart + column * 4));
  };
  auto number = [&](int64_t slice, int64_t column) {
    return k.broadcast(k.load(Elem::F32, at(slice, column)));
  };
  Values largest, factors;
  for (int64_t slice = 0; slice < slices; ++slice)
    largest.push_back(number(slice, columnCount));
  Row result{largest[0], k.broadcast(k.cf32(0)), {}};
  for (Value other : ArrayRef(largest).drop_front())
    result.largest = k.max(result.largest, other);
  Value base = baseOf(result.largest);
  for (int64_t slice = 0; slice < slices; ++slice) {
    factors.push_back(powerOf(k.sub(largest[slice], base)));
    result.total = k.fma(number(slice, columnCount + vectorColumns), factors.back(), result.total);
  }
  result.sums = [=, this](Value column, int64_t vectors) {
    Values sums(vectors, k.broadcast(k.cf32(0)));
    for (auto [v, sum] : llvm::enumerate(sums))
      for (int64_t slice = 0; slice < slices; ++slice) {
        Value i = k.add(column, k.ci64(static_cast<int64_t>(v) * kLanes));
        sum = k.fma(k.vload(Elem::F32, at(slice, 0), i), factors[slice], sum);
      }
    return sums;
  };
  return result;
}

/// By a group of lanes.
void TensorAttention::finishRow(const Task &task, Value row, const Row &sums, int64_t first,
                                int64_t columnCount) {
  auto [inGroup, s] = headAndPosition(task, row);
  Value head = k.add(k.mul(task.group, perGroup), inGroup);
  Value total = sums.total, rescale;
  if (op.getSink()) { // a score without a value
    Value score = k.toF32(k.load(sink.elem, sink.pointer, sink.at(k, {head})));
    score = k.broadcast(k.mul(score, k.cf32(unit())));
    Value base = baseOf(k.max(sums.largest, score));
    rescale = powerOf(k.sub(sums.largest, base));
    total = k.fma(total, rescale, powerOf(k.sub(score, base)));
  }
  Value factor = k.div(rescale ? rescale : k.broadcast(k.cf32(1)), total);
  // Without admitted keys 0 * (1 / 0) is the NaN that is asked for.
  if (op.getSafe())
    factor = k.select(k.eq(total, k.cf32(0)), k.cf32(0), factor);
  Value out = k.add(k.mul(task.batch, outStrides[0]), k.mul(head, outStrides[1]));
  out = k.add(out, k.add(k.mul(s, outStrides[2]), k.ci64(first)));
  Elem elem = elemOfValue(op.getOut());
  Value result = k.elemPtr(elem, frame.resultPointer(0), out);
  int64_t vectors = std::gcd(columnCount / kLanes, int64_t(4));
  k.forLoop(k.ci64(0), k.ci64(columnCount), k.ci64(vectors * kLanes), [&](Value column) {
    for (auto [v, sum] : llvm::enumerate(sums.sums(column, vectors)))
      k.vstore(elem, k.mul(sum, factor), result,
               k.add(column, k.ci64(static_cast<int64_t>(v) * kLanes)));
  });
}

bool lower::fitsTensorAttention(const AttentionPlan &plan, const Target &target) {
  return TensorPlan::of(plan, target).has_value();
}
