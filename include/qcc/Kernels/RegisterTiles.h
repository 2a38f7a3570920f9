// Which register tiles a product goes in. Results do not depend on it.
#ifndef QCC_KERNELS_REGISTERTILES_H
#define QCC_KERNELS_REGISTERTILES_H

#include "qcc/Kernels/Matmul.h"
#include "qcc/Target/RegisterTile.h"

namespace qcc {

/// What registers suggest: as many sums as fit for many rows, and for one row several streams of
/// weights.
TileRules usualTiles(const MatmulSpec &spec, const Target &target);

} // namespace qcc
#endif
