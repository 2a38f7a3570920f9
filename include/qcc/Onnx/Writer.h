// Writing ONNX files. Everything but the bytes of weights is laid out first, so that weights of any
// size can be streamed to their places, one after another.
#ifndef QCC_ONNX_WRITER_H
#define QCC_ONNX_WRITER_H

#include "qcc/Onnx/Model.h"

namespace qcc::onnx {

/// Where the bytes of an initializer go.
struct TensorPlace {
  bool external = false; ///< into the data file, not the model file
  uint64_t offset = 0, length = 0;
};

/// Bytes of the model file.
struct FilePiece {
  uint64_t offset = 0;
  std::string bytes;
};

/// A model file but for the bytes of its weights.
struct ModelImage {
  std::vector<FilePiece> pieces;
  std::vector<TensorPlace> places; ///< of the initializers in their order; length 0: nothing to do
  uint64_t modelBytes = 0;
  uint64_t dataBytes = 0; ///< 0: there is no data file
};

/// What a protobuf message may have at most.
inline constexpr uint64_t maxModelBytes = (uint64_t(1) << 31) - 1;

/// Lays out `model`. Initializers whose data is in a file (`data.file` is not `inlineFile`) get
/// room for `data.length` bytes: in the model, or in a file of the name `dataFile` where the model
/// would have more than `limit` bytes. Functions, graphs in attributes and strings as initializers
/// are not written.
ModelImage layOutModel(const Model &model, llvm::StringRef dataFile,
                       uint64_t limit = maxModelBytes);

} // namespace qcc::onnx
#endif
