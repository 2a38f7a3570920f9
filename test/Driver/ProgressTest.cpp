// Estimates of long runs, and what is said of them.
#include "qcc/Driver/Progress.h"
#include "gtest/gtest.h"

using namespace qcc;

namespace {

TEST(Progress, RoughTimesReadWell) {
  EXPECT_EQ(roughTime(0), "0 s");
  EXPECT_EQ(roughTime(89.4), "89 s");
  EXPECT_EQ(roughTime(90), "2 min");
  EXPECT_EQ(roughTime(89 * 60), "89 min");
  EXPECT_EQ(roughTime(90 * 60), "1.5 h");
}

TEST(Progress, WorkGrowsWithEverySize) {
  GroupSize size{512, 1536, 65536};
  uint64_t work = groupWork(size, false);
  // The layer itself on all samples and half of a square sum of moments, at the least.
  EXPECT_GE(work, (65536ull * 512 * 1536 + 65536ull * 512 * 512 / 2) / 1000000);
  EXPECT_GT(groupWork(size, true), work);
  EXPECT_GT(groupWork({1024, 1536, 65536}, false), 2 * work);
  EXPECT_GT(groupWork({512, 3072, 65536}, false), work);
  EXPECT_LT(groupWork({512, 1536, 1024}, false), work);
  EXPECT_GT(groupWork({1, 1, 0}, false), 0u) << "a run has an end to divide by";
}

std::string said(uint64_t all, bool quiet, bool estimate) {
  std::string text;
  llvm::raw_string_ostream err(text);
  {
    LayerProgress progress(err, "quantize", quiet, estimate, 1);
    progress(0, all, "first");
    progress(all / 2, all, "second");
    progress(all, all, "");
  }
  return text;
}

TEST(Progress, LongRunsSayHowLongBeforeTheyStart) {
  constexpr uint64_t long_ = 1ull << 40, brief = 1;
  std::string text = said(long_, false, true);
  EXPECT_TRUE(llvm::StringRef(text).starts_with("quantize: about ")) << text;
  EXPECT_EQ(llvm::StringRef(text).count('\n'), 1u) << "once: " << text;
  EXPECT_EQ(said(brief, false, true), "");
  EXPECT_EQ(said(long_, true, true), "") << "quiet";
  EXPECT_EQ(said(long_, false, false), "") << "lines that move are for terminals";
}

} // namespace
