// Register tiles by what a level has in registers.
#include "qcc/Kernels/RegisterTiles.h"

using namespace qcc;

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

TileRules qcc::usualTiles(const MatmulSpec &spec, const Target &t) {
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
