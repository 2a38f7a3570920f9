// Codes that a method chose, put in the place of quantize(matrix).
#ifndef QCC_DRIVER_CODES_H
#define QCC_DRIVER_CODES_H

#include "qcc/Driver/Layers.h"

namespace qcc {

/// Keeps `bytes` in the model's blob folder and replaces the weight's quantization by a use of
/// them. Errors: 1102.
llvm::Error useCodes(LoadedModel &model, MarkedWeight &weight, llvm::ArrayRef<uint8_t> bytes);

} // namespace qcc
#endif
