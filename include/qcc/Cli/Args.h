// Options of a command: a table says which exist, parseArgs() sorts the arguments into it.
#ifndef QCC_CLI_ARGS_H
#define QCC_CLI_ARGS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace qcc::cli {

struct Option {
  enum Kind {
    Flag,  ///< --json
    Value, ///< --threads=4 or --threads 4
    Joined ///< -O3
  };
  const char *name; ///< with its dashes
  Kind kind;
  const char *key = nullptr; ///< the name under which it is stored; null: its own
};

struct Command {
  const char *name;
  llvm::ArrayRef<Option> options;
  const char *help; ///< one screen, examples first
};

/// All commands of this version, and the names of those to come.
llvm::ArrayRef<Command> allCommands();
llvm::ArrayRef<const char *> laterCommands();
const Command *findCommand(llvm::StringRef name);
/// The screen of `qcc --help`.
llvm::StringRef mainHelp();

class Args {
public:
  std::vector<std::string> positionals;
  std::vector<std::string> passThrough; ///< --mlir-… as given

  bool has(llvm::StringRef key) const { return values.count(key.str()) != 0; }
  /// The last value given, else the one assumed, else `fallback`.
  std::string get(llvm::StringRef key, llvm::StringRef fallback = "") const;
  /// All values in order.
  std::vector<std::string> all(llvm::StringRef key) const;
  /// The value as a number between the bounds, or QCC1006.
  llvm::Expected<int64_t> integer(llvm::StringRef key, int64_t fallback, int64_t min,
                                  int64_t max) const;
  llvm::Expected<double> number(llvm::StringRef key, double fallback, double min) const;

  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, std::string> assumed; ///< where neither the user nor a recipe says anything
};

/// Sorts `arguments` into the command's options. Errors are QCC1005 (unknown, with the nearest
/// name) and QCC1006 (a value missing or not wanted).
llvm::Expected<Args> parseArgs(const Command &command, llvm::ArrayRef<std::string> arguments);

/// The candidate within a small edit distance of `word`, or an empty string.
std::string nearest(llvm::StringRef word, llvm::ArrayRef<std::string> candidates);

} // namespace qcc::cli
#endif
