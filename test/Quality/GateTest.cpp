// Acceptance files and the short forms of --accept.
#include "qcc/Quality/Gate.h"
#include "../Data/DataTesting.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;

static llvm::Expected<Gate> parse(llvm::StringRef text) {
  return parseGateFile(text, "gate.yaml", "/gates");
}

TEST(Gate, ShortForms) {
  EXPECT_EQ(llvm::cantFail(parseAccept("guard")).kind, Gate::Kind::Guard);
  EXPECT_EQ(llvm::cantFail(parseAccept("none")).kind, Gate::Kind::None);
  Gate gate = llvm::cantFail(parseAccept("99.9%"));
  EXPECT_EQ(gate.kind, Gate::Kind::Percent);
  EXPECT_DOUBLE_EQ(gate.percent, 99.9);
  EXPECT_EQ(gate.text, "99.9%");
  for (const char *text : {"", "99", "0%", "101%", "x%", "gate.toml"})
    EXPECT_EQ(codeOf(parseAccept(text)), Diag::BadOptionValue) << text;
  EXPECT_EQ(codeOf(parseAccept("none.yaml")), Diag::CannotRead);
}

TEST(Gate, AFileOfEverything) {
  Gate gate = llvm::cantFail(parse(R"(
# limits
size: 60MB
latency: [5ms@1x128, "40ms@decode"]
confidence: 0.99
sets:
  - name: dev
    data: dev.npz
    labels: label
    metric: accuracy
    max_drop: 1%
  - {data: /abs/val.npy, ctx: 256, limit: 20, metric: kld, max: 0.02}
  - name: own
    data: d
    metric: cmd
    cmd: python3 score.py --strict
    min: 12.5
)"));
  EXPECT_EQ(gate.kind, Gate::Kind::File);
  EXPECT_EQ(gate.size, 60000000u);
  ASSERT_EQ(gate.latency.size(), 2u);
  EXPECT_EQ(gate.latency[1].run, LatencyBudget::Run::Decode);
  EXPECT_DOUBLE_EQ(gate.confidence, 0.99);
  ASSERT_EQ(gate.sets.size(), 3u);
  EXPECT_EQ(gate.sets[0].data, "/gates/dev.npz");
  EXPECT_EQ(gate.sets[0].labels, "label");
  EXPECT_EQ(gate.sets[0].metric, Metric::Accuracy);
  EXPECT_TRUE(gate.sets[0].relative);
  EXPECT_DOUBLE_EQ(*gate.sets[0].maxDrop, 0.01);
  EXPECT_EQ(gate.sets[1].name, "set 2");
  EXPECT_EQ(gate.sets[1].data, "/abs/val.npy");
  EXPECT_EQ(gate.sets[1].ctx, 256);
  EXPECT_EQ(gate.sets[1].limit, 20);
  EXPECT_DOUBLE_EQ(*gate.sets[1].max, 0.02);
  EXPECT_EQ(gate.sets[2].command, "python3 score.py --strict");
  EXPECT_TRUE(llvm::StringRef(gate.text).starts_with("sha256:"));
}

TEST(Gate, EveryMistakeNamesItsLine) {
  auto refuse = [](llvm::StringRef text, llvm::StringRef part) {
    auto gate = parse(text);
    ASSERT_FALSE(static_cast<bool>(gate)) << text.str();
    std::string message = textOf(std::move(gate));
    EXPECT_NE(message.find("QCC1870"), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  refuse("", "holds no 'sets'");
  refuse("[1, 2]", "holds no 'sets'");
  refuse("confidence: 0.9\n", "sets no limit");
  refuse("size: 60MB\nsice: 1\n",
         "gate.yaml:2: error QCC1870: an acceptance file has no key 'sice'");
  refuse("size: big\n", "size 'big' is not understood");
  refuse("size: 1MB\nsize: 2MB\n", "'size' is given twice");
  refuse("latency: 5\n", "latency '5' is not understood");
  refuse("size: 1MB\nconfidence: 1\n", "not between 0.5 and 0.9999");
  refuse("size: 1MB\nconfidence: sure\n", "not a number");
  refuse("sets: 1\n", "'sets' is not a list");
  refuse("sets: [1]\n", "a set is not a list of 'key: value'");
  refuse("sets:\n  - {metric: kld, max: 1}\n", "has no data");
  refuse("sets:\n  - {data: d, metric: kld}\n", "has 0 limits");
  refuse("sets:\n  - {data: d, metric: kld, max: 1, min: 0}\n", "has 2 limits");
  refuse("sets:\n  - {data: d, metric: kdl, max: 1}\n", "no metric is called 'kdl'");
  refuse("sets:\n  - {data: d, metric: accuracy, min: 0.5}\n", "metric accuracy and no labels");
  refuse("sets:\n  - {data: d, metric: cmd, min: 0.5}\n", "metric cmd and no cmd");
  refuse("sets:\n  - {data: d, metric: kld, cmd: x, max: 0.5}\n", "needs metric cmd");
  refuse("sets:\n  - {data: d, metric: sqnr, max_drop: 1}\n",
         "compares with the reference already");
  refuse("sets:\n  - {data: d, metric: kld, max_drop: 1%}\n", "a share of a divergence");
  refuse("sets:\n  - {data: d, metric: ppl, max_drop: -1}\n", "not a loss");
  refuse("sets:\n  - {data: d, metric: ppl, max: 1, ctx: 1}\n", "not a whole number of at least 2");
  refuse("sets:\n  - {data: d, metric: ppl, max: nan}\n", "not a number");
  refuse("sets:\n  - {data: d, metrik: ppl, max: 1}\n", "a set has no key 'metrik'");
  refuse("sets:\n  - {data: d, data: e, metric: kld, max: 1}\n", "'data' is given twice");
  refuse("size: {a: [1\n", "not YAML");
  refuse("size: [1]\n", "'size' has no value");
  refuse(std::string(20, '[') + std::string(20, ']'), "nested too deeply");
  refuse("- - - - - - - - - - - - - - - - - - a\n", "nested too deeply");
}

TEST(Gate, FilesAreBounded) {
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("gate", "yaml", path));
  std::string text = "size: 60MB\n";
  ASSERT_EQ(codeOf(writeFileAtomically(path, llvm::arrayRefFromStringRef(text))), noDiag);
  EXPECT_EQ(llvm::cantFail(parseAccept(path)).size, 60000000u);
  text += std::string(1 << 16, '#');
  ASSERT_EQ(codeOf(writeFileAtomically(path, llvm::arrayRefFromStringRef(text))), noDiag);
  EXPECT_EQ(codeOf(parseAccept(path)), Diag::BadGateFile);
  llvm::sys::fs::remove(path);
}
