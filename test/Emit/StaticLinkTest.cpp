// Objects and archives in programs: two models side by side, C and C++, other machines.
#include "TestModel.h"

using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

const char mainText[] = R"(
#include "alpha.h"
#include "beta.h"
#include "beta.h"
#include "qcc/model.h"
#include <stdio.h>
int run(int a) { return a; } /* the application's own names stay its own */
int plan = 1;
void *helper, *scale, *fill, *table;
static void show(const qcc_model_desc *m) {
  float in[2] = {1, 5}, out[2] = {0, 0};
  int64_t args[2] = {(int64_t)in, (int64_t)out};
  qcc_call call = {0};
  call.weights = m->weights;
  m->levels[1].kernels[0](args, 0, 2, 0, 0);
  printf("%s %d %d %d\n", m->name, (int)out[1], (int)m->entries[0].run(&call, m->weights_bytes - 1),
         (int)((uintptr_t)m->weights % 4096));
}
int main(void) {
  show(qcc_model_alpha());
  show(qcc_model_beta());
  return 0;
}
)";

std::string expected(const char *name, uint64_t bytes) {
  return std::string(name) + " 15 " + std::to_string(weightByte(bytes - 1)) + " 0\n";
}

std::string compiler() {
  int code;
  for (const char *name : {"cc", "clang-22", "clang", "gcc"}) {
    runProgram(std::string(name) + " --version >/dev/null 2>&1", code);
    if (code == 0)
      return name;
  }
  return "";
}

TEST(StaticLink, TwoModelsInOneProgram) {
  std::string cc = compiler();
  if (cc.empty())
    GTEST_SKIP() << "no C compiler on this machine";
  TempFolder folder;
  emitOk(testModel("alpha", 70001), folder / "alpha.o", OutputKind::Object);
  emitOk(testModel("alpha", 70001), folder / "alpha.a", OutputKind::Archive);
  emitOk(testModel("beta", 12345), folder / "beta.a", OutputKind::Archive);
  emitOk(testModel("beta", 12345), folder / "beta.o", OutputKind::Object);
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"alpha.a", "alpha.h", "alpha.o", "beta.a",
                                                     "beta.h", "beta.o"}));
  writeFile(folder / "main.c", mainText);
  writeFile(folder / "main.cc", mainText);
  std::string include = " -I" + folder.path + " -I" QCC_RUNTIME_INCLUDE " ";
  int tried = 0;
  for (const char *suffix : {".o", ".a"})
    for (const char *flags : {" -Wl,--fatal-warnings ", " -no-pie ", " -fuse-ld=lld-22 ",
                              " -x c++ -Wno-c99-designator "}) {
      std::string source = folder / "main.c", sink = folder / "main";
      std::string command = cc + flags + source + " -x none " + include + (folder / "alpha") +
                            suffix + " " + (folder / "beta") + suffix + " -o " + sink + " 2>&1";
      int code;
      std::string out = runProgram(command, code);
      if (code != 0 && out.find("lld") != std::string::npos &&
          std::string(flags).find("lld") != std::string::npos)
        continue; // this compiler does not know that linker
      ASSERT_EQ(code, 0) << command << "\n" << out;
      EXPECT_EQ(runProgram(sink, code), expected("alpha", 70001) + expected("beta", 12345))
          << flags;
      EXPECT_EQ(code, 0);
      ++tried;
    }
  EXPECT_GE(tried, 6);
}

TEST(StaticLink, OnlyOneGlobalSymbol) {
  TempFolder folder;
  int code;
  runProgram("nm --version", code);
  if (code != 0)
    GTEST_SKIP() << "no nm on this machine";
  for (const char *triple : {"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"})
    for (OutputKind kind : {OutputKind::Object, OutputKind::Archive}) {
      emitOk(testModel("m", 5000, triple), folder / "m.out", kind);
      std::string out = runProgram("nm -g -f posix " + (folder / "m.out") + " 2>&1", code);
      size_t at = out.find("qcc_model_m T");
      ASSERT_NE(at, std::string::npos) << out;
      EXPECT_EQ(out.find('\n', at), out.size() - 1) << out;
    }
}

TEST(StaticLink, Aarch64UnderEmulation) {
  int clang, qemu, lld;
  runProgram("clang-22 --version", clang);
  runProgram("qemu-aarch64 --version", qemu);
  runProgram("ld.lld-22 --version", lld);
  if (clang || qemu || lld)
    GTEST_SKIP() << "needs clang-22, lld-22 and qemu-aarch64";
  TempFolder folder;
  emitOk(testModel("alpha", 70001, "aarch64-unknown-linux-gnu"), folder / "alpha.o",
         OutputKind::Object);
  // No C library for that machine is needed: the exit code tells.
  writeFile(folder / "start.c", R"(
#include "alpha.h"
#include "qcc/model.h"
static int check(void) {
  const qcc_model_desc *m = qcc_model_alpha();
  float in[2] = {1, 5}, out[2] = {0, 0};
  int64_t args[2] = {(int64_t)in, (int64_t)out};
  qcc_call call = {0};
  call.weights = m->weights;
  m->levels[1].kernels[0](args, 0, 2, 0, 0);
  if (m->arch != QCC_ARCH_AARCH64 || out[1] != 15.0f) return 1;
  return (int)m->entries[0].run(&call, m->weights_bytes - 1);
}
void _start(void) {
  register long code __asm__("x0") = check();
  register long number __asm__("x8") = 94;
  __asm__ volatile("svc 0" : : "r"(code), "r"(number));
}
)");
  int code;
  std::string out = runProgram(
      "clang-22 --target=aarch64-linux-gnu -O1 -ffreestanding -nostdlib -static -fuse-ld=lld-22 "
      "-I" QCC_RUNTIME_INCLUDE " -I" +
          folder.path + " " + (folder / "start.c") + " " + (folder / "alpha.o") + " -o " +
          (folder / "start") + " 2>&1",
      code);
  ASSERT_EQ(code, 0) << out;
  runProgram("qemu-aarch64 " + (folder / "start"), code);
  EXPECT_EQ(code, weightByte(70000));
}

} // namespace
