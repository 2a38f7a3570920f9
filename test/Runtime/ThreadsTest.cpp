// How many threads: cgroup quotas of both versions, and the environment.
#include "qcc/runtime.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

extern "C" {
#include "internal.h"
}

namespace fs = std::filesystem;

namespace {
struct Cgroup : testing::Test {
  fs::path root = fs::temp_directory_path() / ("qcc-cgroup-" + std::to_string(getpid()));
  void SetUp() override { fs::create_directories(root); }
  void TearDown() override { fs::remove_all(root); }
  void write(const std::string &name, const std::string &text) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  }
  uint32_t cpus(const std::string &membership) {
    write("membership", membership);
    return qcc_cgroup_cpus((root / "membership").c_str(), root.c_str());
  }
};
} // namespace

TEST_F(Cgroup, Version2TakesTheTightestAncestor) {
  write("a/cpu.max", "150000 100000\n");
  write("a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 2u);
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 2u);
  write("a/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus("0::/a/b\n"), 0u);
}

TEST_F(Cgroup, Version2InAContainerSeesItsRoot) {
  write("cpu.max", "300000 100000\n");
  EXPECT_EQ(cpus("0::/host/only/path\n"), 3u);
  EXPECT_EQ(cpus("0::/\n"), 3u);
}

TEST_F(Cgroup, Version1ReadsQuotaAndPeriod) {
  write("cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
  write("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus("5:cpuset:/\n4:cpu,cpuacct:/job\n"), 3u);
  write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cpus("4:cpu,cpuacct:/job\n"), 0u);
}

TEST_F(Cgroup, NothingMeansNoLimit) {
  EXPECT_EQ(cpus(""), 0u);
  EXPECT_EQ(qcc_cgroup_cpus("/nonexistent", root.c_str()), 0u);
}

TEST(Threads, EnvironmentOverrides) {
  setenv("QCC_NUM_THREADS", "7", 1);
  EXPECT_EQ(qcc_default_threads(), 7u);
  setenv("QCC_NUM_THREADS", "many", 1);
  uint32_t fallback = qcc_default_threads();
  unsetenv("QCC_NUM_THREADS");
  EXPECT_EQ(qcc_default_threads(), fallback);
  EXPECT_GE(fallback, 1u);
}
