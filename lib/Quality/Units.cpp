// What each metric is computed from.
#include "qcc/Quality/Estimate.h"
#include "qcc/Quality/Stats.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

using namespace qcc;
using namespace qcc::quality;

/// With fewer samples than this, a sample's predictions are cut into blocks: neighbours are alike,
/// blocks hardly.
constexpr int64_t enoughUnits = 32;

/// Adds units for `count` flat values from `begin` on: their sum, their count, and `others`' sum.
static void addBlocks(Units &units, int64_t begin, int64_t count, int64_t blocks,
                      llvm::function_ref<double(int64_t)> value,
                      llvm::function_ref<double(int64_t)> other) {
  blocks = std::clamp<int64_t>(blocks, 1, std::max<int64_t>(count, 1));
  for (int64_t b = 0; b < blocks && count > 0; ++b) {
    std::array<double, 3> row = {0, 0, 0};
    for (int64_t i = begin + count * b / blocks; i < begin + count * (b + 1) / blocks; ++i) {
      row[0] += value(i);
      row[1] += 1;
      row[2] += other(i);
    }
    units.rows.push_back(row);
  }
}

static int64_t blocksFor(int64_t samples) {
  return samples >= enoughUnits ? 1 : (enoughUnits + samples - 1) / std::max<int64_t>(samples, 1);
}

Units quality::tokenUnits(const TokenSeries &series, Metric metric) {
  assert(metric == Metric::Perplexity || metric == Metric::Kld || metric == Metric::Top1);
  Units units;
  units.metric = metric;
  units.samples = static_cast<int64_t>(series.predictions.size());
  units.predictions = static_cast<int64_t>(series.nll.size());
  units.hasReference = metric == Metric::Perplexity && !series.referenceNll.empty();
  int64_t begin = 0, blocks = blocksFor(units.samples);
  auto value = [&](int64_t i) -> double {
    return metric == Metric::Perplexity ? series.nll[i]
           : metric == Metric::Kld      ? series.kld[i]
                                        : series.agree[i];
  };
  auto other = [&](int64_t i) { return units.hasReference ? series.referenceNll[i] : 0; };
  for (int64_t count : series.predictions) {
    addBlocks(units, begin, count, blocks, value, other);
    begin += count;
  }
  if (metric == Metric::Kld)
    units.tail = quantile(series.kld, 0.999);
  return units;
}

Units quality::outputUnits(const OutputSeries &series, Metric metric) {
  Units units;
  units.metric = metric;
  units.output = series.name;
  units.samples = static_cast<int64_t>(series.samples.size());
  units.predictions = units.samples;
  bool byRow = metric == Metric::Kld || metric == Metric::Top1;
  int64_t begin = 0, blocks = blocksFor(units.samples);
  auto value = [&](int64_t i) -> double {
    return metric == Metric::Kld ? series.kld[i] : series.agree[i];
  };
  for (const OutputSeries::PerSample &sample : series.samples) {
    if (byRow)
      addBlocks(units, begin, sample.rows, blocks, value, [](int64_t) { return 0.0; });
    else if (metric == Metric::Cosine)
      units.rows.push_back({sample.cosine, 1, 0});
    else
      units.rows.push_back({sample.signal, sample.noise, 0});
    begin += sample.rows;
  }
  if (byRow)
    units.predictions = begin;
  if (metric == Metric::Kld)
    units.tail = quantile(series.kld, 0.999);
  if (metric == Metric::Cosine && !units.rows.empty())
    units.tail = (*std::min_element(units.rows.begin(), units.rows.end()))[0];
  return units;
}

Units quality::labelUnits(const LabelSeries &series, Metric metric) {
  assert(metric == Metric::Accuracy || metric == Metric::F1);
  Units units;
  units.metric = metric;
  units.hasReference = !series.referencePredicted.empty();
  units.samples = units.predictions = static_cast<int64_t>(series.labels.size());
  for (size_t i = 0; i < series.labels.size(); ++i) {
    int64_t label = series.labels[i], ours = series.predicted[i];
    int64_t theirs = units.hasReference ? series.referencePredicted[i] : 0;
    if (metric == Metric::Accuracy)
      units.rows.push_back({double(ours == label), 1, double(theirs == label)});
    else
      units.rows.push_back({double(ours), double(label), double(theirs)});
  }
  return units;
}

Units quality::pairUnits(const PairSeries &series) {
  Units units;
  units.metric = Metric::Spearman;
  units.hasReference = !series.referenceSimilarity.empty();
  units.samples = units.predictions = static_cast<int64_t>(series.gold.size());
  for (size_t i = 0; i < series.gold.size(); ++i)
    units.rows.push_back({series.similarity[i], series.gold[i],
                          units.hasReference ? series.referenceSimilarity[i] : 0});
  return units;
}

double quality::metricOf(const Units &units, llvm::ArrayRef<uint32_t> picked, bool reference) {
  size_t column = reference ? 2 : 0;
  if (units.metric == Metric::F1) {
    std::vector<int64_t> predicted, labels;
    for (uint32_t i : picked) {
      predicted.push_back(static_cast<int64_t>(units.rows[i][column]));
      labels.push_back(static_cast<int64_t>(units.rows[i][1]));
    }
    return classify(predicted, labels).f1;
  }
  if (units.metric == Metric::Spearman) {
    std::vector<double> similarity, gold;
    for (uint32_t i : picked) {
      similarity.push_back(units.rows[i][column]);
      gold.push_back(units.rows[i][1]);
    }
    double rank = spearman(similarity, gold);
    return std::isnan(rank) ? 0 : rank;
  }
  std::array<double, 3> sums = {0, 0, 0};
  for (uint32_t i : picked)
    for (size_t k = 0; k < 3; ++k)
      sums[k] += units.rows[i][k];
  return metricFromMeans(units.metric, sums, reference);
}

bool quality::followsFromMeans(Metric metric) {
  return metric != Metric::F1 && metric != Metric::Spearman;
}

double quality::metricFromMeans(Metric metric, const std::array<double, 3> &means, bool reference) {
  double sum = means[reference ? 2 : 0], count = means[1];
  if (metric == Metric::Perplexity)
    return std::exp(sum / count);
  if (metric == Metric::Sqnr) // without noise as good as f64 can tell
    return 10 * std::log10(sum / std::max(count, sum * 1e-32));
  return sum / count;
}

double quality::metricOf(const Units &units, bool reference) {
  std::vector<uint32_t> all(units.rows.size());
  std::iota(all.begin(), all.end(), 0);
  return metricOf(units, all, reference);
}
