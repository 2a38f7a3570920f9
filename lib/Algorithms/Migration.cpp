// Scales of input channels; see Migration.h.
#include "qcc/Algorithms/Migration.h"
#include "Dense.h"
#include "qcc/Algorithms/Gptq.h"
#include <algorithm>
#include <cmath>

namespace qcc {

std::vector<float> smoothScales(const std::vector<float> &magnitudes,
                                const std::vector<float> &weightMagnitudes, double alpha) {
  std::vector<float> scales(magnitudes.size(), 1.0f);
  for (size_t i = 0; i < scales.size(); ++i)
    if (magnitudes[i] > 0 && weightMagnitudes[i] > 0)
      scales[i] = static_cast<float>(std::pow(static_cast<double>(magnitudes[i]), alpha) /
                                     std::pow(static_cast<double>(weightMagnitudes[i]), 1 - alpha));
  return scales;
}

std::vector<float> awqScales(const std::vector<float> &meanMagnitudes, double alpha) {
  std::vector<double> powers;
  double low = INFINITY, high = 0;
  for (float magnitude : meanMagnitudes) {
    powers.push_back(magnitude > 0 ? std::pow(static_cast<double>(magnitude), alpha) : 0);
    if (magnitude > 0) {
      low = std::min(low, powers.back());
      high = std::max(high, powers.back());
    }
  }
  std::vector<float> scales(powers.size(), 1.0f);
  double unit = std::sqrt(low * high);
  for (size_t i = 0; i < scales.size(); ++i)
    if (powers[i] > 0)
      scales[i] = static_cast<float>(powers[i] / unit);
  return scales;
}

std::vector<float> columnMagnitudes(const std::vector<LayerWeights> &layers, int64_t k) {
  std::vector<float> largest(k);
  for (const LayerWeights &layer : layers)
    for (int64_t row = 0; row < layer.rows; ++row)
      for (int64_t i = 0; i < k; ++i)
        largest[i] = std::max(largest[i], std::fabs(layer.w[row * k + i]));
  return largest;
}

double migrationError(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                      const std::vector<float> &scales, unsigned activationBits, unsigned threads) {
  int64_t k = input.k;
  double largest = 0, total = 0;
  for (int64_t i = 0; activationBits && i < k; ++i)
    largest = std::max(largest, static_cast<double>(input.magnitudes[i]) / scales[i]);
  double step = activationBits ? largest / ((1 << (activationBits - 1)) - 1) : 0;
  double noise = static_cast<double>(input.positions) * step * step / 12;
  for (const LayerWeights &layer : layers) {
    std::vector<float> scaled(layer.rows * k);
    dense::parallelFor(threads, layer.rows, 64, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row)
        for (int64_t i = 0; i < k; ++i)
          scaled[row * k + i] = layer.w[row * k + i] * scales[i];
    });
    for (float value : scaled)
      total += noise * value * value;
    EncodedRows q = encodeRows(layer.format, scaled.data(), layer.rows, k);
    std::vector<float> errors(scaled.size());
    decodeRows(layer.format, q, errors.data());
    for (int64_t row = 0; row < layer.rows; ++row)
      for (int64_t i = 0; i < k; ++i)
        errors[row * k + i] = layer.w[row * k + i] - errors[row * k + i] / scales[i];
    for (double row : errorObjectives(errors.data(), layer.rows, k, input.moments, threads))
      total += row;
  }
  return total;
}

namespace {

template <typename ScalesOf>
MigrationResult search(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                       const MigrationOptions &options, unsigned threads, ScalesOf scalesOf) {
  MigrationResult result;
  result.scales.assign(input.k, 1.0f);
  result.before = result.after =
      migrationError(layers, input, result.scales, options.activationBits, threads);
  for (int i = 0; i <= options.steps; ++i) {
    double alpha = static_cast<double>(i) / std::max(1, options.steps);
    std::vector<float> scales = scalesOf(alpha);
    if (!std::all_of(scales.begin(), scales.end(),
                     [](float s) { return std::isfinite(s) && s > 0; }))
      continue;
    double error = migrationError(layers, input, scales, options.activationBits, threads);
    if (error < result.after) {
      result.after = error;
      result.alpha = alpha;
      result.scales = std::move(scales);
    }
  }
  return result;
}

} // namespace

MigrationResult searchAwq(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                          const MigrationOptions &options, unsigned threads) {
  std::vector<float> means(input.meanMagnitudes, input.meanMagnitudes + input.k);
  return search(layers, input, options, threads,
                [&](double alpha) { return awqScales(means, alpha); });
}

MigrationResult searchSmooth(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                             const MigrationOptions &options, unsigned threads) {
  std::vector<float> magnitudes(input.magnitudes, input.magnitudes + input.k);
  std::vector<float> weights = columnMagnitudes(layers, input.k);
  return search(layers, input, options, threads,
                [&](double alpha) { return smoothScales(magnitudes, weights, alpha); });
}

std::vector<float> biasCorrection(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const float *meanInput) {
  std::vector<float> decoded(q.rows * q.k), shifts(q.rows);
  decodeRows(format, q, decoded.data());
  for (int64_t row = 0; row < q.rows; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < q.k; ++i)
      sum += (static_cast<double>(w[row * q.k + i]) - decoded[row * q.k + i]) * meanInput[i];
    shifts[row] = static_cast<float>(sum);
  }
  return shifts;
}

} // namespace qcc
