// Operations on the sums of a tile, and the ring of stages that operands pass through.
#include "TensorTiles.h"

using namespace mlir;

namespace qcc {

SmallVector<Type> TensorTile::vectors(int64_t count, Type element) {
  return SmallVector<Type>(count, k.vec(element, tile::kSumsPerVector));
}

TensorTile::Values TensorTile::noSums(Type element) {
  return Values(shape.vectors(), k.broadcast(k.constant(element, 0), tile::kSumsPerVector));
}

TensorTile::Values TensorTile::multiply(ValueRange sums, Value a, int64_t aStride, Value b,
                                        int64_t bStride, int64_t bytes, Codes codes) {
  auto op = tile::MultiplyOp::create(k.builder(), k.loc(), sums.getTypes(), sums, a, b, shape.rows,
                                     shape.columns, shape.slices, aStride, bStride, bytes,
                                     codes == Codes::Signed, codes == Codes::Reals,
                                     codes == Codes::Reals);
  return Values(op.getResults());
}

TensorTile::Values TensorTile::byColumn(Value numbers, Type element) {
  auto types = vectors(shape.columnVectors(), element);
  return Values(tile::ByColumnOp::create(k.builder(), k.loc(), types, numbers, shape.rows,
                                         shape.columns, shape.slices)
                    .getResults());
}

TensorTile::Values TensorTile::byRow(Value numbers, Value stride, Value last, Type element) {
  auto types = vectors(shape.rowVectors(), element);
  return Values(tile::ByRowOp::create(k.builder(), k.loc(), types, numbers, stride, last,
                                      shape.rows, shape.columns, shape.slices)
                    .getResults());
}

void TensorTile::store(ValueRange sums, Value to) {
  tile::StoreSumsOp::create(k.builder(), k.loc(), sums, to, shape.rows, shape.columns,
                            shape.slices);
}

void TensorTile::copyRows(Value from, Value stride, Value rows, Value bytes, Value to,
                          int64_t width, int64_t padding) {
  tile::CopyAsyncOp::create(k.builder(), k.loc(), from, stride, rows, bytes, to, shape.rows, width,
                            width, padding);
}

void TensorTile::copyReals(const MatmulOperands &o, Value row, Value first, Value to,
                           int64_t inputs, int64_t padding) {
  constexpr int64_t size = 4, piece = 16;
  Value stride = k.mul(o.aStride, k.ci64(size));
  Value from = k.elemPtr(Elem::F32, o.a, k.add(k.mul(row, o.aStride), first));
  Value bytes = k.mul(k.sub(o.k, first), k.ci64(size)), rows = k.sub(o.m, row);
  Value place = LLVM::PtrToIntOp::create(k.builder(), k.loc(), k.i64(), o.a);
  Value isAligned = k.eq(k.and_(k.or_(place, stride), k.ci64(piece - 1)), k.ci64(0));
  auto copy = [&](int64_t each) {
    tile::CopyAsyncOp::create(k.builder(), k.loc(), from, stride, rows, bytes, to, shape.rows,
                              inputs * size, inputs * size, padding, each);
  };
  k.ifElse(isAligned, [&] { copy(piece); }, [&] { copy(size); });
}

void TensorTile::copyPanels(Value from, Value stride, Value count, Value bytes, Value to) {
  tile::CopyAsyncOp::create(k.builder(), k.loc(), from, stride, count, bytes, to, panels(),
                            depth() * kPanel, kPanelRun, kPanelPadding);
}

Ring Ring::of(const Target &target, int64_t bytes) {
  constexpr int64_t reserved = 1024; // of a block, for the system
  int64_t half = target.sharedBytes / 2 - reserved;
  return {std::clamp<int64_t>(half / bytes, 3, 8), bytes, Value()};
}

KernelBuilder::Values
runRing(KernelBuilder &k, const Ring &ring, Value steps, ValueRange sums,
        llvm::function_ref<KernelBuilder::Values(Value, Value)> begin,
        llvm::function_ref<void(ValueRange, Value)> finish,
        llvm::function_ref<KernelBuilder::Values(Value, Value, ValueRange)> use) {
  using Values = KernelBuilder::Values;
  int64_t ahead = ring.stages - 1;
  auto commit = [&] { tile::CommitOp::create(k.builder(), k.loc()); };
  auto barrier = [&] { tile::BarrierOp::create(k.builder(), k.loc()); };
  auto next = [&](Value offset) {
    Value after = k.add(offset, k.ci64(ring.bytes));
    return k.select(k.eq(after, k.ci64(ring.stages * ring.bytes)), k.ci64(0), after);
  };
  auto stageAt = [&](int64_t s) { return k.bytePtr(ring.base, k.ci64(s * ring.bytes)); };
  SmallVector<Values> first;
  for (int64_t s = 0; s < ahead; ++s) {
    first.push_back(begin(k.ci64(s), stageAt(s)));
    commit();
  }
  for (int64_t s = 0; s < ahead; ++s)
    finish(first[s], stageAt(s));
  Values carried = {k.ci64(0), k.ci64(ahead * ring.bytes)};
  llvm::append_range(carried, sums);
  carried = k.forRange(steps, carried, [&](Value step, ValueRange c) {
    Value used = k.bytePtr(ring.base, c[0]), filled = k.bytePtr(ring.base, c[1]);
    tile::AwaitOp::create(k.builder(), k.loc(), ahead - 1);
    barrier(); // nobody uses any more what is filled now
    Values values = begin(k.add(step, k.ci64(ahead)), filled);
    commit();
    Values after = {next(c[0]), next(c[1])};
    llvm::append_range(after, use(step, used, c.drop_front(2)));
    finish(values, filled);
    return after;
  });
  tile::AwaitOp::create(k.builder(), k.loc(), 0);
  barrier();
  return Values(ArrayRef(carried).drop_front(2));
}

} // namespace qcc
