// Sessions: validation, plan checks, faults, outputs, segments, allocation, control registers.
#include "FakeModels.h"
#include "qcc/runtime.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Gather : testing::Test {
  void SetUp() override {
    model = std::move(*qcc::Model::link(gatherModel));
    pool = std::move(*qcc::Pool::create(2));
    session = std::move(*qcc::Session::create(model, 0, &pool));
  }
  qcc_status run(const std::vector<qcc::Tensor> &inputs) {
    std::vector<qcc::Tensor> outputs(1);
    qcc::Status status = session.run(inputs, outputs);
    message = status.message();
    return status.code();
  }
  bool says(const char *text) const { return message.find(text) != std::string::npos; }

  qcc::Model model;
  qcc::Pool pool;
  qcc::Session session;
  std::vector<int64_t> ids{3, 1, 4};
  std::vector<float> x = std::vector<float>(24, 0.5f);
  std::string message;
};

} // namespace

TEST_F(Gather, RunsIntoItsOwnMemory) {
  auto y = session.run({qcc::tensor(ids.data(), {3}), qcc::tensor(x.data(), {3, 8})});
  ASSERT_TRUE(y) << y.error().message;
  ASSERT_EQ((*y)[0].rank, 2u);
  EXPECT_EQ((*y)[0].dims[0], 3);
  EXPECT_EQ((*y)[0].bytes, 96u);
  EXPECT_EQ(static_cast<float *>((*y)[0].data)[16], 4.5f);
  qcc_tensor again;
  ASSERT_EQ(qcc_session_output(session.get(), 0, &again, nullptr), QCC_OK);
  EXPECT_EQ(again.data, (*y)[0].data);
}

TEST_F(Gather, RunsIntoTheCallersMemory) {
  float y[24];
  std::vector<qcc::Tensor> outputs{qcc::outputInto(y, 24)};
  std::vector<qcc::Tensor> inputs{qcc::tensor(ids.data(), {3}), qcc::tensor(x.data(), {3, 8})};
  std::vector<int64_t> d1{3}, d2{3, 8};
  inputs[0].dims = d1.data();
  inputs[1].dims = d2.data();
  ASSERT_TRUE(session.run(inputs, outputs));
  EXPECT_EQ(y[8], 1.5f);
  EXPECT_EQ(outputs[0].data, y);
  EXPECT_EQ(outputs[0].dims[1], 8);

  outputs[0].bytes = 95;
  outputs[0].dims = nullptr;
  qcc::Status status = session.run(inputs, outputs);
  EXPECT_EQ(status.code(), QCC_ERR_CAPACITY);
  EXPECT_NE(std::strstr(status.message(), "96"), nullptr);
  ASSERT_NE(outputs[0].dims, nullptr); // the caller learns the shape
  EXPECT_EQ(outputs[0].dims[0], 3);

  outputs[0].bytes = 96;
  outputs[0].dtype = QCC_F64;
  EXPECT_EQ(session.run(inputs, outputs).code(), QCC_ERR_DTYPE);
}

TEST_F(Gather, NamesBothSidesOfAFailedCheck) {
  EXPECT_EQ(run({qcc::tensor(ids.data(), {2}), qcc::tensor(x.data(), {3, 8})}), QCC_ERR_SHAPE);
  EXPECT_EQ(message, "x axis 0 is 3, but ids axis 0 is 2 (needed by /Add)");
}

TEST_F(Gather, NamesTheNodeOfAFault) {
  ids[1] = 5;
  EXPECT_EQ(run({qcc::tensor(ids.data(), {3}), qcc::tensor(x.data(), {3, 8})}), QCC_ERR_INDEX);
  EXPECT_TRUE(says("/embed/Gather")) << message;
  qcc_tensor none;
  EXPECT_NE(qcc_session_output(session.get(), 0, &none, nullptr), QCC_OK);
}

TEST_F(Gather, ChecksInputsAgainstTheSignature) {
  std::vector<int32_t> narrow{1, 2, 3};
  qcc::Tensor good = qcc::tensor(ids.data(), {3});
  EXPECT_EQ(run({good}), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(run({qcc::tensor(narrow.data(), {3}), qcc::tensor(x.data(), {3, 8})}), QCC_ERR_DTYPE);
  EXPECT_EQ(run({qcc::tensor(ids.data(), {3, 1}), qcc::tensor(x.data(), {3, 8})}), QCC_ERR_SHAPE);
  EXPECT_EQ(run({qcc::tensor(ids.data(), {-3}), qcc::tensor(x.data(), {3, 8})}), QCC_ERR_SHAPE);
  EXPECT_EQ(run({qcc::tensor(ids.data(), {0}), qcc::tensor(x.data(), {0, 8})}), QCC_ERR_SHAPE);
  EXPECT_TRUE(says("1 to 4096")) << message;
  EXPECT_EQ(run({qcc::tensor(ids.data(), {4097}), qcc::tensor(x.data(), {4097, 8})}),
            QCC_ERR_SHAPE);
  EXPECT_EQ(run({qcc::tensor(ids.data(), {INT64_MAX / 2}), qcc::tensor(x.data(), {3, 8})}),
            QCC_ERR_SHAPE);
  EXPECT_EQ(run({qcc::tensor<int64_t>(nullptr, {3}), qcc::tensor(x.data(), {3, 8})}),
            QCC_ERR_INVALID_ARGUMENT);
  auto *odd = reinterpret_cast<float *>(reinterpret_cast<char *>(x.data()) + 1);
  EXPECT_EQ(run({qcc::tensor(ids.data(), {1}), qcc::tensor(odd, {1, 8})}),
            QCC_ERR_INVALID_ARGUMENT);
  std::vector<qcc::Tensor> two(2);
  EXPECT_EQ(session.run({}, two).code(), QCC_ERR_INVALID_ARGUMENT);
}

TEST_F(Gather, InfersShapesWithoutRunning) {
  auto shapes = session.inferShapes(
      {qcc::tensor<int64_t>(nullptr, {7}), qcc::tensor<float>(nullptr, {7, 8})});
  ASSERT_TRUE(shapes) << shapes.error().message;
  EXPECT_EQ((*shapes)[0].dims[0], 7);
  EXPECT_EQ((*shapes)[0].bytes, 224u);
}

TEST_F(Gather, AllocatesNothingAfterCreationWithMaxima) {
  auto sized = qcc::Session::create(model, 0, &pool, {64, 64, 8});
  ASSERT_TRUE(sized);
  std::vector<int64_t> many(64, 2), dims1{64}, dims2{64, 8};
  std::vector<float> values(512, 1);
  for (int64_t n : {1, 64, 3, 64}) {
    dims1[0] = dims2[0] = n;
    qcc_tensor inputs[] = {qcc::tensor(many.data(), dims1), qcc::tensor(values.data(), dims2)};
    qcc_tensor output{};
    qcc_error err;
    int64_t before = allocationCount();
    ASSERT_EQ(qcc_session_run(sized->get(), inputs, 2, &output, 1, &err), QCC_OK) << err.message;
    EXPECT_EQ(allocationCount(), before);
  }
  qcc_memory_info memory{};
  memory.struct_size = sizeof memory;
  ASSERT_EQ(qcc_session_memory(sized->get(), &memory, nullptr), QCC_OK);
  EXPECT_EQ(memory.arena_bytes, 4096u);
  EXPECT_EQ(memory.output_bytes, 2048u);
  EXPECT_EQ(qcc::Session::create(model, 0, &pool, {64}).error().code, QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc::Session::create(model, 0, &pool, {64, 32, 8}).error().code, QCC_ERR_SHAPE);
}

TEST_F(Gather, ReportsLaunches) {
  struct Seen {
    std::string kernel;
    int64_t tasks = 0;
  } seen;
  auto note = [](void *context, const qcc_launch_info *info) {
    static_cast<Seen *>(context)->kernel = info->kernel;
    static_cast<Seen *>(context)->tasks += info->tasks;
  };
  ASSERT_EQ(qcc_session_set_profile(session.get(), note, &seen, nullptr), QCC_OK);
  run({qcc::tensor(ids.data(), {3}), qcc::tensor(x.data(), {3, 8})});
  EXPECT_EQ(seen.kernel, "gather_add");
  EXPECT_EQ(seen.tasks, 3);
}

#if defined(__x86_64__)
TEST_F(Gather, SetsAndRestoresTheControlRegister) {
  unsigned before = __builtin_ia32_stmxcsr();
  unsigned odd = 0x1f80 | 0x8040 | 0x6000; // flush to zero, denormals are zero, round to zero
  __builtin_ia32_ldmxcsr(odd);
  qcc_status status = run({qcc::tensor(ids.data(), {3}), qcc::tensor(x.data(), {3, 8})});
  unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before);
  EXPECT_EQ(status, QCC_OK);
  EXPECT_EQ(after, odd);
  EXPECT_EQ(gatherControlWord & 0xffc0, 0x1f80u);
}
#endif

TEST(Segments, KeepTheArenaAndSizeOutputsLate) {
  auto model = qcc::Model::link(nonZeroModel);
  auto session = qcc::Session::create(*model);
  ASSERT_TRUE(session);
  std::vector<int64_t> x{0, 5, 0, 7, 9, 0, 1, 1};
  for (int round = 0; round < 2; ++round) {
    auto y = session->run({qcc::tensor(x.data(), {8})});
    ASSERT_TRUE(y) << y.error().message;
    ASSERT_EQ((*y)[0].dims[0], 5);
    const int64_t want[] = {1, 3, 4, 6, 7};
    EXPECT_EQ(std::memcmp((*y)[0].data, want, sizeof want), 0);
  }
  auto shapes = session->inferShapes({qcc::tensor(x.data(), {8})});
  ASSERT_TRUE(shapes);
  EXPECT_EQ((*shapes)[0].dims[0], -1);
  EXPECT_EQ((*shapes)[0].bytes, 0u);

  int64_t small[2];
  std::vector<qcc::Tensor> outputs{qcc::outputInto(small, 2)};
  std::vector<int64_t> dims{8};
  EXPECT_EQ(session->run({qcc::tensor(x.data(), dims)}, outputs).code(), QCC_ERR_CAPACITY);
  EXPECT_EQ(outputs[0].dims[0], 5);
}

TEST(Segments, ZeroSizedTensorsAreNormal) {
  auto model = qcc::Model::link(nonZeroModel);
  auto session = qcc::Session::create(*model);
  auto y = session->run({qcc::tensor<int64_t>(nullptr, {0})});
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].dims[0], 0);
  EXPECT_NE((*y)[0].data, nullptr);
}

TEST(Arguments, NullsAreStatuses) {
  qcc_error err;
  EXPECT_EQ(qcc_model_open(nullptr, nullptr, nullptr, &err), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_session_create(nullptr, 0, nullptr, nullptr, nullptr, &err),
            QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_session_run(nullptr, nullptr, 0, nullptr, 0, nullptr), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_decoder_step(nullptr, nullptr, 0, nullptr, nullptr), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_pool_create(nullptr, nullptr, &err), QCC_ERR_INVALID_ARGUMENT);
  qcc_model_close(nullptr);
  qcc_session_destroy(nullptr);
  qcc_decoder_destroy(nullptr);
  qcc_pool_destroy(nullptr);
}

TEST(Busy, ASecondConcurrentRunIsRefused) {
  auto model = qcc::Model::link(gatherModel);
  auto pool = qcc::Pool::create(1);
  auto session = qcc::Session::create(*model, 0, &*pool);
  // The profile callback runs inside the first call.
  struct Inner {
    qcc_session *session;
    qcc_status status = QCC_OK;
  } inner{session->get()};
  auto reenter = [](void *context, const qcc_launch_info *) {
    auto *i = static_cast<Inner *>(context);
    i->status = qcc_session_run(i->session, nullptr, 0, nullptr, 0, nullptr);
  };
  qcc_session_set_profile(session->get(), reenter, &inner, nullptr);
  int64_t id = 1;
  float x[8] = {};
  EXPECT_TRUE(session->run({qcc::tensor(&id, {1}), qcc::tensor(x, {1, 8})}));
  EXPECT_EQ(inner.status, QCC_ERR_BUSY);
}
