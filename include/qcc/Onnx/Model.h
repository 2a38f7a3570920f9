// An ONNX model as plain data: what the protobuf says, nothing inferred. Weights stay in the mapped
// files; a Tensor names a byte range and Tensor::bytes() hands out a view of it.
//
// Ownership: a Model owns its mappings. Views from bytes() live as long as the Model. A Model may
// be read by many threads at once; changing it needs the only reference.
#ifndef QCC_ONNX_MODEL_H
#define QCC_ONNX_MODEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace qcc::onnx {

struct Model;

/// TensorProto.DataType, by its numbers.
enum DataType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26,
};

/// Bits of one element; 0 for String, Undefined and unknown numbers. 4-bit types lie two per byte,
/// 2-bit ones four per byte, the first element in the low bits.
unsigned bitWidth(int32_t dataType);
/// "float16", "int4", ...; "type 99" for an unknown number.
std::string dataTypeName(int32_t dataType);
/// Product of `dims`; nothing when a dimension is negative or the product exceeds 2^40.
std::optional<int64_t> elementCount(llvm::ArrayRef<int64_t> dims);
/// Bytes that `count` elements take, the last byte padded; nothing for types without a width.
std::optional<uint64_t> byteSize(int32_t dataType, int64_t count);

/// Where the bytes of a tensor lie: a range of one of the model's files, or (small and typed
/// fields) bytes held here. Either way little-endian in the tensor's own type, as raw_data would
/// be.
struct TensorData {
  static constexpr int inlineFile = -1;
  int file = inlineFile;            ///< index into Model::files, or inlineFile
  uint64_t offset = 0;              ///< in the file; any alignment
  uint64_t length = 0;              ///< in bytes, also of inlineBytes
  std::vector<uint8_t> inlineBytes; ///< empty when the data is in a file
};

struct Tensor {
  std::string name;
  int32_t dataType = Undefined;
  std::vector<int64_t> dims;
  TensorData data;
  std::vector<std::string> strings; ///< the elements when dataType is String
  uint64_t position = 0;            ///< byte offset of the TensorProto in the model file
  bool missing = false; ///< external data that is not there; only with ReadOptions::requireData off

  bool isString() const { return dataType == String; }
  /// True when the bytes come from an external data file.
  bool isExternal() const { return data.file > 0; }
  /// Product of dims; 1 for a scalar. The reader has checked it to be at most 2^40.
  int64_t count() const;
  /// The raw little-endian bytes; empty for string tensors and missing data. Not aligned: use
  /// memcpy to read.
  llvm::ArrayRef<uint8_t> bytes(const Model &model) const;
};

/// Indices are into the flat non-zero elements, or rows of coordinates: as in ONNX. The reader
/// keeps these so that an importer can refuse them by name.
struct SparseTensor {
  Tensor values, indices;
  std::vector<int64_t> dims;
};

/// One dimension: a number, a name, or neither (unknown).
struct Dim {
  std::optional<int64_t> value;
  std::string param;
  bool isStatic() const { return value.has_value(); }
  bool isSymbolic() const { return !value && !param.empty(); }
};

enum class TypeKind { None, Tensor, SparseTensor, Sequence, Optional, Map, Opaque };

struct ValueInfo {
  std::string name;
  TypeKind kind = TypeKind::None; ///< None: the model says nothing of the type
  int32_t elemType = Undefined;   ///< of Tensor and SparseTensor
  bool hasShape = false;          ///< false: the rank is unknown
  std::vector<Dim> dims;
  uint64_t position = 0; ///< byte offset in the model file
};

struct Graph;

/// AttributeProto.AttributeType, by its numbers.
enum class AttributeType : int32_t {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  TypeProto = 13,
  TypeProtos = 14,
};
llvm::StringRef attributeTypeName(AttributeType type);

/// The field named by `type` holds the value. Sparse tensors and type protos are recognised by
/// `type` but their values are not kept.
struct Attribute {
  std::string name;
  AttributeType type = AttributeType::Undefined;
  std::string refAttrName; ///< inside a function: the call's attribute that this one stands for
  float f = 0;
  int64_t i = 0;
  std::string s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Tensor> tensors;                ///< one for Tensor, any number for Tensors
  std::vector<std::shared_ptr<Graph>> graphs; ///< one for Graph, any number for Graphs
  uint64_t position = 0;

  const Tensor *tensor() const { return tensors.empty() ? nullptr : &tensors.front(); }
  const Graph *graph() const { return graphs.empty() ? nullptr : graphs.front().get(); }
};

struct Node {
  std::string name;
  std::string opType;
  std::string domain; ///< "" for ai.onnx (normalised), otherwise as written
  std::string overload;
  std::vector<std::string> inputs;  ///< "" where an optional input is absent
  std::vector<std::string> outputs; ///< "" where an output is not wanted
  std::vector<Attribute> attributes;
  int64_t opset = 0; ///< set only on nodes of inlined functions whose opset is not the model's
  uint64_t position = 0;

  /// The attribute of that name, whatever its type, or null.
  const Attribute *attribute(llvm::StringRef name) const;
  bool has(llvm::StringRef name) const { return attribute(name) != nullptr; }
  /// The value, or `def` when the attribute is absent. An attribute of another type is a
  /// BadAttribute error that names node, attribute and both types.
  llvm::Expected<int64_t> getInt(llvm::StringRef name, int64_t def) const;
  llvm::Expected<float> getFloat(llvm::StringRef name, float def) const;
  llvm::Expected<std::string> getString(llvm::StringRef name, llvm::StringRef def) const;
  llvm::Expected<std::vector<int64_t>> getInts(llvm::StringRef name,
                                               llvm::ArrayRef<int64_t> def) const;
  llvm::Expected<std::vector<float>> getFloats(llvm::StringRef name,
                                               llvm::ArrayRef<float> def) const;
  llvm::Expected<std::vector<std::string>> getStrings(llvm::StringRef name) const;
  /// Null when absent.
  llvm::Expected<const Tensor *> getTensor(llvm::StringRef name) const;
  llvm::Expected<const Graph *> getGraph(llvm::StringRef name) const;

  /// "" when there are fewer inputs or the input is absent.
  llvm::StringRef input(size_t index) const {
    return index < inputs.size() ? llvm::StringRef(inputs[index]) : llvm::StringRef();
  }
  /// "node 'a/b' (MatMul)", or "node at byte 120 (MatMul)" without a name: for error messages.
  std::string describe() const;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<SparseTensor> sparseInitializers;
  std::vector<ValueInfo> inputs, outputs, valueInfos;
  uint64_t position = 0;

  const Tensor *initializer(llvm::StringRef name) const; ///< linear; build a map for many look-ups
};

/// domain -> version, "" for ai.onnx.
using OpsetImports = std::map<std::string, int64_t>;

struct Function {
  std::string name, domain, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> attributeNames;  ///< required at the call
  std::vector<Attribute> attributeDefaults; ///< optional at the call
  std::vector<Node> nodes;
  std::vector<ValueInfo> valueInfos;
  OpsetImports opsetImports;
  uint64_t position = 0;
};

/// A mapped file, read-only and private. Data may be hashed as it stands.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(std::string path, const uint8_t *data, uint64_t size, bool owned)
      : path(std::move(path)), data(data), size(size), owned(owned) {}
  MappedFile(MappedFile &&other) noexcept { swap(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedFile();
  llvm::ArrayRef<uint8_t> bytes() const { return {data, static_cast<size_t>(size)}; }

  std::string path; ///< the model: as given; external data: relative to the model's folder

private:
  void swap(MappedFile &other) noexcept;
  const uint8_t *data = nullptr;
  uint64_t size = 0;
  bool owned = false;
};

struct Model {
  std::string path; ///< as given; for messages
  int64_t irVersion = 0, modelVersion = 0;
  std::string producerName, producerVersion, domain, docString;
  OpsetImports opsetImports;
  std::vector<std::pair<std::string, std::string>> metadata;
  Graph graph;
  std::vector<Function> functions;
  std::vector<MappedFile> files;  ///< 0 is the model itself, the others its external data
  std::vector<std::string> notes; ///< oddities that are no errors, e.g. ignored external data keys

  /// The version of `node`'s domain that holds for it; 0 when the model does not import the domain.
  int64_t opsetVersion(const Node &node) const;
};

/// Nodes by op type and the shape of inputs and outputs, for people.
void printModel(const Model &model, llvm::raw_ostream &os);

} // namespace qcc::onnx
#endif
