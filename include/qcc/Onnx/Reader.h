// Reading ONNX files that nobody vouches for, expanding their functions and ordering their nodes.
// Errors are CodedErrors 1201-1299 (malformed, exit 1) and 1101, 1110-1129 (files, exit 3). Each
// names the file, the field path or node, and the byte offset where it applies.
#ifndef QCC_ONNX_READER_H
#define QCC_ONNX_READER_H

#include "qcc/Onnx/Model.h"

namespace qcc::onnx {

/// Bounds on what a model may ask for. The defaults are far above any real model.
struct ReadOptions {
  unsigned maxMessageDepth = 64;        ///< nesting of protobuf messages
  unsigned maxGraphDepth = 16;          ///< nesting of graphs in attributes
  uint64_t maxNodes = 1'000'000;        ///< in all graphs and functions together
  uint64_t maxInlineBytes = 1ull << 32; ///< bytes copied out of typed tensor fields, together
  uint64_t maxGraphBytes = 1ull << 32;  ///< bytes of names, attributes and other graph data
  bool requireData = true; ///< off: a missing external file gives Tensor::missing, not an error
  bool validate = true;    ///< run validateModel() after reading
};

/// Maps and reads the model at `path` with its external data, which must lie beneath the folder of
/// `path`. Memory grows with the graph, not with the weights.
llvm::Expected<std::unique_ptr<Model>> readModel(llvm::StringRef path, ReadOptions options = {});

/// The same from memory, which must outlive the model. `path` is for messages and names the folder
/// of external data.
llvm::Expected<std::unique_ptr<Model>>
readModelBuffer(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef path, ReadOptions options = {});

/// A tensor with its own bytes, as test data files hold.
struct OwnedTensor {
  std::string name;
  int32_t dataType = Undefined;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes; ///< raw little-endian
  std::vector<std::string> strings;
};

/// Reads a serialized TensorProto (`input_0.pb`). Sequences and optionals are refused by name.
llvm::Expected<OwnedTensor> readTensorFile(llvm::StringRef path);

/// Replaces every call of a model function by the function's nodes, nested ones too, until no call
/// is left; `model.functions` is empty afterwards. Node names become "call/inner", values get fresh
/// names. Domains that only a function imports are added to the model's imports; where the versions
/// differ, the nodes carry the function's in Node::opset (ask Model::opsetVersion). Refuses
/// recursion, wrong calls, and more than `maxNodes` nodes in the result.
llvm::Error inlineFunctions(Model &model, uint64_t maxNodes = 200'000);

/// Checks that values have one definition, that each input is defined before or in the graph (or,
/// in a subgraph, outside), and that there is no cycle. Nodes merely out of order are sorted,
/// stably. Reads subgraphs too.
llvm::Error validateGraph(Model &model, Graph &graph);
/// validateGraph on the main graph, and the same on the body of each function.
llvm::Error validateModel(Model &model);

} // namespace qcc::onnx
#endif
