// Matrix products under every kind of scheme, as kernels with a fused epilogue.
#ifndef QCC_BENCHMARKS_PRODUCTS_H
#define QCC_BENCHMARKS_PRODUCTS_H

#include "Timing.h"
#include "qcc/Kernels/ProductTrial.h"

namespace qcc::bench {

struct Shape : ProductShape {
  std::string str() const {
    return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  }
};

struct Scheme {
  std::string name;
  MatmulSpec spec;
  bool gelu = false;
  bool common = false; ///< measured at every shape

  bool integer() const { return takesCodes(spec); }
  int64_t weightBytes(int64_t n, int64_t k) const { return qcc::weightBytes(spec, n, k); }
};
std::vector<Scheme> allSchemes();

class Product {
public:
  Product(const Target &target, const Scheme &scheme);
  /// The tasks of `thread` with the weights at `weights`. Compiles.
  using Call = std::function<void(const void *weights, int thread)>;
  /// With operands of its own except for the weights.
  Call prepare(const Shape &shape, int threads);

  const Scheme scheme;

private:
  LazyKernel kernel;
};

} // namespace qcc::bench
#endif
