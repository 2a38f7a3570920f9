// Manifests read back, and faults of our own found before an artifact appears.
#include "TestModel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Emit/Translate.h"

using namespace qcc;
using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

Failure emitFailure(ModelParts parts, OutputKind kind = OutputKind::SharedObject) {
  TempFolder folder;
  EmitOptions options;
  options.path = folder / "m.out";
  options.kind = kind;
  Failure failure = failureOf(emitModel(std::move(parts), options));
  EXPECT_TRUE(folder.list().empty());
  return failure;
}

TEST(Inspect, ManifestOfEveryKind) {
  TempFolder folder;
  for (auto [kind, name] :
       {std::pair(OutputKind::SharedObject, "m.so"), std::pair(OutputKind::Object, "m.o"),
        std::pair(OutputKind::Archive, "m.a")}) {
    ModelParts parts = testModel("m", 70000);
    std::string want = parts.manifest;
    emitOk(std::move(parts), folder / name, kind);
    auto manifest = readManifest(folder / name);
    if (!manifest)
      ADD_FAILURE() << failureOf(manifest.takeError()).text;
    else
      EXPECT_EQ(*manifest, want) << name;
  }
}

TEST(Inspect, NoManifestElsewhere) {
  TempFolder folder;
  EXPECT_EQ(failureOf(readManifest(folder / "none").takeError()).number, int(Diag::CannotRead));
  emitOk(testModel("m", 70000), folder / "m.so", OutputKind::SharedObject);
  std::string image = readFile(folder / "m.so");
  writeFile(folder / "text", "not a model");
  writeFile(folder / "empty", "");
  writeFile(folder / "archive", "!<arch>\n");
  writeFile(folder / "broken", "!<arch>\nx");
  writeFile(folder / "half", image.substr(0, 1000));
  writeFile(folder / "head", image.substr(0, 20));
  for (const char *name : {"text", "empty", "archive", "broken", "half", "head"})
    EXPECT_EQ(failureOf(readManifest(folder / name).takeError()).number, int(Diag::NotAnArtifact))
        << name;
}

TEST(Inspect, UndefinedSymbolIsNamed) {
  for (OutputKind kind : {OutputKind::SharedObject, OutputKind::Object}) {
    ModelParts parts = testModel("m");
    parts.levels[0].modules.push_back(
        parse("declare float @expf(float)\ndefine float @k(float %x) {\n"
              "%r = call float @expf(float %x)\nret float %r }",
              "exp kernel"));
    Failure failure = emitFailure(std::move(parts), kind);
    EXPECT_EQ(failure.number, int(Diag::UndefinedSymbol));
    EXPECT_NE(failure.text.find("'expf'"), std::string::npos) << failure.text;
    EXPECT_NE(failure.text.find("exp kernel"), std::string::npos) << failure.text;
  }
}

TEST(Inspect, PartsThatDoNotFit) {
  auto expectBad = [](const char *why, auto &&spoil) {
    ModelParts parts = testModel("m");
    spoil(parts);
    Failure failure = emitFailure(std::move(parts));
    EXPECT_EQ(failure.number, int(Diag::BadModelParts)) << why;
    EXPECT_NE(failure.text.find(why), std::string::npos) << failure.text;
  };
  expectBad("identifier", [](ModelParts &p) { p.name = "my-model"; });
  expectBad("identifier", [](ModelParts &p) { p.name = "2m"; });
  expectBad("kernels", [](ModelParts &p) { p.kernelNames.push_back("third"); });
  expectBad("'nothing'", [](ModelParts &p) { p.levels[1].kernels[0].symbol = "nothing"; });
  expectBad("no kernel", [](ModelParts &p) { p.levels[1].kernels[0].level = 7; });
  expectBad("'go'", [](ModelParts &p) { p.entries[0].runSymbol = "go"; });
  expectBad("two levels", [](ModelParts &p) { p.levels[1].name = p.levels[0].name; });
  expectBad("producer", [](ModelParts &p) { p.weights.write = nullptr; });
}

TEST(Inspect, ArchivesHoldTenDigits) {
  ModelParts parts = testModel("m");
  parts.weights.bytes = 9999999999;
  Failure failure = emitFailure(std::move(parts), OutputKind::Archive);
  EXPECT_EQ(failure.number, int(Diag::OutputNoSpace)) << failure.text;
  EXPECT_NE(failure.text.find("an archive cannot hold a member of"), std::string::npos)
      << failure.text;
}

TEST(Inspect, CodeThatDoesNotCompile) {
  ModelParts parts = testModel("m");
  parts.bodyModules.push_back(parse("define void @bad() {\n"
                                    "call void asm sideeffect \"no such instruction\", \"\"()\n"
                                    "ret void }",
                                    "bad body"));
  Failure failure = emitFailure(std::move(parts));
  EXPECT_EQ(failure.number, int(Diag::CodegenFailed)) << failure.text;
  EXPECT_NE(failure.text.find("bad body"), std::string::npos) << failure.text;
}

TEST(Inspect, TwoModulesDefineOneName) {
  ModelParts parts = testModel("m");
  parts.bodyModules.push_back(parse("define void @plan() { ret void }", "second plan"));
  Failure failure = emitFailure(std::move(parts));
  EXPECT_EQ(failure.number, int(Diag::LinkFailed));
  EXPECT_NE(failure.text.find("module 'second plan'"), std::string::npos) << failure.text;
  // The linker still works afterwards.
  TempFolder folder;
  emitOk(testModel("m"), folder / "m.so", OutputKind::SharedObject);
}

TEST(Inspect, LinksOfAnyThreadsFollowEachOther) {
  TempFolder folder;
  for (unsigned threads : {8, 1, 2, 4, 2, 1, 3, 2})
    emitOk(testModel("m"), folder / "m.so", OutputKind::SharedObject, /*sidecar=*/false, threads);
}

TEST(Inspect, ForeignTarget) {
  for (const char *triple : {"riscv64-unknown-linux-gnu", "x86_64-apple-darwin", "nonsense"})
    EXPECT_EQ(emitFailure(testModel("m", 10, triple)).number, int(Diag::NoCodeGenerator));
}

TEST(Inspect, SelfContainedMeansExactExports) {
  TempFolder folder;
  emitOk(testModel("m"), folder / "m.so", OutputKind::SharedObject);
  Failure more = failureOf(checkSelfContained(folder / "m.so", {"qcc_model"}));
  EXPECT_EQ(more.number, int(Diag::ArtifactLayout));
  EXPECT_NE(more.text.find("it exports 'qcc_model_m'"), std::string::npos) << more.text;
  Failure fewer =
      failureOf(checkSelfContained(folder / "m.so", {"qcc_model", "qcc_model_m", "qcc_model_n"}));
  EXPECT_NE(fewer.text.find("'qcc_model_n'"), std::string::npos) << fewer.text;
}

TEST(Translate, LlvmDialectToCode) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::LLVM::LLVMDialect>();
  registerTranslations(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "llvm.func @helper(%w: !llvm.ptr, %at: i64) -> i64 {\n"
      "  %c = llvm.mlir.constant(77 : i64) : i64\n  llvm.return %c : i64\n}",
      &context);
  ASSERT_TRUE(module);
  auto code = translateModule(*module, "helper");
  ASSERT_TRUE(bool(code)) << failureOf(code.takeError()).text;
  ModelParts parts = testModel("m");
  parts.bodyModules.back() = std::move(*code);
  TempFolder folder;
  emitOk(std::move(parts), folder / "m.so", OutputKind::SharedObject);

  context.allowUnregisteredDialects();
  auto foreign = mlir::parseSourceString<mlir::ModuleOp>("\"other.op\"() : () -> ()", &context);
  Failure failure = failureOf(translateModule(*foreign, "body").takeError());
  EXPECT_EQ(failure.number, int(Diag::CodegenFailed));
  EXPECT_NE(failure.text.find("other"), std::string::npos) << failure.text;
}

} // namespace
