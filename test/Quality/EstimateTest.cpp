// Confidence intervals and decisions: how often they are right on synthetic series.
#include "qcc/Quality/Estimate.h"
#include "../Data/DataTesting.h"
#include "qcc/Algorithms/Resample.h"
#include "qcc/Quality/Stats.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;

namespace {
constexpr int trials = 200;
constexpr unsigned resamples = 300;
/// A model outside its limit passes at most this often in 200 trials, one clearly inside fails at
/// most this often.
constexpr int fewest = trials / 20;

/// How often `draw`'s units are accepted.
template <typename Draw> int accepted(const GateSet &set, Draw draw) {
  int count = 0;
  for (int trial = 0; trial < trials; ++trial) {
    Random random(1000 + trial);
    count += decide(draw(random), set, 0.95, /*lenient=*/false, resamples).accepted;
  }
  return count;
}

Units unitsOf(Metric metric, int64_t count) {
  Units units;
  units.metric = metric;
  units.samples = units.predictions = count;
  return units;
}

/// Exponential: skewed, as divergences are.
double exponential(Random &random, double mean) { return -mean * std::log(1 - random.uniform()); }
} // namespace

TEST(Estimate, KldOutsideItsLimitRarelyPasses) {
  GateSet set;
  set.metric = Metric::Kld;
  set.max = 0.1;
  auto at = [](double mean, int64_t samples) {
    return [=](Random &random) {
      Units units = unitsOf(Metric::Kld, samples);
      for (int64_t i = 0; i < samples; ++i)
        units.rows.push_back({exponential(random, mean) * 64, 64, 0});
      return units;
    };
  };
  for (int64_t samples : {12, 40, 150}) {
    EXPECT_LE(accepted(set, at(0.103, samples)), fewest) << samples;
    EXPECT_GE(accepted(set, at(samples < 20 ? 0.02 : 0.04, samples)), trials - fewest) << samples;
  }
}

TEST(Estimate, AccuracyDropOutsideItsLimitRarelyPasses) {
  GateSet set;
  set.metric = Metric::Accuracy;
  set.labels = "y";
  set.maxDrop = 0.02;
  // The reference is right in 90 %; the model loses `lost` and gains `won` of all samples.
  auto at = [](double lost, double won, int64_t samples) {
    return [=](Random &random) {
      Units units = unitsOf(Metric::Accuracy, samples);
      units.hasReference = true;
      for (int64_t i = 0; i < samples; ++i) {
        double u = random.uniform();
        bool theirs = u < 0.9;
        bool ours = u < lost ? false : (u >= 1 - won ? true : theirs);
        units.rows.push_back({double(ours), 1, double(theirs)});
      }
      return units;
    };
  };
  EXPECT_LE(accepted(set, at(0.0315, 0.01, 800)), fewest);
  EXPECT_LE(accepted(set, at(0.022, 0.0, 200)), fewest);
  EXPECT_GE(accepted(set, at(0.01, 0.01, 1500)), trials - fewest);
}

TEST(Estimate, PerplexityIsPaired) {
  GateSet set;
  set.metric = Metric::Perplexity;
  set.maxDrop = 0.01;
  set.relative = true;
  // Documents differ by far more than the models do on any of them.
  auto at = [](double growth) {
    return [=](Random &random) {
      Units units = unitsOf(Metric::Perplexity, 60);
      units.hasReference = true;
      for (int i = 0; i < 60; ++i) {
        double base = 3 + 0.5 * random.normal();
        double ours = base + std::log1p(growth) + 0.01 * random.normal();
        units.rows.push_back({ours * 100, 100, base * 100});
      }
      return units;
    };
  };
  EXPECT_LE(accepted(set, at(0.0103)), fewest);
  EXPECT_GE(accepted(set, at(0.003)), trials - fewest);
}

TEST(Estimate, SpearmanAndTop1) {
  GateSet rank;
  rank.metric = Metric::Spearman;
  rank.maxDrop = 0.04;
  auto pairs = [](double noise) {
    return [=](Random &random) {
      Units units = unitsOf(Metric::Spearman, 60);
      units.hasReference = true;
      for (int i = 0; i < 60; ++i) {
        double gold = random.uniform(), theirs = gold + 0.1 * random.normal();
        units.rows.push_back({theirs + noise * random.normal(), gold, theirs});
      }
      return units;
    };
  };
  EXPECT_LE(accepted(rank, pairs(0.2)), fewest); // loses about 0.1
  EXPECT_GE(accepted(rank, pairs(0.005)), trials - fewest);

  GateSet top;
  top.metric = Metric::Top1;
  top.min = 0.95;
  auto agree = [](double share) {
    return [=](Random &random) {
      Units units = unitsOf(Metric::Top1, 40);
      units.predictions = 40 * 50;
      for (int i = 0; i < 40; ++i) {
        double sum = 0;
        for (int k = 0; k < 50; ++k)
          sum += random.uniform() < share;
        units.rows.push_back({sum, 50, 0});
      }
      return units;
    };
  };
  EXPECT_LE(accepted(top, agree(0.9485)), fewest);
  EXPECT_GE(accepted(top, agree(0.97)), trials - fewest);
}

TEST(Estimate, IntervalsCoverTheTruth) {
  int covered = 0;
  for (int trial = 0; trial < trials; ++trial) {
    Random random(trial);
    std::vector<double> values;
    for (int i = 0; i < 50; ++i)
      values.push_back(exponential(random, 2));
    Interval interval = bootstrap(
        50,
        [&](llvm::ArrayRef<uint32_t> picked) {
          double sum = 0;
          for (uint32_t i : picked)
            sum += values[i];
          return sum / 50;
        },
        0.95, 0, 1000);
    covered += interval.low <= 2 && 2 <= interval.high;
    EXPECT_LE(interval.low, interval.value);
    EXPECT_GE(interval.high, interval.value);
  }
  EXPECT_GE(covered, 180); // 95 % is nominal; a skewed mean of 50 attains about 93 %
}

TEST(Estimate, MediansByOrder) {
  // Of five values all lie below the median in one of 32 cases.
  EXPECT_EQ(medianBound({3, 1, 2, 5, 4}, 0.95), 5);
  EXPECT_EQ(medianBound({3, 1, 2, 4}, 0.95), INFINITY);
  std::vector<double> many;
  for (int i = 1; i <= 100; ++i)
    many.push_back(i);
  EXPECT_EQ(medianBound(many, 0.95), 59); // P(B(100, 1/2) >= 59) = 0.044
}

TEST(Estimate, PairedDifferencesByHand) {
  // No disagreement: z^2 / (n + z^2).
  double z = normalQuantile(0.95);
  EXPECT_NEAR(pairedDifferenceBound(0, 0, 100, 0.95), z * z / (100 + z * z), 1e-9);
  // Tango 1998, table I, row 1 (b = 5, c = 0 of 50): the two-sided 95 % upper end is 0.214.
  EXPECT_NEAR(pairedDifferenceBound(5, 0, 50, 0.975), 0.2139, 2e-3);
  EXPECT_EQ(pairedDifferenceBound(0, 0, 0, 0.95), 1);
}

TEST(Estimate, PerfectAgreementIsNotCertainty) {
  GateSet set;
  set.metric = Metric::Top1;
  set.min = 0.999;
  Units units = unitsOf(Metric::Top1, 10);
  units.predictions = 100;
  for (int i = 0; i < 10; ++i)
    units.rows.push_back({10, 10, 0});
  SetResult result = decide(units, set, 0.95);
  EXPECT_EQ(result.measurement.value, 1);
  EXPECT_FALSE(result.accepted); // 100 of 100 say no more than 97 %
  EXPECT_LT(result.margin, 0);
}

TEST(Estimate, FewSamples) {
  GateSet set;
  set.metric = Metric::Cosine;
  set.min = 0.95;
  Units units = unitsOf(Metric::Cosine, 1);
  units.rows.push_back({0.99, 1, 0});
  EXPECT_FALSE(decide(units, set, 0.95).accepted);
  SetResult lenient = decide(units, set, 0.95, /*lenient=*/true);
  EXPECT_TRUE(lenient.accepted);
  EXPECT_NE(lenient.note.find("value alone"), std::string::npos);
  units.rows[0][0] = std::nan("");
  EXPECT_FALSE(decide(units, set, 0.95, true).accepted);
  // Two good samples bound nothing; the guard takes them for what they are, and bad ones too.
  units.rows = {{0.999, 1, 0}, {0.96, 1, 0}};
  EXPECT_FALSE(decide(units, set, 0.95).accepted);
  EXPECT_TRUE(decide(units, set, 0.95, true).accepted);
  units.rows = {{0.5, 1, 0}, {0.6, 1, 0}};
  EXPECT_FALSE(decide(units, set, 0.95, true).accepted);
}

TEST(Estimate, UnitsOfSeries) {
  TokenSeries tokens;
  tokens.predictions = {64, 64};
  for (int i = 0; i < 128; ++i) {
    tokens.nll.push_back(1);
    tokens.referenceNll.push_back(0.5);
    tokens.kld.push_back(i == 127 ? 1 : 0);
    tokens.agree.push_back(i % 2);
  }
  // Two samples are cut into blocks, so that there is something to resample.
  Units units = tokenUnits(tokens, Metric::Perplexity);
  EXPECT_EQ(units.rows.size(), 32u);
  EXPECT_EQ(units.samples, 2);
  EXPECT_NEAR(metricOf(units), std::exp(1.0), 1e-12);
  EXPECT_NEAR(metricOf(units, true), std::exp(0.5), 1e-12);
  EXPECT_NEAR(metricOf(tokenUnits(tokens, Metric::Kld)), 1.0 / 128, 1e-12);
  EXPECT_NEAR(metricOf(tokenUnits(tokens, Metric::Top1)), 0.5, 1e-12);
  LabelSeries labels{{1, 0, 1}, {1, 1, 0}, {1, 0, 1}};
  EXPECT_NEAR(metricOf(labelUnits(labels, Metric::Accuracy)), 1.0 / 3, 1e-12);
  EXPECT_NEAR(metricOf(labelUnits(labels, Metric::Accuracy), true), 1, 1e-12);
  EXPECT_NEAR(metricOf(labelUnits(labels, Metric::F1)), 0.5, 1e-12);
  Measurement m = estimate(labelUnits(labels, Metric::Accuracy), 0.95);
  EXPECT_NEAR(*m.mcnemarP, 0.5, 1e-12); // 2 against 0
  PairSeries pairs{{1, 2, 3}, {3, 2, 1}, {10, 20, 30}};
  EXPECT_NEAR(metricOf(pairUnits(pairs)), 1, 1e-12);
  EXPECT_NEAR(metricOf(pairUnits(pairs), true), -1, 1e-12);
  OutputSeries output;
  HostTensor got = tensorOf<double>(QCC_F32, {1, 2, 2}, {1, 0, 5, 5});
  HostTensor want = tensorOf<double>(QCC_F32, {1, 2, 2}, {1, 1, 0, 0});
  HostTensor mask = tensorOf<int>(QCC_I64, {1, 2}, {1, 0});
  addOutput(got, want, &mask, output); // the second position does not count
  EXPECT_NEAR(metricOf(outputUnits(output, Metric::Cosine)), std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(metricOf(outputUnits(output, Metric::Sqnr)), 10 * std::log10(2.0), 1e-12);
}
