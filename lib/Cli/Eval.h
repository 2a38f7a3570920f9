// What the protocols of `qcc eval` share.
#ifndef QCC_LIB_CLI_EVAL_H
#define QCC_LIB_CLI_EVAL_H

#include "qcc/Cli/Context.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Quality/Gate.h"
#include "qcc/Quality/Series.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include <cmath>
#include <map>

namespace qcc::cli {

using namespace data;
using namespace quality;

/// JSON has no NaN.
inline llvm::json::Value jsonNumber(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
}

/// A model that the command line names, and its session.
struct OpenedSubject {
  OpenedModel opened;
  std::unique_ptr<Subject> subject; // goes before its model
};
llvm::Expected<OpenedSubject> openSubject(const Args &args, const Context &context,
                                          llvm::StringRef path);
/// Arguments for a reference: the scheme on the command line is for the model, not for what it is
/// held against.
Args referenceArgs(const Args &args);

class Evaluation {
public:
  Evaluation(const Args &args, const Context &context) : args(args), context(context) {}
  llvm::Error run();

private:
  llvm::Error openSubjects(llvm::StringRef path);
  llvm::Error evalTokens();
  llvm::Error evalPairs();
  llvm::Error evalData();
  llvm::Error evalDistance(const SampleSet &samples);
  llvm::Error evalLabels(const SampleSet &samples);
  llvm::Expected<std::optional<SampleSet>> gateSamples();
  llvm::Error evalGate(const Gate &gate);
  void finish(llvm::StringRef protocol, llvm::json::Object facts,
              const std::vector<std::vector<std::string>> &rows);

  const Args &args;
  const Context &context;
  OpenedSubject ours, theirs;
  Subject *subject = nullptr, *reference = nullptr; ///< of the two; reference may be null
  int64_t limit = -1;
};

} // namespace qcc::cli
#endif
