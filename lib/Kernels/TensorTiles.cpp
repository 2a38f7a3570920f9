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

TypeAttr TensorTile::float8Of(MLIRContext *context, Codes codes) {
  if (codes == Codes::Float8E4M3)
    return TypeAttr::get(Float8E4M3FNType::get(context));
  return codes == Codes::Float8E5M2 ? TypeAttr::get(Float8E5M2Type::get(context)) : TypeAttr();
}

TensorTile::Values TensorTile::multiply(ValueRange sums, Value a, int64_t aStride, Value b,
                                        int64_t bStride, int64_t bytes, Codes codes) {
  bool reals = codes == Codes::Reals;
  bool asBf16 =
      reals || codes == Codes::Pairs || (isFloat8(codes) && !k.target().hasFloat8Products());
  auto op = tile::MultiplyOp::create(k.builder(), k.loc(), sums.getTypes(), sums, a, b, shape.rows,
                                     shape.columns, shape.slices, aStride, bStride, bytes,
                                     codes == Codes::Signed, asBf16, reals,
                                     float8Of(k.builder().getContext(), codes));
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

Ring Ring::of(KernelBuilder &k, int64_t bytes, int64_t beside) {
  constexpr int64_t reserved = 1024; // of a block, for the system
  auto warpgroups = k.func()->getAttrOfType<IntegerAttr>(tile::kWarpgroups);
  int64_t blocks = warpgroups ? warpgroups.getInt() : 2;
  int64_t part = k.target().sharedBytes / blocks - reserved - beside;
  return {std::clamp<int64_t>(part / bytes, blocks > 2 ? 2 : 3, 12), bytes, Value()};
}

namespace {

/// A ring in use: which stages are used and filled next.
class RunningRing {
public:
  using Values = KernelBuilder::Values;
  RunningRing(KernelBuilder &k, const Ring &ring) : k(k), ring(ring) {}

  int64_t ahead() const { return ring.stages - 1; }
  Value stage(int64_t number) { return at(k.ci64(number * ring.bytes)); }
  Value at(Value offset) { return k.bytePtr(ring.base, offset); }
  Value after(Value offset) {
    Value next = k.add(offset, k.ci64(ring.bytes));
    return k.select(k.eq(next, k.ci64(ring.stages * ring.bytes)), k.ci64(0), next);
  }
  void commit() { tile::CommitOp::create(k.builder(), k.loc()); }
  /// Copies but those of the last `pending` batches are there for all groups, which use no more
  /// what they used before.
  void await(int64_t pending) {
    tile::AwaitOp::create(k.builder(), k.loc(), pending);
    tile::BarrierOp::create(k.builder(), k.loc());
  }
  /// The loop over all steps: body(step, used, filled, carried).
  Values loop(Value steps, ValueRange sums,
              llvm::function_ref<Values(Value, Value, Value, ValueRange)> body) {
    Values carried = {k.ci64(0), k.ci64(ahead() * ring.bytes)};
    llvm::append_range(carried, sums);
    carried = k.forRange(steps, carried, [&](Value step, ValueRange c) {
      Values next = {after(c[0]), after(c[1])};
      llvm::append_range(next, body(step, c[0], c[1], c.drop_front(2)));
      return next;
    });
    await(0);
    return Values(ArrayRef(carried).drop_front(2));
  }

private:
  KernelBuilder &k;
  const Ring &ring;
};

} // namespace

KernelBuilder::Values
runRing(KernelBuilder &k, const Ring &ring, Value steps, ValueRange sums,
        llvm::function_ref<KernelBuilder::Values(Value, Value)> begin,
        llvm::function_ref<void(ValueRange, Value)> finish,
        llvm::function_ref<KernelBuilder::Values(Value, Value, ValueRange)> use) {
  using Values = KernelBuilder::Values;
  RunningRing r(k, ring);
  SmallVector<Values> first;
  for (int64_t s = 0; s < r.ahead(); ++s) {
    first.push_back(begin(k.ci64(s), r.stage(s)));
    r.commit();
  }
  for (int64_t s = 0; s < r.ahead(); ++s)
    finish(first[s], r.stage(s));
  return r.loop(steps, sums, [&](Value step, Value used, Value filled, ValueRange c) {
    r.await(r.ahead() - 1);
    Values values = begin(k.add(step, k.ci64(r.ahead())), r.at(filled));
    r.commit();
    Values next = use(step, r.at(used), c);
    finish(values, r.at(filled));
    return next;
  });
}

KernelBuilder::Values
runRingAhead(KernelBuilder &k, const Ring &ring, Value steps, ValueRange sums,
             llvm::function_ref<void(Value, Value)> begin,
             llvm::function_ref<void(Value, Value)> unpack,
             llvm::function_ref<KernelBuilder::Values(Value, Value, ValueRange)> use) {
  RunningRing r(k, ring);
  for (int64_t s = 0; s < r.ahead(); ++s) {
    begin(k.ci64(s), r.stage(s));
    r.commit();
  }
  r.await(r.ahead() - 1);
  unpack(k.ci64(0), r.stage(0));
  return r.loop(steps, sums, [&](Value step, Value used, Value filled, ValueRange c) {
    r.await(r.ahead() - 2);
    begin(k.add(step, k.ci64(r.ahead())), r.at(filled));
    r.commit();
    Value next = k.add(step, k.ci64(1));
    k.ifThen(k.lt(next, steps), [&] { unpack(next, r.at(r.after(used))); });
    return use(step, r.at(used), c);
  });
}

} // namespace qcc
