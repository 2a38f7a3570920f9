// The inner product of conv and matmul kernels, and transposition in registers.
#include "PackedProduct.h"
#include "Tile/Tile.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;

Elem lower::computeElem(Elem elem) {
  if (elemIsSmallFloat(elem))
    return Elem::F32;
  switch (elem) {
  case Elem::F32:
  case Elem::F16:
  case Elem::BF16:
    return Elem::F32;
  case Elem::F64:
    return Elem::F64;
  case Elem::I64:
  case Elem::U64:
    return Elem::I64;
  default:
    return Elem::I32;
  }
}

qnt::DimExpr lower::packedBytes(Elem elem, qnt::DimExpr depth) {
  if (goesInPairs(elem))
    depth = depth.ceilDiv(qnt::DimExpr::constant(depth.getContext(), 2));
  return depth * (packedColumns * elemBytes(computeElem(elem)));
}

namespace {

/// The sums of `rows` over the whole depth, in registers: two vectors a row.
class RowSums {
public:
  RowSums(KernelBuilder &k, const PackedProduct &product, ArrayRef<Value> rows)
      : k(k), product(product), rows(rows), compute(computeElem(product.elem)) {}

  KernelBuilder::Values overDepth() {
    KernelBuilder::Values sums(2 * rows.size(), k.broadcast(k.constant(k.computeType(compute), 0)));
    if (!goesInPairs(product.elem))
      return k.forRange(product.depth, sums, [&](Value kk, ValueRange acc) {
        return step(acc, kk, [&](Value row) { return k.load(product.elem, row, kk); });
      });
    Value pairs = k.divU(product.depth, k.ci64(2));
    sums = k.forRange(pairs, sums, [&](Value kk, ValueRange acc) {
      return step(acc, kk, [&](Value row) {
        return k.rawLoad(k.builder().getI32Type(), k.bytePtr(row, k.mul(kk, k.ci64(4))), 2);
      });
    });
    auto last = [&](Value row) { // what follows it in memory is not this row's
      Value alone = k.load(product.elem, row, k.sub(product.depth, k.ci64(1)));
      return k.and_(alone, k.ci32(0xffff));
    };
    return k.ifElse(
        k.ne(k.remU(product.depth, k.ci64(2)), k.ci64(0)), ValueRange(sums).getTypes(),
        [&] { return step(sums, pairs, last); }, [&] { return sums; });
  }

private:
  KernelBuilder::Values step(ValueRange acc, Value kk, llvm::function_ref<Value(Value)> element) {
    Value at = k.mul(kk, k.ci64(packedColumns));
    Value halves[2] = {k.vload(compute, product.pack, at),
                       k.vload(compute, product.pack, k.add(at, k.ci64(kLanes)))};
    KernelBuilder::Values next;
    for (auto [r, row] : llvm::enumerate(rows)) {
      Value a = k.broadcast(element(row));
      for (int h = 0; h < 2; ++h)
        next.push_back(multiplyAdd(a, halves[h], acc[2 * r + h]));
    }
    return next;
  }

  Value multiplyAdd(Value a, Value b, Value sum) {
    if (elemIsFloat(compute))
      return k.fma(a, b, sum);
    if (!goesInPairs(product.elem))
      return k.add(sum, k.mul(a, b));
    auto words = VectorType::get({2 * kLanes}, k.builder().getI16Type());
    return tile::Dot2Op::create(k.builder(), k.loc(), sum, k.bitcast(a, words),
                                k.bitcast(b, words));
  }

  KernelBuilder &k;
  const PackedProduct &product;
  ArrayRef<Value> rows;
  Elem compute;
};

} // namespace

/// `count` rows from m on.
static void emitRows(KernelBuilder &k, const PackedProduct &product, Value m, int count,
                     llvm::function_ref<void(Value, Value, Value, Value)> store) {
  SmallVector<Value> rows;
  for (int r = 0; r < count; ++r)
    rows.push_back(
        k.elemPtr(product.elem, product.a, k.mul(k.add(m, k.ci64(r)), product.rowStride)));
  KernelBuilder::Values sums = RowSums(k, product, rows).overDepth();
  for (int h = 0; h < 2; ++h) {
    Value column = k.ci64(h * kLanes), rest = k.sub(product.columns, column);
    auto all = [&](Value lanes) {
      for (int r = 0; r < count; ++r)
        store(k.add(m, k.ci64(r)), column, lanes, sums[2 * r + h]);
    };
    k.ifElse(
        k.ge(rest, k.ci64(kLanes)), [&] { all({}); },
        [&] { k.ifThen(k.gt(rest, k.ci64(0)), [&] { all(rest); }); });
  }
}

void lower::emitPackedProduct(KernelBuilder &k, const PackedProduct &product, Value rows,
                              llvm::function_ref<void(Value, Value, Value, Value)> store) {
  // Sums fill at most half of the registers.
  int group = !k.target().hasFma ? 1 : k.target().registersPerVector() == 1 ? 8 : 2;
  Value full = k.ci64(0);
  if (group > 1) {
    full = k.sub(rows, k.remU(rows, k.ci64(group)));
    k.forLoop(k.ci64(0), full, k.ci64(group),
              [&](Value m) { emitRows(k, product, m, group, store); });
  }
  k.forLoop(full, rows, k.ci64(1), [&](Value m) { emitRows(k, product, m, 1, store); });
}

SmallVector<Value> lower::transpose16(KernelBuilder &k, ArrayRef<Value> rows) {
  // Eklundh: exchange off-diagonal blocks of 8, 4, 2 and 1 lanes.
  SmallVector<Value> v(rows);
  for (int64_t h = 8; h > 0; h /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t l = 0; l < kLanes; ++l) {
      low.push_back(l & h ? kLanes + l - h : l);
      high.push_back(l & h ? kLanes + l : l + h);
    }
    for (int64_t i = 0; i < kLanes; ++i) {
      if (i & h)
        continue;
      Value a = v[i], b = v[i + h];
      v[i] = k.shuffle(a, b, low);
      v[i + h] = k.shuffle(a, b, high);
    }
  }
  return v;
}

void lower::packTransposed16(KernelBuilder &k, Elem compute, Value depth, Value dst,
                             int64_t dstStride,
                             llvm::function_ref<Value(int64_t, Value, Value)> load) {
  k.forLanes(depth, [&](Value d, Value lanes) {
    SmallVector<Value> rows;
    for (int64_t r = 0; r < kLanes; ++r)
      rows.push_back(load(r, d, lanes));
    SmallVector<Value> columns = transpose16(k, rows);
    for (int64_t i = 0; i < kLanes; ++i) {
      auto put = [&] {
        k.vstore(compute, columns[i], dst, k.mul(k.add(d, k.ci64(i)), k.ci64(dstStride)));
      };
      // Columns beyond the depth have no place.
      if (!lanes)
        put();
      else
        k.ifThen(k.lt(k.ci64(i), lanes), put);
    }
  });
}
