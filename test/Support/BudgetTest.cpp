// Sizes and latencies as users write them.
#include "qcc/Support/Budget.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"

using namespace qcc;

static bool refused(llvm::Error error) {
  bool right = false;
  llvm::handleAllErrors(std::move(error), [&](const CodedError &coded) {
    right = coded.code == Diag::BadOptionValue;
  });
  return right;
}

TEST(Budget, Bytes) {
  for (auto [text, bytes] : {std::pair("60MB", 60000000ull), std::pair("1.5 GB", 1500000000ull),
                             std::pair("512KiB", 524288ull), std::pair("17", 17ull),
                             std::pair("3kb", 3000ull), std::pair("2 TiB", 2ull << 40)})
    EXPECT_EQ(llvm::cantFail(parseBytes(text, "x")), bytes) << text;
  for (const char *text : {"", "MB", "60 XB", "-1", "0", "1e400", "nan", "60MB!", "99999999TB"})
    EXPECT_TRUE(refused(parseBytes(text, "x").takeError())) << text;
}

TEST(Budget, Latencies) {
  LatencyBudget shape = llvm::cantFail(parseLatency("5ms@1x128,threads=2", "x"));
  EXPECT_DOUBLE_EQ(shape.ms, 5);
  EXPECT_EQ(shape.dims, (std::vector<int64_t>{1, 128}));
  EXPECT_EQ(shape.threads, 2u);
  LatencyBudget prefill = llvm::cantFail(parseLatency("1.5s@prefill512", "x"));
  EXPECT_DOUBLE_EQ(prefill.ms, 1500);
  EXPECT_EQ(prefill.run, LatencyBudget::Run::Prefill);
  EXPECT_EQ(prefill.tokens, 512);
  EXPECT_DOUBLE_EQ(llvm::cantFail(parseLatency("20us@decode", "x")).ms, 0.02);
  for (const char *text : {"5ms@1x128,threads=2", "1.5s@prefill512", "20us@decode", "7ms@8"}) {
    LatencyBudget latency = llvm::cantFail(parseLatency(text, "x"));
    EXPECT_EQ(llvm::cantFail(parseLatency(latency.str(), "x")), latency) << latency.str();
  }
  for (const char *text : {"", "5ms", "5@1x128", "ms@1", "5ms@", "5ms@1x", "5ms@0x1", "5ms@prefill",
                           "5ms@prefill0", "5ms@decoder", "5ms@1,threads=0", "5ms@1,cores=2"})
    EXPECT_TRUE(refused(parseLatency(text, "x").takeError())) << text;
}
