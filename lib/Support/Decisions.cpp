// Decisions about layers, read and written.
#include "qcc/Support/Decisions.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace qcc;
using Kind = LayerDecision::Kind;
using Rule = LayerDecision::Rule;

namespace {

constexpr llvm::StringLiteral schema = "qcc.decisions/1";
constexpr llvm::StringLiteral kindNames[] = {"none", "columns", "sparse", "migrate"};
constexpr llvm::StringLiteral ruleNames[] = {"smooth", "awq"};

/// Reads one layer; the first thing wrong is kept in `problem`.
class LayerReader {
public:
  explicit LayerReader(const llvm::json::Object &object) : object(object) {}
  LayerDecision read();
  std::string problem;

private:
  void fail(const llvm::Twine &what) {
    if (problem.empty())
      problem = what.str();
  }
  template <size_t N>
  int choice(llvm::StringRef key, const llvm::StringLiteral (&names)[N], int otherwise);
  double number(llvm::StringRef key, double otherwise, double low, double high);
  std::vector<float> numbers(llvm::StringRef key, float low);
  std::vector<int32_t> columns();

  const llvm::json::Object &object;
};

template <size_t N>
int LayerReader::choice(llvm::StringRef key, const llvm::StringLiteral (&names)[N], int otherwise) {
  const llvm::json::Value *value = object.get(key);
  if (!value)
    return otherwise;
  if (auto text = value->getAsString())
    for (size_t i = 0; i < N; ++i)
      if (*text == names[i])
        return static_cast<int>(i);
  std::string known;
  for (llvm::StringRef name : names)
    known += (known.empty() ? "" : ", ") + name.str();
  fail("\"" + key + "\" is none of " + known);
  return otherwise;
}

double LayerReader::number(llvm::StringRef key, double otherwise, double low, double high) {
  const llvm::json::Value *value = object.get(key);
  if (!value)
    return otherwise;
  auto real = value->getAsNumber();
  if (real && *real >= low && *real <= high)
    return *real;
  fail(llvm::formatv("\"{0}\" is no number from {1} to {2}", key, low, high).str());
  return otherwise;
}

/// A list of finite numbers above `low`.
std::vector<float> LayerReader::numbers(llvm::StringRef key, float low) {
  std::vector<float> result;
  const llvm::json::Value *value = object.get(key);
  if (!value)
    return result;
  const llvm::json::Array *array = value->getAsArray();
  if (!array || array->empty()) {
    fail("\"" + key + "\" is no list of numbers");
    return result;
  }
  for (const llvm::json::Value &entry : *array) {
    auto real = entry.getAsNumber();
    if (!real || !std::isfinite(static_cast<float>(*real)) || !(*real >= low)) {
      fail("\"" + key + "\" holds something else than finite numbers" +
           (low > 0    ? " above 0"
            : low == 0 ? " of at least 0"
                       : ""));
      return result;
    }
    result.push_back(static_cast<float>(*real));
  }
  return result;
}

std::vector<int32_t> LayerReader::columns() {
  std::vector<int32_t> result;
  const llvm::json::Value *value = object.get("columns");
  if (!value)
    return result;
  const llvm::json::Array *array = value->getAsArray();
  int64_t last = -1;
  for (size_t i = 0; array && i < array->size(); ++i) {
    auto column = (*array)[i].getAsInteger();
    if (!column || *column <= last || *column > INT32_MAX) {
      array = nullptr;
      break;
    }
    result.push_back(static_cast<int32_t>(last = *column));
  }
  if (!array)
    fail("\"columns\" is no list of ascending channel numbers");
  return result;
}

LayerDecision LayerReader::read() {
  LayerDecision d;
  d.kind = static_cast<Kind>(choice("kind", kindNames, 0));
  d.columns = columns();
  d.fraction = number("fraction", 0, 0, 0.5);
  d.importance = numbers("importance", 0);
  d.rule = static_cast<Rule>(choice("rule", ruleNames, 0));
  d.alpha = number("alpha", 0.5, 0, 1);
  d.magnitudes = numbers("magnitudes", 0);
  d.scales = numbers("scales", std::numeric_limits<float>::min());
  if (const llvm::json::Value *value = object.get("inline")) {
    auto flag = value->getAsBoolean();
    if (!flag || (*flag && d.scales.empty()))
      fail("\"inline\" is no boolean, or true without \"scales\"");
    d.isInline = flag.value_or(false);
  }
  d.bias = numbers("bias", -std::numeric_limits<float>::infinity());
  for (const auto &entry : object)
    if (!llvm::is_contained({"kind", "columns", "fraction", "importance", "rule", "alpha",
                             "magnitudes", "scales", "inline", "bias"},
                            llvm::StringRef(entry.first)))
      fail("\"" + llvm::StringRef(entry.first) + "\" is not known");
  return d;
}

template <typename T> void put(llvm::json::Object &object, llvm::StringRef key, const T &list) {
  if (list.empty())
    return;
  llvm::json::Array array;
  for (auto value : list)
    if constexpr (std::is_integral_v<decltype(value)>)
      array.push_back(static_cast<int64_t>(value));
    else
      array.push_back(static_cast<double>(value));
  object[key] = std::move(array);
}

} // namespace

const LayerDecision *DecisionStore::find(llvm::StringRef name, llvm::StringRef id) const {
  for (llvm::StringRef key : {name, id})
    if (auto found = layers.find(key.str()); !key.empty() && found != layers.end())
      return &found->second;
  return nullptr;
}

std::string DecisionStore::toJson() const {
  llvm::json::Object all;
  for (const auto &[name, d] : layers) {
    llvm::json::Object entry{{"kind", kindNames[static_cast<int>(d.kind)]}};
    put(entry, "columns", d.columns);
    if (d.kind == Kind::Sparse)
      entry["fraction"] = d.fraction;
    put(entry, "importance", d.importance);
    if (d.kind == Kind::Migrate) {
      entry["rule"] = ruleNames[static_cast<int>(d.rule)];
      entry["alpha"] = d.alpha;
    }
    put(entry, "magnitudes", d.magnitudes);
    put(entry, "scales", d.scales);
    if (d.isInline)
      entry["inline"] = true;
    put(entry, "bias", d.bias);
    all[name] = std::move(entry);
  }
  llvm::json::Object top{{"schema", schema}, {"layers", std::move(all)}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(top)) << '\n';
  return text;
}

llvm::Expected<DecisionStore> DecisionStore::fromJson(llvm::StringRef text, llvm::StringRef where) {
  auto fail = [&](const llvm::Twine &what) {
    return makeError(Diag::BadDecisions, where.str(), what.str());
  };
  auto json = llvm::json::parse(text);
  if (!json)
    return fail(llvm::toString(json.takeError()));
  const llvm::json::Object *top = json->getAsObject();
  if (!top || top->getString("schema") != llvm::StringRef(schema))
    return fail("has no \"schema\": \"" + schema + "\"");
  const llvm::json::Object *all = top->getObject("layers");
  if (!all)
    return fail("has no object \"layers\"");
  DecisionStore store;
  for (const auto &entry : *all) {
    llvm::StringRef name = entry.first;
    const llvm::json::Object *layer = entry.second.getAsObject();
    if (!layer)
      return fail("layer '" + name + "' is no object");
    LayerReader reader(*layer);
    store.layers[name.str()] = reader.read();
    if (!reader.problem.empty())
      return fail("layer '" + name + "': " + reader.problem);
  }
  return store;
}

llvm::Expected<DecisionStore> DecisionStore::read(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return fromJson((*buffer)->getBuffer(), path);
}
