// ONNX types for the storages of codes. Each choice is one that the importer reads back as the same
// type: what is stored in a wider type would come back as another scheme.
#include "Carriers.h"
#include "GraphExporter.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

/// Type and first opset of DequantizeLinear for it.
std::pair<int32_t, int64_t> codesOf(Storage storage) {
  switch (storage) {
  case Storage::i8:
    return {onnx::Int8, 21};
  case Storage::u8:
    return {onnx::UInt8, 21};
  case Storage::i4:
    return {onnx::Int4, 21};
  case Storage::u4:
    return {onnx::UInt4, 21};
  case Storage::i2:
    return {onnx::Int2, 25};
  case Storage::u2:
    return {onnx::UInt2, 25};
  case Storage::f8e4m3fn:
    return {onnx::Float8E4M3FN, 21};
  case Storage::f8e5m2:
    return {onnx::Float8E5M2, 21};
  case Storage::f8e4m3fnuz:
    return {onnx::Float8E4M3FNUZ, 21};
  case Storage::f8e5m2fnuz:
    return {onnx::Float8E5M2FNUZ, 21};
  case Storage::f4e2m1:
    return {onnx::Float4E2M1, 23};
  default:
    return {onnx::Undefined, 0};
  }
}

bool isIntegerOf(Type zero, Storage storage) {
  return zero.isInteger(bitsOf(storage)) &&
         cast<IntegerType>(zero).isUnsigned() == isUnsignedStorage(storage);
}

} // namespace

Carrier exporter::carrierOf(QType type) {
  Carrier carrier;
  auto refuse = [&](const Twine &why) {
    carrier.why = why.str();
    return carrier;
  };
  Storage storage = type.getStorage();
  std::tie(carrier.codes, carrier.opset) = codesOf(storage);
  if (type.getCodebook())
    return refuse("codes that count the values of a table have no ONNX form");
  if (carrier.codes == onnx::Undefined)
    return refuse("ONNX has no type for " + stringifyStorage(storage) + " codes");
  if (!type.isByRows() || type.getLayout() != Layout::logical)
    return refuse("its scales do not go with the rows of a matrix");
  if (type.getSuper())
    return refuse("scales of two levels have no ONNX form");
  if (Type zero = type.getZero(); zero && !isIntegerOf(zero, storage))
    return refuse("zero points of another type than the codes have no ONNX form");
  if (isUnsignedStorage(storage) && isIntegerStorage(storage) && !type.getZero())
    return refuse("unsigned codes without zero points have no ONNX form of their own");
  carrier.scale = dataTypeOf(type.getScale());
  if (carrier.scale == onnx::Float8E8M0)
    carrier.opset = std::max<int64_t>(carrier.opset, 24);
  return carrier;
}

/// Types that a cast makes f32 of, as MatMulNBits takes scales here.
static bool isRealType(Type type) { return isa<Float32Type, Float16Type, BFloat16Type>(type); }

/// Zero points of MatMulNBits: none with signed codes, which count from the middle one; packed ones
/// in the type of the codes; or floats.
static bool hasMatmulZeros(QType type, bool isSigned) {
  Type zero = type.getZero();
  if (isSigned || !zero)
    return isSigned && !zero;
  return isIntegerOf(zero, type.getStorage()) || isRealType(zero);
}

int64_t exporter::matmulBits(QType type) {
  int64_t block = type.getBlock();
  Storage storage = type.getStorage();
  bool isSigned = storage == Storage::i8 || storage == Storage::i4 || storage == Storage::i2;
  bool isUnsigned = storage == Storage::u8 || storage == Storage::u4 || storage == Storage::u2;
  bool isBlocks = type.isByRows() && type.getGranularity() == Granularity::block && block >= 16 &&
                  llvm::isPowerOf2_64(block) && type.getLayout() == Layout::logical;
  bool isPlain = !type.getCodebook() && !type.getSuper() && isRealType(type.getScale());
  if (!(isSigned || isUnsigned) || !isBlocks || !isPlain || !hasMatmulZeros(type, isSigned))
    return 0;
  return type.getBits();
}
