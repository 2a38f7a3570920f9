// Gathers, scatters and non_zero: elements chosen by data.
#include "Detail.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

Results evaluateGather(const Call &call, GatherOp op) {
  const Tensor &x = call.tensor(0), &indices = call.tensor(1);
  AroundAxis around(x.dims(), op.getAxis());
  Dims dims(x.dims().take_front(op.getAxis()));
  llvm::append_range(dims, indices.dims());
  llvm::append_range(dims, x.dims().drop_front(op.getAxis() + 1));
  Tensor out(x.elementType(), dims);
  char *to = out.mutableData();
  int64_t run = around.inner * x.bytesPerElement();
  Numbers<int64_t> at = load<int64_t>(indices);
  for (int64_t i = 0; i < at.count; ++i) {
    auto index = checkIndex(call, at[i], around.size);
    if (!index)
      return index.takeError();
    for (int64_t outer = 0; outer < around.outer && run != 0; ++outer)
      std::memcpy(to + (outer * at.count + i) * run,
                  x.data() + (outer * around.size + *index) * run, run);
  }
  return one(std::move(out));
}

/// Row-major index with the coordinate along `axis` replaced, for gather_elements and
/// scatter_elements: coordinates are those of `indices`.
template <typename F>
llvm::Error eachElement(const Call &call, ArrayRef<int64_t> x, const Tensor &indices, int64_t axis,
                        F visit) {
  Dims own = stridesOf(x), strides = own;
  strides[axis] = 0;
  Numbers<int64_t> at = load<int64_t>(indices);
  for (auto [d, size] : llvm::enumerate(indices.dims()))
    if (int64_t(d) != axis && size > x[d])
      return call.fail(Diag::SizesUnfit,
                       "indices " + dimsText(indices.dims()) + " reach outside of " + dimsText(x));
  std::optional<llvm::Error> error;
  walk<1>(indices.dims(), {strides}, [&](int64_t i, const std::array<int64_t, 1> &offsets) {
    if (error)
      return;
    auto index = checkIndex(call, at[i], x[axis]);
    if (index)
      visit(i, offsets[0] + *index * own[axis]);
    else
      error = index.takeError();
  });
  return error ? std::move(*error) : llvm::Error::success();
}

Results evaluateGatherElements(const Call &call, GatherElementsOp op) {
  const Tensor &x = call.tensor(0), &indices = call.tensor(1);
  Tensor out(x.elementType(), indices.dims());
  char *to = out.mutableData();
  int64_t width = x.bytesPerElement();
  if (auto error = eachElement(call, x.dims(), indices, op.getAxis(), [&](int64_t i, int64_t from) {
        std::memcpy(to + i * width, x.data() + from * width, width);
      }))
    return std::move(error);
  return one(std::move(out));
}

/// Offset in elements of the slice that a tuple names, beyond its batch.
llvm::Expected<int64_t> tupleOffset(const Call &call, const int64_t *tuple, int64_t length,
                                    ArrayRef<int64_t> dims) {
  Dims strides = stridesOf(dims);
  int64_t offset = 0;
  for (int64_t j = 0; j < length; ++j) {
    auto index = checkIndex(call, tuple[j], dims[j]);
    if (!index)
      return index.takeError();
    offset += *index * strides[j];
  }
  return offset;
}

Results evaluateGatherNd(const Call &call, GatherNdOp op) {
  const Tensor &x = call.tensor(0), &indices = call.tensor(1);
  int64_t batchDims = op.getBatchDims(), tuple = indices.dims().back();
  ArrayRef<int64_t> rest = x.dims().drop_front(batchDims);
  Dims dims(indices.dims().drop_back());
  llvm::append_range(dims, rest.drop_front(tuple));
  Tensor out(x.elementType(), dims);
  char *to = out.mutableData();
  Numbers<int64_t> at = load<int64_t>(indices);
  int64_t batch = product(indices.dims().take_front(batchDims));
  int64_t tuples = product(indices.dims().drop_back()), perBatch = batch ? tuples / batch : 0;
  int64_t run = product(rest.drop_front(tuple)) * x.bytesPerElement();
  int64_t batchBytes = product(rest) * x.bytesPerElement();
  for (int64_t i = 0; i < tuples; ++i) {
    auto offset = tupleOffset(call, at.data + i * tuple, tuple, rest);
    if (!offset)
      return offset.takeError();
    if (run != 0)
      std::memcpy(to + i * run,
                  x.data() + i / perBatch * batchBytes + *offset * x.bytesPerElement(), run);
  }
  return one(std::move(out));
}

template <typename T> T combine(ScatterKind kind, T old, T update) {
  switch (kind) {
  case ScatterKind::set:
    return update;
  case ScatterKind::add:
    if constexpr (std::is_same_v<T, int64_t>)
      return int64_t(uint64_t(old) + uint64_t(update));
    else
      return old + update;
  case ScatterKind::mul:
    if constexpr (std::is_same_v<T, int64_t>)
      return int64_t(uint64_t(old) * uint64_t(update));
    else
      return old * update;
  case ScatterKind::max:
    return old < update ? update : old;
  case ScatterKind::min:
    return update < old ? update : old;
  }
  return update;
}

template <typename T> std::vector<T> copyOf(const Tensor &x) {
  Numbers<T> in = load<T>(x);
  return std::vector<T>(in.data, in.data + in.count);
}

template <typename T> Results scatterNd(const Call &call, ScatterNdOp op) {
  const Tensor &x = call.tensor(0), &indices = call.tensor(1);
  std::vector<T> out = copyOf<T>(x);
  Numbers<T> updates = load<T>(call.tensor(2));
  Numbers<int64_t> at = load<int64_t>(indices);
  int64_t tuple = indices.dims().back(), tuples = product(indices.dims().drop_back());
  int64_t run = product(x.dims().drop_front(tuple));
  for (int64_t i = 0; i < tuples; ++i) {
    auto offset = tupleOffset(call, at.data + i * tuple, tuple, x.dims());
    if (!offset)
      return offset.takeError();
    for (int64_t j = 0; j < run; ++j)
      out[*offset + j] = combine<T>(op.getKind(), out[*offset + j], updates[i * run + j]);
  }
  return one(store<T>(call.resultElement(), x.dims(), out));
}

template <typename T> Results scatterElements(const Call &call, ScatterElementsOp op) {
  const Tensor &x = call.tensor(0);
  std::vector<T> out = copyOf<T>(x);
  Numbers<T> updates = load<T>(call.tensor(2));
  if (auto error =
          eachElement(call, x.dims(), call.tensor(1), op.getAxis(), [&](int64_t i, int64_t to) {
            out[to] = combine<T>(op.getKind(), out[to], updates[i]);
          }))
    return std::move(error);
  return one(store<T>(call.resultElement(), x.dims(), out));
}

SmallVector<int64_t> nonZeros(const Tensor &x) {
  SmallVector<int64_t> found;
  for (int64_t i = 0, e = x.size(); i < e; ++i)
    if (isa<FloatType>(x.elementType()) ? x.real(i) != 0 : x.integer(i) != 0)
      found.push_back(i);
  return found;
}

Results evaluateBindDim(const Call &call, BindDimOp op) {
  int64_t size = call.tensor(0).integer(0);
  if (size < 0)
    return call.fail(Diag::SizesUnfit,
                     "symbol '" + op.getSymbol().str() + "' would be " + std::to_string(size));
  call.environment.symbols[op.getSymbol()] = size;
  return SmallVector<RtValue>{};
}

Results evaluateNonZero(const Call &call, NonZeroOp op) {
  const Tensor &x = call.tensor(0);
  SmallVector<int64_t> found = nonZeros(x);
  int64_t count = found.size(), rank = std::max<int64_t>(1, x.rank());
  call.environment.symbols[op.getSymbol()] = count;
  Dims strides = stridesOf(x.dims());
  std::vector<int64_t> out(rank * count);
  for (int64_t r = 0; r < x.rank(); ++r)
    for (int64_t j = 0; j < count; ++j)
      out[r * count + j] = found[j] / strides[r] % x.dims()[r];
  return one(store<int64_t>(call.resultElement(), {rank, count}, out));
}

} // namespace

std::optional<Results> reference::evaluateIndexing(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<GatherOp>([&](GatherOp op) { return evaluateGather(call, op); })
      .Case<GatherElementsOp>([&](GatherElementsOp op) { return evaluateGatherElements(call, op); })
      .Case<GatherNdOp>([&](GatherNdOp op) { return evaluateGatherNd(call, op); })
      .Case<ScatterNdOp>([&](ScatterNdOp op) {
        return dispatch(call.resultElement(), [&]<typename T>() { return scatterNd<T>(call, op); });
      })
      .Case<ScatterElementsOp>([&](ScatterElementsOp op) {
        return dispatch(call.resultElement(),
                        [&]<typename T>() { return scatterElements<T>(call, op); });
      })
      .Case<NonZeroOp>([&](NonZeroOp op) { return evaluateNonZero(call, op); })
      .Case<NonZeroCountOp>([&](auto) {
        int64_t count = nonZeros(call.tensor(0)).size();
        return one(store<int64_t>(call.resultElement(), {}, ArrayRef<int64_t>(count)));
      })
      .Case<BindDimOp>([&](BindDimOp op) { return evaluateBindDim(call, op); })
      .Default([](Operation *) { return std::nullopt; });
}
