// Results of gates as JSON, table rows and errors.
#include "qcc/Quality/GateResult.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include <cmath>

using namespace qcc;
using namespace qcc::quality;
using llvm::StringRef;
namespace json = llvm::json;

/// JSON has no NaN.
static json::Value jsonNumber(double value) {
  return std::isfinite(value) ? json::Value(value) : json::Value(nullptr);
}

json::Object quality::toJson(const Measurement &m) {
  json::Object object{{"name", m.name},
                      {"metric", metricName(m.metric)},
                      {"value", jsonNumber(m.value)},
                      {"interval", json::Array{jsonNumber(m.low), jsonNumber(m.high)}},
                      {"confidence", m.confidence},
                      {"samples", m.samples},
                      {"units", m.units}};
  if (!m.output.empty())
    object["output"] = m.output;
  if (m.reference)
    object["reference"] = jsonNumber(*m.reference);
  if (m.tail)
    object[m.metric == Metric::Kld ? "p99_9" : "worst"] = jsonNumber(*m.tail);
  if (m.mcnemarP)
    object["mcnemar_p"] = jsonNumber(*m.mcnemarP);
  return object;
}

json::Object quality::toJson(const GateResult &result) {
  json::Array sets, costs;
  for (const SetResult &set : result.sets) {
    json::Object object = toJson(set.measurement);
    object["limit"] = set.limit;
    object["tested"] = jsonNumber(set.tested);
    object["bound"] = jsonNumber(set.bound);
    object["allowed"] = jsonNumber(set.allowed);
    object["accepted"] = set.accepted;
    object["margin"] = jsonNumber(set.margin);
    if (!set.note.empty())
      object["note"] = set.note;
    sets.push_back(std::move(object));
  }
  for (const GateResult::Cost &cost : result.costs) {
    json::Object object{{"what", cost.what},
                        {"value", jsonNumber(cost.value)},
                        {"allowed", jsonNumber(cost.allowed)},
                        {"accepted", cost.accepted},
                        {"predicted", cost.predicted}};
    if (cost.bound)
      object["bound"] = jsonNumber(*cost.bound);
    costs.push_back(std::move(object));
  }
  return json::Object{{"gate", result.text},         {"accepted", result.accepted},
                      {"measured", result.measured}, {"sets", std::move(sets)},
                      {"costs", std::move(costs)},   {"nearest", result.nearest}};
}

/// "set 'dev': accuracy 0.87, drop 0.021 (bound 0.034), drop <= 0.01".
static std::string inWords(const SetResult &set) {
  const Measurement &m = set.measurement;
  std::string text =
      "set '" + m.name + "': " + metricName(m.metric).str() + " " + formatNumber(m.value, 5);
  if (m.reference)
    text += ", reference " + formatNumber(*m.reference, 5);
  text += ", " + std::string(set.upper ? "at most " : "at least ") + formatNumber(set.bound, 5) +
          " is sure, the limit is " + set.limit;
  if (!set.note.empty())
    text += " (" + set.note + ")";
  return text;
}

static std::string inWords(const GateResult::Cost &cost) {
  std::string text =
      cost.what + ": " + formatNumber(cost.value, 5) + (cost.predicted ? " (predicted)" : "");
  if (cost.bound)
    text += ", at most " + formatNumber(*cost.bound, 5) + " is sure";
  return text + ", the limit is " + formatNumber(cost.allowed, 9);
}

llvm::Error quality::gateError(const GateResult &result, StringRef where) {
  if (result.accepted)
    return llvm::Error::success();
  std::vector<std::string> misses;
  for (const SetResult &set : result.sets)
    if (!set.accepted)
      misses.push_back(inWords(set));
  for (const GateResult::Cost &cost : result.costs)
    if (!cost.accepted)
      misses.push_back(inWords(cost));
  size_t all = result.sets.size() + result.costs.size();
  std::string message = "the gate " + result.text +
                        " is not met: " + std::to_string(misses.size()) + " of " +
                        std::to_string(all) + " limits do not hold";
  if (!result.nearest.empty())
    message += "; the nearest miss is " + result.nearest;
  return makeError(Diag::GateNotMet, where.str(), message, misses);
}

std::vector<std::vector<std::string>> quality::gateTable(const GateResult &result) {
  std::vector<std::vector<std::string>> rows = {
      {"set", "metric", "value", "interval", "reference", "limit", "bound", "decision"}};
  for (const SetResult &set : result.sets) {
    const Measurement &m = set.measurement;
    rows.push_back({m.name, metricName(m.metric).str(), formatNumber(m.value, 5),
                    formatNumber(m.low, 4) + " to " + formatNumber(m.high, 4),
                    m.reference ? formatNumber(*m.reference, 5) : "-", set.limit,
                    formatNumber(set.bound, 5), set.accepted ? "accepted" : "refused"});
  }
  for (const GateResult::Cost &cost : result.costs)
    rows.push_back({cost.what, cost.predicted ? "predicted" : "measured",
                    formatNumber(cost.value, 5), "-", "-", "<= " + formatNumber(cost.allowed, 9),
                    formatNumber(cost.bound.value_or(cost.value), 5),
                    cost.accepted ? "accepted" : "refused"});
  return rows;
}
