// Sorting arguments into options.
#include "qcc/Cli/Args.h"
#include "../Data/DataTesting.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;

static llvm::Expected<Args> parse(const char *command, std::vector<std::string> arguments) {
  return parseArgs(*findCommand(command), arguments);
}

TEST(Args, BothSpellingsOfValues) {
  auto args = parse("compile", {"m.onnx", "--quantize=w8a8", "--target", "native", "-O3", "-o", "-",
                                "--skip=a", "--skip", "b", "--mlir-timing"});
  ASSERT_TRUE(static_cast<bool>(args));
  EXPECT_EQ(args->positionals, std::vector<std::string>{"m.onnx"});
  EXPECT_EQ(args->get("--quantize"), "w8a8");
  EXPECT_EQ(args->get("--target"), "native");
  EXPECT_EQ(args->get("-O"), "3");
  EXPECT_EQ(args->get("-o"), "-");
  EXPECT_EQ(args->all("--skip"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(args->passThrough, std::vector<std::string>{"--mlir-timing"});
}

TEST(Args, AliasesShareAKey) {
  auto args = parse("compile", {"m.onnx", "--output", "x.so", "-h"});
  ASSERT_TRUE(static_cast<bool>(args));
  EXPECT_EQ(args->get("-o"), "x.so");
  EXPECT_TRUE(args->has("--help"));
}

TEST(Args, EverythingAfterDashesIsPositional) {
  auto args = parse("inspect", {"--", "--odd.so"});
  ASSERT_TRUE(static_cast<bool>(args));
  EXPECT_EQ(args->positionals, std::vector<std::string>{"--odd.so"});
}

TEST(Args, Refusals) {
  EXPECT_EQ(codeOf(parse("compile", {"--quantise=w8"})), Diag::UnknownOption);
  EXPECT_NE(textOf(parse("compile", {"--quantise=w8"})).find("did you mean --quantize?"),
            std::string::npos);
  EXPECT_EQ(codeOf(parse("run", {"--zzzzzz"})), Diag::UnknownOption);
  EXPECT_EQ(codeOf(parse("run", {"m.so", "--atol"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(parse("run", {"m.so", "--atol", "--json"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(parse("run", {"m.so", "--json=yes"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(parse("run", {"--mlir-timing"})), Diag::UnknownOption);
}

TEST(Args, Numbers) {
  auto args = parse("bench", {"m.so", "--threads=4", "--seconds", "0.5", "-r", "x"});
  ASSERT_TRUE(static_cast<bool>(args));
  EXPECT_EQ(llvm::cantFail(args->integer("--threads", 0, 1, 8)), 4);
  EXPECT_EQ(llvm::cantFail(args->integer("-p", 7, 0, 8)), 7);
  EXPECT_EQ(llvm::cantFail(args->number("--seconds", 2, 0)), 0.5);
  EXPECT_EQ(codeOf(args->integer("-r", 0, 1, 8)), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(args->integer("--threads", 0, 1, 3)), Diag::BadOptionValue);
}

TEST(Args, EveryCommandHasOneScreenOfHelpThatBeginsWithAnExample) {
  for (const Command &command : allCommands()) {
    llvm::StringRef help = command.help;
    EXPECT_LE(help.count('\n'), 40u) << command.name;
    EXPECT_TRUE(help.starts_with("qcc ")) << command.name;
    EXPECT_TRUE(help.contains("usage: qcc")) << command.name;
  }
  EXPECT_LE(mainHelp().count('\n'), 40u);
}

TEST(Args, HelpNamesEveryOption) {
  // What concerns data is explained by quantize, what concerns code by compile.
  std::string shared = std::string(findCommand("compile")->help) + findCommand("quantize")->help;
  for (const char *command :
       {"compile", "quantize", "run", "bench", "calibrate", "eval", "sweep", "tune"}) {
    std::string help = shared + findCommand(command)->help;
    for (const Option &option : findCommand(command)->options) {
      llvm::StringRef name = option.name;
      bool omitted = name == "-h" || name == "--help" || name == "--output";
      EXPECT_TRUE(omitted || llvm::StringRef(help).contains(name)) << command << name.str();
    }
  }
}

TEST(Args, Nearest) {
  EXPECT_EQ(nearest("benhc", {"bench", "run"}), "bench");
  EXPECT_EQ(nearest("xyzzy", {"bench", "run"}), "");
}
