// From options to a compile request.
#include "qcc/Cli/Commands.h"
#include "../Data/DataTesting.h"
#include "qcc/Cli/Context.h"
#include "qcc/Cli/Names.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
namespace fs = llvm::sys::fs;

namespace {
class Commands : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-commands", path));
    folder = path.str().str();
    input = folder + "/model.onnx";
    ASSERT_EQ(codeOf(writeFileAtomically(input, {1, 2, 3})), noDiag);
  }
  void TearDown() override { fs::remove_directories(folder); }

  llvm::Expected<CompileRequest> request(std::vector<std::string> arguments) {
    auto args = parseArgs(*findCommand("compile"), arguments);
    if (!args)
      return args.takeError();
    Context context{backend, llvm::nulls(), llvm::nulls()};
    return makeCompileRequest(*args, context, input);
  }
  std::string folder, input;
  Backend backend;
};
} // namespace

TEST_F(Commands, Defaults) {
  auto r = request({"-o", folder + "/x.so"});
  ASSERT_TRUE(static_cast<bool>(r));
  EXPECT_EQ(r->emit, EmitKind::SharedObject);
  EXPECT_EQ(r->optLevel, 2);
  EXPECT_TRUE(r->quantize.keep);
  EXPECT_TRUE(r->exactNumerics);
  EXPECT_EQ(r->name, "x");
  EXPECT_EQ(r->targets.size(), 1u);
}

TEST_F(Commands, SuffixesPickTheKind) {
  for (auto [suffix, kind] : {std::pair("o", EmitKind::Object), std::pair("a", EmitKind::Archive),
                              std::pair("qnt", EmitKind::Qnt), std::pair("mlir", EmitKind::Mlir),
                              std::pair("ll", EmitKind::LlvmIr), std::pair("s", EmitKind::Assembly),
                              std::pair("ptx", EmitKind::Ptx)}) {
    auto r = request({"-o", folder + "/x." + suffix});
    ASSERT_TRUE(static_cast<bool>(r));
    EXPECT_EQ(r->emit, kind);
  }
  EXPECT_EQ(llvm::cantFail(request({"-o", "-", "--emit=ll"})).emit, EmitKind::LlvmIr);
  EXPECT_EQ(llvm::cantFail(request({"-o", "-", "--to=raise"})).emit, EmitKind::Mlir);
  EXPECT_EQ(codeOf(request({"-o", "-", "--emit=so"})), Diag::UsageError);
  EXPECT_EQ(codeOf(request({"-o", folder + "/x.zip"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", folder + "/x"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", input, "--emit=so"})), Diag::UsageError);
}

TEST_F(Commands, Stems) {
  EXPECT_EQ(outputStem("/a/bert/model.onnx"), "bert");
  EXPECT_EQ(outputStem("/a/bert/x/../model.onnx"), "bert");
  EXPECT_EQ(outputStem("/a/bert/small.onnx"), "small");
  EXPECT_EQ(identifierOf("gpt2-cache.v1"), "gpt2_cache_v1");
  EXPECT_EQ(identifierOf("2x"), "_2x");
}

TEST_F(Commands, OptionsArriveInTheirFields) {
  auto r = request({"-o",
                    folder + "/x.so",
                    "-O3",
                    "--quantize=w4a8",
                    "--skip=*head*",
                    "--embed=f16",
                    "--head",
                    "w4",
                    "--numerics=fast",
                    "--weights=file",
                    "--attention=f32",
                    "--shape",
                    "x=1..8x128",
                    "--bind",
                    "ids=tokens",
                    "--target=x86-amx,native",
                    "--name=enc",
                    "--mlir-timing",
                    "--threads=3",
                    "--inputs=a,b"});
  ASSERT_TRUE(static_cast<bool>(r));
  EXPECT_EQ(r->optLevel, 3);
  EXPECT_FALSE(r->quantize.keep);
  EXPECT_EQ(r->quantize.text, "w4a8:g32");
  EXPECT_EQ(r->quantize.embed, "f16");
  EXPECT_EQ(r->quantize.head, "w4");
  EXPECT_FALSE(r->exactNumerics);
  EXPECT_EQ(r->quantize.attention, "f32");
  EXPECT_TRUE(r->weightsInFile);
  ASSERT_EQ(r->shapes.size(), 1u);
  EXPECT_EQ(r->shapes[0].dims[0], (ShapeRange{1, 8}));
  EXPECT_EQ(r->shapes[0].dims[1], (ShapeRange{128, 128}));
  EXPECT_EQ(r->binds[0], std::pair(std::string("ids"), std::string("tokens")));
  EXPECT_EQ(r->targets, (std::vector<std::string>{"x86-amx", "native"}));
  EXPECT_EQ(r->name, "enc");
  EXPECT_EQ(r->threads, 3u);
  EXPECT_EQ(r->cutInputs, (std::vector<std::string>{"a", "b"}));
  for (const std::string &option : r->options) {
    EXPECT_EQ(option.find(folder), std::string::npos) << option;
    EXPECT_EQ(option.find("threads"), std::string::npos) << option;
  }
}

TEST_F(Commands, BadValues) {
  std::string o = folder + "/x.so";
  EXPECT_EQ(codeOf(request({"-o", o, "-O7"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--numerics=slow"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--shape=x"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--shape=x=8..1"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--bind=x"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--name=a b"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--quantize=w9"})), Diag::BadScheme);
  EXPECT_EQ(codeOf(request({"-o", o, "--threads=0"})), Diag::BadOptionValue);
}

TEST_F(Commands, WhatNeedsALaterVersion) {
  std::string o = folder + "/x.so";
  EXPECT_EQ(codeOf(request({"-o", o, "--report=r.html"})), Diag::NotAvailable);
}

TEST_F(Commands, FormatsOfCaches) {
  std::string o = folder + "/x.so";
  auto wish = request({"-o", o, "--kv=int8"});
  ASSERT_TRUE(static_cast<bool>(wish));
  EXPECT_EQ(wish->quantize.kv, "int8");
  EXPECT_EQ(codeOf(request({"-o", o, "--kv=int5"})), Diag::BadOptionValue);
  // Models in ONNX keep the cache that they have.
  std::string onnx = folder + "/x.onnx";
  EXPECT_EQ(codeOf(request({"-o", onnx, "--kv=int4"})), Diag::UsageError);
  EXPECT_EQ(codeOf(request({"-o", onnx, "--kv=f32"})), noDiag);
}

TEST_F(Commands, RuinousSchemesNeedConsent) {
  std::string o = folder + "/x.so";
  EXPECT_EQ(codeOf(request({"-o", o, "--quantize=w2"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"-o", o, "--quantize=w2", "--accept=none"})), noDiag);
  EXPECT_EQ(codeOf(request({"-o", o, "--quantize=w3"})), noDiag);
}

TEST_F(Commands, AnUnnamedOutputReplacesNothingForeign) {
  llvm::SmallString<128> previous;
  fs::current_path(previous);
  ASSERT_FALSE(fs::set_current_path(folder));
  std::string stem = outputStem(input);
  auto fresh = request({});
  ASSERT_TRUE(static_cast<bool>(fresh));
  EXPECT_EQ(fresh->output, stem + ".so");
  ASSERT_EQ(codeOf(writeFileAtomically(stem + ".so", llvm::StringRef("x"))), noDiag);
  EXPECT_EQ(codeOf(request({})), Diag::WouldOverwrite);
  EXPECT_EQ(codeOf(request({"-o", stem + ".so"})), noDiag);
  fs::set_current_path(previous);
}

TEST_F(Commands, MissingModelsAreFileErrors) {
  input = folder + "/none.onnx";
  EXPECT_EQ(codeOf(request({"-o", folder + "/x.so"})), Diag::CannotRead);
  input = folder;
  EXPECT_EQ(codeOf(request({"-o", folder + "/x.so"})), Diag::CannotRead);
}
