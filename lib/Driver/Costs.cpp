// The cost table: interpolation and its file.
#include "qcc/Driver/Costs.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <map>

using namespace qcc;
using llvm::StringRef;
namespace json = llvm::json;

/// Piecewise linear in M; beyond the measured ones as the last slope goes, from 0 below the first.
static double interpolate(const std::map<int64_t, double> &points, int64_t m) {
  auto above = points.lower_bound(m);
  if (above != points.end() && above->first == m)
    return above->second;
  if (above == points.begin()) // fewer rows than measured cost no more
    return above->second;
  auto below = std::prev(above);
  if (above == points.end())
    return below->second * static_cast<double>(m) / static_cast<double>(below->first);
  double share =
      static_cast<double>(m - below->first) / static_cast<double>(above->first - below->first);
  return below->second + share * (above->second - below->second);
}

std::optional<double> CostTable::predict(StringRef scheme, unsigned threads, int64_t m, int64_t n,
                                         int64_t k) const {
  const CostEntry *nearest = nullptr;
  double best = INFINITY;
  for (const CostEntry &entry : entries) {
    if (entry.scheme != scheme || entry.threads != threads)
      continue;
    double distance = std::abs(std::log(double(entry.n) / double(n))) +
                      std::abs(std::log(double(entry.k) / double(k)));
    if (distance < best) {
      best = distance;
      nearest = &entry;
    }
  }
  if (!nearest)
    return std::nullopt;
  std::map<int64_t, double> points;
  for (const CostEntry &entry : entries)
    if (entry.scheme == scheme && entry.threads == threads && entry.n == nearest->n &&
        entry.k == nearest->k)
      points[entry.m] = entry.ms;
  double scale = double(n) * double(k) / (double(nearest->n) * double(nearest->k));
  return scale * interpolate(points, m);
}

std::string CostTable::toJson() const {
  json::Array layers;
  for (const CostEntry &entry : entries)
    layers.push_back(json::Object{{"scheme", entry.scheme},
                                  {"threads", static_cast<int64_t>(entry.threads)},
                                  {"m", entry.m},
                                  {"n", entry.n},
                                  {"k", entry.k},
                                  {"ms", entry.ms}});
  json::Object top{{"schema", "qcc.costs/1"}, {"target", target}, {"layers", std::move(layers)}};
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(top)) << '\n';
  return text;
}

llvm::Expected<CostTable> CostTable::fromJson(StringRef text, StringRef where) {
  auto fail = [&](const llvm::Twine &what) {
    return makeError(Diag::BadCostTable, where.str(), what.str(), {},
                     "`qcc tune -o FILE` writes such files");
  };
  auto parsed = json::parse(text);
  if (!parsed)
    return fail(llvm::toString(parsed.takeError()));
  const json::Object *top = parsed->getAsObject();
  if (!top || top->getString("schema") != StringRef("qcc.costs/1"))
    return fail("has no \"schema\": \"qcc.costs/1\"");
  const json::Array *layers = top->getArray("layers");
  if (!layers)
    return fail("has no list \"layers\"");
  CostTable table;
  table.target = top->getString("target").value_or("").str();
  for (const json::Value &item : *layers) {
    const json::Object *layer = item.getAsObject();
    CostEntry entry;
    if (layer) {
      entry.scheme = layer->getString("scheme").value_or("").str();
      entry.threads = static_cast<unsigned>(layer->getInteger("threads").value_or(0));
      entry.m = layer->getInteger("m").value_or(0);
      entry.n = layer->getInteger("n").value_or(0);
      entry.k = layer->getInteger("k").value_or(0);
      entry.ms = layer->getNumber("ms").value_or(0);
    }
    if (entry.scheme.empty() || !entry.threads || entry.m < 1 || entry.n < 1 || entry.k < 1 ||
        !(entry.ms > 0) || !std::isfinite(entry.ms))
      return fail("layer " + llvm::Twine(table.entries.size()) +
                  " lacks a scheme, or a positive threads, m, n, k or ms");
    table.entries.push_back(std::move(entry));
  }
  return table;
}

llvm::Expected<CostTable> CostTable::read(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return fromJson((*buffer)->getBuffer(), path);
}
