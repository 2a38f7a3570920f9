// A shared object as the runtime sees it: loaded, its descriptor walked, its code called.
#include "TestModel.h"
#include "llvm/Support/SHA256.h"
#include <dlfcn.h>

using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

struct Loaded {
  explicit Loaded(const std::string &path) : handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle, nullptr) << dlerror();
    if (handle)
      if (auto *getter = reinterpret_cast<qcc_model_fn>(dlsym(handle, "qcc_model")))
        model = getter();
  }
  ~Loaded() {
    if (handle)
      dlclose(handle);
  }
  void *handle;
  const qcc_model_desc *model = nullptr;
};

int64_t runSegment(const qcc_model_desc *model, const uint8_t *weights, int64_t segment) {
  qcc_call call = {};
  call.struct_size = sizeof(call);
  call.weights = weights;
  return model->entries[0].run(&call, segment);
}

TEST(Artifact, DescriptorIsAsGiven) {
  TempFolder folder;
  emitOk(testModel("tiny"), folder / "tiny.so", OutputKind::SharedObject);
  Loaded loaded(folder / "tiny.so");
  const qcc_model_desc *m = loaded.model;
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m, reinterpret_cast<qcc_model_fn>(dlsym(loaded.handle, "qcc_model_tiny"))());
  EXPECT_EQ(m->magic, QCC_MODEL_MAGIC);
  EXPECT_EQ(m->abi_major, uint32_t(QCC_ABI_MAJOR));
  EXPECT_EQ(m->abi_minor, 0u) << "nothing that older runtimes lack";
  EXPECT_EQ(m->struct_size, offsetof(qcc_model_desc, n_gpu_codes)) << "as older compilers wrote it";
  EXPECT_STREQ(m->name, "tiny");
  EXPECT_EQ(m->n_entries, 1u);
  EXPECT_EQ(m->n_levels, 2u);
  EXPECT_EQ(m->n_kernels, 2u);
  EXPECT_EQ(m->sidecar, nullptr);
  EXPECT_EQ(std::string(m->manifest, m->manifest_bytes),
            "{\"schema\": \"qcc.manifest/1\", \"name\": \"tiny\"}");
  EXPECT_STREQ(m->levels[1].kernel_names[1], "fill_u8");
  EXPECT_EQ(m->levels[0].kernels[1], m->levels[1].kernels[1]) << "shared code";

  const qcc_entry_desc &e = m->entries[0];
  EXPECT_EQ(e.struct_size, offsetof(qcc_entry_desc, n_places)) << "without code for GPUs";
  EXPECT_STREQ(e.name, "main");
  ASSERT_EQ(e.n_inputs, 2u);
  EXPECT_STREQ(e.inputs[1].name, "ids");
  EXPECT_EQ(e.inputs[1].dtype, uint32_t(QCC_I64));
  EXPECT_EQ(e.inputs[0].rank, 2u);
  EXPECT_STREQ(e.inputs[0].dims[1], "64");
  EXPECT_STREQ(e.inputs[1].role, "ids");
  EXPECT_STREQ(e.outputs[0].role, "logits");
  ASSERT_EQ(e.n_symbols, 2u);
  EXPECT_EQ(e.symbols[0].max, 100);
  EXPECT_EQ(e.symbols[0].divisor, 4);
  EXPECT_EQ(e.symbols[1].input, -1);
  EXPECT_EQ(e.symbols[1].axis, 1);
  ASSERT_EQ(e.n_kv, 1u);
  EXPECT_EQ(e.kv[0].input, 1u);
  EXPECT_EQ(e.kv[0].layer, 3u);
  EXPECT_EQ(e.kv[0].is_value, 1u);
  EXPECT_EQ(e.kv[0].past_symbol, 0);
  EXPECT_STREQ(e.checks[0].lhs, "x axis 0");
  EXPECT_STREQ(e.checks[0].site, "node 'a'");
  EXPECT_EQ(e.n_sites, 2u);
  EXPECT_STREQ(e.sites[1], "node 'b'");
  EXPECT_EQ(e.n_segments, 2u);
}

TEST(Artifact, HostOpsAreDescribed) {
  TempFolder folder;
  ModelParts parts = testModel("host");
  HostPart host;
  host.domain = "my";
  host.callee = "Odd";
  host.node = "n1";
  host.attributes = "{\"a\":1}";
  host.dtypes = {QCC_F32, 0, QCC_I64};
  host.ranks = {2, 0, 1};
  host.inputs = 2;
  parts.entries[0].hosts.push_back(host);
  emitOk(std::move(parts), folder / "host.so", OutputKind::SharedObject);
  Loaded loaded(folder / "host.so");
  ASSERT_NE(loaded.model, nullptr);
  EXPECT_EQ(loaded.model->abi_minor, uint32_t(QCC_ABI_MINOR_HOST_OPS));
  const qcc_entry_desc &e = loaded.model->entries[0];
  ASSERT_EQ(e.n_host_ops, 1u);
  const qcc_host_op_desc &op = e.host_ops[0];
  EXPECT_STREQ(op.domain, "my");
  EXPECT_STREQ(op.op, "Odd");
  EXPECT_STREQ(op.node, "n1");
  EXPECT_STREQ(op.attributes, "{\"a\":1}");
  EXPECT_EQ(op.n_inputs, 2u);
  EXPECT_EQ(op.n_outputs, 1u);
  EXPECT_EQ(op.dtypes[2], uint32_t(QCC_I64));
  EXPECT_EQ(op.ranks[0], 2u);
}

TEST(Artifact, CodeForGpusIsDescribed) {
  TempFolder folder;
  ModelParts parts = testModel("gpu");
  GpuPart exact{"nvptx-sm_90a", 9, 0, true, ".version 8.6\n", {}};
  for (const std::string &name : parts.kernelNames)
    exact.kernels.push_back({name, 3, 128, 8, 64, 100, 32, true});
  GpuPart later = exact;
  later.name = "nvptx-sm_80";
  later.major = 8;
  later.exact = false;
  parts.gpus = {exact, later};
  parts.levels.clear(); // may be all there is
  ASSERT_EQ(parts.entries[0].sites.size(), 2u);
  parts.entries[0].accesses = {{1, 4}, {0, 2, 5}};
  emitOk(std::move(parts), folder / "gpu.so", OutputKind::SharedObject);
  Loaded loaded(folder / "gpu.so");
  const qcc_model_desc *m = loaded.model;
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->abi_minor, uint32_t(QCC_ABI_MINOR_GPU));
  EXPECT_EQ(m->struct_size, sizeof(qcc_model_desc));
  EXPECT_EQ(m->n_levels, 0u);
  ASSERT_EQ(m->n_gpu_codes, 2u);
  const qcc_gpu_code_desc &code = m->gpu_codes[0];
  EXPECT_EQ(code.struct_size, sizeof(qcc_gpu_code_desc));
  EXPECT_STREQ(code.name, "nvptx-sm_90a");
  EXPECT_EQ(code.major * 10 + code.minor, 90u);
  EXPECT_EQ(code.exact, 1u);
  EXPECT_EQ(m->gpu_codes[1].exact, 0u);
  EXPECT_EQ(code.kernel_size, sizeof(qcc_gpu_kernel_desc));
  EXPECT_STREQ(code.ptx, ".version 8.6\n");
  EXPECT_EQ(code.ptx_bytes, 13u);
  const qcc_gpu_kernel_desc &kernel = code.kernels[1];
  EXPECT_STREQ(kernel.name, "fill_u8");
  EXPECT_EQ(kernel.slots, 3u);
  EXPECT_EQ(kernel.block_threads, 128u);
  EXPECT_EQ(kernel.block_workers, 8u);
  EXPECT_EQ(kernel.static_shared_bytes, 64u);
  EXPECT_EQ(kernel.dynamic_shared_bytes, 100u);
  EXPECT_EQ(kernel.shares_tasks, 1u);
  EXPECT_EQ(kernel.frame_bytes, 32u);
  const qcc_entry_desc &entry = m->entries[0];
  EXPECT_EQ(entry.struct_size, sizeof(qcc_entry_desc));
  EXPECT_EQ(entry.n_places, 3u);
  EXPECT_EQ(std::vector(entry.access_starts, entry.access_starts + 3),
            (std::vector<uint32_t>{0, 2, 5}));
  EXPECT_EQ(std::vector(entry.accesses, entry.accesses + 5),
            (std::vector<uint32_t>{1, 4, 0, 2, 5}));
}

TEST(Artifact, TablesOfGpusAreWhole) {
  ModelParts parts = testModel("gpu");
  parts.gpus.push_back({"nvptx-sm_80", 8, 0, false, "", {{parts.kernelNames[0]}}});
  EXPECT_NE(failureOf(emitModel(std::move(parts), {})).text.find("'nvptx-sm_80' has 1 kernels"),
            std::string::npos);
}

TEST(Artifact, CodeRuns) {
  TempFolder folder;
  emitOk(testModel("tiny"), folder / "tiny.so", OutputKind::SharedObject);
  Loaded loaded(folder / "tiny.so");
  ASSERT_NE(loaded.model, nullptr);
  const qcc_model_desc *m = loaded.model;
  float in[3] = {1, 2, 4}, out[3] = {};
  int64_t args[3] = {reinterpret_cast<int64_t>(in), reinterpret_cast<int64_t>(out), 0};
  for (int level = __builtin_cpu_supports("avx2") ? 0 : 1; level < 2; ++level) {
    m->levels[level].kernels[0](args, 1, 3, 0, nullptr);
    EXPECT_EQ(out[2], level == 0 ? 8.f : 12.f) << m->levels[level].name;
  }
  int64_t dims = 8, symbols[2] = {}, outDims[2];
  qcc_plan plan = {sizeof(qcc_plan), symbols, outDims, 0, 0, 0, 0};
  EXPECT_EQ(m->entries[0].plan(&dims, 0, &plan), 0);
  EXPECT_EQ(symbols[0], 8);
  EXPECT_EQ(plan.arena_bytes, 512);
  dims = 101;
  EXPECT_EQ(m->entries[0].plan(&dims, 0, &plan), 1);
  EXPECT_EQ(runSegment(m, m->weights, 4321), weightByte(4321));
}

TEST(Artifact, CopiesAndFillsWithoutALibrary) {
  TempFolder folder;
  emitOk(testModel("tiny"), folder / "tiny.so", OutputKind::SharedObject);
  Loaded loaded(folder / "tiny.so");
  ASSERT_NE(loaded.model, nullptr);
  auto kernel = loaded.model->levels[__builtin_cpu_supports("avx2") ? 0 : 1].kernels[1];
  std::vector<uint8_t> in = weightBytes(300);
  for (int64_t n : {0, 1, 15, 31, 32, 33, 63, 64, 100, 255})
    for (int64_t to : {0, 1, 31, 40, 300}) {
      std::vector<uint8_t> out(700, 1), scratch(700, 1), want(700, 1);
      int64_t args[3] = {reinterpret_cast<int64_t>(in.data()),
                         reinterpret_cast<int64_t>(out.data()), to};
      kernel(args, 5, 5 + n, 0, scratch.data());
      std::copy_n(in.begin() + 5, n, want.begin());
      std::vector<uint8_t> source(want.begin(), want.begin() + n);
      std::copy_n(source.begin(), n, want.begin() + to);
      EXPECT_EQ(out, want) << n << " bytes to " << to;
      EXPECT_EQ(std::count(scratch.begin(), scratch.end(), 90), n);
    }
}

TEST(Artifact, RoundsToBfloatAlikeOnEveryLevel) {
  ModelParts parts = testModel("bf");
  parts.kernelNames.push_back("round");
  for (LevelPart &level : parts.levels) {
    level.modules.push_back(parse(R"(
define i64 @round(ptr %args, i64 %begin, i64 %end, i64 %worker, ptr %scratch) {
  %in = load ptr, ptr %args
  %second = getelementptr i64, ptr %args, i64 1
  %out = load ptr, ptr %second
  %v = load <8 x float>, ptr %in, align 4
  %w = fptrunc <8 x float> %v to <8 x bfloat>
  store <8 x bfloat> %w, ptr %out, align 2
  %x = load float, ptr %in
  %y = fptrunc float %x to bfloat
  %third = getelementptr i16, ptr %out, i64 8
  store bfloat %y, ptr %third
  ret i64 0
})",
                                  level.name + "/round"));
    level.kernels.push_back({"round"});
  }
  TempFolder folder;
  emitOk(std::move(parts), folder / "bf.so", OutputKind::SharedObject);
  Loaded loaded(folder / "bf.so");
  ASSERT_NE(loaded.model, nullptr);
  // One, two ties, just above a tie, the largest denormal, overflow to infinity, two NaNs.
  uint32_t in[8] = {0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001,
                    0x807fffff, 0x7f7fffff, 0x7f800001, 0xffc12345};
  uint16_t want[9] = {0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x8080, 0x7f80, 0x7fc0, 0xffc1, 0x3f80};
  for (int level = __builtin_cpu_supports("avx2") ? 0 : 1; level < 2; ++level) {
    uint16_t out[9] = {};
    int64_t args[2] = {reinterpret_cast<int64_t>(in), reinterpret_cast<int64_t>(out)};
    loaded.model->levels[level].kernels[2](args, 0, 1, 0, nullptr);
    for (int i = 0; i < 9; ++i)
      EXPECT_EQ(out[i], want[i]) << i << " on " << loaded.model->levels[level].name;
  }
}

TEST(Artifact, WeightsAreEmbeddedAndHashed) {
  TempFolder folder;
  for (uint64_t bytes : {uint64_t(0), uint64_t(1), uint64_t(4096), uint64_t(9999999)}) {
    std::string path = folder / ("w" + std::to_string(bytes) + ".so");
    EmitReport report = emitOk(testModel("w", bytes), path, OutputKind::SharedObject);
    Loaded loaded(path);
    ASSERT_NE(loaded.model, nullptr);
    EXPECT_EQ(loaded.model->weights_bytes, bytes);
    EXPECT_EQ(report.weightsBytes, bytes);
    if (!bytes) {
      EXPECT_EQ(loaded.model->weights, nullptr);
      continue;
    }
    std::vector<uint8_t> want = weightBytes(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(loaded.model->weights) % 4096, 0u);
    EXPECT_EQ(memcmp(loaded.model->weights, want.data(), bytes), 0);
    auto hash = llvm::SHA256::hash(want);
    EXPECT_EQ(memcmp(loaded.model->weights_sha256, hash.data(), 32), 0);
  }
}

TEST(Artifact, WeightsInASidecar) {
  TempFolder folder;
  EmitReport report =
      emitOk(testModel("side", 12345), folder / "side.so", OutputKind::SharedObject, true);
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"side.so", "side.weights"}));
  EXPECT_EQ(report.files.size(), 2u);
  Loaded loaded(folder / "side.so");
  ASSERT_NE(loaded.model, nullptr);
  EXPECT_EQ(loaded.model->weights, nullptr);
  EXPECT_STREQ(loaded.model->sidecar, "side.weights");
  EXPECT_EQ(loaded.model->weights_bytes, 12345u);
  std::vector<uint8_t> want = weightBytes(12345);
  EXPECT_EQ(readFile(folder / "side.weights"), std::string(want.begin(), want.end()));
  auto hash = llvm::SHA256::hash(want);
  EXPECT_EQ(memcmp(loaded.model->weights_sha256, hash.data(), 32), 0);
}

TEST(Artifact, BytesDoNotDependOnFolderOrThreads) {
  TempFolder a, b;
  for (OutputKind kind : {OutputKind::SharedObject, OutputKind::Object, OutputKind::Archive,
                          OutputKind::LlvmIr, OutputKind::Assembly}) {
    emitOk(testModel("same", 70000), a / "same.out", kind, false, 1);
    ModelParts parts = testModel("same", 70000);
    parts.weights = testWeights(70000, 333);
    emitOk(std::move(parts), b / "same.out", kind, false, 4);
    EXPECT_EQ(readFile(a / "same.out"), readFile(b / "same.out")) << int(kind);
    EXPECT_EQ(readFile(a / "same.out").find(a.path), std::string::npos);
  }
}

TEST(Artifact, CodeOfACacheIsTheSame) {
  TempFolder folder;
  auto cache = std::make_shared<CodeCache>();
  auto keyed = [&] {
    ModelParts parts = testModel("same");
    parts.cache = cache;
    for (LevelPart &level : parts.levels)
      for (auto [i, code] : llvm::enumerate(level.modules)) {
        code.key = level.name + std::to_string(i);
        code.cached = cache->find(code.key);
        if (!code.cached)
          continue;
        for (const llvm::Function &function : *code.module)
          if (!function.isDeclaration())
            code.symbols.push_back(function.getName().str());
        code.module.reset();
      }
    return parts;
  };
  emitOk(testModel("same"), folder / "without.so", OutputKind::SharedObject);
  emitOk(keyed(), folder / "first.so", OutputKind::SharedObject);
  ModelParts second = keyed();
  ASSERT_NE(second.levels[0].modules[0].cached, nullptr);
  emitOk(std::move(second), folder / "second.so", OutputKind::SharedObject);
  EXPECT_EQ(readFile(folder / "without.so"), readFile(folder / "first.so"));
  EXPECT_EQ(readFile(folder / "first.so"), readFile(folder / "second.so"));
}

TEST(Artifact, SurvivesStrip) {
  TempFolder folder;
  emitOk(testModel("tiny", 100000), folder / "tiny.so", OutputKind::SharedObject);
  int code;
  runProgram("strip " + (folder / "tiny.so") + " 2>&1", code);
  if (code == 127)
    GTEST_SKIP() << "no strip on this machine";
  ASSERT_EQ(code, 0);
  Loaded loaded(folder / "tiny.so");
  ASSERT_NE(loaded.model, nullptr);
  EXPECT_EQ(memcmp(loaded.model->weights, weightBytes(100000).data(), 100000), 0);
}

TEST(Artifact, NeedsNothingAndExportsTwo) {
  TempFolder folder;
  for (const char *triple : {"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"}) {
    emitOk(testModel("tiny", 70000, triple), folder / "tiny.so", OutputKind::SharedObject);
    Failure failure =
        failureOf(checkSelfContained(folder / "tiny.so", {"qcc_model", "qcc_model_tiny"}));
    EXPECT_EQ(failure.number, 0) << failure.text;
    int code;
    std::string headers = runProgram("readelf -ldW " + (folder / "tiny.so") + " 2>&1", code);
    if (code == 127)
      GTEST_SKIP() << "no readelf on this machine";
    EXPECT_EQ(headers.find("NEEDED"), std::string::npos);
    EXPECT_EQ(headers.find("SONAME"), std::string::npos);
    EXPECT_EQ(headers.find("Warning"), std::string::npos) << headers;
    EXPECT_NE(headers.find("GNU_RELRO"), std::string::npos);
    EXPECT_NE(headers.find("BIND_NOW"), std::string::npos);
    size_t stack = headers.find("GNU_STACK");
    ASSERT_NE(stack, std::string::npos);
    std::string line = headers.substr(stack, headers.find('\n', stack) - stack);
    EXPECT_EQ(line.find('E'), std::string::npos) << line;
  }
}

} // namespace
