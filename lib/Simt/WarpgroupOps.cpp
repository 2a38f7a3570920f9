// wgmma: products of a warpgroup, executed warp by warp; each warp computes its 16 of 64 rows.
#include "Machine.h"
#include "MatrixValues.h"
#include "Swizzle.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

namespace qcc::simt {

std::vector<uint32_t> fragmentA(const Warp &warp, const Product &product);
std::vector<uint32_t> accumulators(const Warp &warp, const Product &product);
void setAccumulators(Warp &warp, const Product &product, const std::vector<uint32_t> &matrix);

namespace {

/// Fields of a matrix descriptor (PTX ISA, "Matrix descriptor format").
struct Descriptor {
  explicit Descriptor(uint64_t bits)
      : start((bits & 0x3fff) << 4), leading((bits >> 16 & 0x3fff) << 4),
        stride((bits >> 32 & 0x3fff) << 4) {
    unsigned mode = bits >> 62; // 1, 2, 3 are 128, 64, 32 bytes
    swizzle = mode ? 4 - mode : 0;
  }

  /// Where the element at a row (of M or N) and byte of K lies if K is contiguous.
  uint64_t alongK(unsigned row, unsigned byte) const {
    if (!swizzle)
      return start + row / 8 * stride + byte / 16 * leading + row % 8 * 16 + byte % 16;
    return swizzled(start + row / 8 * stride + row % 8 * (16u << swizzle) + byte, swizzle);
  }
  /// Where it lies if M or N is contiguous: `byte` is of M or N, `row` of K.
  uint64_t acrossK(unsigned byte, unsigned row) const {
    unsigned width = 16u << swizzle;
    uint64_t at =
        start + byte / width * leading + row / 8 * stride + row % 8 * width + byte % width;
    return swizzle ? swizzled(at, swizzle) : at;
  }

  uint64_t start, leading, stride;
  unsigned swizzle;
};

} // namespace

/// Rows of an operand in shared memory; each 16 bytes of which it reads are judged once.
static std::vector<uint32_t>
readOperand(const Descriptor &descriptor, unsigned firstRow, unsigned rows, unsigned k,
            unsigned bits, bool transposed,
            llvm::function_ref<const uint8_t *(uint64_t chunk)> chunkAt) {
  std::vector<uint32_t> matrix(rows * k);
  std::map<uint64_t, const uint8_t *> chunks;
  unsigned bytes = bits / 8;
  for (unsigned row = 0; row != rows; ++row)
    for (unsigned i = 0; i != k; ++i) {
      uint64_t at = transposed ? descriptor.acrossK((firstRow + row) * bytes, i)
                               : descriptor.alongK(firstRow + row, i * bytes);
      auto [found, fresh] = chunks.try_emplace(at / 16, nullptr);
      if (fresh)
        found->second = chunkAt(at / 16 * 16);
      if (found->second)
        std::memcpy(&matrix[row * k + i], found->second + at % 16, bytes);
    }
  return matrix;
}

void Machine::multiplyAsync(Warp &warp, uint32_t, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  const Product &product = program.products[inst.layout];
  WarpgroupState &state = warp.wgmma;
  if (!state.fenced)
    report(FindingKind::AsyncNotWaited, pc, 0, [&] {
      return threadName(*warp.block, warp.thread(0)) + " issues wgmma without a wgmma.fence before";
    });
  uint32_t group = state.committed + 1;
  Stamp stamp = stampOfAgent(*warp.block, agentOfProducts(warp.index), group);
  auto chunkAt = [&](uint64_t at) -> const uint8_t * {
    Place place = locate(warp, 0, pc, Space::Shared, at, 16);
    if (!place.bytes)
      return nullptr;
    checkProxy(warp, 0, pc, place, 16);
    accessFor(warp, 0, pc, stamp, place, 16, /*write=*/false);
    return place.bytes;
  };
  auto operand = [&](uint32_t reg, unsigned firstRow, unsigned rows, MatrixElement element,
                     bool transposed) {
    return readOperand(Descriptor(warp.registers[reg].v[0]), firstRow, rows, product.k,
                       elementBits(element), transposed, chunkAt);
  };
  std::vector<uint32_t> a =
      product.descriptorA == noRegister
          ? fragmentA(warp, product)
          : operand(product.descriptorA, warp.index % 4 * 16, 16, product.a, product.transposedA);
  std::vector<uint32_t> b =
      operand(product.descriptorB, 0, product.n, product.b, product.transposedB);
  bool clears =
      product.clears || (product.scaleD != noRegister && !warp.registers[product.scaleD].v[0]);
  std::vector<uint32_t> d =
      clears ? std::vector<uint32_t>(16 * product.n) : accumulators(warp, product);
  multiplyTile(product, a, b, d);
  setAccumulators(warp, product, d);
  state.inFlight.push_back({product.d, product.n / 2, group});
}

void Machine::commitProducts(Warp &warp) { ++warp.wgmma.committed; }

void Machine::waitForProducts(Warp &warp, uint32_t lanes, const Instruction &inst) {
  WarpgroupState &state = warp.wgmma;
  state.fenced = false;
  if (state.committed <= inst.imm)
    return;
  uint32_t done = state.committed - inst.imm;
  llvm::erase_if(state.inFlight, [&](const auto &each) { return each.group <= done; });
  forLanes(lanes, [&](unsigned lane) { raise(warp, lane, agentOfProducts(warp.index), done); });
}

/// The registers that an instruction reads, as ranges.
static llvm::SmallVector<std::pair<uint32_t, uint32_t>, 4> readsOf(const Program &program,
                                                                   const Instruction &inst) {
  llvm::SmallVector<std::pair<uint32_t, uint32_t>, 4> reads;
  auto add = [&](uint32_t reg, uint32_t count) {
    if (reg != noRegister)
      reads.push_back({reg, count});
  };
  uint32_t count = inst.op == Op::Map || inst.op == Op::Bitcast ? inst.count : 1;
  add(inst.a, inst.broadcastA ? 1 : count);
  add(inst.b, inst.op == Op::Store ? program.layouts[inst.layout].leaves.size() : count);
  add(inst.c, count);
  if (inst.op == Op::Multiply) {
    const Product &product = program.products[inst.layout];
    add(product.c, product.n / 2);
    for (uint32_t reg : product.registersA)
      add(reg, 1);
  }
  return reads;
}

/// Accumulators of products that were not waited for may be copied, because a copy in the program
/// is a name in PTX, and accumulated into, but not read.
void Machine::checkInFlight(Warp &warp, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  auto &inFlight = warp.wgmma.inFlight;
  if (inst.op == Op::Copy) {
    for (size_t i = 0, end = inFlight.size(); i != end; ++i) {
      auto [first, count, group] = inFlight[i];
      uint32_t from = std::max(first, inst.a), to = std::min(first + count, inst.a + inst.count);
      if (from < to)
        inFlight.push_back({from - inst.a + inst.dst, to - from, group});
    }
    return;
  }
  for (auto [reg, count] : readsOf(program, inst))
    for (const auto &each : inFlight)
      if (reg < each.first + each.count && each.first < reg + count)
        return report(FindingKind::AsyncNotWaited, pc, 0, [&] {
          return "an accumulator of wgmma is read before wgmma.wait_group by " +
                 threadName(*warp.block, warp.thread(0));
        });
}

} // namespace qcc::simt
