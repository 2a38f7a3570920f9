// Executes AMX instructions in a handler of SIGILL; see AmxEmulator.h. Encodings and meanings are
// those of the Intel Architecture Instruction Set Extensions Programming Reference, chapter 3. What
// the CPU would refuse (no configuration, shapes that do not match) ends the process, as it would
// there.
#include "AmxEmulator.h"
#include "qcc/runtime.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

using namespace qcc;

#if defined(__x86_64__)
namespace {

struct Tile {
  uint8_t row[16][64];
  int rows, rowBytes; ///< as configured
};

struct Instruction {
  int prefix, opcode; ///< prefix: 0 none, 1 66, 2 F3, 3 F2
  int reg, rm, vvvv;  ///< numbers of tiles
  bool isMemory;
  uint8_t *address;
  int64_t stride;
  int64_t bytes; ///< length
};

thread_local Tile tiles[8];
thread_local bool isConfigured;

[[noreturn]] void refuse(const char *what) {
  std::fprintf(stderr, "AMX instruction refused: %s\n", what);
  std::abort();
}
void require(bool holds, const char *what) {
  if (!holds)
    refuse(what);
}

/// A general register by the number that instructions give it.
int64_t registerOf(const ucontext_t &context, int number) {
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[order[number]];
}

/// VEX.128.0F38.W0 with three bytes of prefix; false for anything else.
bool decode(const ucontext_t &context, Instruction &i) {
  const auto *code = reinterpret_cast<const uint8_t *>(context.uc_mcontext.gregs[REG_RIP]);
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0)
    return false;
  int x = code[1] & 0x40 ? 0 : 8, base = code[1] & 0x20 ? 0 : 8, modrm = code[4];
  i = {code[2] & 3, code[3], modrm >> 3 & 7, modrm & 7, ~code[2] >> 3 & 15, modrm < 0xc0, nullptr,
       0,           5};
  if (!i.isMemory)
    return true;
  int64_t address = 0;
  int mod = modrm >> 6, number = i.rm;
  if (i.rm == 4) {
    int sib = code[i.bytes++], index = (sib >> 3 & 7) + x;
    number = sib & 7;
    if (index != 4)
      i.stride = registerOf(context, index) * (INT64_C(1) << (sib >> 6));
  }
  if (mod == 0 && number == 5) // an address without base
    return false;
  address = registerOf(context, number + base);
  int32_t wide;
  if (mod == 1)
    address += static_cast<int8_t>(code[i.bytes]), i.bytes += 1;
  if (mod == 2)
    std::memcpy(&wide, code + i.bytes, 4), address += wide, i.bytes += 4;
  i.address = reinterpret_cast<uint8_t *>(address);
  return true;
}

void configure(const uint8_t *from) {
  require(from[0] == 1, "the palette is not 1");
  for (int t = 0; t < 8; ++t) {
    uint16_t rowBytes;
    std::memcpy(&rowBytes, from + 16 + 2 * t, 2);
    require(rowBytes <= 64 && from[48 + t] <= 16, "a tile of the configuration is too large");
    tiles[t] = {{}, from[48 + t], rowBytes};
  }
  isConfigured = true;
}

void requireMatch(const Tile &sums, const Tile &a, const Tile &b) {
  require(sums.rows == a.rows && sums.rowBytes == b.rowBytes && a.rowBytes == 4 * b.rows,
          "the tiles of a product do not match");
}

/// Of each lane: four bytes of a row of A by four bytes of a column of B.
void multiply(Tile &sums, const Tile &a, const Tile &b, bool aSigned, bool bSigned) {
  requireMatch(sums, a, b);
  auto value = [](uint8_t byte, bool isSigned) {
    return isSigned ? int32_t(static_cast<int8_t>(byte)) : int32_t(byte);
  };
  for (int m = 0; m < sums.rows; ++m)
    for (int n = 0; n < sums.rowBytes / 4; ++n) {
      uint32_t sum;
      std::memcpy(&sum, sums.row[m] + 4 * n, 4);
      for (int k = 0; k < a.rowBytes; ++k)
        sum += value(a.row[m][k], aSigned) * value(b.row[k / 4][4 * n + k % 4], bSigned);
      std::memcpy(sums.row[m] + 4 * n, &sum, 4);
    }
}

/// Of bf16, with what is below 2^-126 in magnitude taken as 0.
struct Float {
  float value;
  explicit Float(float v)
      : value(std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v) {}
  static Float load(const uint8_t *at) {
    uint32_t bits = uint32_t(at[0]) << 16 | uint32_t(at[1]) << 24;
    float v;
    std::memcpy(&v, &bits, 4);
    return Float(v);
  }
};

/// Of each lane: sums over the first and over the second numbers of all pairs, then their sum.
void multiplyFloats(Tile &sums, const Tile &a, const Tile &b) {
  requireMatch(sums, a, b);
  for (int m = 0; m < sums.rows; ++m)
    for (int n = 0; n < sums.rowBytes / 4; ++n) {
      Float part[2] = {Float(0), Float(0)};
      for (int k = 0; k < a.rowBytes / 2; ++k) {
        float x = Float::load(a.row[m] + 2 * k).value;
        float y = Float::load(b.row[k / 2] + 4 * n + k % 2 * 2).value;
        part[k % 2] = Float(std::fma(x, y, part[k % 2].value));
      }
      float sum;
      std::memcpy(&sum, sums.row[m] + 4 * n, 4);
      sum = Float(Float(sum).value + Float(part[0].value + part[1].value).value).value;
      std::memcpy(sums.row[m] + 4 * n, &sum, 4);
    }
}

bool execute(const Instruction &i) {
  enum { ConfigureOrZero = 0x49, Move = 0x4b, FloatDot = 0x5c, Dot = 0x5e };
  if (i.opcode == ConfigureOrZero && i.isMemory && i.prefix == 0) {
    configure(i.address);
    return true;
  }
  if (i.opcode != ConfigureOrZero && i.opcode != Move && i.opcode != Dot && i.opcode != FloatDot)
    return false;
  require(isConfigured, "the tiles are not configured");
  Tile &tile = tiles[i.reg];
  if (i.opcode == ConfigureOrZero && !i.isMemory && i.prefix == 0)
    isConfigured = false;
  else if (i.opcode == ConfigureOrZero && !i.isMemory && i.prefix == 3)
    std::memset(tile.row, 0, sizeof tile.row);
  else if (i.opcode == Move && i.isMemory && i.prefix)
    for (int r = 0; r < tile.rows; ++r) {
      uint8_t *there = i.address + r * i.stride;
      i.prefix == 2 ? std::memcpy(there, tile.row[r], tile.rowBytes)
                    : std::memcpy(tile.row[r], there, tile.rowBytes);
    }
  else if (i.opcode == Dot && !i.isMemory)
    multiply(tile, tiles[i.rm], tiles[i.vvvv], i.prefix >= 2, i.prefix % 2);
  else if (i.opcode == FloatDot && !i.isMemory && i.prefix == 2)
    multiplyFloats(tile, tiles[i.rm], tiles[i.vvvv]);
  else
    return false;
  return true;
}

void onIllegalInstruction(int, siginfo_t *, void *opaque) {
  auto &context = *static_cast<ucontext_t *>(opaque);
  Instruction instruction;
  if (decode(context, instruction) && execute(instruction))
    context.uc_mcontext.gregs[REG_RIP] += instruction.bytes;
  else
    std::signal(SIGILL, SIG_DFL); // it comes again
}

} // namespace

std::vector<const Target *> qcc::levelsWithAmx() {
  std::vector<const Target *> levels = hostLevels();
  const Target *amx = findTarget("x86-amx");
  if (llvm::is_contained(levels, amx)) {
    qcc_cpu_features(/*request_amx=*/1);
  } else if (llvm::is_contained(levels, findTarget(amx->base))) {
    struct sigaction action = {};
    action.sa_sigaction = onIllegalInstruction;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, nullptr);
    levels.insert(levels.begin(), amx);
  }
  return levels;
}
#else
std::vector<const Target *> qcc::levelsWithAmx() { return hostLevels(); }
#endif
