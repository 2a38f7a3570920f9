// The report of ptxas, in its words.
#include "qcc/Target/Ptxas.h"
#include <gtest/gtest.h>

namespace qcc {
namespace {

TEST(Ptxas, ReportsAreRead) {
  auto kernels =
      parsePtxasReport("ptxas info    : 0 bytes gmem\n"
                       "ptxas info    : Compiling entry function 'row_0' for 'sm_80'\n"
                       "ptxas info    : Function properties for row_0\n"
                       "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                       "ptxas info    : Used 38 registers, used 0 barriers, 360 bytes cmem[0]\n"
                       "ptxas info    : Compiling entry function 'qlinear_0' for 'sm_80'\n"
                       "ptxas info    : Function properties for qlinear_0\n"
                       "    96 bytes stack frame, 100 bytes spill stores, 20 bytes spill loads\n"
                       "ptxas info    : Used 255 registers, used 1 barriers, 360 bytes cmem[0]\n");
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels["row_0"].registers, 38);
  EXPECT_EQ(kernels["row_0"].spilledBytes, 0);
  EXPECT_EQ(kernels["qlinear_0"].registers, 255);
  EXPECT_EQ(kernels["qlinear_0"].spilledBytes, 120);
  EXPECT_TRUE(parsePtxasReport("ptxas fatal   : Unsupported gpu architecture").empty());
}

TEST(Ptxas, RefusalsAreItsWords) {
  auto refused = registersOf("/bin/false", ".version 8.6", "sm_80");
  ASSERT_FALSE(static_cast<bool>(refused));
  EXPECT_EQ(llvm::toString(refused.takeError()), "it does not run");
}

} // namespace
} // namespace qcc
