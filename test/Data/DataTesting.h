// What the tests over data, models and quality share.
#ifndef QCC_TEST_DATA_DATATESTING_H
#define QCC_TEST_DATA_DATATESTING_H

#include "qcc/Data/Model.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"

namespace qcc::data {

constexpr Diag noDiag = Diag(0);

/// The code of the first coded error inside, noDiag for success.
inline Diag codeOf(llvm::Error error) {
  Diag code = noDiag;
  llvm::handleAllErrors(
      std::move(error), [&](const CodedError &coded) { code = code == noDiag ? coded.code : code; },
      [](const llvm::ErrorInfoBase &other) { ADD_FAILURE() << other.message(); });
  return code;
}
template <typename T> Diag codeOf(llvm::Expected<T> value) { return codeOf(value.takeError()); }

/// All of the text that a user would see.
template <typename T> std::string textOf(llvm::Expected<T> value) {
  return llvm::toString(value.takeError());
}

template <typename T>
HostTensor tensorOf(uint32_t dtype, std::vector<int64_t> dims, std::vector<T> values) {
  HostTensor tensor(dtype, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i)
    tensor.setNumber(i, static_cast<double>(values[i]));
  return tensor;
}

/// A model that only has a signature.
class PaperModel : public Model {
public:
  llvm::Expected<std::unique_ptr<Session>> newSession() override {
    return llvm::createStringError("not to be run");
  }
};

/// The usual decoder: ids, mask over past and present, positions, one cache pair.
inline void makeDecoder(Model &model) {
  model.inputs = {{"input_ids", QCC_I64, {"b", "s"}, "ids"},
                  {"attention_mask", QCC_I64, {"b", "s + p"}, "mask"},
                  {"position_ids", QCC_I64, {"b", "s"}, "positions"},
                  {"past.0.key", QCC_F32, {"b", "2", "p", "16"}, "past.0.key"},
                  {"past.0.value", QCC_F32, {"b", "2", "p", "16"}, "past.0.value"}};
  model.outputs = {{"logits", QCC_F32, {"b", "s", "512"}, "logits"}};
}

} // namespace qcc::data
#endif
