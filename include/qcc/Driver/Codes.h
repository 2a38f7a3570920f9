// Codes that a method chose, put in the place of quantize(matrix).
#ifndef QCC_DRIVER_CODES_H
#define QCC_DRIVER_CODES_H

#include "qcc/Algorithms/WeightCodec.h"
#include "qcc/Driver/Layers.h"

namespace qcc {

/// The buffer of `type`, layout logical (QuantizedLayout.h), that holds `rows`.
std::vector<uint8_t> logicalBytes(qnt::QType type, const EncodedRows &rows);

/// Keeps `bytes` in the model's blob folder and replaces the weight's quantization by a use of
/// them. Errors: 1102.
llvm::Error useCodes(LoadedModel &model, MarkedWeight &weight, llvm::ArrayRef<uint8_t> bytes);

} // namespace qcc
#endif
