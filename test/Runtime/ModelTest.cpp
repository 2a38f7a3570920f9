// Opening and linking models: what is refused and why, levels, weights, signatures.
#include "FakeModels.h"
#include "qcc/runtime.hpp"

#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

extern "C" {
#include "internal.h"
const qcc_model_desc *qcc_model_a(void);
const qcc_model_desc *qcc_model_b(void);
}

// What qcc_cpu_features() answers, or ~0 for the truth, and whether AMX was requested.
static uint64_t machineFeatures = ~UINT64_C(0);
static bool amxRequested;

extern "C" {
uint64_t __real_qcc_cpu_features(int request_amx);
uint64_t __wrap_qcc_cpu_features(int request_amx) {
  amxRequested |= request_amx != 0;
  return ~machineFeatures ? machineFeatures : __real_qcc_cpu_features(request_amx);
}
}

static std::string path(const char *name) { return std::string(FAKE_MODELS "/") + name; }

static qcc_status openStatus(const char *name, std::string &message) {
  auto model = qcc::Model::open(path(name));
  message = model.error().message;
  return model.error().code;
}

TEST(Model, RefusesWhatItCannotRun) {
  std::string why;
  EXPECT_EQ(openStatus("missing.so", why), QCC_ERR_IO);
  EXPECT_EQ(openStatus("fake_magic.so", why), QCC_ERR_NOT_A_MODEL);
  EXPECT_EQ(openStatus("fake_symbol.so", why), QCC_ERR_NOT_A_MODEL);
  EXPECT_NE(why.find("qcc_model"), std::string::npos);
  EXPECT_EQ(openStatus("fake_major.so", why), QCC_ERR_ABI);
  EXPECT_NE(why.find("interface 2."), std::string::npos) << why;
  EXPECT_EQ(openStatus("fake_minor.so", why), QCC_ERR_ABI);
  EXPECT_NE(why.find("update the runtime"), std::string::npos) << why;
  EXPECT_EQ(openStatus("fake_arch.so", why), QCC_ERR_ABI);
  EXPECT_EQ(openStatus("fake_feature.so", why), QCC_ERR_CPU_FEATURE);
  EXPECT_NE(why.find("feature 63"), std::string::npos) << why;
}

TEST(Model, RefusesFilesThatAreNoSharedObjects) {
  std::string name = path("text.so"), why;
  FILE *f = fopen(name.c_str(), "w");
  ASSERT_TRUE(f);
  fputs("not a model at all, but long enough to hold the header of an ELF file, which has 64 bytes",
        f);
  fclose(f);
  EXPECT_EQ(openStatus("text.so", why), QCC_ERR_NOT_A_MODEL);
  EXPECT_EQ(truncate(name.c_str(), 3), 0);
  EXPECT_EQ(openStatus("text.so", why), QCC_ERR_NOT_A_MODEL);
  unlink(name.c_str());
}

TEST(Model, RefusesAnElfOfAnotherMachine) {
  std::string from = path("fake_good.so"), to = path("foreign.so"), why;
  FILE *in = fopen(from.c_str(), "rb"), *out = fopen(to.c_str(), "wb");
  ASSERT_TRUE(in && out);
  char header[64];
  ASSERT_EQ(fread(header, 1, 64, in), 64u);
  header[18] ^= 0x55; // e_machine
  fwrite(header, 1, 64, out);
  fclose(in);
  fclose(out);
  EXPECT_EQ(openStatus("foreign.so", why), QCC_ERR_ABI) << why;
  unlink(to.c_str());
}

static float firstOf(const qcc::Model &model, std::vector<float> x) {
  auto session = qcc::Session::create(model);
  EXPECT_TRUE(session);
  auto y = session->run({qcc::tensor(x.data(), {int64_t(x.size())})});
  EXPECT_TRUE(y) << y.error().message;
  return static_cast<float *>((*y)[0].data)[0];
}

TEST(Model, OpensAndRunsASharedObject) {
  qcc::ModelOptions options;
  options.verifyWeights = true;
  auto model = qcc::Model::open(path("fake_good.so"), options);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_STREQ(model->info().level, "plain");
  EXPECT_EQ(firstOf(*model, {1, 2, 3}), 12.f);
}

TEST(Model, LinksTwoModelsIntoOneProgram) {
  auto a = qcc::Model::link(qcc_model_a), b = qcc::Model::link(qcc_model_b);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(firstOf(*a, {1}), 12.f);
  EXPECT_EQ(firstOf(*b, {1}), 13.f);
}

TEST(Model, ReadsWeightsFromASidecar) {
  std::string why, sidecar = path("fake.weights");
  unlink(sidecar.c_str());
  EXPECT_EQ(openStatus("fake_sidecar.so", why), QCC_ERR_IO);
  EXPECT_EQ(openStatus("fake_escape.so", why), QCC_ERR_NOT_A_MODEL);
  FILE *f = fopen(sidecar.c_str(), "wb");
  ASSERT_TRUE(f);
  const float weights[4] = {10, 20, 30, 40};
  fwrite(weights, 1, 12, f);
  fclose(f);
  EXPECT_EQ(openStatus("fake_sidecar.so", why), QCC_ERR_IO);
  EXPECT_NE(why.find("12 bytes"), std::string::npos) << why;
  f = fopen(sidecar.c_str(), "wb");
  fwrite(weights, 1, 16, f);
  fclose(f);
  qcc::ModelOptions options;
  options.verifyWeights = true;
  auto model = qcc::Model::open(path("fake_sidecar.so"), options);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(firstOf(*model, {1}), 12.f);

  std::string other = path("other.weights");
  f = fopen(other.c_str(), "wb");
  fwrite("0123456789abcdef", 1, 16, f);
  fclose(f);
  options.weightsPath = other;
  auto damaged = qcc::Model::open(path("fake_sidecar.so"), options);
  EXPECT_EQ(damaged.error().code, QCC_ERR_IO);
  unlink(sidecar.c_str());
  unlink(other.c_str());
}

TEST(Model, SessionsKeepTheModelAlive) {
  qcc::Session session;
  {
    auto model = qcc::Model::open(path("fake_good.so"));
    ASSERT_TRUE(model);
    auto made = qcc::Session::create(*model);
    ASSERT_TRUE(made);
    session = std::move(*made);
  }
  float x[2] = {1, 2};
  auto y = session.run({qcc::tensor(x, {2})});
  ASSERT_TRUE(y);
  EXPECT_EQ(static_cast<float *>((*y)[0].data)[1], 24.f);
}

TEST(Model, ForcesALevelByName) {
  qcc::ModelOptions options;
  options.forceLevel = "plain";
  EXPECT_TRUE(qcc::Model::link(gatherModel, options));
  options.forceLevel = "x86-amx";
  auto model = qcc::Model::link(gatherModel, options);
  EXPECT_EQ(model.error().code, QCC_ERR_INVALID_ARGUMENT);
  EXPECT_NE(std::strstr(model.error().message, "x86-amx"), nullptr);
}

TEST(Model, TakesTheBestLevelOfTheMachine) {
  auto bits = [](std::initializer_list<int> features) {
    uint64_t set = 0;
    for (int f : features)
      set |= UINT64_C(1) << f;
    return set;
  };
  uint64_t vnni = bits({QCC_FEATURE_AVX2, QCC_FEATURE_AVX512, QCC_FEATURE_VNNI});
  auto levelOn = [](uint64_t machine, const char *forced = nullptr) {
    machineFeatures = machine;
    amxRequested = false;
    qcc::ModelOptions options;
    options.forceLevel = forced ? forced : "";
    auto model = qcc::Model::link(leveledModel, options);
    std::string name = model ? model->info().level : model.error().message;
    machineFeatures = ~UINT64_C(0);
    return name;
  };
  uint64_t bf16 = vnni | bits({QCC_FEATURE_AVX512_BF16});
  uint64_t amx = bf16 | bits({QCC_FEATURE_AMX_INT8, QCC_FEATURE_AMX_BF16});
  EXPECT_EQ(levelOn(amx), "x86-amx");
  EXPECT_TRUE(amxRequested);
  EXPECT_EQ(levelOn(bf16), "x86-avx512-bf16");
  EXPECT_EQ(levelOn(vnni), "x86-avx512-vnni");
  EXPECT_EQ(levelOn(bits({QCC_FEATURE_AVX2, QCC_FEATURE_AMX_INT8})), "plain");
  EXPECT_EQ(levelOn(vnni, "x86-amx"),
            "this machine lacks AMX-INT8, AMX-BF16, AVX-512 BF16, which level \"x86-amx\" needs");
  EXPECT_EQ(levelOn(amx, "x86-avx512-vnni"), "x86-avx512-vnni");
  EXPECT_FALSE(amxRequested); // the permission enlarges every signal frame of the process
}

TEST(Model, AnswersQuestionsAboutItsSignature) {
  auto model = qcc::Model::link(decoderModel);
  ASSERT_TRUE(model);
  auto entry = model->entry(0);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->n_inputs, 5u);
  EXPECT_EQ(entry->n_kv, 2u);
  EXPECT_EQ(model->entry(1).error().code, QCC_ERR_INVALID_ARGUMENT);
  auto ids = model->findInput("input_ids");
  ASSERT_TRUE(ids);
  auto info = model->input(*ids);
  ASSERT_TRUE(info);
  EXPECT_STREQ(info->role, "ids");
  EXPECT_STREQ(info->dims[1], "s");
  EXPECT_EQ(info->dtype, QCC_I64);
  EXPECT_FALSE(model->findInput("nothing"));
  uint32_t index = 99;
  EXPECT_EQ(qcc_model_find_input_role(model->get(), 0, "past.0.value", &index, nullptr), QCC_OK);
  EXPECT_EQ(index, 4u);
  qcc_symbol_info symbol{};
  symbol.struct_size = sizeof symbol;
  EXPECT_EQ(qcc_model_symbol(model->get(), 0, 2, &symbol, nullptr), QCC_OK);
  EXPECT_STREQ(symbol.name, "p");
  const char *name;
  EXPECT_EQ(qcc_model_kernel_name(model->get(), 1, &name, nullptr), QCC_OK);
  EXPECT_STREQ(name, "append");
  EXPECT_EQ(qcc_model_kernel_name(model->get(), 3, &name, nullptr), QCC_ERR_INVALID_ARGUMENT);
}

TEST(Model, OlderAndNewerStructsGetAlong) {
  auto model = qcc::Model::link(gatherModel);
  ASSERT_TRUE(model);
  // An application that knows only the first two fields.
  struct {
    uint64_t struct_size;
    const char *name;
    uint64_t guard;
  } old{16, nullptr, 42};
  EXPECT_EQ(qcc_model_get_info(model->get(), reinterpret_cast<qcc_model_info *>(&old), nullptr),
            QCC_OK);
  EXPECT_STREQ(old.name, "fake");
  EXPECT_EQ(old.guard, 42u);
  // One that sets a field which this library does not know.
  struct {
    qcc_model_options known;
    uint64_t later;
  } newer{{sizeof newer, nullptr, nullptr, 0, 0}, 1};
  qcc_model *made;
  EXPECT_EQ(qcc_model_link(gatherModel, &newer.known, &made, nullptr), QCC_ERR_UNSUPPORTED);
  newer.later = 0;
  EXPECT_EQ(qcc_model_link(gatherModel, &newer.known, &made, nullptr), QCC_OK);
  qcc_model_close(made);
}

TEST(Model, RefusesBrokenDescriptors) {
  qcc_error err;
  qcc_model_desc d = *decoderModel();
  qcc_entry_desc e = *d.entries;
  d.entries = &e;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_OK);
  qcc_kv_desc kv[2] = {e.kv[0], e.kv[1]};
  kv[1].output = 17;
  e.kv = kv;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
  e = *decoderModel()->entries;
  qcc_symbol_desc s = e.symbols[0];
  s.axis = 2;
  e.symbols = &s;
  e.n_symbols = 1;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
  e = *decoderModel()->entries;
  e.run = nullptr;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
  e = *decoderModel()->entries;
  d.struct_size = 8;
  EXPECT_EQ(qcc_validate_desc(&d, &err), QCC_ERR_NOT_A_MODEL);
  EXPECT_EQ(qcc_validate_desc(nullptr, &err), QCC_ERR_NOT_A_MODEL);
}

TEST(Model, DigestsLikeFips180) {
  uint8_t digest[32];
  qcc_sha256(reinterpret_cast<const uint8_t *>("abc"), 3, digest);
  EXPECT_EQ(digest[0], 0xba);
  EXPECT_EQ(digest[31], 0xad);
  // Two blocks of padding.
  const char *text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  qcc_sha256(reinterpret_cast<const uint8_t *>(text), 56, digest);
  EXPECT_EQ(digest[0], 0x24);
  EXPECT_EQ(digest[31], 0xc1);
}

TEST(Status, HasNames) {
  EXPECT_STREQ(qcc_status_name(QCC_OK), "ok");
  EXPECT_STREQ(qcc_status_name(QCC_ERR_INTERNAL), "internal");
  EXPECT_STREQ(qcc_status_name(static_cast<qcc_status>(99)), "unknown");
  EXPECT_STREQ(qcc_dtype_name(QCC_BF16), "bf16");
  EXPECT_EQ(qcc_dtype_size(static_cast<qcc_dtype>(8)), 0u);
}

//--- Code for GPUs.

/// gatherModel() as the compiler describes it for GPUs alone.
struct GpuModel {
  qcc_gpu_kernel_desc kernels[2];
  qcc_gpu_code_desc codes[2];
  qcc_entry_desc entry;
  uint32_t starts[9] = {0, 1, 2, 2, 2, 2, 2, 2, 2}, accesses[2] = {3, 2};
  qcc_model_desc model;

  GpuModel() : entry(*gatherModel()->entries), model(*gatherModel()) {
    entry.struct_size = sizeof entry;
    entry.n_places = 2;
    entry.access_starts = starts;
    entry.accesses = accesses;
    model.n_entries = 1;
    model.entries = &entry;
    for (auto &kernel : kernels)
      kernel = {"k", 3, 128, 8, 0, 0, 0, 32};
    codes[0] = {sizeof(qcc_gpu_code_desc),   "nvptx-sm_90a", 9,  0,      1,
                sizeof(qcc_gpu_kernel_desc), ".version 8.6", 12, kernels};
    codes[1] = {sizeof(qcc_gpu_code_desc),   "nvptx-sm_80",  8,  0,      0,
                sizeof(qcc_gpu_kernel_desc), ".version 8.6", 12, kernels};
    model.abi_minor = QCC_ABI_MINOR_GPU;
    model.struct_size = sizeof model;
    model.n_levels = 0;
    model.levels = nullptr;
    model.n_gpu_codes = 2;
    model.gpu_codes = codes;
  }
};

static GpuModel *gpuModel;
static const qcc_model_desc *describeGpuModel() { return &gpuModel->model; }

static std::string linkProblem(GpuModel &described) {
  gpuModel = &described;
  auto model = qcc::Model::link(describeGpuModel);
  return model ? "" : model.error().message;
}

TEST(Model, LinksWithCodeForGpusAlone) {
  GpuModel described;
  gpuModel = &described;
  ASSERT_LE(described.model.n_kernels, 2u);
  auto model = qcc::Model::link(describeGpuModel);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_STREQ(model->info().level, "nvptx-sm_90a");
  EXPECT_EQ(model->info().n_gpu_codes, 2u);
  qcc_gpu_code_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(qcc_model_gpu_code(model->get(), 1, &info, nullptr), QCC_OK);
  EXPECT_STREQ(info.name, "nvptx-sm_80");
  EXPECT_EQ(info.ptx_bytes, 12u);
  EXPECT_EQ(qcc_model_gpu_code(model->get(), 2, &info, nullptr), QCC_ERR_INVALID_ARGUMENT);
  qcc_gpu_kernel_info kernel{};
  kernel.struct_size = sizeof kernel;
  ASSERT_EQ(qcc_model_gpu_kernel(model->get(), 1, 0, &kernel, nullptr), QCC_OK);
  EXPECT_STREQ(kernel.name, "k");
  EXPECT_EQ(kernel.block_threads, 128u);
  EXPECT_EQ(qcc_model_gpu_kernel(model->get(), 2, 0, &kernel, nullptr), QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc_model_gpu_kernel(model->get(), 1, described.model.n_kernels, &kernel, nullptr),
            QCC_ERR_INVALID_ARGUMENT);
  const char *name = nullptr;
  ASSERT_EQ(qcc_model_kernel_name(model->get(), 0, &name, nullptr), QCC_OK);
  EXPECT_STREQ(name, "k");
  qcc::ModelOptions options;
  options.forceLevel = "plain";
  auto forced = qcc::Model::link(describeGpuModel, options);
  EXPECT_EQ(forced.error().code, QCC_ERR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(forced.error().message).find("for GPUs alone"), std::string::npos);
}

TEST(Model, RefusesTablesOfGpusThatAreNotWhole) {
  auto refused = [](void (*spoil)(GpuModel &)) {
    GpuModel described;
    spoil(described);
    return linkProblem(described);
  };
  EXPECT_EQ(refused([](GpuModel &) {}), "");
  EXPECT_EQ(refused([](GpuModel &m) { m.model.n_gpu_codes = 0; }), "malformed model descriptor");
  for (auto spoil : {+[](GpuModel &m) { m.codes[1].ptx = nullptr; },
                     +[](GpuModel &m) { m.codes[1].ptx_bytes = 3; },
                     +[](GpuModel &m) { m.codes[1].struct_size = 8; },
                     +[](GpuModel &m) { m.codes[0].kernel_size = 8; },
                     +[](GpuModel &m) { m.codes[0].kernels = nullptr; },
                     +[](GpuModel &m) { m.kernels[0].block_threads = 2048; },
                     +[](GpuModel &m) { m.kernels[0].block_workers = 0; },
                     +[](GpuModel &m) { m.kernels[0].slots = 1 << 20; }})
    EXPECT_EQ(refused(spoil), "malformed model: its tables of code for GPUs");
  ASSERT_LT(GpuModel().entry.n_sites, 9u);
  ASSERT_GT(GpuModel().entry.n_sites, 0u);
  for (auto spoil : {+[](GpuModel &m) { m.entry.access_starts = nullptr; },
                     +[](GpuModel &m) { m.entry.accesses = nullptr; },
                     +[](GpuModel &m) { m.starts[0] = 2; }, +[](GpuModel &m) { m.accesses[0] = 4; },
                     +[](GpuModel &m) { m.entry.n_places = UINT32_MAX; }})
    EXPECT_EQ(refused(spoil), "malformed model: entry \"main\", what launches touch");
}

TEST(Model, OldDescriptorsEndBeforeTheirTablesOfGpus) {
  GpuModel described;
  described.model = *gatherModel();
  described.model.abi_minor = 0;
  described.model.struct_size = offsetof(qcc_model_desc, n_gpu_codes);
  described.model.n_gpu_codes = 77; // whatever follows
  EXPECT_EQ(linkProblem(described), "");
}
