// Strided tensors behind recipes.
#include "WeightMatrix.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::pack;
using reference::Tensor;

//===-- Strided tensors --------------------------------------------------------------------------//

static SmallVector<int64_t> denseStrides(ArrayRef<int64_t> dims) {
  SmallVector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i > 1; --i)
    strides[i - 2] = strides[i - 1] * dims[i - 1];
  return strides;
}

StridedView StridedView::of(const Tensor &tensor) {
  StridedView view;
  view.data = tensor.data();
  view.stored = view.element = tensor.elementType();
  view.dims.assign(tensor.dims().begin(), tensor.dims().end());
  view.strides = denseStrides(view.dims);
  // A copy of the tensor keeps its bytes alive.
  view.owner = std::make_shared<Tensor>(tensor);
  return view;
}

int64_t StridedView::size() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

int64_t StridedView::storedBytes() const {
  return std::max<int64_t>(1, stored.isIntOrFloat() ? stored.getIntOrFloatBitWidth() / 8 : 8);
}

bool StridedView::isDense() const {
  int64_t expected = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i] != 1 && strides[i] != expected)
      return false;
    expected *= dims[i];
  }
  return true;
}

bool StridedView::isFloat() const { return stored.isF32() || stored.isF16() || stored.isBF16(); }

static float loadFloat(const char *data, int64_t index, Type stored) {
  if (stored.isF32()) {
    float value;
    std::memcpy(&value, data + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data + index * 2, 2);
  return stored.isF16() ? floatFromHalf(bits) : floatFromBfloat(bits);
}

/// Calls f(position, offset, count, stride) for each run along the last axis within [first, last).
template <typename F>
static void forRuns(const StridedView &view, int64_t first, int64_t last, F f) {
  int64_t width = view.dims.empty() ? 1 : view.dims.back();
  int64_t stride = view.strides.empty() ? 1 : view.strides.back();
  for (int64_t at = first; at < last;) {
    int64_t column = at % width, rest = at / width, offset = column * stride;
    for (size_t i = view.dims.size(); i > 1; --i) {
      offset += rest % view.dims[i - 2] * view.strides[i - 2];
      rest /= view.dims[i - 2];
    }
    int64_t count = std::min(width - column, last - at);
    f(at - first, offset, count, stride);
    at += count;
  }
}

template <size_t Bytes>
static void copyRun(const char *from, int64_t count, int64_t stride, char *to) {
  if (stride == 1)
    return void(std::memcpy(to, from, count * Bytes));
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * Bytes, from + i * stride * static_cast<int64_t>(Bytes), Bytes);
}

void StridedView::copyTo(int64_t first, int64_t last, char *out) const {
  int64_t bytes = storedBytes();
  forRuns(*this, first, last, [&](int64_t at, int64_t offset, int64_t count, int64_t stride) {
    if (stored != element) {
      for (int64_t i = 0; i < count; ++i) {
        float value = loadFloat(data, offset + i * stride, stored);
        std::memcpy(out + (at + i) * 4, &value, 4);
      }
      return;
    }
    const char *from = data + offset * bytes;
    char *to = out + at * bytes;
    switch (bytes) {
    case 1:
      return copyRun<1>(from, count, stride, to);
    case 2:
      return copyRun<2>(from, count, stride, to);
    case 4:
      return copyRun<4>(from, count, stride, to);
    default:
      return copyRun<8>(from, count, stride, to);
    }
  });
}

Tensor StridedView::toTensor() const {
  if (stored == element && isDense())
    return Tensor::borrow(element, dims, data, owner);
  Tensor tensor(element, dims);
  copyTo(0, size(), tensor.mutableData());
  return tensor;
}

//===-- Rows -------------------------------------------------------------------------------------//

void FloatRows::read(int64_t first, int64_t last, float *out) const {
  int64_t k = columns(), ns = view.strides[0], ks = view.strides[1];
  if (view.stored.isF32() && ks == 1) {
    for (int64_t n = first; n < last; ++n)
      std::memcpy(out + (n - first) * k, view.data + n * ns * 4, k * 4);
    return;
  }
  // Tiles keep both sides in cache where the matrix is stored transposed.
  constexpr int64_t tile = 16;
  for (int64_t k0 = 0; k0 < k; k0 += tile)
    for (int64_t n = first; n < last; ++n)
      for (int64_t i = k0; i < std::min(k, k0 + tile); ++i)
        out[(n - first) * k + i] = loadFloat(view.data, n * ns + i * ks, view.stored);
}
