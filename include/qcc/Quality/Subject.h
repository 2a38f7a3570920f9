// A model under measurement: one session that all runs share.
#ifndef QCC_QUALITY_SUBJECT_H
#define QCC_QUALITY_SUBJECT_H

#include "qcc/Data/Samples.h"
#include "qcc/Support/Diagnostics.h"
#include <functional>

namespace qcc::quality {

inline llvm::Error unsuitable(llvm::StringRef where, const llvm::Twine &why) {
  return makeError(Diag::UnsuitableData, where.str(), why.str());
}

/// done, total.
using ProgressFn = std::function<void(int64_t, int64_t)>;

class Subject {
public:
  /// `model` must outlive the subject.
  static llvm::Expected<std::unique_ptr<Subject>> create(data::Model &model) {
    auto session = model.newSession();
    if (!session)
      return session.takeError();
    auto subject = std::unique_ptr<Subject>(new Subject(model));
    subject->session = std::move(*session);
    return subject;
  }

  const data::Model &model() const { return held; }

  /// Fills in what is absent and runs.
  llvm::Expected<std::vector<data::HostTensor>> run(data::PartialInputs values) {
    auto inputs = data::completeInputs(held, std::move(values));
    if (!inputs)
      return inputs.takeError();
    return session->run(*inputs);
  }
  /// Runs a sample.
  llvm::Expected<std::vector<data::HostTensor>> run(const data::Sample &sample) {
    auto values = data::bindSample(held, sample);
    if (!values)
      return values.takeError();
    return run(std::move(*values));
  }

private:
  explicit Subject(data::Model &model) : held(model) {}
  data::Model &held;
  std::unique_ptr<data::Session> session; // goes before its model
};

} // namespace qcc::quality
#endif
