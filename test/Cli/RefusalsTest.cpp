// What commands refuse, each by its own message; builds without a compiler among them.
#include "../Data/DataTesting.h"
#include "qcc/Cli/Commands.h"
#include "qcc/Cli/Context.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/Support/FileSystem.h"
#include <cstdlib>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
namespace fs = llvm::sys::fs;

namespace {
class CliRefusals : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-cli-refusals", path));
    folder = path.str().str();
    input = folder + "/m.onnx";
    ASSERT_EQ(codeOf(writeFileAtomically(input, {1, 2, 3})), noDiag);
  }
  void TearDown() override { fs::remove_directories(folder); }

  /// A file that exists and that nobody can read.
  void makeSocket(const std::string &path) {
    int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(::bind(listening, reinterpret_cast<struct sockaddr *>(&address), sizeof address), 0);
    ::close(listening);
  }

  using Runner = llvm::Error (*)(const Args &, const Context &);
  std::string run(const char *command, Runner runner, std::vector<std::string> arguments) {
    auto args = parseArgs(*findCommand(command), arguments);
    if (!args)
      return llvm::toString(args.takeError());
    Context context{backend, llvm::nulls(), llvm::nulls(), args->has("--json")};
    return llvm::toString(runner(*args, context));
  }
  std::string compile(std::vector<std::string> arguments) {
    return run("compile", runCompile, std::move(arguments));
  }
  std::string folder, input;
  Backend backend;
};

void expectText(const std::string &text, const std::string &code, const std::string &part) {
  EXPECT_NE(text.find(code), std::string::npos) << text;
  EXPECT_NE(text.find(part), std::string::npos) << text;
}
} // namespace

TEST_F(CliRefusals, WithoutACompiler) {
  expectText(run("inspect", runInspect, {input}), "QCC1002",
             "inspecting this kind of file is not available");
  expectText(run("check", runCheck, {input}), "QCC1002", "qcc check is not available");
  expectText(run("run", runRun, {input, "--reference"}), "QCC1002", "--reference is not available");
  expectText(run("run", runRun, {input}), "QCC1002", "compiling is not available");
  expectText(compile({input, "-o", folder + "/m.so"}), "QCC1002", "compiling");
}

TEST_F(CliRefusals, Models) {
  expectText(run("run", runRun, {folder + "/none.so"}), "QCC1101", "no such file");
  expectText(run("bench", runBench, {}), "QCC1001", "no model is given");
  expectText(compile({folder + "/none.onnx", "-o", folder + "/m.so"}), "QCC1101", "no such file");
  expectText(compile({folder, "-o", folder + "/m.so"}), "QCC1101", "is a folder, not a model file");
  for (const char *suffix : {".so", ".o", ".a"})
    expectText(compile({folder + "/m" + suffix}), "QCC1001", "is compiled already");
}

TEST_F(CliRefusals, Arguments) {
  expectText(run("targets", runTargets, {"x"}), "QCC1001", "qcc targets takes no arguments");
  expectText(run("version", runVersion, {"x"}), "QCC1001", "qcc version takes no arguments");
  for (const char *word : {"QCC1", "1", "x", "QCC", ""})
    expectText(run("explain", runExplain, {word}), "QCC1001", "is not a diagnostic of qcc");
  expectText(run("eval", runEval, {folder + "/m.so", "--accept=99"}), "QCC1006",
             "--accept '99' is not understood");
  expectText(run("eval", runEval, {folder + "/m.so"}), "QCC1001",
             "give one of --tokens, --pairs and --data");
  expectText(run("bench", runBench, {"m.so", "-p", "4", "--shape", "x=1"}), "QCC1001",
             "--shape does not go with them");
  expectText(run("bench", runBench, {"m.so", "--depth", "4"}), "QCC1001", "--depth needs -p or -n");
  expectText(run("run", runRun, {"m.so", "--atol=x"}), "QCC", "");
}

TEST_F(CliRefusals, Options) {
  std::string o = folder + "/x.so";
  auto refuse = [&](const std::string &option, const std::string &code, const std::string &part) {
    expectText(compile({input, "-o", o, option}), code, part);
  };
  refuse("--quantize=w2", "QCC1006", "leaves 2 bits or fewer of every weight");
  refuse("--target=native,,x86", "QCC1006", "--target 'native,,x86'");
  refuse("--shape=x", "QCC1006", "it reads NAME=1x128");
  refuse("--shape=x=ax1", "QCC1006", "it reads NAME=1x128");
  refuse("--shape==1x2", "QCC1006", "it reads NAME=1x128");
  refuse("--shape=x=8..1", "QCC1006", "8..1 is not a range of sizes");
  refuse("--shape=x=-1", "QCC1006", "-1 is not a range of sizes");
  refuse("--bind=x", "QCC1006", "it reads ROLE=NAME");
  refuse("--bind==x", "QCC1006", "it reads ROLE=NAME");
  refuse("--name=a b", "QCC1006", "a C identifier is letters, digits and _");
  refuse("-O7", "QCC1006", "levels are -O0 to -O3");
  refuse("--threads=x", "QCC1006", "is not a whole number between");
  refuse("--emit=zip", "QCC1006", "--emit 'zip' is not a kind of output");
  expectText(compile({input, "-o", folder + "/x.zip"}), "QCC1006", "does not say what to write");
  expectText(compile({input, "-o", "-", "--emit=so"}), "QCC1001", "-o - is for text");
  expectText(compile({input, "-o", input, "--emit=so"}), "QCC1001", "the output is the input file");
  backend.compile = [](const CompileRequest &, llvm::raw_ostream &) {
    ADD_FAILURE() << "compiles";
    return llvm::Error::success();
  };
  expectText(compile({input, "-o", "-", "--emit=mlir", "--json"}), "QCC1001",
             "--json and -o - both write to stdout");
}

TEST_F(CliRefusals, SourcesThatCannotBeHashed) {
  llvm::SmallString<128> previous;
  fs::current_path(previous);
  ASSERT_FALSE(fs::set_current_path(folder));
  makeSocket(folder + "/s.onnx");
  ASSERT_EQ(codeOf(writeFileAtomically("s.so", llvm::StringRef("x"))), noDiag);
  expectText(compile({folder + "/s.onnx"}), "QCC1101", "s.onnx: error QCC1101: No such device");
  fs::set_current_path(previous);
}

TEST_F(CliRefusals, NoTemporaryFolder) {
  const char *before = std::getenv("TMPDIR");
  std::string saved = before ? before : "";
  ::setenv("TMPDIR", (folder + "/none").c_str(), 1);
  std::string text = run("run", runRun, {input});
  before ? ::setenv("TMPDIR", saved.c_str(), 1) : ::unsetenv("TMPDIR");
  expectText(text, "QCC1102", "temporary folder");
}

TEST_F(CliRefusals, Numbers) {
  auto args = parseArgs(*findCommand("bench"), {"m.so", "--seconds=x", "--threads=0"});
  ASSERT_TRUE(static_cast<bool>(args));
  expectText(textOf(args->number("--seconds", 2, 0)), "QCC1006", "is not a number of at least");
  expectText(textOf(args->integer("--threads", 2, 1, 8)), "QCC1006",
             "is not a whole number between 1 and 8");
  auto refuse = [](const char *command, std::vector<std::string> arguments, const char *code,
                   const char *part) {
    expectText(textOf(parseArgs(*findCommand(command), arguments)), code, part);
  };
  refuse("run", {"m.so", "--json=yes"}, "QCC1006", "--json takes no value, 'yes' is given");
  refuse("run", {"m.so", "--atol"}, "QCC1006", "--atol needs a value");
}
