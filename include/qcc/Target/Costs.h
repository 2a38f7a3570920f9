// How long layers take on a feature level, and which register tiles products are fastest in:
// measured by `qcc tune`, or as a model of the level has it. Asked by the choice of schemes and by
// kernels.
#ifndef QCC_TARGET_COSTS_H
#define QCC_TARGET_COSTS_H

#include "qcc/Support/Scheme.h"
#include "qcc/Target/RegisterTile.h"
#include "qcc/Target/Target.h"
#include <optional>
#include <string>

namespace qcc {

/// One layer: M rows times an [N, K] matrix, quantization of the rows included.
struct LayerCost {
  std::string scheme; ///< canonical; "f32" for floats
  unsigned threads = 1;
  int64_t m = 0, n = 0, k = 0;
  double ms = 0; ///< median
};

/// Products of `m` rows in one tile, on one thread, with weights that no cache holds.
struct TileCost {
  std::string scheme; ///< that stands for its kind of product
  int64_t m = 0;
  RegisterTile tile;
  double gops = 0; ///< two operations a multiply-add
};

/// A table of costs as a JSON file:
///   {"schema": "qcc.costs/1", "target": LEVEL, "source": "measured" | "model",
///    "layers": [...], "tiles": [...]}
class CostTable {
public:
  std::string target; ///< feature level
  bool isModel = false;
  std::vector<LayerCost> layers;
  std::vector<TileCost> tiles;

  /// Predicted milliseconds of a layer; nothing when the table has no layer of the scheme. From the
  /// matrix of the nearest shape, scaled by the number of weights, with M between the two nearest
  /// ones interpolated linearly. Threads that are not in the table go on as the speed-up of those
  /// that are does.
  std::optional<double> predict(llvm::StringRef scheme, unsigned threads, int64_t m, int64_t n,
                                int64_t k) const;

  /// The scheme of the table that costs what `scheme` does, as far as the table can tell: itself,
  /// else the one with weights of nearly as many bits among those with activations of its kind; ""
  /// where there is none.
  std::string like(const Scheme &scheme) const;

  /// The fastest tiles of a kind of product, empty where none were measured. A tile goes on for
  /// fewer rows as long as it is nearly the fastest: every tile is code.
  TileRules fastestTiles(llvm::StringRef scheme) const;

  std::string toJson() const;
  /// Errors: 1101, 1874.
  static llvm::Expected<CostTable> read(llvm::StringRef path);
  static llvm::Expected<CostTable> fromJson(llvm::StringRef text, llvm::StringRef where);
};

struct LayerShape {
  int64_t n = 0, k = 0;
};

/// Which layers a table holds: all combinations.
struct CostGrid {
  std::vector<std::string> schemes; ///< canonical
  std::vector<LayerShape> shapes;
  std::vector<int64_t> rows;
  std::vector<unsigned> threads;
};

/// Every kind of decoder; shapes and rows between which costs go smoothly.
CostGrid usualGrid();

/// What a roofline over the description of a processor predicts for the layers of a grid: see
/// lib/Target/CostModel.cpp. Tiles are not modelled.
CostTable modelCosts(const Target &level, const CostGrid &grid);

/// The table that comes with qcc: costs/LEVEL.json. Those of GPUs are empty.
const CostTable &shippedCosts(const Target &level);

} // namespace qcc
#endif
