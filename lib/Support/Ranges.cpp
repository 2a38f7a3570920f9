// Ranges of values, collected and kept.
#include "qcc/Support/Ranges.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Statistics.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace qcc;

bool RangeStore::add(llvm::StringRef id, size_t channels, llvm::ArrayRef<float> rows) {
  std::vector<float> &magnitudes = ranges[id.str()];
  if (magnitudes.empty())
    magnitudes.resize(channels);
  if (channels == 0 || magnitudes.size() != channels || rows.size() % channels != 0)
    return false;
  for (size_t i = 0; i < rows.size(); ++i)
    magnitudes[i % channels] = std::fmax(magnitudes[i % channels], std::fabs(rows[i]));
  return true;
}

llvm::ArrayRef<float> RangeStore::magnitudes(llvm::StringRef id) const {
  auto found = ranges.find(id.str());
  return found == ranges.end() ? llvm::ArrayRef<float>() : llvm::ArrayRef<float>(found->second);
}

std::string RangeStore::toJson() const {
  llvm::json::Object all;
  for (const auto &[id, magnitudes] : ranges) {
    llvm::json::Array numbers;
    for (float value : magnitudes)
      numbers.push_back(static_cast<double>(value));
    all[id] = std::move(numbers);
  }
  llvm::json::Object top{{"schema", "qcc.ranges/1"}, {"ranges", std::move(all)}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(top)) << '\n';
  return text;
}

llvm::Expected<RangeStore> RangeStore::fromStatistics(llvm::StringRef text, llvm::StringRef where) {
  auto statistics = StatisticsStore::fromJson(text, where);
  if (!statistics)
    return statistics.takeError();
  RangeStore store;
  for (auto &[id, value] : statistics->values)
    store.ranges[id] = std::move(value.magnitude);
  return store;
}

llvm::Expected<RangeStore> RangeStore::fromJson(llvm::StringRef text, llvm::StringRef where) {
  auto fail = [&](const llvm::Twine &what) {
    return makeError(Diag::BadRanges, where.str(), what.str(), {},
                     "`qcc calibrate MODEL --data D -o FILE` writes such files");
  };
  auto json = llvm::json::parse(text);
  if (!json)
    return fail(llvm::toString(json.takeError()));
  const llvm::json::Object *top = json->getAsObject();
  if (top && top->getString("schema") == llvm::StringRef("qcc.statistics/1"))
    return fromStatistics(text, where);
  if (!top || top->getString("schema") != llvm::StringRef("qcc.ranges/1"))
    return fail("has no \"schema\": \"qcc.ranges/1\"");
  const llvm::json::Object *all = top->getObject("ranges");
  if (!all)
    return fail("has no object \"ranges\"");
  RangeStore store;
  for (const auto &entry : *all) {
    const llvm::json::Array *numbers = entry.second.getAsArray();
    if (!numbers || numbers->empty())
      return fail("range '" + llvm::StringRef(entry.first) + "' is no list of numbers");
    std::vector<float> &magnitudes = store.ranges[llvm::StringRef(entry.first).str()];
    for (const llvm::json::Value &number : *numbers) {
      auto value = number.getAsNumber();
      if (!value || !(*value >= 0) || !std::isfinite(*value))
        return fail("range '" + llvm::StringRef(entry.first) +
                    "' holds something else than finite numbers of at least 0");
      magnitudes.push_back(static_cast<float>(*value));
    }
  }
  return store;
}

llvm::Expected<RangeStore> RangeStore::read(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return fromJson((*buffer)->getBuffer(), path);
}
