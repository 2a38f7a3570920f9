// Weights larger than memory may be: the linker never sees them. Writes several gigabytes, hence
// only with QCC_TEST_BIG=1.
#include "TestModel.h"
#include "llvm/Support/FileSystem.h"
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

constexpr uint64_t bigBytes = (uint64_t(9) << 29) + 12345; // 4.5 GiB: past every 32-bit count

uint8_t bigByte(uint64_t i) { return static_cast<uint8_t>((i >> 22) + 3); }

WeightsPart bigWeights() {
  WeightsPart weights;
  weights.bytes = bigBytes;
  weights.write = [](WeightsSink sink) -> llvm::Error {
    std::vector<uint8_t> piece(4 << 20);
    for (uint64_t at = 0; at < bigBytes; at += piece.size()) {
      piece.assign(std::min<uint64_t>(piece.size(), bigBytes - at), bigByte(at));
      if (llvm::Error e = sink(piece))
        return e;
    }
    return llvm::Error::success();
  };
  return weights;
}

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

/// 0 when the model holds the right bytes at both ends and around 4 GiB.
int loadAndCheck(const std::string &path) {
  auto start = std::chrono::steady_clock::now();
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fprintf(stderr, "%s\n", dlerror()), 2;
  const qcc_model_desc *model = reinterpret_cast<qcc_model_fn>(dlsym(handle, "qcc_model"))();
  printf("loaded in %.2f ms\n", seconds(start) * 1e3);
  for (uint64_t at : {uint64_t(0), (uint64_t(1) << 32) - 1, uint64_t(1) << 32, bigBytes - 1})
    if (model->weights[at] != bigByte(at))
      return 3;
  qcc_call call = {};
  call.weights = model->weights;
  return model->entries[0].run(&call, bigBytes - 1) == bigByte(bigBytes - 1) ? 0 : 4;
}

bool skipBig(const TempFolder &folder, std::string &why) {
  if (!getenv("QCC_TEST_BIG"))
    return why = "set QCC_TEST_BIG=1 to write 4.5 GiB", true;
  auto space = llvm::sys::fs::disk_space(folder.path);
  if (!space || space->available < (uint64_t(10) << 30))
    return why = "needs 10 GiB of disk", true;
  return false;
}

int emitBig(const std::string &path, OutputKind kind) {
  rlimit limit = {300 << 20, 300 << 20};
  setrlimit(RLIMIT_DATA, &limit);
  ModelParts parts = testModel("big");
  parts.weights = bigWeights();
  auto start = std::chrono::steady_clock::now();
  emitOk(std::move(parts), path, kind);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("emitted %.1f GiB in %.1f s, peak resident %ld MiB\n", bigBytes / 1073741824.0,
         seconds(start), usage.ru_maxrss >> 10);
  if (testing::Test::HasFailure())
    return 1;
  return kind == OutputKind::SharedObject ? loadAndCheck(path) : 0;
}

TEST(Weights, FourGigabytesInLittleMemory) {
  TempFolder folder;
  std::string why;
  if (skipBig(folder, why))
    GTEST_SKIP() << why;
  for (auto [kind, name] :
       {std::pair(OutputKind::SharedObject, "big.so"), std::pair(OutputKind::Archive, "big.a")}) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      int code = emitBig(folder / name, kind);
      fflush(stdout);
      _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    if (kind == OutputKind::SharedObject)
      unlink((folder / name).c_str());
  }
  // The archive links into a program that reads beyond 4 GiB.
  writeFile(folder / "main.c", R"(
#include "big.h"
#include "qcc/model.h"
int main(void) {
  const qcc_model_desc *m = qcc_model_big();
  return m->weights[m->weights_bytes - 1] != (uint8_t)(((m->weights_bytes - 1) >> 22) + 3);
}
)");
  int code;
  std::string out = runProgram("clang-22 -fuse-ld=lld-22 -I" QCC_RUNTIME_INCLUDE " -I" +
                                   folder.path + " " + (folder / "main.c") + " " +
                                   (folder / "big.a") + " -o " + (folder / "main") + " 2>&1",
                               code);
  if (code == 127)
    return;
  ASSERT_EQ(code, 0) << out;
  runProgram(folder / "main", code);
  EXPECT_EQ(code, 0);
}

} // namespace
