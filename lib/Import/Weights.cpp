// Constants of the model: small ones as attributes, large ones as symbols over the bytes of a file.
#include "GraphImporter.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

/// A constant op holds at most this many bytes (QntShape.td).
static constexpr uint64_t maxConstantBytes = 1024;

llvm::Expected<RankedTensorType> GraphImporter::tensorType(const onnx::Tensor &tensor,
                                                           StringRef name) const {
  Type element = elementType(tensor.dataType);
  if (!element)
    return makeError(Diag::UnsupportedType, model.path + ": constant '" + name.str() + "'",
                     "has element type " + onnx::dataTypeName(tensor.dataType) +
                         ", which qcc does not take");
  return RankedTensorType::get(tensor.dims, element);
}

/// The elements as an attribute; types below 8 bits are unpacked.
static DenseElementsAttr attributeOf(RankedTensorType type, ArrayRef<uint8_t> bytes) {
  unsigned bits = type.getElementTypeBitWidth();
  if (bits >= 8)
    return DenseElementsAttr::getFromRawBuffer(
        type, ArrayRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
  auto count = static_cast<size_t>(type.getNumElements());
  SmallVector<APInt> values;
  for (size_t i = 0; i < count; ++i) {
    bool isBool = bits == 1; // one byte each
    unsigned raw = isBool ? bytes[i] != 0 : bytes[i * bits / 8] >> (i * bits % 8);
    values.emplace_back(bits, raw, /*isSigned=*/false, /*implicitTrunc=*/true);
  }
  if (auto floatType = dyn_cast<FloatType>(type.getElementType())) {
    SmallVector<APFloat> floats;
    for (const APInt &value : values)
      floats.emplace_back(floatType.getFloatSemantics(), value);
    return DenseElementsAttr::get(type, floats);
  }
  return DenseElementsAttr::get(type, values);
}

static std::string sanitise(StringRef name) {
  std::string result;
  for (char c : name)
    result += llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_';
  return result.empty() || llvm::isDigit(result[0]) ? "w" + result : result;
}

llvm::Expected<Value> GraphImporter::weight(const onnx::Tensor &tensor, RankedTensorType type,
                                            StringRef name) {
  Attribute source;
  std::string text;
  llvm::raw_string_ostream key(text);
  const onnx::TensorData &data = tensor.data;
  if (data.file >= 0) {
    StringRef path = data.file == 0 ? llvm::sys::path::filename(model.path)
                                    : StringRef(model.files[data.file].path);
    source = qnt::FileAttr::get(context, path, data.offset, tensor.bytes(model).size());
  } else {
    if (!options.addBlob)
      return makeError(Diag::NoBlobFolder, model.path + ": constant '" + name.str() + "'",
                       "is written as a list of numbers, which needs a folder for blobs");
    auto blob = options.addBlob(tensor.bytes(model));
    if (!blob)
      return blob.takeError();
    source = *blob;
  }
  key << source << type;
  std::string &symbol = weightBySource[text];
  if (symbol.empty()) {
    std::string base = sanitise(name);
    symbol = base;
    for (int n = 1; !weightNames.insert(symbol).second; ++n)
      symbol = base + "_" + std::to_string(n);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(func);
    qnt::WeightOp::create(builder, NameLoc::get(builder.getStringAttr(name)), StringRef(symbol),
                          Type(type), source, StringAttr());
  }
  return qnt::UseOp::create(builder, NameLoc::get(builder.getStringAttr(name)), type, symbol)
      .getResult();
}

llvm::Expected<Value> GraphImporter::materialiseTensor(const onnx::Tensor &tensor, StringRef name) {
  auto type = tensorType(tensor, name);
  if (!type)
    return type.takeError();
  ArrayRef<uint8_t> bytes = tensor.bytes(model);
  assert(bytes.size() == onnx::byteSize(tensor.dataType, tensor.count()) &&
         "the reader refuses tensors of other sizes");
  if (bytes.size() <= maxConstantBytes)
    return qnt::ConstantOp::create(builder, NameLoc::get(builder.getStringAttr(name)),
                                   attributeOf(*type, bytes))
        .getResult();
  return weight(tensor, *type, name);
}
