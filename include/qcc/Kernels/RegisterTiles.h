// Which register tiles a product goes in. Results do not depend on it.
#ifndef QCC_KERNELS_REGISTERTILES_H
#define QCC_KERNELS_REGISTERTILES_H

#include "qcc/Kernels/Matmul.h"
#include "qcc/Target/RegisterTile.h"

namespace qcc {

/// The fastest tiles of `costs`, if given; else of the table that comes with qcc for the level, or
/// for the level that it shares code with; where neither has any, what registers suggest: as many
/// sums as fit for many rows, and for one row several streams of weights.
TileRules tileRules(const MatmulSpec &spec, const Target &target, const CostTable *costs);

/// A kind of product whose tiles are measured, and the scheme that stands for it in tables.
struct TiledProduct {
  std::string scheme;
  MatmulSpec spec;
};
std::vector<TiledProduct> tiledProducts();

/// Tiles worth measuring for `rows` rows: those that registers hold while K is walked, with enough
/// sums to hide the latency of multiply-adds, and what registers suggest.
std::vector<RegisterTile> tileCandidates(const MatmulSpec &spec, const Target &target,
                                         int64_t rows);

} // namespace qcc
#endif
