// Reading budgets.
#include "qcc/Support/Budget.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace qcc;
using llvm::StringRef;

static llvm::Error bad(StringRef what, StringRef text, const char *form) {
  return makeError(Diag::BadOptionValue, "", (what + " '" + text + "' is not understood").str(), {},
                   form);
}

/// Splits "60 MB" into 60 and "MB"; the number must be positive and finite.
static bool splitNumber(StringRef text, double &number, StringRef &unit) {
  text = text.trim();
  size_t end = text.find_if_not([](char c) { return llvm::isDigit(c) || c == '.'; });
  StringRef digits = text.take_front(end);
  unit = text.drop_front(digits.size()).trim();
  return !digits.empty() && !digits.getAsDouble(number) && number > 0 && std::isfinite(number);
}

llvm::Expected<uint64_t> qcc::parseBytes(StringRef text, StringRef what) {
  constexpr const char *form = "it reads 60MB, 1.5GB, 512KiB or a number of bytes";
  static constexpr std::pair<const char *, double> units[] = {
      {"", 1},      {"b", 1},        {"kb", 1e3},     {"mb", 1e6},     {"gb", 1e9},
      {"tb", 1e12}, {"kib", 1024.0}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40}};
  double number = 0;
  StringRef unit;
  if (splitNumber(text, number, unit))
    for (auto [name, factor] : units)
      if (unit.equals_insensitive(name) && number * factor >= 1 && number * factor < 0x1p60)
        return static_cast<uint64_t>(number * factor);
  return bad(what, text, form);
}

std::string LatencyBudget::str() const {
  std::string text = formatNumber(ms) + "ms@";
  if (run == Run::Decode)
    text += "decode";
  else if (run == Run::Prefill)
    text += "prefill" + std::to_string(tokens);
  else
    for (size_t i = 0; i < dims.size(); ++i)
      text += (i ? "x" : "") + std::to_string(dims[i]);
  if (threads)
    text += ",threads=" + std::to_string(threads);
  return text;
}

/// What follows the @: decode, prefillN, or sizes.
static bool parseRun(StringRef text, LatencyBudget &budget) {
  if (text == "decode") {
    budget.run = LatencyBudget::Run::Decode;
    return true;
  }
  if (text.consume_front("prefill")) {
    budget.run = LatencyBudget::Run::Prefill;
    return !text.getAsInteger(10, budget.tokens) && budget.tokens > 0;
  }
  llvm::SmallVector<StringRef> parts;
  text.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t dim = 0;
    if (part.getAsInteger(10, dim) || dim < 1)
      return false;
    budget.dims.push_back(dim);
  }
  return true;
}

llvm::Expected<LatencyBudget> qcc::parseLatency(StringRef text, StringRef what) {
  constexpr const char *form = "it reads 5ms@1x128, 5ms@1x128,threads=2, 40ms@decode or "
                               "300ms@prefill512";
  LatencyBudget budget;
  auto [run, rest] = text.trim().split(',');
  auto [time, shape] = run.split('@');
  StringRef unit;
  if (!splitNumber(time, budget.ms, unit) || !parseRun(shape.trim(), budget))
    return bad(what, text, form);
  if (unit == "us")
    budget.ms /= 1e3;
  else if (unit == "s")
    budget.ms *= 1e3;
  else if (unit != "ms")
    return bad(what, text, form);
  StringRef threads = rest.trim();
  if (!threads.empty() &&
      (!threads.consume_front("threads=") || threads.getAsInteger(10, budget.threads) ||
       budget.threads < 1 || budget.threads > 1023))
    return bad(what, text, form);
  return budget;
}
