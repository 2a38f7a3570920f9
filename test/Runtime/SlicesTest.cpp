// Batches that run in parts: the same results, on all workers, without allocating.
#include "FakeModels.h"
#include "qcc/runtime.hpp"

extern "C" {
#include "internal.h"
}

#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace {

struct Slices : testing::Test {
  static constexpr int64_t width = 3;

  void SetUp() override { model = std::move(*qcc::Model::link(batchModel)); }

  qcc::Session session(uint32_t workers, std::vector<int64_t> maxima = {}) {
    pool = std::move(*qcc::Pool::create(workers));
    qcc::Session made = std::move(*qcc::Session::create(model, 0, &pool, maxima));
    if (maxima.empty()) // else memory is there already, for the caches of this machine
      made.get()->part_bytes = 4 << 20;
    return made;
  }
  /// Status of a run over x = 0, 1, 2, ...; checks the results of one that succeeds.
  qcc_status run(qcc::Session &session, int64_t batch, int64_t negative = -1) {
    std::vector<int64_t> x(batch * width), shift{10, 20, 30}, dims{batch, width}, row{width};
    std::iota(x.begin(), x.end(), 0);
    if (negative >= 0)
      x[negative] = -1;
    qcc_tensor inputs[] = {qcc::tensor(x.data(), dims), qcc::tensor(shift.data(), row)}, output{};
    batchRuns = batchLargest = 0;
    int64_t before = allocationCount();
    qcc_error err;
    qcc_status status = qcc_session_run(session.get(), inputs, 2, &output, 1, &err);
    allocated = allocationCount() - before;
    message = err.message;
    const int64_t *y = static_cast<const int64_t *>(output.data);
    for (int64_t i = 0; !status && i < batch * width; ++i)
      EXPECT_EQ(y[i], 2 * (x[i] + shift[i % width])) << "element " << i << " of " << batch;
    return status;
  }

  qcc::Model model;
  qcc::Pool pool;
  int64_t allocated = 0;
  std::string message;
};

TEST_F(Slices, EveryBatchHasTheResultsOfTheWhole) {
  for (uint32_t workers : {1, 2, 3, 5}) {
    qcc::Session own = session(workers);
    for (int64_t batch = 0; batch < 40; ++batch)
      ASSERT_EQ(run(own, batch), QCC_OK) << message;
  }
}

TEST_F(Slices, PartsFitAndAllWorkersHaveAsMany) {
  qcc::Session two = session(2);
  ASSERT_EQ(run(two, 32), QCC_OK);
  EXPECT_EQ(batchLargest, 3); // 4 MiB hold less than four slices of one
  EXPECT_GE(batchRuns, 10);
  ASSERT_EQ(run(two, 2), QCC_OK);
  EXPECT_EQ(batchRuns, 2);
  // One worker would wait for the other: whole, every kernel on both.
  ASSERT_EQ(run(two, 3), QCC_OK);
  EXPECT_EQ(batchRuns, 1);
  qcc::Session one = session(1);
  ASSERT_EQ(run(one, 3), QCC_OK);
  EXPECT_EQ(batchRuns, 1); // it fits as it is
}

TEST_F(Slices, AllocateNothingAfterCreationWithMaxima) {
  qcc::Session own = session(2, {32, width, width});
  for (int64_t batch : {32, 1, 2, 3, 8, 31, 32}) {
    ASSERT_EQ(run(own, batch), QCC_OK) << message;
    EXPECT_EQ(allocated, 0) << batch;
  }
}

TEST_F(Slices, FaultsNameTheirNode) {
  qcc::Session own = session(2);
  EXPECT_EQ(run(own, 32, /*negative=*/50), QCC_ERR_INDEX);
  EXPECT_NE(message.find("/shift/Add"), std::string::npos) << message;
  EXPECT_EQ(run(own, 32), QCC_OK) << message;
}

TEST_F(Slices, AProfileSeesWholeLaunches) {
  qcc::Session own = session(2);
  int launches = 0;
  auto count = [](void *context, const qcc_launch_info *) { ++*static_cast<int *>(context); };
  ASSERT_EQ(qcc_session_set_profile(own.get(), count, &launches, nullptr), QCC_OK);
  ASSERT_EQ(run(own, 32), QCC_OK);
  EXPECT_EQ(batchRuns, 1);
  EXPECT_EQ(launches, 2);
}

TEST_F(Slices, MemoryOfPartsIsReported) {
  qcc::Session own = session(2);
  ASSERT_EQ(run(own, 32), QCC_OK);
  qcc_memory_info memory{};
  memory.struct_size = sizeof memory;
  ASSERT_EQ(qcc_session_memory(own.get(), &memory, nullptr), QCC_OK);
  EXPECT_GE(memory.arena_bytes, 6u << 20);
  EXPECT_LT(memory.arena_bytes, 8u << 20); // not 32: the whole was never needed
}

TEST(SliceSymbol, IsFoundAsAWholeName) {
  EXPECT_TRUE(qcc_dim_mentions("b", "b"));
  EXPECT_TRUE(qcc_dim_mentions("2 * b", "b"));
  EXPECT_TRUE(qcc_dim_mentions("floordiv(s + b, 2)", "b"));
  EXPECT_TRUE(qcc_dim_mentions("\"b-size\" * 2", "b-size"));
  EXPECT_TRUE(qcc_dim_mentions(R"(s + "say \"b\"")", R"(say "b")"));
  EXPECT_FALSE(qcc_dim_mentions("b_1 + ab + b.0", "b"));
  EXPECT_FALSE(qcc_dim_mentions("\"b-size\"", "b"));
  EXPECT_FALSE(qcc_dim_mentions(R"("say \"b\"")", "b"));
  EXPECT_FALSE(qcc_dim_mentions("\"b", "b c"));
  EXPECT_FALSE(qcc_dim_mentions("", "b"));
}

TEST(SliceSymbol, MustBeBoundByAnInput) {
  qcc_model_desc desc = *batchModel();
  qcc_entry_desc entry = desc.entries[0];
  entry.slice_symbol = 3;
  desc.entries = &entry;
  static const qcc_model_desc *given;
  given = &desc;
  auto made = qcc::Model::link([] { return given; });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, QCC_ERR_NOT_A_MODEL);
}

} // namespace
