// Products of codes less their zero points.
#ifndef QCC_LIB_IMPORT_CODEPRODUCTS_H
#define QCC_LIB_IMPORT_CODEPRODUCTS_H

#include "NodeBuilder.h"

namespace qcc::import {

/// A parameter given as [1] as a scalar.
Value plain(NodeBuilder &n, Value v);
/// Codes minus their zero point in `wide` (null: i32); a vector of zero points goes along the last
/// axis, or with `rows` along the one before.
Value centred(NodeBuilder &n, Value codes, Value zero, Type wide = {}, bool rows = false);

/// What DynamicQuantizeLinear makes of x: bytes, their scale and their zero point.
struct DynamicCodes {
  Value codes, scale, zero;
};
DynamicCodes dynamicCodes(NodeBuilder &n, Value x);

/// sum over K of (a - aZero)(b - bZero), a [.., M, K] and b [K, N].
struct CodeOperands {
  Value a, aZero, b, bZero;
  bool transposed = false; ///< b is [N, K]
};
/// The sums in i32, as `output` of the node gives them.
Value sumsOfCodes(NodeBuilder &n, const CodeOperands &operands, StringRef output);
/// The sums plus `bias` (i32, may be null), rounded to `element`.
Value realsOfCodes(NodeBuilder &n, const CodeOperands &operands, Type element, Value bias = {});

/// Notes that DequantizeLinear made `real` of bytes with one scale.
void rememberCodes(NodeBuilder &n, Value real);
/// x times y [.., K, N] in integers, where both are codes with scales: x of activations with one
/// for all, y likewise or a constant matrix. Null where they are not.
Value productOfCodes(NodeBuilder &n, Value x, Value y);

} // namespace qcc::import
#endif
