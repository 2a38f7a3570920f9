// Second moments of the inputs of layers, summed over calibration data.
#ifndef QCC_ALGORITHMS_MOMENTS_H
#define QCC_ALGORITHMS_MOMENTS_H

#include <cstdint>
#include <vector>

namespace qcc {

/// Sum of x yᵀ over pairs of rows x, y of `k` numbers (y = x: the second moment). Rows are gathered
/// by 256, whose products are summed in f32 and added in f64: the sums depend on the sequence of
/// rows alone, not on how it is cut, nor on threads.
class ProductSum {
public:
  ProductSum(int64_t k, bool symmetric);
  /// Adds `rows` dense rows; those whose `mask` is 0 are left out (null: none is). `y` is null for
  /// symmetric sums.
  void add(const float *x, const float *y, int64_t rows, const uint8_t *mask, unsigned threads);
  /// The sum [k][k], with x along rows; ends the sequence.
  const std::vector<double> &finish(unsigned threads);
  int64_t rows() const { return seen; }

private:
  void flush(unsigned threads);
  int64_t k, pending = 0, seen = 0;
  bool symmetric;
  std::vector<float> left, right; ///< rows that wait, x transposed: [k][256], [256][k]
  std::vector<float> products;    ///< of the rows that wait, a strip at a time
  std::vector<double> sum;
};

/// Sums of each channel over rows, in their order.
class ChannelSums {
public:
  explicit ChannelSums(int64_t k) : values(k), squares(k), magnitudes(k), largest(k) {}
  void add(const float *x, int64_t rows, const uint8_t *mask);
  int64_t rows = 0;
  std::vector<double> values, squares, magnitudes;
  std::vector<float> largest; ///< magnitudes
};

} // namespace qcc
#endif
