// A matrix product as a kernel of its own, with operands to run it on: what is timed when only the
// speed of products counts.
#ifndef QCC_KERNELS_PRODUCTTRIAL_H
#define QCC_KERNELS_PRODUCTTRIAL_H

#include "qcc/Kernels/Matmul.h"
#include <memory>

namespace qcc {

/// Bytes that are small finite numbers in every element type, aligned to pages.
class NumberBuffer {
public:
  explicit NumberBuffer(int64_t bytes);
  void *data() const { return memory.get(); }

private:
  std::unique_ptr<void, void (*)(void *)> memory;
};
void fillWithNumbers(void *data, int64_t bytes);

struct ProductShape {
  int64_t m, n, k;
  double ops() const { return 2.0 * m * n * k; }
};

/// Whether rows are codes.
bool takesCodes(const MatmulSpec &spec);

/// Bytes of the packed weights.
int64_t weightBytes(const MatmulSpec &spec, int64_t n, int64_t k);

/// Changes 16 results before they are stored.
using ProductEpilogue = llvm::function_ref<mlir::Value(KernelBuilder &, mlir::Value)>;

/// Writes the kernel: the product with a bias added, then `epilogue`.
void emitProductTrial(KernelBuilder &k, const MatmulSpec &spec, ProductEpilogue epilogue = {});

/// What a kernel of emitProductTrial reads and writes besides the weights, and its slots.
class ProductOperands {
public:
  ProductOperands(const MatmulSpec &spec, const ProductShape &shape);
  /// With the weights at `weights`, which has weightBytes() and some pages more.
  std::vector<int64_t> slots(const void *weights) const;
  /// [M][N], as the kernel stored them.
  const float *results() const { return static_cast<const float *>(out.data()); }

private:
  NumberBuffer a, out, columns, rows, sums;
  std::vector<int64_t> values;
};

} // namespace qcc
#endif
