// The statistics file: written whole, read with suspicion.
#include "qcc/Support/Statistics.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace qcc;
using llvm::StringRef;
namespace json = llvm::json;

const ValueStatistics *StatisticsStore::find(StringRef id) const {
  auto found = values.find(id.str());
  return found == values.end() ? nullptr : &found->second;
}

static json::Array numbers(llvm::ArrayRef<float> values) {
  json::Array array;
  for (float value : values)
    array.push_back(static_cast<double>(value));
  return array;
}

static json::Object toObject(const ValueStatistics &value) {
  json::Object ranges;
  for (const auto &[name, range] : value.ranges)
    ranges[name] = json::Array{range.low, range.high};
  return json::Object{{"channels", value.channels},
                      {"positions", value.positions},
                      {"min", value.min},
                      {"max", value.max},
                      {"drift", value.drift},
                      {"ranges", std::move(ranges)},
                      {"magnitude", numbers(value.magnitude)},
                      {"mean_magnitude", numbers(value.meanMagnitude)},
                      {"mean_square", numbers(value.meanSquare)}};
}

std::string StatisticsStore::toJson() const {
  json::Object all;
  for (const auto &[id, value] : values)
    all[id] = toObject(value);
  json::Object top{{"schema", "qcc.statistics/1"},
                   {"model", modelHash},
                   {"data", dataHash},
                   {"samples", samples},
                   {"values", std::move(all)}};
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(top)) << '\n';
  return text;
}

namespace {

/// Reads one value's entry; the first problem is kept.
class EntryReader {
public:
  explicit EntryReader(const json::Object &entry) : entry(entry) {}

  double number(StringRef name) {
    auto value = entry.getNumber(name);
    if (!value || !std::isfinite(*value))
      return fail("'" + name + "' is no finite number"), 0;
    return *value;
  }
  std::vector<float> list(StringRef name, int64_t count) {
    const json::Array *array = entry.getArray(name);
    std::vector<float> values;
    if (!array || static_cast<int64_t>(array->size()) != count)
      return fail("'" + name + "' is no list with a number per channel"), values;
    for (const json::Value &item : *array) {
      auto value = item.getAsNumber();
      if (!value || !(*value >= 0) || !std::isfinite(*value))
        return fail("'" + name + "' holds something else than finite numbers of at least 0"),
               values;
      values.push_back(static_cast<float>(*value));
    }
    return values;
  }
  std::map<std::string, Interval> ranges() {
    std::map<std::string, Interval> result;
    const json::Object *object = entry.getObject("ranges");
    if (!object)
      return fail("has no object 'ranges'"), result;
    for (const auto &item : *object) {
      const json::Array *pair = item.second.getAsArray();
      auto low = pair && pair->size() == 2 ? (*pair)[0].getAsNumber() : std::nullopt;
      auto high = pair && pair->size() == 2 ? (*pair)[1].getAsNumber() : std::nullopt;
      if (!low || !high || !(*low <= *high) || !std::isfinite(*high - *low))
        return fail("range '" + StringRef(item.first) + "' is no pair [low, high]"), result;
      result[StringRef(item.first).str()] = {*low, *high};
    }
    return result;
  }
  std::string problem;

private:
  void fail(const llvm::Twine &what) {
    if (problem.empty())
      problem = what.str();
  }
  const json::Object &entry;
};

} // namespace

llvm::Expected<StatisticsStore> StatisticsStore::fromJson(StringRef text, StringRef where) {
  auto fail = [&](const llvm::Twine &what) {
    return makeError(Diag::BadStatistics, where.str(), what.str(), {},
                     "`qcc calibrate MODEL --data D -o FILE` writes such files");
  };
  auto parsed = json::parse(text);
  if (!parsed)
    return fail(llvm::toString(parsed.takeError()));
  const json::Object *top = parsed->getAsObject();
  if (!top || top->getString("schema") != StringRef("qcc.statistics/1"))
    return fail("has no \"schema\": \"qcc.statistics/1\"");
  const json::Object *all = top->getObject("values");
  if (!all)
    return fail("has no object \"values\"");
  StatisticsStore store;
  store.modelHash = top->getString("model").value_or("").str();
  store.dataHash = top->getString("data").value_or("").str();
  store.samples = top->getInteger("samples").value_or(0);
  for (const auto &item : *all) {
    StringRef id = item.first;
    const json::Object *entry = item.second.getAsObject();
    if (!entry)
      return fail("value '" + id + "' is no object");
    EntryReader reader(*entry);
    ValueStatistics value;
    value.channels = entry->getInteger("channels").value_or(-1);
    value.positions = entry->getInteger("positions").value_or(0);
    value.min = reader.number("min");
    value.max = reader.number("max");
    value.drift = reader.number("drift");
    value.ranges = reader.ranges();
    value.magnitude = reader.list("magnitude", value.channels);
    value.meanMagnitude = reader.list("mean_magnitude", value.channels);
    value.meanSquare = reader.list("mean_square", value.channels);
    if (!reader.problem.empty())
      return fail("value '" + id + "': " + reader.problem);
    store.values[id.str()] = std::move(value);
  }
  return store;
}

llvm::Expected<StatisticsStore> StatisticsStore::read(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return fromJson((*buffer)->getBuffer(), path);
}
