// Metrics by name, and the short forms of --accept.
#include "qcc/Quality/Gate.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace qcc;
using namespace qcc::quality;
using llvm::StringRef;

namespace {
struct MetricRow {
  Metric metric;
  const char *name;
  bool higher;
  std::optional<double> lossless;
};
constexpr MetricRow rows[] = {{Metric::Accuracy, "accuracy", true, std::nullopt},
                              {Metric::F1, "f1", true, std::nullopt},
                              {Metric::Spearman, "spearman", true, std::nullopt},
                              {Metric::Perplexity, "ppl", false, std::nullopt},
                              {Metric::Kld, "kld", false, 0.0},
                              {Metric::Top1, "top1", true, 1.0},
                              {Metric::Cosine, "cosine", true, 1.0},
                              {Metric::Sqnr, "sqnr", true, std::nullopt},
                              {Metric::Command, "cmd", true, std::nullopt}};

const MetricRow &rowOf(Metric metric) {
  for (const MetricRow &row : rows)
    if (row.metric == metric)
      return row;
  llvm_unreachable("every metric has a row");
}
} // namespace

StringRef quality::metricName(Metric metric) { return rowOf(metric).name; }
bool quality::higherIsBetter(Metric metric) { return rowOf(metric).higher; }
std::optional<double> quality::losslessValue(Metric metric) { return rowOf(metric).lossless; }

std::optional<Metric> quality::metricFromName(StringRef name) {
  for (const MetricRow &row : rows)
    if (name == row.name)
      return row.metric;
  return std::nullopt;
}

/// "99.9%" as 99.9; nothing unless it lies between 0 and 100.
static std::optional<double> percentOf(StringRef text) {
  double percent = 0;
  if (!text.consume_back("%") || text.getAsDouble(percent) || !(percent > 0) || percent > 100)
    return std::nullopt;
  return percent;
}

llvm::Expected<Gate> quality::parseAccept(StringRef text) {
  Gate gate;
  gate.text = text.str();
  if (text == "guard")
    return gate;
  if (text == "none") {
    gate.kind = Gate::Kind::None;
    return gate;
  }
  if (std::optional<double> percent = percentOf(text)) {
    gate.kind = Gate::Kind::Percent;
    gate.percent = *percent;
    return gate;
  }
  StringRef suffix = llvm::sys::path::extension(text);
  if (suffix != ".yaml" && suffix != ".yml")
    return makeError(Diag::BadOptionValue, "", "--accept '" + text.str() + "' is not understood",
                     {}, "it takes FILE.yaml, 99%, 99.9%, guard or none");
  // Acceptance files are a few lines; the bound keeps what is no such file out of the parser.
  constexpr uint64_t most = 1 << 16;
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(text, size) && size > most)
    return makeError(Diag::BadGateFile, text.str(),
                     "the file has " + std::to_string(size) + " bytes, at most " +
                         std::to_string(most) + " are read");
  auto buffer = llvm::MemoryBuffer::getFile(text);
  if (!buffer)
    return makeError(Diag::CannotRead, text.str(), buffer.getError().message());
  return parseGateFile((*buffer)->getBuffer(), text, llvm::sys::path::parent_path(text));
}
