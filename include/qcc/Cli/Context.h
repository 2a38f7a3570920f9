// What every command is given: where to print, and the compiler behind it.
#ifndef QCC_CLI_CONTEXT_H
#define QCC_CLI_CONTEXT_H

#include "qcc/Cli/Args.h"
#include "qcc/Cli/Commands.h"
#include "qcc/Support/TempFolder.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace qcc::cli {

struct Context {
  const Backend &backend;
  llvm::raw_ostream &out; ///< results
  llvm::raw_ostream &err; ///< everything else
  bool json = false;
  bool terminal = false; ///< err is one, so progress may be drawn

  void printJson(llvm::json::Object object) const {
    out << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
  }
};

/// A line that is redrawn on a terminal and absent elsewhere.
class Progress {
public:
  Progress(const Context &context, std::string label) : context(context), label(std::move(label)) {}
  ~Progress();
  void show(int64_t done, int64_t total);
  /// show() to pass on; must not outlive this.
  std::function<void(int64_t, int64_t)> function() {
    return [this](int64_t done, int64_t total) { show(done, total); };
  }

private:
  const Context &context;
  std::string label;
  int64_t lastPercent = -1;
};

/// Options of `compile` as a request. `temporary` is a compile on the way to a run: for this
/// machine, into `output`, quietly.
llvm::Expected<CompileRequest> makeCompileRequest(const Args &args, const Context &context,
                                                  llvm::StringRef input,
                                                  llvm::StringRef temporaryOutput = "");

/// The options that concern reading the model alone, for commands that only look at it.
llvm::Expected<CompileRequest> makeLookRequest(const Args &args, const Context &context,
                                               llvm::StringRef input);

/// An open model and the folder that it may have been compiled into.
struct OpenedModel {
  std::unique_ptr<TempFolder> folder;
  std::string artifact; ///< the file that is loaded
  std::unique_ptr<data::Model> model;
};

/// Opens a .so, or compiles first. --threads, --force-level and --bind are read from `args`.
llvm::Expected<OpenedModel> openModel(const Args &args, const Context &context,
                                      llvm::StringRef path);

llvm::Error runCompile(const Args &args, const Context &context);
llvm::Error runQuantize(const Args &args, const Context &context);
llvm::Error runCalibrate(const Args &args, const Context &context);
llvm::Error runSweep(const Args &args, const Context &context);
llvm::Error runTune(const Args &args, const Context &context);
llvm::Error runCompare(const Args &args, const Context &context);
llvm::Error runRun(const Args &args, const Context &context);
llvm::Error runBench(const Args &args, const Context &context);
llvm::Error runEval(const Args &args, const Context &context);
llvm::Error runInspect(const Args &args, const Context &context);
llvm::Error runCheck(const Args &args, const Context &context);
llvm::Error runTargets(const Args &args, const Context &context);
llvm::Error runExplain(const Args &args, const Context &context);
llvm::Error runVersion(const Args &args, const Context &context);

/// Exactly one positional argument, or QCC1001.
llvm::Expected<std::string> onlyModel(const Args &args, llvm::StringRef command);

} // namespace qcc::cli
#endif
