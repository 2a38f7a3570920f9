// Expansion of --target and the levels of the host.
#include "qcc/Target/Target.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"
#include <string>

using namespace qcc;

namespace {

std::string expanded(llvm::StringRef spec) {
  auto levels = expandTarget(spec);
  if (!levels)
    return llvm::toString(levels.takeError());
  std::string names;
  for (const Target *t : *levels)
    names += (names.empty() ? "" : " ") + std::string(t->name);
  return names;
}

TEST(Target, ExpandsNamesBestFirst) {
  EXPECT_EQ(expanded("x86"), "x86-amx x86-avx512-bf16 x86-avx512-vnni x86-avx512-base x86-64-v3");
  EXPECT_EQ(expanded("x86-avx512"), "x86-amx x86-avx512-bf16 x86-avx512-vnni x86-avx512-base");
  EXPECT_EQ(expanded("x86-64-v3"), "x86-64-v3");
  EXPECT_EQ(expanded("aarch64"), "aarch64-i8mm aarch64-dotprod aarch64-neon");
  EXPECT_EQ(expanded("scalar, x86-64-v3,x86-avx512"),
            "x86-amx x86-avx512-bf16 x86-avx512-vnni x86-avx512-base x86-64-v3 scalar");
  EXPECT_EQ(expanded("x86-avx512-vnni,x86-amx"), "x86-amx x86-avx512-vnni");
  EXPECT_EQ(expanded("native"), hostLevels().front()->name);
}

TEST(Target, NamesWhatExists) {
  for (const char *bad : {"x86-amx-bf16", "nvptx-sm_10", "", "x86,,x86", "X86"}) {
    auto levels = expandTarget(bad);
    ASSERT_FALSE(static_cast<bool>(levels)) << bad;
    llvm::handleAllErrors(levels.takeError(), [&](const CodedError &e) {
      EXPECT_EQ(e.code, Diag::UnknownTarget);
      EXPECT_EQ(diagExitCode(e.code), 4);
      ASSERT_FALSE(e.notes.empty());
      EXPECT_NE(e.notes[0].find("x86-avx512-vnni"), std::string::npos);
    });
  }
}

TEST(Target, KeepsArchitecturesApart) {
  auto levels = expandTarget("x86,aarch64");
  ASSERT_FALSE(static_cast<bool>(levels));
  llvm::handleAllErrors(levels.takeError(),
                        [](const CodedError &e) { EXPECT_EQ(e.code, Diag::MixedTargets); });
}

TEST(Target, GpusGoWithAnyArchitecture) {
  EXPECT_EQ(expanded("nvptx-sm_80,x86-64-v3,nvptx-sm_90a"), "x86-64-v3 nvptx-sm_90a nvptx-sm_80");
  EXPECT_EQ(expanded("aarch64-neon,nvptx-sm_89"), "aarch64-neon nvptx-sm_89");
}

TEST(Target, GpusHaveACapability) {
  auto text = [](const char *name) {
    ComputeCapability c = findTarget(name)->capability();
    return std::to_string(c.major) + "." + std::to_string(c.minor) + (c.exact ? " exactly" : "");
  };
  EXPECT_EQ(text("nvptx-sm_90a"), "9.0 exactly");
  EXPECT_EQ(text("nvptx-sm_89"), "8.9");
  EXPECT_EQ(text("nvptx-sm_80"), "8.0");
  EXPECT_EQ(fallbackGpu().capability().major, 8u);
  EXPECT_FALSE(fallbackGpu().capability().exact);
}

TEST(Target, EveryNameExpands) {
  for (const TargetName &n : targetNames())
    EXPECT_TRUE(static_cast<bool>(expandTarget(n.name))) << n.name;
  for (const Target &t : allTargets())
    EXPECT_EQ(findTarget(t.name), &t);
}

/// What makes the code of a level's base, where neither tiles nor dots of bf16 are used, its own.
TEST(Target, LevelsDifferFromTheirBaseInTilesAndDotsOfBfloat) {
  EXPECT_TRUE(findTarget("x86-amx")->hasAmx());
  for (const Target &t : allTargets()) {
    if (!t.base)
      continue;
    const Target *base = findTarget(t.base);
    ASSERT_NE(base, nullptr) << t.name;
    EXPECT_FALSE(base->hasAmx());
    EXPECT_GE(t.hasTiles, base->hasTiles);
    EXPECT_GE(t.hasBf16Dots, base->hasBf16Dots);
    EXPECT_TRUE(t.hasTiles != base->hasTiles || t.hasBf16Dots != base->hasBf16Dots);
    EXPECT_EQ(t.featureBits & base->featureBits, base->featureBits);
    EXPECT_EQ(t.dot, base->dot);
    EXPECT_EQ(t.vectorRegisters, base->vectorRegisters);
    EXPECT_EQ(t.vectorBytes, base->vectorBytes);
    EXPECT_STREQ(t.cpu, base->cpu);
    EXPECT_EQ(t.l1Bytes, base->l1Bytes);
    EXPECT_EQ(t.l2Bytes, base->l2Bytes);
  }
}

TEST(Target, HostHasLevels) {
  std::vector<const Target *> levels = hostLevels();
  ASSERT_FALSE(levels.empty());
  for (const Target *t : levels)
    EXPECT_EQ(t->arch, levels.front()->arch);
}

} // namespace
