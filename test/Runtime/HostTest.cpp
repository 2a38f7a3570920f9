// Operators that the application computes: registration, the call, failures, threads.
#include "FakeModels.h"
extern "C" {
#include "internal.h"
}

#include <atomic>
#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

qcc_status registerOp(const char *name, qcc_host_op_fn function, void *context = nullptr) {
  return qcc_register_host_op("my", name, function, context, nullptr);
}

/// out = x + the context's number; the second input is absent.
qcc_status shift(void *context, const qcc_host_call *call, qcc_error *) {
  const qcc_tensor &x = call->inputs[0], &y = call->outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i)
    static_cast<float *>(y.data)[i] =
        static_cast<const float *>(x.data)[i] + *static_cast<float *>(context);
  return QCC_OK;
}

qcc_status twice(void *, const qcc_host_call *call, qcc_error *) {
  const qcc_tensor &x = call->inputs[0], &y = call->outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i)
    static_cast<float *>(y.data)[i] = 2 * static_cast<const float *>(x.data)[i];
  return QCC_OK;
}

/// What a function saw of its call.
struct Seen {
  std::string domain, op, node, attributes;
  std::vector<qcc_tensor> inputs, outputs;
  uint64_t structSize = 0;
  uint32_t controlWord = 0;
};

uint32_t controlWord() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr();
#else
  return 0;
#endif
}

qcc_status look(void *context, const qcc_host_call *call, qcc_error *) {
  Seen &seen = *static_cast<Seen *>(context);
  seen = {call->domain,
          call->op,
          call->node,
          call->attributes,
          {call->inputs, call->inputs + call->n_inputs},
          {call->outputs, call->outputs + call->n_outputs},
          call->struct_size,
          controlWord()};
  EXPECT_EQ(call->inputs[0].dims[0], 3);
  return QCC_OK;
}

qcc_status refuse(void *, const qcc_host_call *, qcc_error *err) {
  std::strcpy(err->message, "the moon is full");
  return QCC_ERR_UNSUPPORTED;
}

qcc_status refuseSilently(void *, const qcc_host_call *, qcc_error *) { return QCC_ERR_SHAPE; }

struct Host : testing::Test {
  void SetUp() override {
    ASSERT_EQ(qcc_model_link(hostModel, nullptr, &model, &err), QCC_OK) << err.message;
    registerOp("Shift", shift, &number);
    registerOp("Twice", twice);
  }
  void TearDown() override {
    qcc_session_destroy(session);
    qcc_model_close(model);
    registerOp("Shift", nullptr);
    registerOp("Twice", nullptr);
  }
  qcc_status create() { return qcc_session_create(model, 0, nullptr, nullptr, &session, &err); }
  qcc_status run(std::vector<float> x) {
    int64_t dims = static_cast<int64_t>(x.size());
    qcc_tensor in = {x.data(), QCC_F32, 1, &dims, 0};
    out = {};
    return qcc_session_run(session, &in, 1, &out, 1, &err);
  }
  std::vector<float> result() const {
    const float *data = static_cast<const float *>(out.data);
    return {data, data + out.dims[0]};
  }

  qcc_model *model = nullptr;
  qcc_session *session = nullptr;
  qcc_tensor out = {};
  qcc_error err = {};
  float number = 10;
};

TEST_F(Host, ComputesInOrder) {
  ASSERT_EQ(create(), QCC_OK) << err.message;
  ASSERT_EQ(run({1, 2, 3}), QCC_OK) << err.message; // twice(shift(x)) + 1
  EXPECT_EQ(result(), (std::vector<float>{23, 25, 27}));
  ASSERT_EQ(run({0}), QCC_OK);
  EXPECT_EQ(result(), (std::vector<float>{21}));
}

TEST_F(Host, SeesTheNode) {
  Seen seen;
  registerOp("Shift", look, &seen);
  ASSERT_EQ(create(), QCC_OK);
  uint32_t before = controlWord();
  ASSERT_EQ(run({1, 2, 3}), QCC_OK);
  EXPECT_EQ(seen.structSize, sizeof(qcc_host_call));
  EXPECT_EQ(seen.domain + "/" + seen.op + "/" + seen.node, "my/Shift/layer/shift");
  EXPECT_EQ(seen.attributes, "{\"axis\":-1}");
  ASSERT_EQ(seen.inputs.size(), 2u);
  EXPECT_EQ(seen.inputs[0].dtype, QCC_F32);
  EXPECT_EQ(seen.inputs[0].bytes, 12u);
  EXPECT_EQ(seen.inputs[1].data, nullptr);
  EXPECT_EQ(seen.inputs[1].dtype, 0);
  ASSERT_EQ(seen.outputs.size(), 1u);
  EXPECT_EQ(seen.outputs[0].rank, 1u);
  EXPECT_NE(seen.outputs[0].data, nullptr);
  EXPECT_EQ(seen.controlWord, before) << "the caller's floating-point state";
  EXPECT_EQ(controlWord(), before);
}

TEST_F(Host, NamesWhatIsNotRegistered) {
  registerOp("Twice", nullptr);
  EXPECT_EQ(create(), QCC_ERR_HOST_OP);
  EXPECT_STREQ(err.message, "layer/twice: the application computes my::Twice, but has not "
                            "registered it (qcc_register_host_op)");
  EXPECT_EQ(session, nullptr);
  qcc_host_op_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(qcc_model_host_op(model, 0, 1, &info, &err), QCC_OK);
  EXPECT_STREQ(info.op, "Twice");
  EXPECT_STREQ(info.node, "layer/twice");
  EXPECT_EQ(info.registered, 0u);
  ASSERT_EQ(qcc_model_host_op(model, 0, 0, &info, &err), QCC_OK);
  EXPECT_EQ(info.registered, 1u);
  EXPECT_EQ(info.n_inputs, 2u);
  EXPECT_EQ(qcc_model_host_op(model, 0, 2, &info, &err), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_model_host_op(model, 1, 0, &info, &err), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_model_host_op(nullptr, 0, 0, &info, &err), QCC_ERR_INVALID_ARGUMENT);
  qcc_entry_info entry = {};
  entry.struct_size = sizeof entry;
  ASSERT_EQ(qcc_model_entry(model, 0, &entry, &err), QCC_OK);
  EXPECT_EQ(entry.n_host_ops, 2u);
}

TEST_F(Host, FailuresAreTheRuns) {
  registerOp("Twice", refuse);
  ASSERT_EQ(create(), QCC_OK);
  EXPECT_EQ(run({1}), QCC_ERR_HOST_OP);
  EXPECT_STREQ(err.message, "layer/twice: my::Twice failed: the moon is full");
  qcc_session_destroy(session);
  registerOp("Twice", refuseSilently);
  ASSERT_EQ(create(), QCC_OK);
  EXPECT_EQ(run({1}), QCC_ERR_HOST_OP);
  EXPECT_STREQ(err.message, "layer/twice: my::Twice failed: shape");
  EXPECT_STREQ(qcc_status_name(QCC_ERR_HOST_OP), "host_op");
}

TEST_F(Host, SessionsKeepWhatTheyFound) {
  ASSERT_EQ(create(), QCC_OK);
  registerOp("Twice", refuse);
  EXPECT_EQ(run({1}), QCC_OK);
  EXPECT_EQ(qcc_register_host_op(nullptr, "", twice, nullptr, &err), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_register_host_op(nullptr, nullptr, twice, nullptr, &err), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(registerOp("NeverThere", nullptr), QCC_OK);
}

TEST_F(Host, RunsWithoutAllocating) {
  ASSERT_EQ(create(), QCC_OK);
  ASSERT_EQ(run({1, 2, 3}), QCC_OK);
  std::vector<float> x(3, 1);
  int64_t dims = 3;
  qcc_tensor in = {x.data(), QCC_F32, 1, &dims, 0};
  int64_t before = allocationCount();
  ASSERT_EQ(qcc_session_run(session, &in, 1, &out, 1, &err), QCC_OK);
  EXPECT_EQ(allocationCount(), before);
}

TEST_F(Host, ThreadsRunAndRegisterAtOnce) {
  std::atomic<int> wrong{0};
  auto work = [&](float own) {
    qcc_session *mine = nullptr;
    if (qcc_session_create(model, 0, nullptr, nullptr, &mine, nullptr)) {
      ++wrong;
      return;
    }
    for (int i = 0; i < 200; ++i) {
      float x[5] = {own, own + 1, own + 2, own + 3, own + 4};
      int64_t dims = 5;
      qcc_tensor in = {x, QCC_F32, 1, &dims, 0}, y = {};
      if (qcc_session_run(mine, &in, 1, &y, 1, nullptr) ||
          static_cast<const float *>(y.data)[4] != 2 * (own + 14) + 1)
        ++wrong;
      registerOp(i % 2 ? "Other" : "Third", i % 3 ? twice : nullptr);
    }
    qcc_session_destroy(mine);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back(work, static_cast<float>(i));
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
  registerOp("Other", nullptr);
  registerOp("Third", nullptr);
}

TEST_F(Host, MalformedDescriptions) {
  qcc_model_desc d = *hostModel();
  qcc_entry_desc e = *d.entries;
  d.entries = &e;
  ASSERT_EQ(qcc_validate_desc(&d, &err), QCC_OK);
  qcc_host_op_desc ops[2] = {e.host_ops[0], e.host_ops[1]};
  e.host_ops = ops;
  ops[1].op = nullptr;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
  EXPECT_STREQ(err.message, "malformed model: entry \"main\", host op 1");
  ops[1] = ops[0];
  const uint32_t dtypes[] = {QCC_F32, 0, 99}, absent[] = {QCC_F32, 0, 0};
  ops[1].dtypes = dtypes;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL) << "an unknown type";
  ops[1].dtypes = absent;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL) << "an output that is absent";
  // The entry of a model of binary interface 1.0 ends before.
  e.struct_size = offsetof(qcc_entry_desc, n_host_ops);
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_OK);
  EXPECT_EQ(qcc_host_op_count(&e), 0u);
  e.struct_size -= 8;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
}

} // namespace
