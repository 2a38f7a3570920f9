// What the protocols of `qcc eval` share.
#ifndef QCC_LIB_CLI_EVAL_H
#define QCC_LIB_CLI_EVAL_H

#include "qcc/Cli/Context.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Data/Samples.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include <cmath>
#include <map>

namespace qcc::cli {

using namespace data;
using namespace quality;

inline llvm::Error unsuitable(llvm::StringRef where, const llvm::Twine &why) {
  return makeError(Diag::UnsuitableData, where.str(), why.str());
}

/// JSON has no NaN.
inline llvm::json::Value jsonNumber(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
}

/// A model with one session that all runs share.
class Subject {
public:
  static llvm::Expected<std::unique_ptr<Subject>> open(const Args &args, const Context &context,
                                                       llvm::StringRef path) {
    auto subject = std::make_unique<Subject>();
    auto opened = openModel(args, context, path);
    if (!opened)
      return opened.takeError();
    subject->opened = std::move(*opened);
    auto session = subject->opened.model->newSession();
    if (!session)
      return session.takeError();
    subject->session = std::move(*session);
    return subject;
  }

  const Model &model() const { return *opened.model; }

  /// Fills in what is absent and runs.
  llvm::Expected<std::vector<HostTensor>> run(PartialInputs values) {
    auto inputs = completeInputs(model(), std::move(values));
    if (!inputs)
      return inputs.takeError();
    return session->run(*inputs);
  }

private:
  OpenedModel opened;
  std::unique_ptr<Session> session; // goes before its model
};

class Evaluation {
public:
  Evaluation(const Args &args, const Context &context) : args(args), context(context) {}
  llvm::Error run();

private:
  llvm::Error openSubjects(llvm::StringRef path);
  llvm::Error evalTokens();
  llvm::Expected<std::vector<HostTensor>> cutWindows(llvm::StringRef file);
  llvm::Expected<HostTensor> predict(Subject &which, const HostTensor &window);
  llvm::Error evalPairs();
  llvm::Expected<std::vector<std::vector<double>>> embedAll(const std::vector<NamedTensor> &arrays,
                                                            llvm::StringRef prefix,
                                                            llvm::StringRef file, int64_t count);
  llvm::Error embedBatch(const std::map<std::string, const HostTensor *> &arrays,
                         llvm::ArrayRef<int64_t> rows, int64_t length,
                         std::vector<std::vector<double>> &vectors);
  llvm::Error evalData();
  llvm::Expected<PartialInputs> sampleInputs(const Model &target, const Sample &sample,
                                             llvm::StringRef file);
  llvm::Error evalDistance(const std::vector<Sample> &samples, llvm::StringRef file);
  llvm::Error evalLabels(const std::vector<Sample> &samples, llvm::StringRef file);
  void finish(llvm::StringRef protocol, llvm::json::Object facts,
              const std::vector<std::vector<std::string>> &rows);

  const Args &args;
  const Context &context;
  std::unique_ptr<Subject> subject, reference;
  int64_t limit = -1;
};

} // namespace qcc::cli
#endif
