// Sorting arguments into a command's table of options.
#include "qcc/Cli/Args.h"
#include "qcc/Support/Diagnostics.h"
#include <cmath>

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;

std::string cli::nearest(StringRef word, llvm::ArrayRef<std::string> candidates) {
  std::string best;
  unsigned length = static_cast<unsigned>(word.size());
  unsigned bestDistance = (length <= 3 ? 1 : std::max(2u, length / 3)) + 1;
  for (const std::string &candidate : candidates) {
    unsigned distance = word.edit_distance(candidate, /*AllowReplacements=*/true, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

std::string Args::get(StringRef key, StringRef fallback) const {
  if (auto it = values.find(key.str()); it != values.end())
    return it->second.back();
  auto it = assumed.find(key.str());
  return it == assumed.end() ? fallback.str() : it->second;
}

std::vector<std::string> Args::all(StringRef key) const {
  auto it = values.find(key.str());
  return it == values.end() ? std::vector<std::string>() : it->second;
}

llvm::Expected<int64_t> Args::integer(StringRef key, int64_t fallback, int64_t min,
                                      int64_t max) const {
  if (!has(key))
    return fallback;
  int64_t value = 0;
  std::string text = get(key);
  if (StringRef(text).getAsInteger(10, value) || value < min || value > max)
    return makeError(Diag::BadOptionValue, "",
                     key.str() + " '" + text + "' is not a whole number between " +
                         std::to_string(min) + " and " + std::to_string(max));
  return value;
}

llvm::Expected<double> Args::number(StringRef key, double fallback, double min) const {
  if (!has(key))
    return fallback;
  double value = 0;
  std::string text = get(key);
  if (StringRef(text).getAsDouble(value) || !std::isfinite(value) || value < min)
    return makeError(Diag::BadOptionValue, "",
                     key.str() + " '" + text + "' is not a number of at least " +
                         (min == 0 ? std::string("0") : std::to_string(min)));
  return value;
}

namespace {
class ArgParser {
public:
  ArgParser(const Command &command, llvm::ArrayRef<std::string> arguments)
      : command(command), arguments(arguments) {}

  llvm::Expected<Args> parse() {
    for (; next < arguments.size(); ++next) {
      StringRef argument = arguments[next];
      if (onlyPositionals || argument == "-" || !argument.starts_with("-"))
        args.positionals.push_back(argument.str());
      else if (argument == "--")
        onlyPositionals = true;
      else if (llvm::Error error = parseOption(argument))
        return error;
    }
    return std::move(args);
  }

private:
  llvm::Error parseOption(StringRef argument) {
    if (argument.starts_with("--mlir-") && StringRef(command.name) == "compile") {
      args.passThrough.push_back(argument.str());
      return llvm::Error::success();
    }
    auto [name, value] = argument.split('=');
    bool joinedValue = argument.contains('=');
    for (const Option &option : command.options) {
      if (option.kind == Option::Joined && argument.starts_with(option.name)) {
        store(option, argument.drop_front(StringRef(option.name).size()));
        return llvm::Error::success();
      }
      if (name == option.name)
        return take(option, name, value, joinedValue);
    }
    return unknown(name);
  }

  llvm::Error take(const Option &option, StringRef name, StringRef value, bool joinedValue) {
    if (option.kind == Option::Flag) {
      if (joinedValue)
        return makeError(Diag::BadOptionValue, "",
                         name.str() + " takes no value, '" + value.str() + "' is given");
      store(option, "");
      return llvm::Error::success();
    }
    if (joinedValue) {
      store(option, value);
      return llvm::Error::success();
    }
    if (next + 1 >= arguments.size() || StringRef(arguments[next + 1]).starts_with("--"))
      return makeError(Diag::BadOptionValue, "", name.str() + " needs a value");
    store(option, arguments[++next]);
    return llvm::Error::success();
  }

  llvm::Error unknown(StringRef name) {
    std::vector<std::string> names;
    for (const Option &option : command.options)
      names.push_back(option.name);
    std::string close = nearest(name, names);
    return makeError(Diag::UnknownOption, "",
                     "qcc " + std::string(command.name) + " has no option " + name.str(), {},
                     close.empty() ? "qcc " + std::string(command.name) + " --help lists them"
                                   : "did you mean " + close + "?");
  }

  void store(const Option &option, StringRef value) {
    args.values[option.key ? option.key : option.name].push_back(value.str());
  }

  const Command &command;
  llvm::ArrayRef<std::string> arguments;
  size_t next = 0;
  bool onlyPositionals = false;
  Args args;
};
} // namespace

llvm::Expected<Args> cli::parseArgs(const Command &command, llvm::ArrayRef<std::string> arguments) {
  return ArgParser(command, arguments).parse();
}
