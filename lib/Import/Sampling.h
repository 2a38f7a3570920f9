// Parts of interpolation that several operators share.
#ifndef QCC_LIB_IMPORT_SAMPLING_H
#define QCC_LIB_IMPORT_SAMPLING_H

#include "NodeBuilder.h"

namespace qcc::import {

/// x [N, C, spatial..] as [N, points, C].
Value channelsLast(NodeBuilder &n, Value x);
/// A size as a scalar of that element type.
Value sizeNumber(NodeBuilder &n, DimExpr size, Type element);
Value clamped(NodeBuilder &n, Value x, Value low, Value high);
/// Both conditions; a null one always holds.
Value both(NodeBuilder &n, Value x, Value y);
/// Cubic convolution (Keys 1981, equation 4) at distance t + 1, t, 1 - t and 2 - t.
SmallVector<Value> cubicTaps(NodeBuilder &n, Value t, double a);

} // namespace qcc::import
#endif
