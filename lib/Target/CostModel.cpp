// A roofline over the description of a level, for machines that nobody has measured.
//
// For processors only. A layer takes as long as its products or the reading of its weights,
// whichever is longer, and the launch of its kernels. Products take the multiply-add instructions
// of `tile.dot4`, or of fma, and those that decode weights, which a tile does once for its rows.
// All levels are taken to run at one frequency, to start so many bytes of vector instructions a
// cycle, and to read memory at one rate.
#include "qcc/Target/Costs.h"
#include "llvm/Support/Error.h"
#include <algorithm>

using namespace qcc;

static constexpr double kHertz = 2.5e9;
static constexpr double kBytesPerSecond = 12e9; ///< of a thread
static constexpr double kLaunchSeconds = 2e-6;
/// Rows of a tile that share decoded weights.
static constexpr int64_t kSharingRows = 4;
/// Weights are decoded once for all rows of a block. A product of two matrix tiles, 16 rows × 64
/// codes × 16 columns, starts every 16 cycles.
static constexpr double kMatrixTileMacsPerCycle = 16 * 16 * 64 / 16;
static constexpr int64_t kMatrixTileRows = 16;

/// Instructions for 64 products of bytes, counted in whole vectors.
static double dotInstructions(const Target &t) {
  switch (t.dot) {
  case DotLowering::Generic:
    return 16;
  case DotLowering::Neon: // two widening products, two pairwise additions
  case DotLowering::PmaddAvx2:
  case DotLowering::PmaddAvx512: // products of even and of odd bytes, two additions
    return 4;
  case DotLowering::I8mm: // two rows at once
    return 0.5;
  case DotLowering::Dotprod:
  case DotLowering::Vnni512:
  case DotLowering::Dp4a:
    return 1;
  }
  llvm_unreachable("unknown lowering of dot4");
}

namespace {

/// What the model knows of a scheme.
struct Storage {
  double bits = 32; ///< of a weight, its share of a block's scale and zero point included
  bool isFloat = true, isWide = false, isDecoded = false;
  bool inMatrixTiles = false;
};

Storage storageOf(const std::string &scheme) {
  Storage storage;
  if (scheme == "f32")
    return storage;
  Scheme parsed = llvm::cantFail(parseScheme(scheme));
  storage.bits = parsed.bits;
  if (parsed.block)
    storage.bits += (16.0 + (parsed.symmetric ? 0 : parsed.bits)) / parsed.block;
  storage.isFloat = parsed.act == Scheme::Act::Float || parsed.act == Scheme::Act::Float8;
  storage.isWide = parsed.act == Scheme::Act::Int16;
  storage.isDecoded = storage.isFloat || parsed.block;
  storage.inMatrixTiles = !storage.isFloat && !storage.isWide;
  return storage;
}

/// Seconds of one thread for 64 multiply-adds of one row.
double secondsOf64(const Target &t, const Storage &storage, int64_t m) {
  if (storage.inMatrixTiles && t.hasTiles && m >= kMatrixTileRows)
    return 64 / kMatrixTileMacsPerCycle / kHertz;
  double multiplies =
      storage.isFloat ? (t.hasFma ? 4 : 16) : dotInstructions(t) * (1 + storage.isWide);
  double decoding = storage.isDecoded ? (storage.isFloat ? 8 : 2) : 0;
  double instructions = multiplies + decoding / static_cast<double>(std::min(m, kSharingRows));
  int bytesPerCycle = std::min(64, 2 * t.vectorBytes); // two pipes, or one of 64 bytes
  return instructions * 64 / bytesPerCycle / kHertz;
}

} // namespace

CostTable qcc::modelCosts(const Target &level, const CostGrid &grid) {
  assert(!level.isGpu() && "the model is of processors");
  CostTable table;
  table.target = level.name;
  table.isModel = true;
  for (const std::string &scheme : grid.schemes) {
    Storage storage = storageOf(scheme);
    for (LayerShape shape : grid.shapes)
      for (unsigned threads : grid.threads)
        for (int64_t m : grid.rows) {
          double weights = double(shape.n) * double(shape.k);
          double computing = double(m) * weights / 64 * secondsOf64(level, storage, m);
          double reading = weights * storage.bits / 8 / kBytesPerSecond;
          double seconds = std::max(computing, reading) / threads + kLaunchSeconds;
          table.layers.push_back({scheme, threads, m, shape.n, shape.k, 1e3 * seconds});
        }
  }
  return table;
}

CostGrid qcc::usualGrid() {
  return {{"f32", "w8a8", "w4a8:g32", "w4a8:g32:sym", "w4a8:g128", "w3a8:g32", "w2a8:g32", "w8ai16",
           "w4ai16:g32", "w8", "w4:g32", "w2:g32", "nf4:g32", "fp8e4m3", "mxfp4"},
          {{384, 1536}, {2048, 2048}},
          {1, 8, 32, 128},
          {1, 2}};
}
