// What calibration remembers of a stream of numbers, in bounded memory, and the ranges it yields.
//
// Everything but the moving average is a function of the multiset of numbers: neither their order
// nor how they are cut into batches changes a bit, and collectors of parts merge into that of the
// whole.
#ifndef QCC_ALGORITHMS_COLLECTORS_H
#define QCC_ALGORITHMS_COLLECTORS_H

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace qcc {

/// Numbers that a scale has to cover.
struct Range {
  float low = 0, high = 0;
  friend bool operator==(const Range &, const Range &) = default;
};

/// Counts of f32 numbers by sign, exponent and the 9 leading bits of the fraction: each cell spans
/// 2^-9 of its numbers at most (the idea of DDSketch, Masson et al. 2019, with exact cell borders).
/// Takes 4 KiB for each sign and binary order of magnitude that occurs, 2 MiB at most.
class Sketch {
public:
  void add(const float *x, int64_t count);
  void merge(const Sketch &other);

  int64_t count() const { return finite; }     ///< finite numbers
  int64_t skipped() const { return rejected; } ///< NaN and infinities, which count nowhere else
  /// Smallest and largest number; 0, 0 where there is none.
  Range minmax() const { return finite ? extremes : Range{}; }
  /// The number below which a share of `q` lies (in [0, 1]): exact at both ends, else the middle of
  /// its cell, within 0.1 %.
  float quantile(double q) const;
  float magnitudeQuantile(double q) const;

  /// Calls f(value, count) for each cell that holds something, values ascending, 0 included.
  template <typename F> void cells(F f) const {
    for (int64_t page = kPages; page-- > 0;)
      if (negative[page])
        for (int64_t i = kCells; i-- > 0;)
          if ((*negative[page])[i])
            f(-middle(page, i), (*negative[page])[i]);
    if (zeros)
      f(0.0f, zeros);
    for (int64_t page = 0; page < kPages; ++page)
      if (positive[page])
        for (int64_t i = 0; i < kCells; ++i)
          if ((*positive[page])[i])
            f(middle(page, i), (*positive[page])[i]);
  }

private:
  static constexpr int64_t kPages = 255, kCells = 512;
  using Page = std::array<int64_t, kCells>;
  static float middle(int64_t page, int64_t cell);
  std::array<std::unique_ptr<Page>, kPages> negative, positive; ///< by exponent
  int64_t zeros = 0, finite = 0, rejected = 0;
  Range extremes;
};

/// What is known when the stream has ended. All ranges include 0 and lie within minmax.

/// Cuts off (1 - share) of the numbers at each end.
Range percentileRange(const Sketch &sketch, double share = 0.9999);
/// Symmetric clipping at the threshold whose quantized distribution has the least divergence from
/// the clipped one, over 2048 cells (Migacz, 8-bit inference with TensorRT, GTC 2017).
Range entropyRange(const Sketch &sketch, unsigned bits = 8);
/// The range whose quantization to 2^bits steps (symmetric: the same on both sides of 0) has the
/// least sum of squared errors, by search over shares of minmax.
Range squaredErrorRange(const Sketch &sketch, unsigned bits = 8, bool symmetric = false);
/// Sum of squared errors of numbers clipped to `range` and rounded to 2^bits - 1 steps in it.
double squaredError(const Sketch &sketch, Range range, unsigned bits);

/// Moving average of samples' ranges (Jacob et al. 2018, section 3.1). Depends on the order.
class MovingRange {
public:
  explicit MovingRange(double momentum = 0.99) : momentum(momentum) {}
  void addSample(Range range);
  Range range() const { return {static_cast<float>(low), static_cast<float>(high)}; }

private:
  double momentum, low = 0, high = 0;
  bool empty = true;
};

/// How much a range still moves. Remembers the range after 1, 2, 4, 8, … samples.
class Convergence {
public:
  /// The range after one more sample.
  void addSample(Range range);
  /// Change of the range since at most half of the samples, relative to its width; infinite until
  /// there are two.
  double drift() const;
  int64_t samples() const { return seen; }

private:
  int64_t seen = 0;
  Range now, half, last; ///< `last`: after the largest power of two; `half`: after the one before
};

} // namespace qcc
#endif
