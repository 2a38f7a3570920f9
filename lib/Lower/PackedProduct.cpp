// The inner product of conv and matmul kernels, and transposition in registers.
#include "PackedProduct.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;

Elem lower::computeElem(Elem elem) {
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

/// `count` rows from m on, their sums in registers over the whole depth.
static void emitRows(KernelBuilder &k, const PackedProduct &product, Value m, int count,
                     llvm::function_ref<void(Value, Value, Value, Value)> store) {
  Elem compute = computeElem(product.elem);
  Type type = k.computeType(compute);
  bool isFloat = elemIsFloat(compute);
  SmallVector<Value> rows, zeros(2 * count, k.broadcast(k.constant(type, 0)));
  for (int r = 0; r < count; ++r)
    rows.push_back(
        k.elemPtr(product.elem, product.a, k.mul(k.add(m, k.ci64(r)), product.rowStride)));
  auto sums = k.forRange(product.depth, zeros, [&](Value kk, ValueRange acc) {
    Value at = k.mul(kk, k.ci64(packedColumns));
    Value halves[2] = {k.vload(compute, product.pack, at),
                       k.vload(compute, product.pack, k.add(at, k.ci64(kLanes)))};
    KernelBuilder::Values next;
    for (int r = 0; r < count; ++r) {
      Value a = k.broadcast(k.load(product.elem, rows[r], kk));
      for (int h = 0; h < 2; ++h) {
        Value old = acc[2 * r + h];
        next.push_back(isFloat ? k.fma(a, halves[h], old) : k.add(old, k.mul(a, halves[h])));
      }
    }
    return next;
  });
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
