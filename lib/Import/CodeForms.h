// Codes in the standard's operators, recognised where QuantizeLinear and DequantizeLinear are
// imported, so that a model that came quantized stays so.
#ifndef QCC_LIB_IMPORT_CODEFORMS_H
#define QCC_LIB_IMPORT_CODEFORMS_H

#include "NodeBuilder.h"

namespace qcc::import {

inline bool isOne(NodeBuilder &n, Value value) {
  return qnt::elementCount(n.context(), n.dims(value)).isConstant(1);
}

/// Input `input`, scales (or zero points of floats), as the model stores them: before a cast to
/// f32, which belongs to the arithmetic and not to the scheme.
Value storedScale(NodeBuilder &n, size_t input);

/// DequantizeLinear of a constant matrix: the real numbers of `qnt.assemble`, or null where the
/// node's form is another.
Value dequantizedConstant(NodeBuilder &n, int64_t block);

/// QuantizeLinear of activations, whose codes are `codes` as plain arithmetic has them: remembers
/// what `qnt.quantize` or `qnt.quantize_static` makes of them, for DequantizeLinear to find.
void rememberTokens(NodeBuilder &n, Value codes, int64_t block);

/// The real numbers of the codes that DequantizeLinear reads, where they were remembered with the
/// same scale and zero point.
Value dequantizedTokens(NodeBuilder &n);

/// A matrix of codes and its real numbers, rows and columns exchanged; null where `x` is no such.
Value transposedCodes(NodeBuilder &n, Value x);

} // namespace qcc::import
#endif
