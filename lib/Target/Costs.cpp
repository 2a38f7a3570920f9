// The cost table: interpolation, the choice of tiles, and its file.
#include "qcc/Target/Costs.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cmath>
#include <map>

using namespace qcc;
using llvm::StringRef;
namespace json = llvm::json;

/// A tile is kept for fewer rows from this share of the fastest one's rate on.
static constexpr double kNearlyFastest = 0.95;
/// Rows × panels of the largest tile that a table may ask for: far more than registers hold.
static constexpr int64_t kMostTileSums = 64;

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

/// Between two counts of threads, and beyond the last ones, a power of the count.
static double byThreads(const std::map<unsigned, double> &points, unsigned threads) {
  auto above = points.lower_bound(threads);
  if (points.size() == 1 || (above != points.end() && above->first == threads))
    return (above == points.end() ? points.begin() : above)->second;
  if (above == points.end())
    --above;
  if (above == points.begin())
    ++above;
  auto below = std::prev(above);
  double power =
      std::log(above->second / below->second) / std::log(double(above->first) / below->first);
  // More threads are no slower, and at best as many times as fast.
  return below->second * std::pow(double(threads) / below->first, std::clamp(power, -1.0, 0.0));
}

std::optional<double> CostTable::predict(StringRef scheme, unsigned threads, int64_t m, int64_t n,
                                         int64_t k) const {
  const LayerCost *nearest = nullptr;
  double best = INFINITY;
  for (const LayerCost &layer : layers) {
    if (layer.scheme != scheme)
      continue;
    double distance = std::abs(std::log(double(layer.n) / double(n))) +
                      std::abs(std::log(double(layer.k) / double(k)));
    if (distance < best) {
      best = distance;
      nearest = &layer;
    }
  }
  if (!nearest)
    return std::nullopt;
  std::map<unsigned, std::map<int64_t, double>> points;
  for (const LayerCost &layer : layers)
    if (layer.scheme == scheme && layer.n == nearest->n && layer.k == nearest->k)
      points[layer.threads][layer.m] = layer.ms;
  std::map<unsigned, double> ms;
  for (const auto &[count, rows] : points)
    ms[count] = interpolate(rows, m);
  double scale = double(n) * double(k) / (double(nearest->n) * double(nearest->k));
  return scale * byThreads(ms, threads);
}

/// Activations of a scheme as costs tell them apart: floats, of 8 bits too, bytes, 16-bit integers.
static int coreOf(const Scheme &scheme) {
  switch (scheme.act) {
  case Scheme::Act::Float:
  case Scheme::Act::Float8:
    return 0;
  case Scheme::Act::Int8Dynamic:
  case Scheme::Act::Int8Static:
    return 1;
  case Scheme::Act::Int16:
    return 2;
  }
  llvm_unreachable("unknown activations");
}

std::string CostTable::like(const Scheme &scheme) const {
  std::string text = scheme.custom.empty() ? schemeToString(scheme) : "", nearest;
  double least = INFINITY;
  for (const LayerCost &layer : layers) {
    if (layer.scheme == text)
      return text;
    auto known = parseScheme(layer.scheme);
    if (!known) { // "f32"
      llvm::consumeError(known.takeError());
      continue;
    }
    if (coreOf(*known) != coreOf(scheme))
      continue;
    // First of all bits; blocks and zero points cost less than another bit does.
    double distance = std::abs(double(known->bits) - scheme.bits) +
                      0.25 * (known->symmetric != scheme.symmetric) +
                      0.25 * (known->granularity != scheme.granularity) +
                      0.125 * (known->weight != scheme.weight);
    if (distance < least) {
      least = distance;
      nearest = layer.scheme;
    }
  }
  return nearest;
}

TileRules CostTable::fastestTiles(StringRef scheme) const {
  std::map<int64_t, std::vector<const TileCost *>, std::greater<>> byRows;
  for (const TileCost &cost : tiles)
    if (cost.scheme == scheme)
      byRows[cost.m].push_back(&cost);
  TileRules rules;
  for (const auto &[rows, costs] : byRows) {
    const TileCost *fastest =
        *std::max_element(costs.begin(), costs.end(),
                          [](const TileCost *a, const TileCost *b) { return a->gops < b->gops; });
    bool goesOn = !rules.empty() && llvm::any_of(costs, [&](const TileCost *cost) {
      return cost->tile == rules.back().tile && cost->gops >= kNearlyFastest * fastest->gops;
    });
    if (!goesOn)
      rules.push_back({rows, fastest->tile});
    rules.back().fromRows = rows;
  }
  if (!rules.empty())
    rules.back().fromRows = 1;
  return rules;
}

/// A list of JSON objects, one a line.
template <typename T, typename Write>
static void writeList(llvm::raw_ostream &os, const char *name, const std::vector<T> &items,
                      Write write) {
  os << " \"" << name << "\": [";
  StringRef separator = "\n  {";
  for (const T &item : items) {
    os << separator;
    write(item);
    os << "}";
    separator = ",\n  {";
  }
  os << "]";
}

std::string CostTable::toJson() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "{\"schema\": \"qcc.costs/1\", \"target\": \"" << target << "\", \"source\": \""
     << (isModel ? "model" : "measured") << "\",\n";
  writeList(os, "layers", layers, [&](const LayerCost &layer) {
    os << llvm::format(
        R"("scheme": "%s", "threads": %u, "m": %lld, "n": %lld, "k": %lld, "ms": %.4g)",
        layer.scheme.c_str(), layer.threads, (long long)layer.m, (long long)layer.n,
        (long long)layer.k, layer.ms);
  });
  os << ",\n";
  writeList(os, "tiles", tiles, [&](const TileCost &cost) {
    os << llvm::format(R"("scheme": "%s", "m": %lld, "rows": %d, "panels": %d, "gops": %.4g)",
                       cost.scheme.c_str(), (long long)cost.m, cost.tile.rows, cost.tile.panels,
                       cost.gops);
  });
  os << "}\n";
  return text;
}

static bool isPositive(double number) { return number > 0 && std::isfinite(number); }

static bool readLayer(const json::Object &item, LayerCost &layer) {
  layer.scheme = item.getString("scheme").value_or("").str();
  layer.threads = static_cast<unsigned>(item.getInteger("threads").value_or(0));
  layer.m = item.getInteger("m").value_or(0);
  layer.n = item.getInteger("n").value_or(0);
  layer.k = item.getInteger("k").value_or(0);
  layer.ms = item.getNumber("ms").value_or(0);
  return !layer.scheme.empty() && layer.threads && layer.m >= 1 && layer.n >= 1 && layer.k >= 1 &&
         isPositive(layer.ms);
}

static bool readTile(const json::Object &item, TileCost &cost) {
  cost.scheme = item.getString("scheme").value_or("").str();
  cost.m = item.getInteger("m").value_or(0);
  int64_t rows = item.getInteger("rows").value_or(0),
          panels = item.getInteger("panels").value_or(0);
  cost.tile = {static_cast<int>(rows), static_cast<int>(panels)};
  cost.gops = item.getNumber("gops").value_or(0);
  return !cost.scheme.empty() && cost.m >= 1 && rows >= 1 && panels >= 1 && rows <= kMostTileSums &&
         panels <= kMostTileSums / rows && isPositive(cost.gops);
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
  CostTable table;
  table.target = top->getString("target").value_or("").str();
  if (!table.target.empty() && !findTarget(table.target))
    return fail("\"target\" is '" + table.target + "', which is no feature level");
  StringRef source = top->getString("source").value_or("measured");
  if (source != "measured" && source != "model")
    return fail("\"source\" is '" + source + "'; it is measured or model");
  table.isModel = source == "model";
  const json::Array none, *layers = top->getArray("layers"), *tiles = top->getArray("tiles");
  if (!layers)
    return fail("has no list \"layers\"");
  for (const json::Value &item : *layers) {
    const json::Object *object = item.getAsObject();
    if (LayerCost layer; object && readLayer(*object, layer))
      table.layers.push_back(std::move(layer));
    else
      return fail("layer " + llvm::Twine(table.layers.size()) +
                  " lacks a scheme, or a positive threads, m, n, k or ms");
  }
  for (const json::Value &item : tiles ? *tiles : none) {
    const json::Object *object = item.getAsObject();
    if (TileCost cost; object && readTile(*object, cost))
      table.tiles.push_back(std::move(cost));
    else
      return fail("tile " + llvm::Twine(table.tiles.size()) +
                  " lacks a scheme, a positive m, rows, panels or " +
                  "gops, or rows × panels are more than " + llvm::Twine(kMostTileSums));
  }
  return table;
}

llvm::Expected<CostTable> CostTable::read(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return fromJson((*buffer)->getBuffer(), path);
}
