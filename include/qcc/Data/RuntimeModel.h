// Compiled artifacts through the qcc runtime.
#ifndef QCC_DATA_RUNTIMEMODEL_H
#define QCC_DATA_RUNTIMEMODEL_H

#include "qcc/Data/Model.h"
#include "qcc/runtime.h"
#include <optional>

namespace qcc::data {

struct LoadOptions {
  unsigned threads = 0;        ///< 0: the runtime's default
  std::string forceLevel;      ///< empty: the best usable
  std::optional<uint32_t> gpu; ///< runs on the GPU of this index instead of the CPU
  bool verifyWeights = false;
};

/// A status of the runtime as a coded error.
llvm::Error runtimeError(const qcc_error &error, llvm::StringRef where);

class RuntimeModel : public Model {
public:
  ~RuntimeModel() override;
  llvm::Expected<std::unique_ptr<Session>> newSession() override;
  qcc_session_options sessionOptions() const;

  qcc_model *handle = nullptr;
  qcc_pool *pool = nullptr;
  qcc_gpu *gpu = nullptr; ///< that sessions are to run on; null: the CPU
  uint32_t threads = 1;
  uint32_t caches = 0; ///< cache tensors; 0: not a decoder
};

/// Registers the operators of a library that exports `qcc_host_library`. It stays loaded. It is
/// native code: only what is trusted may be named.
llvm::Error loadHostLibrary(llvm::StringRef path);

/// Opens entry 0 of an artifact.
llvm::Expected<std::unique_ptr<RuntimeModel>> loadRuntimeModel(llvm::StringRef path,
                                                               const LoadOptions &options);

/// `tensor` as the runtime wants it; a view.
qcc_tensor viewOf(const HostTensor &tensor);

} // namespace qcc::data
#endif
