// Products, factors and inverses of dense matrices, and loops over threads, for the methods here.
//
// Every number is computed in an order that depends on the shapes alone: neither the number of
// threads nor the feature level of the machine changes a bit.
#ifndef QCC_LIB_ALGORITHMS_DENSE_H
#define QCC_LIB_ALGORITHMS_DENSE_H

#include <cstdint>
#include <functional>
#include <vector>

namespace qcc::dense {

/// Calls body(first, last) for pieces of [0, count), each of `grain` but the last, from `threads`
/// threads (0: as many as the machine has).
void parallelFor(unsigned threads, int64_t count, int64_t grain,
                 const std::function<void(int64_t first, int64_t last)> &body);

/// A matrix [rows][columns] within rows of `stride` numbers.
template <typename T> struct View {
  T *data;
  int64_t rows, columns, stride;
  T *row(int64_t i) const { return data + i * stride; }
};

enum class Part { All, Lower };

/// c += sign * a * b, terms ascending along b's rows; with Part::Lower what lies above the diagonal
/// of c (rows against columns) may stay as it is.
void addProduct(View<float> c, View<const float> a, View<const float> b, float sign,
                unsigned threads, Part part = Part::All);
void addProduct(View<double> c, View<const double> a, View<const double> b, double sign,
                unsigned threads, Part part = Part::All);

/// Factor L of a = L Lᵀ in place of the lower half; above stays what was. False when a is not
/// positive definite (or holds NaN).
bool cholesky(double *a, int64_t n, unsigned threads);
/// Inverse of a lower triangle in place; zeros above.
void invertLower(double *a, int64_t n, unsigned threads);

} // namespace qcc::dense
#endif
