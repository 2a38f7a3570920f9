// Products on levels where warpgroups multiply matrices: tiles of many rows.
//
// The last warpgroup of a block copies rows and weights into a ring of stages. The two others have
// half of a tile's columns each, and all of its rows. All three go from tile to tile without
// waiting for each other but for stages, so that copies run ahead while results are computed, and
// one of two has results to do while the other multiplies.
#ifndef QCC_LIB_KERNELS_WARPGROUPTILES_H
#define QCC_LIB_KERNELS_WARPGROUPTILES_H

#include "TensorTiles.h"

namespace qcc {

/// Warpgroups of a block: two multiply, the last one copies.
constexpr int64_t kTileWarpgroups = 3;
/// Rows of a tile of codes in blocks.
constexpr int64_t kWarpgroupBlockRows = 128;
/// The columns of a tile.
constexpr int64_t kWarpgroupTileColumns = (kTileWarpgroups - 1) * tile::kWarpgroupColumns;

/// Whether tiles of many rows are computed that way; the kernel is then in blocks of warpgroups.
bool usesWarpgroups(const Target &target, const MatmulSpec &spec);
/// The rows of a tile then.
int64_t warpgroupTileRows(const MatmulSpec &spec);

/// Scales sums and hands them to the epilogue.
using TensorResults = llvm::function_ref<void(const TensorSums &)>;

/// All tiles of the product. `results` exists once in the code.
void emitWarpgroupTiles(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                        TensorResults results);

/// The same of codes in blocks, and whether that exists.
void emitWarpgroupBlocks(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                         TensorResults results);
bool fitsWarpgroupBlocks(const MatmulSpec &spec);

/// Bytes of a block's memory beside stages, with `ownBytes` for each warpgroup that multiplies.
int64_t warpgroupBesides(int64_t ownBytes);

/// What kinds of products share: the ring, the walk over tiles, and how sums leave registers.
class WarpgroupTiles {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;
  using ValueRange = mlir::ValueRange;
  void run();

protected:
  /// Of a tile, of a block's memory and of its registers.
  struct Plan {
    int64_t rows, stages, stageBytes;
    int64_t copyRegisters; ///< of a thread that copies; the others share the rest
    int64_t ownBytes = 0;  ///< of memory of each warpgroup that multiplies
  };
  WarpgroupTiles(KernelBuilder &k, const MatmulOperands &o, TensorResults results, const Plan &plan)
      : k(k), o(o), plan(plan), results(results) {}
  virtual ~WarpgroupTiles() = default;

  /// Before warpgroups go their ways: sets `steps`.
  virtual void begin() = 0;
  /// Begins to copy stage `step` of a tile to `stage`, for use `use` of the ring.
  virtual void copyStage(TensorTileAt at, Value step, Value use, Value stage) = 0;
  /// The sums of a warpgroup, by forStages(), which gives the next use too.
  virtual Values sums(TensorTileAt at, Value use) = 0;

  /// carried = body(step, stage, carried) for the stages of a tile, from use `use` of the ring on.
  Values forStages(Value use, Values carried,
                   llvm::function_ref<Values(Value step, Value stage, ValueRange)> body);
  /// Copies bytes `offset` to `offset` + 127 of the rows of a tile.
  void copyRows(TensorTileAt at, Value rowBytes, Value offset, Value end, Value to);
  Values noSums(mlir::Type element);
  Value ownMemory();

  KernelBuilder &k;
  const MatmulOperands &o;
  const Plan plan;
  Value warpgroup, ring;
  Value steps; ///< stages of a tile

private:
  void copy();
  void multiply();
  void parts(TensorTileAt at, ValueRange sums);
  Value rowTiles();
  TensorTileAt tileAt(Value number);
  void forTiles(llvm::function_ref<Value(Value number, Value use)> body);
  Value stageAt(Value use);
  void wait(Value use, bool free);
  void pass(Value use, bool free);
  int64_t partsAt() const { return plan.stages * plan.stageBytes; }
  int64_t ownAt() const;
  int64_t ringAt() const { return ownAt() + (kTileWarpgroups - 1) * plan.ownBytes; }

  TensorResults results;
  Value block, blocks, shared;
};

} // namespace qcc
#endif
