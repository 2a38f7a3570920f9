// Acceptance files: YAML read node by node, so that every mistake names its line.
#include "qcc/Quality/Gate.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include <cmath>
#include <set>

using namespace qcc;
using namespace qcc::quality;
using llvm::StringRef;
namespace yaml = llvm::yaml;

namespace {
class GateReader {
public:
  GateReader(StringRef text, StringRef where, StringRef folder)
      : text(text), where(where), folder(folder) {}

  llvm::Expected<Gate> read();

private:
  llvm::Error bad(const yaml::Node *node, const llvm::Twine &why, StringRef help = "");
  /// Calls `readPair` with each key of a map, which must differ.
  llvm::Error readMap(yaml::MappingNode &map,
                      llvm::function_ref<llvm::Error(StringRef, yaml::KeyValueNode &)> readPair);
  llvm::Error readLimit(StringRef key, yaml::KeyValueNode &pair, Gate &gate);
  llvm::Error readSets(yaml::Node *node, Gate &gate);
  llvm::Error readSet(yaml::MappingNode &map, GateSet &set);
  llvm::Error readField(StringRef key, yaml::Node *value, GateSet &set);
  llvm::Error checkSet(const yaml::Node &node, const GateSet &set);
  llvm::Error readLatency(yaml::Node *node, Gate &gate);
  llvm::Expected<std::string> scalar(yaml::Node *node, StringRef key);
  llvm::Expected<double> number(yaml::Node *node, StringRef key);
  llvm::Expected<int64_t> integer(yaml::Node *node, StringRef key, int64_t min);
  std::string pathOf(StringRef value) const;
  unsigned lineOf(const char *at) const {
    return text.take_front(at - text.data()).count('\n') + 1;
  }

  StringRef text, where, folder;
  llvm::SourceMgr sources;
  std::string syntax; ///< the parser's first complaint
};

/// Deep nesting would exhaust the parser's stack; an acceptance file needs three levels.
bool tooDeep(StringRef text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '[' || text[i] == '{';
    depth -= text[i] == ']' || text[i] == '}';
    if (depth > 16)
      return true;
  }
  llvm::SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines) {
    int dashes = 0;
    line = line.ltrim();
    while (line.consume_front("- ") || line.consume_front("? ")) {
      line = line.ltrim();
      if (++dashes > 16)
        return true;
    }
  }
  return false;
}
} // namespace

llvm::Error GateReader::bad(const yaml::Node *node, const llvm::Twine &why, StringRef help) {
  std::string place = where.str();
  if (node)
    place += ":" + std::to_string(lineOf(node->getSourceRange().Start.getPointer()));
  return makeError(Diag::BadGateFile, place, why.str(), {}, help.str());
}

std::string GateReader::pathOf(StringRef value) const {
  if (llvm::sys::path::is_absolute(value) || folder.empty())
    return value.str();
  llvm::SmallString<256> joined(folder);
  llvm::sys::path::append(joined, value);
  return joined.str().str();
}

llvm::Expected<std::string> GateReader::scalar(yaml::Node *node, StringRef key) {
  if (auto *value = llvm::dyn_cast_or_null<yaml::ScalarNode>(node)) {
    llvm::SmallString<64> storage;
    return value->getValue(storage).str();
  }
  if (auto *value = llvm::dyn_cast_or_null<yaml::BlockScalarNode>(node))
    return value->getValue().trim().str();
  return bad(node, "'" + key + "' has no value");
}

llvm::Expected<double> GateReader::number(yaml::Node *node, StringRef key) {
  auto value = scalar(node, key);
  if (!value)
    return value.takeError();
  double result = 0;
  if (StringRef(*value).getAsDouble(result) || !std::isfinite(result))
    return bad(node, "'" + key + "' is '" + *value + "', not a number");
  return result;
}

llvm::Expected<int64_t> GateReader::integer(yaml::Node *node, StringRef key, int64_t min) {
  auto value = scalar(node, key);
  if (!value)
    return value.takeError();
  int64_t result = 0;
  if (StringRef(*value).getAsInteger(10, result) || result < min)
    return bad(node, "'" + key + "' is '" + *value + "', not a whole number of at least " +
                         llvm::Twine(min));
  return result;
}

llvm::Error GateReader::readField(StringRef key, yaml::Node *node, GateSet &set) {
  if (key == "ctx" || key == "limit") {
    auto value = integer(node, key, key == "ctx" ? 2 : 1);
    if (!value)
      return value.takeError();
    (key == "ctx" ? set.ctx : set.limit) = *value;
    return llvm::Error::success();
  }
  if (key == "min" || key == "max") {
    auto value = number(node, key);
    if (!value)
      return value.takeError();
    (key == "min" ? set.min : set.max) = *value;
    return llvm::Error::success();
  }
  auto value = scalar(node, key);
  if (!value)
    return value.takeError();
  if (key == "max_drop") {
    StringRef rest = *value;
    set.relative = rest.consume_back("%");
    double drop = 0;
    if (rest.getAsDouble(drop) || !std::isfinite(drop) || drop < 0)
      return bad(node, "'max_drop' is '" + *value + "', not a loss such as 0.01 or 1%");
    set.maxDrop = set.relative ? drop / 100 : drop;
  } else if (key == "metric") {
    auto metric = metricFromName(*value);
    if (!metric)
      return bad(node, "no metric is called '" + *value + "'",
                 "metrics are accuracy, f1, spearman, ppl, kld, top1, cosine, sqnr and cmd");
    set.metric = *metric;
  } else if (key == "name") {
    set.name = *value;
  } else if (key == "data") {
    set.data = pathOf(*value);
  } else if (key == "labels") {
    set.labels = StringRef(*value).ends_with(".npy") ? pathOf(*value) : *value;
  } else if (key == "cmd") {
    set.command = *value;
  } else {
    return bad(node, "a set has no key '" + key + "'",
               "keys are name, data, labels, metric, cmd, max_drop, min, max, ctx and limit");
  }
  return llvm::Error::success();
}

llvm::Error GateReader::checkSet(const yaml::Node &node, const GateSet &set) {
  std::string label = set.name.empty() ? "a set" : "set '" + set.name + "'";
  if (set.data.empty())
    return bad(&node, label + " has no data");
  int limits = set.maxDrop.has_value() + set.min.has_value() + set.max.has_value();
  if (limits != 1)
    return bad(&node, label + " has " + llvm::Twine(limits) +
                          " limits, one of max_drop, min and max is needed");
  if ((set.metric == Metric::Command) == set.command.empty())
    return bad(&node, label + (set.command.empty() ? " has metric cmd and no cmd"
                                                   : " has a cmd, which needs metric cmd"));
  bool labelled = set.metric == Metric::Accuracy || set.metric == Metric::F1;
  if (labelled && set.labels.empty())
    return bad(&node, label + " has metric " + metricName(set.metric) + " and no labels");
  if (set.metric == Metric::Sqnr && set.maxDrop)
    return bad(&node, label + ": sqnr compares with the reference already",
               "give min, in decibels");
  if (set.relative && losslessValue(set.metric) == 0.0)
    return bad(&node, label + ": a share of a divergence of 0 is no limit", "give max");
  return llvm::Error::success();
}

llvm::Error
GateReader::readMap(yaml::MappingNode &map,
                    llvm::function_ref<llvm::Error(StringRef, yaml::KeyValueNode &)> readPair) {
  std::set<std::string> seen;
  for (yaml::KeyValueNode &pair : map) {
    auto key = scalar(pair.getKey(), "key");
    if (!key)
      return key.takeError();
    if (!seen.insert(*key).second)
      return bad(pair.getKey(), "'" + *key + "' is given twice");
    if (llvm::Error error = readPair(*key, pair))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error GateReader::readSet(yaml::MappingNode &map, GateSet &set) {
  auto readPair = [&](StringRef key, yaml::KeyValueNode &pair) {
    return readField(key, pair.getValue(), set);
  };
  if (llvm::Error error = readMap(map, readPair))
    return error;
  return checkSet(map, set);
}

llvm::Error GateReader::readSets(yaml::Node *node, Gate &gate) {
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return bad(node, "'sets' is not a list");
  for (yaml::Node &item : *list) {
    auto *map = llvm::dyn_cast<yaml::MappingNode>(&item);
    if (!map)
      return bad(&item, "a set is not a list of 'key: value'");
    GateSet set;
    if (llvm::Error error = readSet(*map, set))
      return error;
    if (set.name.empty())
      set.name = ("set " + llvm::Twine(gate.sets.size() + 1)).str();
    gate.sets.push_back(std::move(set));
  }
  return llvm::Error::success();
}

llvm::Error GateReader::readLatency(yaml::Node *node, Gate &gate) {
  auto one = [&](yaml::Node *item) -> llvm::Error {
    auto value = scalar(item, "latency");
    if (!value)
      return value.takeError();
    auto latency = parseLatency(*value, "latency");
    if (!latency)
      return bad(item, llvm::toString(latency.takeError()));
    gate.latency.push_back(std::move(*latency));
    return llvm::Error::success();
  };
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return one(node);
  for (yaml::Node &item : *list)
    if (llvm::Error error = one(&item))
      return error;
  return llvm::Error::success();
}

llvm::Error GateReader::readLimit(StringRef key, yaml::KeyValueNode &pair, Gate &gate) {
  yaml::Node *node = pair.getValue();
  if (key == "sets")
    return readSets(node, gate);
  if (key == "latency")
    return readLatency(node, gate);
  if (key == "size") {
    auto value = scalar(node, key);
    if (!value)
      return value.takeError();
    auto bytes = parseBytes(*value, "size");
    if (!bytes)
      return bad(node, llvm::toString(bytes.takeError()));
    gate.size = *bytes;
    return llvm::Error::success();
  }
  if (key != "confidence")
    return bad(pair.getKey(), "an acceptance file has no key '" + key + "'",
               "keys are sets, size, latency and confidence");
  auto value = number(node, key);
  if (!value)
    return value.takeError();
  if (*value < 0.5 || *value > 0.9999)
    return bad(node, "'confidence' is " + formatNumber(*value, 6) + ", not between 0.5 and 0.9999");
  gate.confidence = *value;
  return llvm::Error::success();
}

llvm::Expected<Gate> GateReader::read() {
  if (tooDeep(text))
    return bad(nullptr, "the file is nested too deeply");
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &found, void *self) {
        auto &reader = *static_cast<GateReader *>(self);
        if (reader.syntax.empty())
          reader.syntax =
              "line " + std::to_string(found.getLineNo()) + ": " + found.getMessage().str();
      },
      this);
  if (!yaml::Stream(text, sources, /*ShowColors=*/false).validate() || !syntax.empty())
    return bad(nullptr, "not YAML: " + (syntax.empty() ? "it cannot be read" : syntax));
  yaml::Stream stream(text, sources, /*ShowColors=*/false);
  Gate gate;
  gate.kind = Gate::Kind::File;
  auto digest = llvm::SHA256::hash(llvm::arrayRefFromStringRef(text));
  gate.text = "sha256:" + llvm::toHex(digest, /*LowerCase=*/true);
  llvm::Error error = llvm::Error::success();
  yaml::document_iterator document = stream.begin();
  yaml::Node *root = document == stream.end() ? nullptr : document->getRoot();
  auto *map = llvm::dyn_cast_or_null<yaml::MappingNode>(root);
  if (map)
    error = llvm::joinErrors(std::move(error),
                             readMap(*map, [&](StringRef key, yaml::KeyValueNode &pair) {
                               return readLimit(key, pair, gate);
                             }));
  if (!map) {
    llvm::consumeError(std::move(error));
    return bad(nullptr, "the file holds no 'sets', 'size' or 'latency'");
  }
  if (error)
    return std::move(error);
  if (gate.sets.empty() && !gate.size && gate.latency.empty())
    return bad(root, "the file sets no limit", "give sets, size or latency");
  return gate;
}

llvm::Expected<Gate> quality::parseGateFile(StringRef text, StringRef where, StringRef folder) {
  return GateReader(text, where, folder).read();
}
