// Which ONNX types carry the codes of a scheme, and the parts of a weight that initializers hold.
#ifndef QCC_LIB_EXPORT_CARRIERS_H
#define QCC_LIB_EXPORT_CARRIERS_H

#include "Qnt/Qnt.h"

namespace qcc::exporter {

/// How DequantizeLinear takes a weight.
struct Carrier {
  int32_t codes = 0; ///< TensorProto.DataType of codes and zero points
  int32_t scale = 0; ///< of the stored scales; cast to f32 where they are others
  int64_t opset = 0; ///< the first that knows the types
  std::string why;   ///< nothing carries the scheme, or empty
  explicit operator bool() const { return why.empty(); }
};

/// The carrier of a quantized matrix, such that the importer reads the same type back.
Carrier carrierOf(qnt::QType type);

/// Bits of MatMulNBits for the type, or 0 where that operator does not carry it.
int64_t matmulBits(qnt::QType type);

enum class PartKind {
  Dense,      ///< elements of a tensor
  Codes,      ///< of DequantizeLinear
  Scales,     ///< as stored
  Zeros,      ///< in the type of the codes
  BlockCodes, ///< of MatMulNBits: [N, blocks, bytes], unsigned, whole blocks
  RealZeros,  ///< of MatMulNBits: floats, [N, blocks]
  BlockZeros  ///< of MatMulNBits: rows of packed zero points
};

/// Bytes of a weight that an initializer wants.
struct WeightPart {
  qnt::WeightOp weight;
  PartKind kind = PartKind::Dense;
  bool transposed = false; ///< a matrix [N, K] as [K, N]; scales and zero points likewise
  size_t initializer = 0;
};

/// The bytes of a part, given the weight's whole buffer as WeightStore makes it.
std::vector<uint8_t> partBytes(const WeightPart &part, llvm::ArrayRef<uint8_t> buffer);

} // namespace qcc::exporter
#endif
