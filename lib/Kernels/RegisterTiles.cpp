// Register tiles: as measured, or by what a level has in registers.
#include "qcc/Kernels/RegisterTiles.h"
#include "qcc/Target/Costs.h"

#include <bit>

using namespace qcc;
using llvm::StringRef;

/// Tiles of many rows, and how many panels a lone row reads at once.
static TileRules tiles(int rows, int panels, int lonePanels) {
  return {{2, {rows, panels}}, {1, {1, lonePanels}}};
}

/// Products in blocks, where sums of a block and of all blocks are live.
static TileRules usualBlockTiles(const BlockProduct &p, const Target &t) {
  bool wide = t.vectorBytes == 64, medium = t.vectorBytes == 32;
  bool many = t.vectorRegisters >= 32;
  if (p.core == BlockCore::Int16) { // sums of low and of high bytes
    if (t.dot == DotLowering::Vnni512)
      return tiles(4, 2, 4);
    return wide ? tiles(2, 2, 4) : tiles(many ? 2 : 1, 1, 1);
  }
  if (p.core == BlockCore::Int8 && wide && t.dot != DotLowering::Vnni512)
    return tiles(4, 2, 4);
  if (wide)
    return tiles(6, 2, 8);
  if (medium)
    return tiles(2, 1, 2);
  if (t.hasLaneDots() && p.core == BlockCore::Int8)
    return tiles(2, 1, 1);
  return tiles(many ? 3 : 1, 1, 1);
}

/// Whether weights are pairs of bf16 that the level does not multiply as such.
static bool isWidened(const MatmulSpec &spec, const Target &t) {
  return spec.kind == MatmulKind::F32 && spec.b == Elem::BF16 && !(spec.pairs && t.hasBf16Dots);
}

static TileRules usualFloatTiles(const MatmulSpec &spec, const Target &t) {
  if (t.vectorBytes == 64 && isWidened(spec, t)) // pairs take registers beside the numbers in them
    return tiles(5, 4, 8);
  if (t.vectorBytes == 64)
    return tiles(6, 4, 8);
  if (t.vectorBytes == 32) // six rows would leave no register to spare
    return tiles(5, 1, 4);
  return t.vectorRegisters >= 32 ? tiles(6, 1, 2) : tiles(2, 1, 1);
}

static TileRules usualByteTiles(const Target &t) {
  if (t.dot == DotLowering::Vnni512)
    return tiles(6, 4, 8);
  if (t.vectorBytes == 64) // even and odd bytes of the weights take twice their registers
    return tiles(4, 4, 8);
  if (t.vectorBytes == 32)
    return tiles(3, 1, 2);
  if (t.hasMmla())
    return tiles(4, 1, 4);
  if (t.hasLaneDots())
    return tiles(5, 1, 4);
  return tiles(t.vectorRegisters >= 32 ? 3 : 2, 1, 1);
}

static TileRules usualTiles(const MatmulSpec &spec, const Target &t) {
  switch (spec.kind) {
  case MatmulKind::F32:
    return usualFloatTiles(spec, t);
  case MatmulKind::Batched: // panels have been packed: they need no streams
    return {{1, usualFloatTiles(spec, t).front().tile}};
  case MatmulKind::W8A8:
    return usualByteTiles(t);
  case MatmulKind::Block:
    return usualBlockTiles(spec.block, t);
  }
  llvm_unreachable("unknown kind of product");
}

//===-- Measured tiles ------------------------------------------------------------------------===//

/// What a kind of product is called in tables of costs; "" where tiles are not measured.
static StringRef tileScheme(const MatmulSpec &spec) {
  switch (spec.kind) {
  case MatmulKind::F32:
    return spec.b == Elem::BF16 ? "" : "f32";
  case MatmulKind::Batched:
    return "";
  case MatmulKind::W8A8:
    return "w8a8";
  case MatmulKind::Block:
    break;
  }
  switch (spec.block.core) {
  case BlockCore::Int8:
    return spec.block.layout.zeros == BlockZeros::None ? "w4a8:g32:sym" : "w4a8:g32";
  case BlockCore::Int16:
    return "w4ai16:g32";
  case BlockCore::Float:
  case BlockCore::Float8:
    return "w4:g32";
  }
  llvm_unreachable("unknown kind of product");
}

std::vector<TiledProduct> qcc::tiledProducts() {
  std::vector<MatmulSpec> specs(2);
  specs[1].kind = MatmulKind::W8A8;
  for (BlockCore core : {BlockCore::Int8, BlockCore::Int16, BlockCore::Float})
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed}) {
      MatmulSpec spec;
      spec.kind = MatmulKind::Block;
      spec.block.layout.bits = 4, spec.block.layout.zeros = zeros;
      spec.block.bias = zeros == BlockZeros::None ? 8 : 0;
      spec.block.core = core;
      if (core == BlockCore::Int8 || zeros == BlockZeros::Packed)
        specs.push_back(spec);
    }
  std::vector<TiledProduct> products;
  for (const MatmulSpec &spec : specs)
    products.push_back({tileScheme(spec).str(), spec});
  return products;
}

TileRules qcc::tileRules(const MatmulSpec &spec, const Target &target, const CostTable *costs) {
  StringRef scheme = tileScheme(spec);
  TileRules rules;
  if (costs && costs->target == target.name)
    rules = costs->fastestTiles(scheme);
  if (rules.empty())
    rules = shippedCosts(target).fastestTiles(scheme);
  if (rules.empty() && target.base)
    rules = shippedCosts(*findTarget(target.base)).fastestTiles(scheme);
  return rules.empty() ? usualTiles(spec, target) : rules;
}

std::vector<RegisterTile> qcc::tileCandidates(const MatmulSpec &spec, const Target &t,
                                              int64_t rows) {
  constexpr int mostRows = 12; // beyond that the last rows of a block are many
  bool isBlock = spec.kind == MatmulKind::Block;
  int perSum = t.registersPerVector();
  if (isBlock && spec.block.core == BlockCore::Int16) // low and high bytes
    perSum *= 2;
  std::vector<RegisterTile> tiles;
  for (int panels : {1, 2, 4, 8}) {
    auto registers = [&](int r, bool all) {
      int columns = (r > 1 ? panels : 1) * t.registersPerVector();
      // `all`: in blocks, the sums of all blocks and decoded bytes.
      int more = all && isBlock ? columns + r * panels * t.registersPerVector() : 0;
      return r * panels * perSum + columns + more + 1;
    };
    int most = 0, least = rows < 4 ? 1 : 2;
    for (int r = 1; r <= mostRows; ++r)
      if (registers(r, true) <= t.vectorRegisters)
        most = r;
    for (int r = least; r <= std::min<int64_t>(rows, mostRows); ++r) {
      bool holds = registers(r, false) <= t.vectorRegisters;
      bool hidesLatency = r * panels * perSum >= t.vectorRegisters / 4;
      if (r == most || (std::has_single_bit(static_cast<unsigned>(r)) && holds && hidesLatency))
        tiles.push_back({r, panels});
    }
  }
  for (const TileRule &rule : usualTiles(spec, t))
    if (rule.fromRows <= rows && rule.tile.rows <= rows && !llvm::is_contained(tiles, rule.tile))
      tiles.push_back(rule.tile);
  return tiles;
}
