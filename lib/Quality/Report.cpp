// Reports as JSON and as tables.
#include "qcc/Quality/Report.h"
#include "qcc/Support/Print.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace qcc;
using namespace qcc::quality;
namespace json = llvm::json;

namespace {
json::Value number(std::optional<double> value) {
  return value && std::isfinite(*value) ? json::Value(*value) : json::Value(nullptr);
}

void set(json::Object &object, llvm::StringRef key, std::optional<double> value) {
  if (value)
    object[key] = number(value);
}

json::Object toJson(const CandidateReport &candidate) {
  json::Object object{{"scheme", candidate.scheme},
                      {"transform", candidate.transform},
                      {"method", candidate.method}};
  set(object, "predicted_loss", candidate.predictedLoss);
  set(object, "measured_loss", candidate.measuredLoss);
  set(object, "ms", candidate.ms);
  if (candidate.bytes)
    object["bytes"] = static_cast<int64_t>(*candidate.bytes);
  if (!candidate.excluded.empty())
    object["excluded"] = candidate.excluded;
  return object;
}

json::Object toJson(const TensorReport &tensor) {
  json::Array candidates;
  for (const CandidateReport &candidate : tensor.candidates)
    candidates.push_back(toJson(candidate));
  return json::Object{{"name", tensor.name},
                      {"dims", json::Array(tensor.dims)},
                      {"chosen", tensor.chosen},
                      {"reason", tensor.reason},
                      {"candidates", std::move(candidates)}};
}

const CandidateReport *chosenOf(const TensorReport &tensor) {
  bool valid = tensor.chosen >= 0 && tensor.chosen < static_cast<int64_t>(tensor.candidates.size());
  return valid ? &tensor.candidates[tensor.chosen] : nullptr;
}

std::optional<double> lossOf(const CandidateReport &candidate) {
  return candidate.measuredLoss ? candidate.measuredLoss : candidate.predictedLoss;
}

std::string nameOf(const CandidateReport &candidate) {
  std::string text = candidate.scheme;
  if (!candidate.transform.empty() && candidate.transform != "none")
    text += " after " + candidate.transform;
  if (!candidate.method.empty() && candidate.method != "rtn")
    text += " by " + candidate.method;
  return text;
}

std::string text(std::optional<double> value) { return value ? formatNumber(*value, 3) : "-"; }

/// The best candidate that was to be had and was not chosen.
const CandidateReport *runnerUp(const TensorReport &tensor) {
  const CandidateReport *best = nullptr;
  for (size_t i = 0; i < tensor.candidates.size(); ++i) {
    const CandidateReport &candidate = tensor.candidates[i];
    if (static_cast<int64_t>(i) == tensor.chosen || !candidate.excluded.empty())
      continue;
    if (!best || lossOf(candidate).value_or(INFINITY) < lossOf(*best).value_or(INFINITY))
      best = &candidate;
  }
  return best;
}

std::string shapeOf(const std::vector<int64_t> &dims) {
  std::string result;
  for (size_t i = 0; i < dims.size(); ++i)
    result += (i ? "x" : "") + std::to_string(dims[i]);
  return result.empty() ? "scalar" : result;
}

void printTensors(llvm::raw_ostream &os, const QuantizeReport &report, int64_t limit) {
  std::vector<size_t> order(report.tensors.size());
  std::iota(order.begin(), order.end(), 0);
  auto loss = [&](size_t i) {
    const CandidateReport *chosen = chosenOf(report.tensors[i]);
    return chosen ? lossOf(*chosen).value_or(0) : 0;
  };
  std::sort(order.begin(), order.end(),
            [&](size_t i, size_t j) { return std::pair(-loss(i), i) < std::pair(-loss(j), j); });
  size_t shown = limit < 0 ? order.size() : std::min<size_t>(limit, order.size());
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "shape", "choice", "loss", "size", "ms", "runner-up", "reason"}};
  for (size_t i : llvm::ArrayRef(order).take_front(shown)) {
    const TensorReport &tensor = report.tensors[i];
    const CandidateReport *chosen = chosenOf(tensor), *second = runnerUp(tensor);
    rows.push_back({tensor.name, shapeOf(tensor.dims), chosen ? nameOf(*chosen) : "kept",
                    chosen ? text(lossOf(*chosen)) : "-",
                    chosen && chosen->bytes ? formatBytes(*chosen->bytes) : "-",
                    chosen ? text(chosen->ms) : "-",
                    second ? nameOf(*second) + " (" + text(lossOf(*second)) + ")" : "-",
                    tensor.reason});
  }
  printTable(os, rows);
  if (shown < order.size())
    os << "and " << order.size() - shown << " tensors with smaller losses\n";
}
/// What was promised and what came of it.
void printPredictions(llvm::raw_ostream &os, const QuantizeReport &report) {
  std::vector<std::vector<std::string>> rows = {{"", "predicted", "measured"}};
  if (report.predictedLoss)
    rows.push_back({report.lossUnit, text(report.predictedLoss), text(report.measuredLoss)});
  if (report.predictedMs)
    rows.push_back({"ms", text(report.predictedMs), text(report.measuredMs)});
  if (rows.size() == 1)
    return;
  os << '\n';
  printTable(os, rows);
}
} // namespace

json::Object quality::toJson(const QuantizeReport &report, bool timings) {
  json::Array tensors, layers, convergence, steps;
  for (const TensorReport &tensor : report.tensors)
    tensors.push_back(::toJson(tensor));
  for (const LayerLoss &layer : report.attribution) {
    json::Object object{{"layer", layer.layer}, {"share", number(layer.share)}};
    set(object, "alone", layer.alone);
    set(object, "without", layer.without);
    layers.push_back(std::move(object));
  }
  for (const ConvergencePoint &point : report.convergence)
    convergence.push_back(json::Object{
        {"what", point.what}, {"samples", point.samples}, {"change", number(point.change)}});
  for (const TimingReport &step : report.timings)
    steps.push_back(json::Object{{"step", step.step}, {"seconds", number(step.seconds)}});
  json::Object object{{"schema", "qcc.report/1"},
                      {"scheme", report.scheme},
                      {"methods", json::Array(report.methods)},
                      {"samples", report.samples},
                      {"seed", static_cast<int64_t>(report.seed)},
                      {"loss_unit", report.lossUnit},
                      {"tensors", std::move(tensors)},
                      {"attribution", std::move(layers)},
                      {"convergence", std::move(convergence)},
                      {"notes", json::Array(report.notes)}};
  if (!report.recipeHash.empty())
    object["recipe_sha256"] = report.recipeHash;
  if (!report.dataHash.empty())
    object["data_sha256"] = report.dataHash;
  if (report.bytesBefore)
    object["bytes_before"] = static_cast<int64_t>(*report.bytesBefore);
  if (report.bytesAfter)
    object["bytes_after"] = static_cast<int64_t>(*report.bytesAfter);
  ::set(object, "predicted_ms", report.predictedMs);
  ::set(object, "measured_ms", report.measuredMs);
  ::set(object, "predicted_loss", report.predictedLoss);
  ::set(object, "measured_loss", report.measuredLoss);
  ::set(object, "attributed_loss", report.attributed);
  if (report.gate)
    object["gate"] = toJson(*report.gate);
  if (timings) {
    object["model"] = report.model;
    object["output"] = report.output;
    object["timings"] = std::move(steps);
  }
  return object;
}

void quality::printReport(llvm::raw_ostream &os, const QuantizeReport &report, int64_t limit) {
  if (!report.tensors.empty())
    printTensors(os, report, limit);
  if (!report.attribution.empty()) {
    std::vector<LayerLoss> layers = report.attribution;
    std::sort(layers.begin(), layers.end(), [](const LayerLoss &a, const LayerLoss &b) {
      return std::pair(-a.share, a.layer) < std::pair(-b.share, b.layer);
    });
    if (limit >= 0 && layers.size() > static_cast<size_t>(limit))
      layers.resize(limit);
    std::vector<std::vector<std::string>> rows = {
        {"layer", "loss alone", "saved without", "share"}};
    for (const LayerLoss &layer : layers)
      rows.push_back({layer.layer, text(layer.alone), text(layer.without),
                      formatNumber(100 * layer.share, 3) + " %"});
    os << '\n';
    printTable(os, rows);
  }
  printPredictions(os, report);
  if (report.gate) {
    os << '\n';
    if (!report.gate->measured)
      os << "quality: not measured\n";
    if (!report.gate->sets.empty() || !report.gate->costs.empty())
      printTable(os, gateTable(*report.gate));
  }
  for (const std::string &note : report.notes)
    os << "note: " << note << '\n';
}

/// Larger is worse, so that every axis of the front points down.
static double badnessOf(const Measurement &measurement) {
  return higherIsBetter(measurement.metric) ? -measurement.value : measurement.value;
}

static bool dominates(const SweepRow &a, const SweepRow &b) {
  double qualityA = badnessOf(a.quality.front()), qualityB = badnessOf(b.quality.front());
  double timeA = a.ms.value_or(0), timeB = b.ms.value_or(0);
  bool noWorse = a.bytes <= b.bytes && timeA <= timeB && qualityA <= qualityB;
  return noWorse && (a.bytes < b.bytes || timeA < timeB || qualityA < qualityB);
}

std::vector<size_t> quality::paretoFront(const SweepTable &table) {
  std::vector<size_t> front;
  auto counts = [&](const SweepRow &row) { return row.failed.empty() && !row.quality.empty(); };
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (!counts(table.rows[i]))
      continue;
    bool beaten = llvm::any_of(table.rows, [&](const SweepRow &other) {
      return counts(other) && dominates(other, table.rows[i]);
    });
    if (!beaten)
      front.push_back(i);
  }
  return front;
}

json::Object quality::toJson(const SweepTable &table) {
  std::vector<size_t> front = paretoFront(table);
  json::Array rows;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const SweepRow &row = table.rows[i];
    json::Object object{
        {"scheme", row.scheme}, {"method", row.method}, {"pareto", llvm::is_contained(front, i)}};
    if (!row.failed.empty()) {
      object["failed"] = row.failed;
    } else {
      object["bytes"] = static_cast<int64_t>(row.bytes);
      ::set(object, row.msPredicted ? "predicted_ms" : "median_ms", row.ms);
      json::Array list;
      for (const Measurement &measurement : row.quality)
        list.push_back(toJson(measurement));
      object["quality"] = std::move(list);
    }
    rows.push_back(std::move(object));
  }
  json::Object object{{"schema", "qcc.sweep/1"}, {"model", table.model}, {"rows", std::move(rows)}};
  if (!table.dataHash.empty())
    object["data_sha256"] = table.dataHash;
  if (!table.latencyAt.empty())
    object["latency_at"] = table.latencyAt;
  return object;
}

void quality::printSweep(llvm::raw_ostream &os, const SweepTable &table) {
  std::vector<std::string> head = {"scheme", "method", "size"};
  bool timed = llvm::any_of(table.rows, [](const SweepRow &row) { return row.ms.has_value(); });
  if (timed)
    head.push_back("ms at " + table.latencyAt);
  const SweepRow *first = nullptr;
  for (const SweepRow &row : table.rows)
    if (!first && !row.quality.empty())
      first = &row;
  if (first)
    for (const Measurement &measurement : first->quality)
      head.push_back(measurement.name.empty() ? metricName(measurement.metric).str()
                                              : measurement.name);
  head.push_back("");
  std::vector<std::vector<std::string>> rows = {head};
  std::vector<size_t> front = paretoFront(table);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const SweepRow &row = table.rows[i];
    std::vector<std::string> cells = {row.scheme, row.method,
                                      row.failed.empty() ? formatBytes(row.bytes) : "-"};
    if (timed)
      cells.push_back(row.ms ? formatNumber(*row.ms, 4) + (row.msPredicted ? " (predicted)" : "")
                             : "-");
    for (const Measurement &measurement : row.quality)
      cells.push_back(formatNumber(measurement.value, 5));
    cells.resize(head.size() - 1, "-");
    cells.push_back(!row.failed.empty() ? row.failed
                                        : (llvm::is_contained(front, i) ? "Pareto" : ""));
    rows.push_back(std::move(cells));
  }
  printTable(os, rows);
}
