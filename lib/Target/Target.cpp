// The table of feature levels, the expansion of --target, and what this machine can execute.
#include "qcc/Target/Target.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace qcc {

static constexpr uint64_t bit(int n) { return uint64_t(1) << n; }
// Feature bits of runtime/include/qcc/model.h.
static constexpr uint64_t kAvx2 = bit(0), kAvx512 = bit(1), kVnni = bit(2), kAmxInt8 = bit(3),
                          kAmxBf16 = bit(4), kAvx512Bf16 = bit(5), kNeon = bit(16),
                          kDotprod = bit(17), kI8mm = bit(18);

static constexpr const char *kLinuxX86 = "x86_64-unknown-linux-gnu";
static constexpr const char *kNvptx = "nvptx64-nvidia-cuda";
static constexpr const char *kLinuxArm = "aarch64-unknown-linux-gnu";

static const Target kTargets[] = {
    {"x86-amx", Arch::X86_64, kLinuxX86, "x86-64-v4",
     "+avx512vnni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16",
     kAvx2 | kAvx512 | kVnni | kAvx512Bf16 | kAmxInt8 | kAmxBf16, 32, 64, DotLowering::Vnni512,
     true, true, true, true, true, true, 32 << 10, 1 << 20, "x86-avx512-bf16"},
    {"x86-avx512-bf16", Arch::X86_64, kLinuxX86, "x86-64-v4", "+avx512vnni,+avx512bf16",
     kAvx2 | kAvx512 | kVnni | kAvx512Bf16, 32, 64, DotLowering::Vnni512, false, true, true, true,
     true, true, 32 << 10, 1 << 20, "x86-avx512-vnni"},
    {"x86-avx512-vnni", Arch::X86_64, kLinuxX86, "x86-64-v4", "+avx512vnni",
     kAvx2 | kAvx512 | kVnni, 32, 64, DotLowering::Vnni512, false, false, true, true, true, true,
     32 << 10, 1 << 20, nullptr},
    {"x86-avx512-base", Arch::X86_64, kLinuxX86, "x86-64-v4", "", kAvx2 | kAvx512, 32, 64,
     DotLowering::PmaddAvx512, false, false, true, true, true, true, 32 << 10, 1 << 20, nullptr},
    {"x86-64-v3", Arch::X86_64, kLinuxX86, "x86-64-v3", "", kAvx2, 16, 32, DotLowering::PmaddAvx2,
     false, false, true, true, true, false, 32 << 10, 256 << 10, nullptr},
    // Plain x86-64: tests kernel logic without any of the instructions above.
    {"scalar", Arch::X86_64, kLinuxX86, "x86-64", "", 0, 16, 16, DotLowering::Generic, false, false,
     false, false, false, false, 32 << 10, 256 << 10, nullptr},
    {"aarch64-i8mm", Arch::AArch64, kLinuxArm, "generic", "+neon,+dotprod,+i8mm",
     kNeon | kDotprod | kI8mm, 32, 16, DotLowering::I8mm, false, false, true, true, true, false,
     64 << 10, 512 << 10, nullptr},
    {"aarch64-dotprod", Arch::AArch64, kLinuxArm, "generic", "+neon,+dotprod", kNeon | kDotprod, 32,
     16, DotLowering::Dotprod, false, false, true, true, true, false, 64 << 10, 512 << 10, nullptr},
    {"aarch64-neon", Arch::AArch64, kLinuxArm, "generic", "+neon", kNeon, 32, 16, DotLowering::Neon,
     false, false, true, true, true, false, 32 << 10, 512 << 10, nullptr},
    // One PTX version for all, which drivers since CUDA 12.7 know. Registers are those of a thread,
    // vectors those of a group of sixteen.
    {"nvptx-sm_90a", Arch::Nvptx, kNvptx, "sm_90a", "+ptx86", 0, 128, 64, DotLowering::Dp4a, false,
     false, true, true, true, true, 128 << 10, 50 << 20, nullptr, 227 << 10},
    {"nvptx-sm_89", Arch::Nvptx, kNvptx, "sm_89", "+ptx86", 0, 128, 64, DotLowering::Dp4a, false,
     false, true, true, true, true, 96 << 10, 48 << 20, nullptr, 99 << 10},
    {"nvptx-sm_80", Arch::Nvptx, kNvptx, "sm_80", "+ptx86", 0, 128, 64, DotLowering::Dp4a, false,
     false, true, true, true, true, 128 << 10, 40 << 20, nullptr, 163 << 10},
};

static const TargetName kNames[] = {
    {"x86", "AVX2, AVX-512, VNNI, BF16 and AMX code over one copy of the weights, picked at load"},
    {"x86-avx512", "requires AVX-512; VNNI, BF16 and AMX code inside, used when present"},
    {"x86-amx", "exactly AVX-512 with VNNI, BF16, AMX-INT8 and AMX-BF16"},
    {"x86-avx512-bf16", "exactly AVX-512 with VNNI and BF16"},
    {"x86-avx512-vnni", "exactly AVX-512 with VNNI"},
    {"x86-avx512-base", "exactly AVX-512 F, BW, CD, DQ, VL"},
    {"x86-64-v3", "exactly AVX2, FMA and F16C"},
    {"scalar", "any x86-64; slow, for tests"},
    {"aarch64", "NEON, dotprod and i8mm code over one copy of the weights, picked at load"},
    {"aarch64-i8mm", "exactly NEON with dotprod and i8mm"},
    {"aarch64-dotprod", "exactly NEON with dotprod"},
    {"aarch64-neon", "exactly NEON"},
    {"nvptx-sm_90a", "NVIDIA GPUs of compute capability 9.0"},
    {"nvptx-sm_89", "NVIDIA GPUs of compute capability 8.9 and later ones"},
    {"nvptx-sm_80", "NVIDIA GPUs of compute capability 8.0 and later ones"},
    {"native", "the best level of this machine"},
};

bool Target::hasAmx() const { return featureBits & kAmxInt8; }

ComputeCapability Target::capability() const {
  StringRef number = StringRef(cpu).drop_front(sizeof "sm_" - 1);
  ComputeCapability result;
  result.exact = number.consume_back("a");
  unsigned digits = 0;
  number.getAsInteger(10, digits);
  result.major = digits / 10;
  result.minor = digits % 10;
  return result;
}

bool Target::hasFloat8Products() const {
  ComputeCapability has = isGpu() ? capability() : ComputeCapability();
  return has.major > 8 || (has.major == 8 && has.minor >= 9);
}

bool Target::hasWarpgroupProducts() const {
  return isGpu() && capability().exact && capability().major == 9;
}

const Target &fallbackGpu() { return *findTarget("nvptx-sm_80"); }

ArrayRef<Target> allTargets() { return kTargets; }
ArrayRef<TargetName> targetNames() { return kNames; }

const Target *findTarget(StringRef name) {
  for (const Target &t : kTargets)
    if (name == t.name)
      return &t;
  return nullptr;
}

/// Features that LLVM must have seen for a level; its detection includes XCR0.
static std::vector<const char *> hostFeatures(const Target &t) {
  std::vector<const char *> need;
  if (t.featureBits & kAvx2)
    need = {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"};
  if (t.featureBits & kAvx512)
    need.insert(need.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  if (t.featureBits & kVnni)
    need.push_back("avx512vnni");
  if (t.featureBits & kDotprod)
    need.push_back("dotprod");
  if (t.featureBits & kI8mm)
    need.push_back("i8mm");
  if (t.featureBits & kAmxInt8)
    need.insert(need.end(), {"amx-tile", "amx-int8", "amx-bf16"});
  if (t.featureBits & kAvx512Bf16)
    need.push_back("avx512bf16");
  return need;
}

std::vector<const Target *> hostLevels() {
#if defined(__x86_64__)
  constexpr Arch host = Arch::X86_64;
#else
  constexpr Arch host = Arch::AArch64;
#endif
  StringMap<bool> have = sys::getHostCPUFeatures();
  std::vector<const Target *> levels;
  for (const Target &t : kTargets)
    if (t.arch == host && all_of(hostFeatures(t), [&](const char *f) { return have.lookup(f); }))
      levels.push_back(&t);
  return levels;
}

static std::vector<const Target *> expandOne(StringRef name) {
  auto list = [](ArrayRef<const char *> names) {
    std::vector<const Target *> v;
    for (const char *n : names)
      v.push_back(findTarget(n));
    return v;
  };
  if (name == "x86")
    return list({"x86-amx", "x86-avx512-bf16", "x86-avx512-vnni", "x86-avx512-base", "x86-64-v3"});
  if (name == "x86-avx512")
    return list({"x86-amx", "x86-avx512-bf16", "x86-avx512-vnni", "x86-avx512-base"});
  if (name == "aarch64")
    return list({"aarch64-i8mm", "aarch64-dotprod", "aarch64-neon"});
  if (name == "native")
    return {hostLevels().front()};
  if (const Target *t = findTarget(name))
    return {t};
  return {};
}

Expected<std::vector<const Target *>> expandTarget(StringRef spec) {
  std::string known;
  for (const TargetName &n : kNames)
    known += (known.empty() ? "" : ", ") + std::string(n.name);
  std::vector<const Target *> picked;
  SmallVector<StringRef> parts;
  spec.split(parts, ',');
  for (StringRef part : parts) {
    std::vector<const Target *> levels = expandOne(part.trim());
    if (levels.empty())
      return makeError(Diag::UnknownTarget, "--target",
                       "no code generator for target '" + part.trim().str() + "'",
                       {"targets: " + known}, "pick one of these, or a comma list");
    picked.insert(picked.end(), levels.begin(), levels.end());
  }
  std::vector<const Target *> ordered;
  for (const Target &t : kTargets)
    if (is_contained(picked, &t))
      ordered.push_back(&t);
  for (const Target *t : ordered)
    if (t->arch != ordered.front()->arch && !t->isGpu())
      return makeError(Diag::MixedTargets, "--target",
                       "'" + std::string(ordered.front()->name) + "' and '" + t->name +
                           "' are of different architectures",
                       {}, "compile once for each architecture");
  return ordered;
}

} // namespace qcc
