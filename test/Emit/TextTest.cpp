// The text kinds: whole modules that LLVM's own tools read.
#include "TestModel.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/SourceMgr.h"

using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

TEST(Text, LlvmIrIsOneValidModule) {
  TempFolder folder;
  emitOk(testModel("tiny"), folder / "tiny.ll", OutputKind::LlvmIr);
  EXPECT_EQ(folder.list(), std::vector<std::string>{"tiny.ll"});
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  auto module = llvm::parseAssemblyString(readFile(folder / "tiny.ll"), problem, context);
  ASSERT_TRUE(module) << problem.getMessage().str();
  EXPECT_FALSE(llvm::verifyModule(*module));
  for (const char *name : {"tiny.run", "tiny.plan", "tiny.helper", "qcc_model_tiny"})
    EXPECT_TRUE(module->getFunction(name) && !module->getFunction(name)->isDeclaration()) << name;
  std::string level = module->getTargetTriple().isX86() ? "tiny.x86_avx2" : "tiny.aarch64_dotprod";
  llvm::Function *kernel = module->getFunction(level + ".scale");
  ASSERT_NE(kernel, nullptr);
  EXPECT_TRUE(kernel->hasFnAttribute("target-features") || kernel->hasFnAttribute("target-cpu"));
  EXPECT_FALSE(module->getNamedAlias("qcc_model")) << "for shared objects only";
}

TEST(Text, AssemblyAssembles) {
  TempFolder folder;
  emitOk(testModel("tiny"), folder / "tiny.s", OutputKind::Assembly);
  std::string text = readFile(folder / "tiny.s");
  EXPECT_NE(text.find("qcc_model_tiny:"), std::string::npos);
  EXPECT_LT(text.find("tiny.run:"), text.find(".scale:")) << "the body comes first";
  int code;
  runProgram("clang-22 --version", code);
  if (code != 0)
    GTEST_SKIP() << "no assembler on this machine";
  std::string out = runProgram("clang-22 --target=" + std::string(hostTriple) + " -c " +
                                   (folder / "tiny.s") + " -o " + (folder / "tiny.o") + " 2>&1",
                               code);
  EXPECT_EQ(code, 0) << out;
}

TEST(Text, ToStdout) {
  testing::internal::CaptureStdout();
  emitOk(testModel("tiny"), "-", OutputKind::LlvmIr);
  std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("define hidden i64 @tiny.run("), std::string::npos);
}

TEST(Text, ModelNames) {
  EXPECT_EQ(modelNameFromPath("a/b/my-model.v2.so"), "my_model_v2");
  EXPECT_EQ(modelNameFromPath("2.so"), "_2");
  EXPECT_EQ(modelNameFromPath("größe.o").find_first_not_of(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
            std::string::npos);
}

} // namespace
