// Sizes that are only known when the model runs: they become produced symbols.
#ifndef QCC_LIB_IMPORT_RUNTIMESIZES_H
#define QCC_LIB_IMPORT_RUNTIMESIZES_H

#include "NodeBuilder.h"

namespace qcc::import {

/// The value of a scalar as a dimension; below 0 counts as 0. A segment of the model ends here.
DimExpr bindSize(NodeBuilder &n, Value scalar, const char *hint);
/// The elements of a vector, each as bindSize() has it.
Dims bindSizes(NodeBuilder &n, Value vector, const char *hint);
/// Operand i, a vector (or scalar) of sizes, as dimensions: known ones, or bound at run time.
std::optional<Dims> sizesOf(NodeBuilder &n, size_t i, const char *what);
/// Operand i as a vector of i64 with a fixed number of elements; null after a failure.
Value integerVector(NodeBuilder &n, size_t i, const char *what);
/// Number of elements of a vector from integerVector().
int64_t lengthOf(NodeBuilder &n, Value vector);
/// Element i of a vector as a scalar.
Value elementAt(NodeBuilder &n, Value vector, int64_t i);
/// i64 [rank] with `values` where `axes` (i64, negative from the end) name it, `otherwise`
/// elsewhere.
Value spreadOverAxes(NodeBuilder &n, Value axes, Value values, size_t rank, int64_t otherwise);
/// 1 where `axes` name one of `rank` axes, else 0.
Value markedAxes(NodeBuilder &n, Value axes, size_t rank);
/// The `count` elements of i64 `values` for which `keep` is 1, in order.
Value compress(NodeBuilder &n, Value values, Value keep, int64_t count);
/// Dimensions of x as i64 [rank].
Value dimVector(NodeBuilder &n, ArrayRef<DimExpr> dims);
/// Whether input i is known where the model is imported.
bool isKnown(NodeBuilder &n, size_t i);
/// x [.., size, ..] as [outer, size, inner] for an axis that a scalar names at run time.
Value aroundAxis(NodeBuilder &n, Value x, Value axis);

} // namespace qcc::import
#endif
