// Treatments of outliers, promotion, bias correction and roundings against slow definitions.
#include "qcc/Algorithms/Treatment.h"
#include "Layers.h"
#include "qcc/Algorithms/Clip.h"
#include "qcc/Algorithms/Layer.h"
#include "qcc/Algorithms/Promotion.h"
#include "qcc/Algorithms/Rounding.h"
#include <algorithm>
#include <gtest/gtest.h>

using namespace qcc;
using namespace qcc::test;

namespace {

/// Rows of an input and weights behind it, normal but for channels that are made `size` times
/// larger where the weights are smaller, so that the outputs stay.
struct Planted {
  static constexpr int64_t k = 64, positions = 48;
  std::vector<std::vector<float>> weights;
  std::vector<TreatedLayer> layers;
  TreatedInput input;

  Planted(std::vector<int64_t> rows, WeightFormat format, ActivationFormat act,
          std::vector<int64_t> channels, float size) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    input.k = k;
    input.rows.resize(positions * k);
    for (float &value : input.rows)
      value = normal(random);
    for (int64_t n : rows) {
      weights.emplace_back(n * k);
      for (float &value : weights.back())
        value = 0.1f * normal(random);
    }
    for (int64_t channel : channels) {
      for (int64_t i = 0; i < positions; ++i)
        input.rows[i * k + channel] *= size;
      for (std::vector<float> &w : weights)
        for (size_t i = 0; i < w.size() / k; ++i)
          w[i * k + channel] /= size;
    }
    for (size_t i = 0; i < rows.size(); ++i)
      layers.push_back({weights[i].data(), rows[i], format, false,
                        static_cast<double>(rows[i] * k) * format.bits / 8, act});
    for (int64_t i = 0; i < k; ++i) {
      double sum = 0, squares = 0;
      float largest = 0;
      for (int64_t row = 0; row < positions; ++row) {
        float value = std::fabs(input.rows[row * k + i]);
        largest = std::max(largest, value);
        sum += value;
        squares += double(value) * value;
      }
      input.largest.push_back(largest);
      input.meanMagnitude.push_back(float(sum / positions));
      input.meanSquare.push_back(float(squares / positions));
    }
  }

  /// The error of a treatment by its definition: one output after the other, in double.
  double slowError(const Treatment &treatment) const {
    double total = 0;
    for (const TreatedLayer &layer : layers) {
      std::vector<double> errors, energies;
      std::vector<float> w(layer.w, layer.w + layer.rows * k), kept(w.size());
      std::vector<bool> exact(w.size());
      for (int64_t i = 0; i < layer.rows * k; ++i) {
        if (treatment.kind == Treatment::Kind::Migrate)
          w[i] *= treatment.scales[i % k];
        exact[i] = std::count(treatment.columns.begin(), treatment.columns.end(), i % k) > 0;
      }
      if (treatment.kind == Treatment::Kind::Sparse)
        for (int64_t n = 0; n < layer.rows; ++n)
          for (int64_t left = std::max<int64_t>(1, std::llround(treatment.fraction * k)); left;
               --left) {
            int64_t best = -1;
            double most = -1;
            for (int64_t i = 0; i < k; ++i) {
              double rank = std::fabs(double(w[n * k + i])) * std::sqrt(input.meanSquare[i]);
              if (!exact[n * k + i] && rank > most * (1 + 1e-6)) {
                most = rank;
                best = i;
              }
            }
            exact[n * k + best] = true;
          }
      for (int64_t i = 0; i < layer.rows * k; ++i)
        kept[i] = exact[i] ? 0 : w[i];
      std::vector<float> coded(kept.size());
      decodeRows(layer.format, encodeRows(layer.format, kept.data(), layer.rows, k), coded.data());
      for (int64_t row = 0; row < positions; ++row) {
        std::vector<float> x(&input.rows[row * k], &input.rows[row * k] + k), left(x);
        for (int64_t i = 0; i < k; ++i) {
          if (treatment.kind == Treatment::Kind::Migrate)
            left[i] = x[i] /= treatment.scales[i];
          if (std::count(treatment.columns.begin(), treatment.columns.end(), i))
            left[i] = 0;
        }
        roundActivations(layer.input, left.data(), 1, k);
        double error = 0, energy = 0;
        for (int64_t n = 0; n < layer.rows; ++n) {
          double want = 0, got = 0;
          for (int64_t i = 0; i < k; ++i) {
            want += double(x[i]) * w[n * k + i];
            got += double(left[i]) * coded[n * k + i];
            if (exact[n * k + i])
              got += double(x[i]) * w[n * k + i];
          }
          error += (got - want) * (got - want);
          energy += want * want;
        }
        errors.push_back(error);
        energies.push_back(energy);
      }
      std::vector<double> sorted = energies;
      std::sort(sorted.begin(), sorted.end());
      for (int64_t row = 0; row < positions; ++row)
        total += errors[row] / (energies[row] + sorted[positions / 2]) / positions;
    }
    return total / double(layers.size());
  }
};

ActivationFormat int8Rows(bool zeroPoint = false) {
  ActivationFormat format;
  format.bits = 8;
  format.zeroPoint = zeroPoint;
  return format;
}

TreatmentChoices everything() {
  TreatmentChoices choices;
  choices.smooth = choices.awq = choices.thresholds = choices.columns = choices.sparse = true;
  return choices;
}

} // namespace

TEST(Treatment, ScalesFollowTheirFormulas) {
  std::vector<float> x = {4, 0, 9}, w = {1, 2, 4};
  EXPECT_EQ(smoothScales(x, w, 0.5), (std::vector<float>{2, 1, 1.5f}));
  std::vector<float> scales = awqScales(x, 0.5); // powers 2 and 3
  EXPECT_FLOAT_EQ(scales[0], 2 / std::sqrt(6.0f));
  EXPECT_EQ(scales[1], 1);
  EXPECT_FLOAT_EQ(scales[2], 3 / std::sqrt(6.0f));
  EXPECT_EQ(thresholdScales(x, 3), (std::vector<float>{4 / 3.0f, 1, 3}));
}

TEST(Treatment, ActivationsAreRoundedAsKernelsRoundThem) {
  std::vector<float> x = {-1, 0.5f, 12.7f, 0, 0, 0, 4, -254, 127};
  roundActivations(int8Rows(), x.data(), 3, 3);
  EXPECT_NEAR(x[0], -1, 1e-6); // steps of 0.1
  EXPECT_NEAR(x[2], 12.7f, 1e-5);
  EXPECT_EQ(x[4], 0);
  EXPECT_EQ(x[7], -254); // steps of 2
  EXPECT_EQ(x[8], 128);  // 63.5 to even
  std::vector<float> y = {0, 1, 2.55f};
  roundActivations(int8Rows(true), y.data(), 1, 3); // steps of 0.01 from 0 on
  EXPECT_NEAR(y[1], 1, 1e-6);
  ActivationFormat fixed = int8Rows();
  fixed.fixedScale = 0.5f;
  std::vector<float> z = {1.2f, 900};
  roundActivations(fixed, z.data(), 1, 2);
  EXPECT_EQ(z[0], 1);
  EXPECT_EQ(z[1], 63.5f); // clipped
}

TEST(Treatment, ErrorsAreThoseOfTheDefinition) {
  for (bool zeroPoint : {false, true}) {
    Planted planted({24, 40}, uniformFormat(8, 0, false), int8Rows(zeroPoint), {5, 40}, 30);
    TreatmentSearch search(planted.layers, planted.input, 2);
    std::vector<Treatment> all = search.candidates(everything());
    ASSERT_EQ(all.size(), 4u);
    for (const Treatment &treatment : all) {
      double slow = planted.slowError(treatment);
      EXPECT_NEAR(treatment.error, slow, 0.02 * slow) << treatment.how;
    }
  }
}

TEST(Treatment, WeightsAloneToo) {
  Planted planted({24}, uniformFormat(3, 32), {}, {}, 1);
  for (int64_t i = 0; i < 24; ++i) // one large weight a row
    planted.weights[0][i * Planted::k + 7 * i % Planted::k] *= 12;
  TreatmentSearch search(planted.layers, planted.input, 1);
  std::vector<Treatment> all = search.candidates(everything());
  for (const Treatment &treatment : all)
    EXPECT_NEAR(treatment.error, planted.slowError(treatment), 0.02 * treatment.error)
        << treatment.how;
  EXPECT_LT(all[3].error, 0.6 * all[0].error); // the sparse residual takes them
}

TEST(Treatment, PlantedChannelsAreFoundAndGone) {
  for (float size : {20.0f, 100.0f}) {
    Planted clean({32}, uniformFormat(8, 0, false), int8Rows(), {}, 1);
    Planted planted({32}, uniformFormat(8, 0, false), int8Rows(), {5, 40}, size);
    double bound = 1.5 * TreatmentSearch(clean.layers, clean.input, 1).errorOf({});
    TreatmentSearch search(planted.layers, planted.input, 2);
    EXPECT_GT(search.errorOf({}), 10 * bound);
    TreatmentChoices columns, smooth, thresholds;
    columns.columns = smooth.smooth = thresholds.thresholds = true;
    Treatment split = search.candidates(columns)[1];
    EXPECT_EQ(split.columns, (std::vector<int32_t>{5, 40}));
    EXPECT_LT(split.error, bound);
    EXPECT_NEAR(split.cost, 4.0 * 2 / Planted::k + 2.0 / Planted::k, 1e-9);
    EXPECT_LT(search.candidates(smooth)[1].error, bound);
    EXPECT_LT(search.candidates(thresholds)[1].error, 2 * bound);
    // What costs nothing at run time wins where it does as well.
    std::vector<Treatment> all = search.candidates(everything());
    EXPECT_EQ(all[TreatmentSearch::best(all)].kind, Treatment::Kind::Migrate);
  }
}

TEST(Treatment, FixedScalesFollowWhatIsLeft) {
  for (bool zeroPoint : {false, true}) {
    ActivationFormat fixed = int8Rows(zeroPoint);
    Planted probe({32}, uniformFormat(8, 0, false), fixed, {5, 40}, 60);
    auto [low, high] = std::minmax_element(probe.input.rows.begin(), probe.input.rows.end());
    float most = std::max(-*low, *high);
    fixed.fixedScale = zeroPoint ? (*high - *low) / 255 : most / 127;
    fixed.fixedZero = zeroPoint ? int32_t(std::lround(-128 - *low / fixed.fixedScale)) : 0;
    Planted planted({32}, uniformFormat(8, 0, false), fixed, {5, 40}, 60);
    TreatmentSearch search(planted.layers, planted.input, 1);
    std::vector<Treatment> all = search.candidates(everything());
    EXPECT_LT(all[1].error, all[0].error / 50); // scaled
    EXPECT_LT(all[2].error, all[0].error / 50); // split
  }
}

TEST(Treatment, NothingIsDoneWhereNothingPays) {
  std::vector<Treatment> all(3);
  all[0].error = 1;
  all[1].error = 0.99; // hardly better
  all[2].error = 0.5;  // at too high a price
  all[2].cost = 0.2;
  EXPECT_EQ(TreatmentSearch::best(all), 0u);
  all[2].cost = 0.1;
  EXPECT_EQ(TreatmentSearch::best(all), 2u);
}

TEST(Treatment, ThreadsChangeNothing) {
  Planted planted({24, 8}, uniformFormat(4, 32), int8Rows(), {9}, 25);
  std::vector<Treatment> one =
      TreatmentSearch(planted.layers, planted.input, 1).candidates(everything());
  std::vector<Treatment> four =
      TreatmentSearch(planted.layers, planted.input, 4).candidates(everything());
  ASSERT_EQ(one.size(), four.size());
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].error, four[i].error);
    EXPECT_EQ(one[i].scales, four[i].scales);
    EXPECT_EQ(one[i].columns, four[i].columns);
  }
}

TEST(Treatment, SearchedExponentsBeatAllOthersOfTheirGrid) {
  Planted planted({16, 8}, uniformFormat(3, 32), {}, {3, 30, 50}, 4);
  TreatmentSearch search(planted.layers, planted.input, 2);
  TreatmentChoices awq;
  awq.awq = true;
  Treatment found = search.candidates(awq)[1];
  for (int i = 0; i <= 20; ++i) {
    Treatment other;
    other.kind = Treatment::Kind::Migrate;
    other.scales = awqScales(planted.input.meanMagnitude, i / 20.0);
    EXPECT_GE(planted.slowError(other), 0.99 * found.error);
  }
}

TEST(Bias, CorrectionKeepsTheMeanOutput) {
  TestLayer layer = makeLayer(6, 40, 100);
  WeightFormat format = uniformFormat(3, 0);
  EncodedRows q = encodeRows(format, layer.w.data(), 6, 40);
  std::vector<double> floats(40), mean(40);
  std::vector<float> decoded(6 * 40);
  for (int64_t i = 0; i < 40; ++i) {
    floats[i] = 0.1 * double(i) - 1;
    mean[i] = floats[i] * 1.1 + 0.2; // what the layers before made of it
  }
  std::vector<float> shift = biasCorrection(format, layer.w.data(), q, floats, mean);
  decodeRows(format, q, decoded.data());
  for (int64_t row = 0; row < 6; ++row) {
    double want = 0, got = shift[row];
    for (int64_t i = 0; i < 40; ++i) {
      want += double(layer.w[row * 40 + i]) * floats[i];
      got += double(decoded[row * 40 + i]) * mean[i];
    }
    EXPECT_NEAR(got, want, 1e-6);
  }
}

TEST(Promotion, RowsArePromotedByWhatTheyGain) {
  TestLayer layer = makeLayer(12, 64, 200);
  for (int64_t i = 0; i < 64; ++i) {
    layer.w[5 * 64 + i] *= 10;
    layer.w[9 * 64 + i] *= 3;
  }
  WeightFormat low = uniformFormat(4, 32), high = uniformFormat(8, 32);
  std::vector<double> scores =
      rowScores(low, high, layer.w.data(), 12, 64, layer.h.data(), nullptr, 2);
  EXPECT_EQ(promoteRows(scores, 2), (std::vector<int32_t>{5, 9}));
  std::vector<double> before = objectives(layer, low, encodeRows(low, layer.w.data(), 12, 64));
  std::vector<double> after = objectives(layer, high, encodeRows(high, layer.w.data(), 12, 64));
  for (int row = 0; row < 12; ++row)
    EXPECT_NEAR(scores[row], before[row] - after[row], 1e-3 * before[row]);
  std::vector<double> weights(12, 1.0);
  weights[0] = 1e6;
  EXPECT_EQ(promoteRows(
                rowScores(low, high, layer.w.data(), 12, 64, layer.h.data(), weights.data(), 1), 1),
            (std::vector<int32_t>{0}));
  EXPECT_TRUE(promoteRows(scores, 0).empty());
  EXPECT_EQ(promoteRows(scores, 100).size(), 12u);
}

TEST(Rounding, ChanceIsUnbiasedAndReproducible) {
  constexpr int64_t k = 64;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(k), decoded(k);
  for (float &value : x)
    value = normal(random);
  for (const WeightFormat &format : methodFormats()) {
    if (format.kind == WeightKind::Ternary || format.scale == ScaleFormat::E8M0 || format.super)
      continue; // these clip
    std::vector<double> sums(k);
    constexpr int draws = 2000;
    EncodedRows rows;
    for (int draw = 0; draw < draws; ++draw) {
      rows = stochasticRows(format, x.data(), 1, k, uint64_t(draw), "w", 1);
      decodeRows(format, rows, decoded.data());
      for (int64_t i = 0; i < k; ++i)
        sums[i] += decoded[i];
    }
    float scale = *std::max_element(rows.scales.begin(), rows.scales.end());
    double step = format.kind == WeightKind::Uniform ? scale : 32 * scale;
    Coder coder(format);
    for (int64_t i = 0; i < k; ++i) { // numbers beyond the ends of their grid become these
      Grid grid = gridAt(format, rows, 0, i / format.blockLength(k));
      double want = std::clamp(x[i], coder.decode(coder.ordered().front(), grid),
                               coder.decode(coder.ordered().back(), grid));
      EXPECT_NEAR(sums[i] / draws, want, step * 0.5 * 4.5 / std::sqrt(draws) + step * 1e-4);
    }
  }
  std::vector<float> many(37 * k);
  for (float &value : many)
    value = normal(random);
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows one = stochasticRows(format, many.data(), 37, k, 3, "w", 1);
  expectSame(one, stochasticRows(format, many.data(), 37, k, 3, "w", 4));
  EXPECT_NE(one.codes, stochasticRows(format, many.data(), 37, k, 4, "w", 1).codes);
  EXPECT_NE(one.codes, stochasticRows(format, many.data(), 37, k, 3, "v", 1).codes);
}

TEST(Rounding, SignedStepsLowerTheObjectiveOfEveryRow) {
  TestLayer layer = makeLayer(24, 96, 300);
  for (const WeightFormat &format : methodFormats()) {
    EncodedRows q = encodeRows(format, layer.w.data(), 24, 96);
    std::vector<double> before = objectives(layer, format, q);
    std::vector<float> scales = q.scales;
    EncodedRows other = q;
    signRound(format, layer.w.data(), q, layer.h.data(), {}, 1);
    signRound(format, layer.w.data(), other, layer.h.data(), {}, 3);
    expectSame(q, other);
    EXPECT_EQ(q.scales, scales);
    std::vector<double> after = objectives(layer, format, q);
    for (int64_t row = 0; row < 24; ++row)
      EXPECT_LE(after[row], before[row] * 1.0001);
    if (format.kind == WeightKind::Uniform)
      EXPECT_LT(sum(after), 0.8 * sum(before)) << format.bits;
  }
}
