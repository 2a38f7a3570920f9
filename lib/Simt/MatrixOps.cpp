// mma.sync, ldmatrix and stmatrix.
#include "Machine.h"
#include "MatrixValues.h"
#include <cstring>

namespace qcc::simt {

// Fragments as in the PTX ISA: lane l has the group g = l / 4 and the place t = l % 4 in it. A word
// holds e elements. Word i of A is of row g + 8 * (i % 2) and of columns from (i / 2) * 4e + t * e;
// word i of B of column g and of rows from i * 4e + t * e; words i of C and D are of row
// g + 8 * (i / 2 % 2) and column (i / 4) * 8 + 2 * t + i % 2.

/// Puts the words of a fragment, the registers of all lanes, into rows of k elements.
static std::vector<uint32_t> unpack(const Warp &warp, const std::vector<uint32_t> &registers,
                                    unsigned rows, unsigned k, unsigned bits, bool isA) {
  std::vector<uint32_t> matrix(rows * k);
  unsigned perWord = 32 / bits;
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != registers.size(); ++i) {
      uint64_t word = warp.registers[registers[i]].v[lane];
      unsigned row = lane / 4 + (isA ? 8 * (i % 2) : 0);
      unsigned column = (isA ? i / 2 : i) * 4 * perWord + lane % 4 * perWord;
      for (unsigned j = 0; j != perWord; ++j)
        matrix[row * k + column + j] = word >> (j * bits) & lowBits(bits);
    }
  return matrix;
}

std::vector<uint32_t> fragmentA(const Warp &warp, const Product &product) {
  return unpack(warp, product.registersA, 16, product.k, elementBits(product.a), /*isA=*/true);
}

std::vector<uint32_t> accumulators(const Warp &warp, const Product &product) {
  std::vector<uint32_t> matrix(16 * product.n);
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != product.n / 2; ++i)
      matrix[(lane / 4 + 8 * (i / 2 % 2)) * product.n + i / 4 * 8 + 2 * (lane % 4) + i % 2] =
          warp.registers[product.c + i].v[lane];
  return matrix;
}

void setAccumulators(Warp &warp, const Product &product, const std::vector<uint32_t> &matrix) {
  for (unsigned lane = 0; lane != warpSize; ++lane)
    for (unsigned i = 0; i != product.n / 2; ++i)
      warp.registers[product.d + i].v[lane] =
          matrix[(lane / 4 + 8 * (i / 2 % 2)) * product.n + i / 4 * 8 + 2 * (lane % 4) + i % 2];
}

void Machine::multiply(Warp &warp, uint32_t, const Instruction &inst) {
  const Product &product = program.products[inst.layout];
  std::vector<uint32_t> d = accumulators(warp, product);
  multiplyTile(
      product, fragmentA(warp, product),
      unpack(warp, product.registersB, product.n, product.k, elementBits(product.b), /*isA=*/false),
      d);
  setAccumulators(warp, product, d);
}

/// A row of a matrix, at the address that lane `giver` gives; without bytes where that is wrong.
Machine::Place Machine::rowOfMatrix(Warp &warp, unsigned giver, uint32_t pc) {
  uint64_t at = warp.registers[program.code[pc].a].v[giver];
  return aligned(warp, giver, pc, at, 16) ? locate(warp, giver, pc, Space::Shared, at, 16)
                                          : Place{};
}

/// Eight rows of 16 bytes for each of `count` matrices, at addresses that lanes 8 * i + row give.
/// The lane that gets a word reads it. flags is 1 for transposed ones.
void Machine::loadMatrix(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  countAccess(warp, static_cast<uint32_t>((1ull << 8 * inst.count) - 1), pc, Space::Shared, 16);
  for (unsigned matrix = 0; matrix != inst.count; ++matrix) {
    uint16_t elements[8][8] = {};
    for (unsigned row = 0; row != 8; ++row) {
      unsigned giver = 8 * matrix + row;
      Place place = rowOfMatrix(warp, giver, pc);
      if (!place.bytes)
        continue;
      std::memcpy(elements[row], place.bytes, 16);
      for (unsigned word = 0; word != 4; ++word)
        observe(warp, inst.flags ? 8 * word + row / 2 : 4 * row + word, pc,
                {place.bytes + 4 * word, place.shadow, place.offset + 4 * word}, 4, 0);
    }
    forLanes(lanes, [&](unsigned lane) {
      unsigned row = lane / 4, column = lane % 4 * 2;
      uint32_t low = inst.flags ? elements[column][row] : elements[row][column];
      uint32_t high = inst.flags ? elements[column + 1][row] : elements[row][column + 1];
      warp.registers[inst.dst + matrix].v[lane] = low | high << 16;
    });
  }
}

/// wideList holds the registers of the matrices.
void Machine::storeMatrix(Warp &warp, uint32_t, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  countAccess(warp, static_cast<uint32_t>((1ull << 8 * inst.listCount) - 1), pc, Space::Shared, 16);
  for (unsigned matrix = 0; matrix != inst.listCount; ++matrix)
    for (unsigned row = 0; row != 8; ++row) {
      unsigned giver = 8 * matrix + row;
      Place place = rowOfMatrix(warp, giver, pc);
      if (!place.bytes)
        continue;
      const Lanes &words = warp.registers[program.wideList[inst.list + matrix]];
      for (unsigned column = 0; column != 8; ++column) {
        unsigned lane = inst.flags ? column * 4 + row / 2 : row * 4 + column / 2;
        auto element =
            static_cast<uint16_t>(words.v[lane] >> 16 * ((inst.flags ? row : column) % 2));
        overwrite(warp, lane, pc,
                  {place.bytes + 2 * column, place.shadow, place.offset + 2 * column},
                  reinterpret_cast<const uint8_t *>(&element), 2, 0);
      }
    }
}

} // namespace qcc::simt
