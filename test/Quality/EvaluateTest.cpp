// Gates on models: a toy whose answers are known, reports, and loss by layer.
#include "qcc/Quality/Evaluate.h"
#include "../Data/DataTesting.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Quality/Attribution.h"
#include "qcc/Quality/Report.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;
namespace fs = llvm::sys::fs;

namespace {
/// logits[c] = c * x, plus an error on the first class.
class ToyModel : public Model {
public:
  explicit ToyModel(double error) : error(error) {
    path = "toy";
    inputs = {{"x", QCC_F32, {"b", "1"}, ""}};
    outputs = {{"logits", QCC_F32, {"b", "3"}, "logits"}};
  }
  llvm::Expected<std::unique_ptr<Session>> newSession() override {
    struct Run : Session {
      double error;
      llvm::Expected<std::vector<HostTensor>> run(llvm::ArrayRef<HostTensor> inputs) override {
        std::vector<HostTensor> outputs;
        HostTensor logits(QCC_F32, {1, 3});
        for (int c = 0; c < 3; ++c)
          logits.setNumber(c, c * inputs[0].number(0) + (c == 0 ? error : 0));
        outputs.push_back(std::move(logits));
        return outputs;
      }
    };
    auto run = std::make_unique<Run>();
    run->error = error;
    return run;
  }
  double error;
};

class Evaluate : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-evaluate", path));
    folder = path.str().str();
    std::vector<double> x, labels;
    for (int i = 0; i < 40; ++i) {
      x.push_back(i % 2 ? 1 : -1);
      labels.push_back(i % 2 ? 2 : 0);
    }
    ASSERT_EQ(codeOf(writeNpy(folder + "/x.npy", tensorOf(QCC_F32, {40, 1}, x))), noDiag);
    ASSERT_EQ(codeOf(writeNpy(folder + "/y.npy", tensorOf(QCC_I64, {40}, labels))), noDiag);
    reference = llvm::cantFail(Subject::create(floats));
  }
  void TearDown() override { fs::remove_directories(folder); }

  llvm::Expected<GateResult> decideOn(double error, const Gate &gate) {
    model = std::make_unique<ToyModel>(error);
    subject = llvm::cantFail(Subject::create(*model));
    GateInputs inputs;
    inputs.model = subject.get();
    inputs.reference = reference.get();
    inputs.samples = llvm::cantFail(SampleSet::open(folder));
    inputs.labels = labels;
    inputs.bytes = 1000;
    inputs.latency = [](const LatencyBudget &) {
      return LatencySeries{{1, 2, 1, 2, 1, 2, 1, 2}, false};
    };
    return evaluateGate(gate, inputs);
  }
  Gate file(const std::string &text) {
    return llvm::cantFail(parseGateFile(text, "gate.yaml", folder));
  }
  std::string folder, labels;
  ToyModel floats{0};
  std::unique_ptr<ToyModel> model;
  std::unique_ptr<Subject> subject, reference;
};
} // namespace

TEST_F(Evaluate, GuardStopsRuinOnly) {
  Gate guard;
  GateResult fine = llvm::cantFail(decideOn(0.1, guard));
  EXPECT_TRUE(fine.accepted);
  EXPECT_TRUE(fine.measured);
  ASSERT_EQ(fine.sets.size(), 1u);
  EXPECT_EQ(fine.sets[0].measurement.metric, Metric::Kld);
  GateResult ruin = llvm::cantFail(decideOn(20, guard));
  EXPECT_FALSE(ruin.accepted);
  EXPECT_NE(ruin.nearest.find("kld <= 0.5"), std::string::npos) << ruin.nearest;
  EXPECT_EQ(codeOf(gateError(ruin, "toy")), Diag::GateNotMet);
  EXPECT_EQ(codeOf(gateError(fine, "toy")), noDiag);
}

TEST_F(Evaluate, Percent) {
  Gate gate = llvm::cantFail(parseAccept("90%"));
  GateResult same = llvm::cantFail(decideOn(0, gate));
  EXPECT_EQ(same.sets[0].measurement.metric, Metric::Top1);
  EXPECT_TRUE(same.accepted);
  EXPECT_FALSE(llvm::cantFail(decideOn(20, gate)).accepted);
  labels = "y";
  GateResult right = llvm::cantFail(decideOn(0, gate));
  EXPECT_EQ(right.sets[0].measurement.metric, Metric::Accuracy);
  EXPECT_EQ(right.sets[0].measurement.value, 1);
  EXPECT_TRUE(right.accepted);
  EXPECT_FALSE(llvm::cantFail(decideOn(20, gate)).accepted);
}

TEST_F(Evaluate, FilesHoldSeveralLimits) {
  Gate gate = file("size: 900B\nlatency: 3ms@1x1\nsets:\n"
                   "  - {name: dev, data: ., labels: y, metric: accuracy, min: 0.8}\n"
                   "  - {name: f, data: ., labels: y, metric: f1, max_drop: 0.05}\n"
                   "  - {name: near, data: ., metric: cosine, min: 0.9}\n"
                   "  - {name: snr, data: ., metric: sqnr, min: 20}\n");
  GateResult result = llvm::cantFail(decideOn(0.01, gate));
  ASSERT_EQ(result.sets.size(), 4u);
  for (const SetResult &set : result.sets)
    EXPECT_TRUE(set.accepted) << set.measurement.name;
  ASSERT_EQ(result.costs.size(), 2u);
  EXPECT_FALSE(result.costs[0].accepted);
  EXPECT_TRUE(result.costs[1].accepted);
  EXPECT_FALSE(result.accepted);
  EXPECT_NE(result.nearest.find("size"), std::string::npos) << result.nearest;
  auto json = toJson(result);
  EXPECT_EQ(json.getBoolean("accepted"), false);
  EXPECT_EQ(json.getArray("sets")->size(), 4u);
  EXPECT_EQ(gateTable(result).size(), 7u);
}

TEST_F(Evaluate, Commands) {
  // The archive reaches the command whole: 40 rows of 3 f32 behind a header of 128 bytes.
  Gate gate = file("sets: [{data: ., metric: cmd, cmd: \"wc -c <\", min: 608}]\n");
  EXPECT_TRUE(llvm::cantFail(decideOn(0, gate)).accepted);
  gate.sets[0].command = "echo many #";
  EXPECT_EQ(codeOf(decideOn(0, gate)), Diag::GateCommandFailed);
  gate.sets[0].command = "exit 3 #";
  EXPECT_EQ(codeOf(decideOn(0, gate)), Diag::GateCommandFailed);
}

TEST_F(Evaluate, WhatCannotBeDecidedIsSaid) {
  GateInputs inputs;
  model = std::make_unique<ToyModel>(0);
  subject = llvm::cantFail(Subject::create(*model));
  inputs.model = subject.get();
  Gate guard;
  GateResult nothing = llvm::cantFail(evaluateGate(guard, inputs));
  EXPECT_TRUE(nothing.accepted);
  EXPECT_FALSE(nothing.measured);
  EXPECT_EQ(codeOf(evaluateGate(llvm::cantFail(parseAccept("99%")), inputs)), Diag::UsageError);
  EXPECT_EQ(codeOf(evaluateGate(file("size: 1MB\n"), inputs)), Diag::UsageError);
  EXPECT_EQ(codeOf(evaluateGate(file("latency: 1ms@1x1\n"), inputs)), Diag::UsageError);
  EXPECT_EQ(codeOf(evaluateGate(file("sets: [{data: ., metric: kld, max: 1}]\n"), inputs)),
            Diag::UsageError);
}

TEST(Report, JsonAndTables) {
  QuantizeReport report;
  report.scheme = "auto";
  report.tensors.push_back(
      {"small", {4, 8}, {{"w8a8", "none", "rtn", 0.001, {}, {}, 40, ""}}, 0, "cheap"});
  report.tensors.push_back({"large",
                            {64, 64},
                            {{"w4a8:g32", "none", "gptq", 0.5, 0.4, 1.5, 2048, ""},
                             {"w8a8", "none", "rtn", 0.01, {}, {}, 4096, ""},
                             {"f32", "none", "rtn", 0.0, {}, {}, 16384, "over the budget"}},
                            0,
                            "budget"});
  report.attribution.push_back({"large", 0.4, {}, 0.9});
  report.convergence.push_back({"ranges", 8, 0.01});
  report.timings.push_back({"calibrate", 1.5});
  report.notes.push_back("2 dead columns");
  auto json = toJson(report);
  EXPECT_EQ(json.getString("schema"), "qcc.report/1");
  EXPECT_EQ(json.getArray("tensors")->size(), 2u);
  EXPECT_NE(json.getArray("timings"), nullptr);
  EXPECT_EQ(toJson(report, /*timings=*/false).getArray("timings"), nullptr);
  std::string text;
  llvm::raw_string_ostream os(text);
  printReport(os, report);
  // The largest loss comes first, with what would have been next.
  EXPECT_LT(text.find("large"), text.find("small"));
  EXPECT_NE(text.find("w4a8:g32 by gptq"), std::string::npos) << text;
  EXPECT_NE(text.find("w8a8 (0.01)"), std::string::npos) << text;
  EXPECT_NE(text.find("note: 2 dead columns"), std::string::npos);
  text.clear();
  printReport(os, report, 1);
  EXPECT_NE(text.find("and 1 tensors with smaller losses"), std::string::npos) << text;
}

TEST(Report, ParetoFront) {
  SweepTable table;
  auto row = [](const char *scheme, uint64_t bytes, double kld) {
    SweepRow result;
    result.scheme = scheme;
    result.bytes = bytes;
    Measurement m;
    m.metric = Metric::Kld;
    m.value = kld;
    result.quality.push_back(m);
    return result;
  };
  table.rows = {row("w8", 100, 0.01), row("w4", 50, 0.1), row("bad", 60, 0.2), row("w2", 20, 3)};
  SweepRow failed;
  failed.scheme = "w1";
  failed.failed = "no kernel";
  table.rows.push_back(failed);
  EXPECT_EQ(paretoFront(table), (std::vector<size_t>{0, 1, 3}));
  std::string text;
  llvm::raw_string_ostream os(text);
  printSweep(os, table);
  EXPECT_NE(text.find("no kernel"), std::string::npos) << text;
  EXPECT_EQ(toJson(table).getArray("rows")->size(), 5u);
}

TEST(Attribution, SumsAndBisection) {
  // Losses add up but for a pair that only hurts together.
  std::vector<double> loss = {0.1, 0, 3, 0, 0, 0.2, 0, 1};
  auto lossOf = [&](const std::vector<bool> &quantized) -> llvm::Expected<double> {
    double sum = 0;
    for (size_t i = 0; i < loss.size(); ++i)
      sum += quantized[i] ? loss[i] : 0;
    return sum + (quantized[1] && quantized[3] ? 0.5 : 0);
  };
  std::vector<std::string> layers = {"a", "b", "c", "d", "e", "f", "g", "h"};
  Attribution exact = llvm::cantFail(attributeLoss(layers, lossOf));
  EXPECT_EQ(exact.runs, 17);
  EXPECT_NEAR(exact.total, 4.8, 1e-12);
  EXPECT_NEAR(*exact.layers[2].alone, 3, 1e-12);
  EXPECT_NEAR(*exact.layers[1].alone, 0, 1e-12);
  EXPECT_NEAR(*exact.layers[1].without, 0.5, 1e-12);
  EXPECT_NEAR(exact.interaction, -0.5, 1e-12);
  EXPECT_NEAR(exact.layers[2].share, 3 / 4.3, 1e-12);
  // With seven runs the worst layer is still found.
  AttributionOptions few;
  few.runs = 7;
  Attribution rough = llvm::cantFail(attributeLoss(layers, lossOf, few));
  EXPECT_LE(rough.runs, 7);
  for (size_t i = 0; i < layers.size(); ++i)
    EXPECT_LE(rough.layers[i].share, rough.layers[2].share);
  EXPECT_NEAR(*rough.layers[2].alone, 3, 1e-12);
  EXPECT_TRUE(llvm::cantFail(attributeLoss({}, lossOf)).layers.empty());
  auto failing = [](const std::vector<bool> &) -> llvm::Expected<double> {
    return makeError(Diag::RunFailed, "", "no");
  };
  EXPECT_EQ(codeOf(attributeLoss(layers, failing)), Diag::RunFailed);
}
