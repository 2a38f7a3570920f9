// Feature levels of CPUs, and GPUs, that qcc generates code for, and how --target names expand to
// them.
#ifndef QCC_TARGET_TARGET_H
#define QCC_TARGET_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace qcc {

enum class Arch { X86_64 = 1, AArch64 = 2, Nvptx = 3 }; // the numbers of qcc_arch

/// How `tile.dot4` and `tile.dot2` become instructions.
enum class DotLowering { Generic, Neon, Dotprod, I8mm, PmaddAvx2, PmaddAvx512, Vnni512, Dp4a };

/// Of GPUs; "sm_90a" is 9.0 exactly.
struct ComputeCapability {
  unsigned major = 0, minor = 0;
  bool exact = false;
};

/// One feature level: everything code generation may depend on. Levels differ in instructions and
/// register blocking only; the bits that kernels compute are the same on all of them.
struct Target {
  const char *name; ///< as --target, `qcc targets` and qcc_level_desc.name spell it
  Arch arch;
  const char *triple;
  const char *cpu;      ///< LLVM target-cpu
  const char *features; ///< LLVM target-features, "" for those of the cpu
  uint64_t featureBits; ///< QCC_FEATURE_* that the machine must have
  int vectorRegisters;  ///< architectural vector registers
  int vectorBytes;      ///< width of one
  DotLowering dot;
  bool hasTiles;    ///< products of many rows, of codes or pairs of bf16, go in matrix tiles
  bool hasBf16Dots; ///< `tile.dot_bf16` is one instruction per register
  bool hasRoundInstruction; ///< floor/ceil/roundeven/trunc on vectors are instructions
  bool hasFma;              ///< fused multiply-add is an instruction (else an exact expansion)
  bool hasHalfConversions;  ///< f16 <-> f32 are instructions
  bool hasMaskedMemory;     ///< masked loads and stores of every element width
  int64_t l1Bytes, l2Bytes; ///< cache sizes that blocking assumes
  const char *base;         ///< level whose code is the same but for kernels with what it lacks of
                            ///< tiles and dots of bf16, or null
  int64_t sharedBytes = 0;  ///< memory that the threads of a block of a GPU can share

  bool hasVnni() const { return dot == DotLowering::Vnni512; }
  /// Dot products take their four broadcast bytes from a lane of a register.
  bool hasLaneDots() const { return dot == DotLowering::Dotprod || dot == DotLowering::I8mm; }
  /// Products of signed bytes cost less than those of unsigned with signed ones.
  bool prefersSignedDots() const { return dot == DotLowering::Neon || dot == DotLowering::Dotprod; }
  /// `tile.mmla` is one instruction per register.
  bool hasMmla() const { return dot == DotLowering::I8mm; }
  /// Tiles are registers; where they are not, products in them are loops of `tile.dot4`.
  bool hasAmx() const;
  bool isGpu() const { return arch == Arch::Nvptx; }
  /// Of a GPU: what it must have at least, or exactly.
  ComputeCapability capability() const;
  /// Warps multiply matrices: products of codes, or of pairs of bf16, are done by blocks of
  /// threads.
  bool hasTensorCores() const { return isGpu(); }
  /// They also multiply 8-bit floats.
  bool hasFloat8Products() const;
  /// Four warps multiply matrices in shared memory together, and wait for nothing else meanwhile.
  bool hasWarpgroupProducts() const;
  /// Registers that one 16-lane f32 vector takes.
  int registersPerVector() const { return 64 / vectorBytes; }
};

/// Every level that code can be generated for, best first within an architecture.
llvm::ArrayRef<Target> allTargets();

/// The level of this name, or null.
const Target *findTarget(llvm::StringRef name);

/// The GPU level whose code runs on every GPU that qcc knows.
const Target &fallbackGpu();

/// Expands a --target value ("x86", "x86-avx512", "native", "aarch64", a level, or a comma list of
/// these) to levels without duplicates, those of CPUs first, best first. CPUs are of one
/// architecture. The error (QCC1601, QCC1602) names what exists.
llvm::Expected<std::vector<const Target *>> expandTarget(llvm::StringRef spec);

/// Levels that this machine can execute (CPUID and XCR0), best first.
std::vector<const Target *> hostLevels();

/// One line of `qcc targets`: a name of expandTarget and what it stands for.
struct TargetName {
  const char *name;
  const char *meaning;
};
llvm::ArrayRef<TargetName> targetNames();

} // namespace qcc
#endif
