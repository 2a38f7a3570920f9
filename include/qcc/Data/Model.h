// A model that can be run, whatever runs it: a compiled artifact through the qcc runtime, or the
// scalar interpreter.
#ifndef QCC_DATA_MODEL_H
#define QCC_DATA_MODEL_H

#include "qcc/Data/HostTensor.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace qcc::data {

/// One input or output.
struct TensorInfo {
  std::string name;
  uint32_t dtype = QCC_F32;
  std::vector<std::string> dims; ///< one text per axis: "batch", "s + p", "64"
  std::string role;              ///< "ids", "mask", "positions", "types", "past.3.key", … or ""
};

/// Memory for runs, used by one thread at a time. Must not outlive its model.
class Session {
public:
  virtual ~Session() = default;
  /// Inputs in signature order; outputs likewise.
  virtual llvm::Expected<std::vector<HostTensor>> run(llvm::ArrayRef<HostTensor> inputs) = 0;
};

class Model {
public:
  virtual ~Model() = default;
  virtual llvm::Expected<std::unique_ptr<Session>> newSession() = 0;

  std::string path;
  std::vector<TensorInfo> inputs, outputs;
  std::string level;    ///< feature level in use, or "reference"
  std::string manifest; ///< JSON, may be empty
};

/// Fills in roles that are empty from the usual names (input_ids, attention_mask, …) and types.
void guessRoles(Model &model);

/// Index of the input with this name or role; -1 when there is none.
int findInput(const Model &model, llvm::StringRef name);
int findInputRole(const Model &model, llvm::StringRef role);
/// The output with role "logits", else one of that name, else output 0.
int findLogits(const Model &model);
bool isPastRole(llvm::StringRef role);

/// Number of token ids the model knows: the manifest's "vocab", else the constant last dimension of
/// its logits, else 0.
int64_t vocabularyOf(const Model &model);

/// "input_ids i64[batch, s]".
std::string describe(const TensorInfo &info);

} // namespace qcc::data
#endif
