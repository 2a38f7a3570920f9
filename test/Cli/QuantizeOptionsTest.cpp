// --quantize, data, budgets and gates as a request; and when a model is quantized on the way.
#include "../Data/DataTesting.h"
#include "qcc/Cli/Context.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
namespace fs = llvm::sys::fs;
using quality::Gate;

namespace {
class QuantizeOptions : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-quantize", path));
    folder = path.str().str();
    input = folder + "/model.onnx";
    write("model.onnx", "x");
    write("d.npz", "x");
    write("d.stats", "x");
    write("costs.json", "x");
    write("r.yaml", "head: f32\nschemes:\n  my3:\n    weight: {bits: 3, block: 64}\n");
    write("gate.yaml", "size: 60MB\n");
  }
  void TearDown() override { fs::remove_directories(folder); }
  void write(const std::string &name, llvm::StringRef text) {
    ASSERT_EQ(codeOf(writeFileAtomically(folder + "/" + name, llvm::arrayRefFromStringRef(text))),
              noDiag);
  }
  llvm::Expected<Args> parse(llvm::StringRef command, std::vector<std::string> arguments) {
    for (std::string &argument : arguments)
      if (size_t at = argument.find("@/"); at != std::string::npos)
        argument.replace(at, 1, folder);
    return parseArgs(*findCommand(command), arguments);
  }
  llvm::Expected<QuantizeRequest> request(std::vector<std::string> arguments) {
    arguments.push_back("-o");
    arguments.push_back("@/x.so");
    auto args = parse("compile", arguments);
    if (!args)
      return args.takeError();
    Context context{backend, llvm::nulls(), llvm::nulls()};
    auto compile = makeCompileRequest(*args, context, input);
    if (!compile)
      return compile.takeError();
    options = compile->options;
    return std::move(compile->quantize);
  }
  Diag run(llvm::Error (*command)(const Args &, const Context &), llvm::StringRef name,
           std::vector<std::string> arguments) {
    auto args = parse(name, arguments);
    if (!args)
      return codeOf(args.takeError());
    llvm::raw_string_ostream out(text);
    Context context{backend, out, llvm::nulls(), args->has("--json")};
    return codeOf(command(*args, context));
  }
  std::string folder, input, text;
  std::vector<std::string> options;
  Backend backend;
};
} // namespace

TEST_F(QuantizeOptions, Defaults) {
  QuantizeRequest r = llvm::cantFail(request({}));
  EXPECT_TRUE(r.keep);
  EXPECT_FALSE(r.automatic);
  EXPECT_FALSE(r.needsRuns());
  EXPECT_EQ(r.gate.kind, Gate::Kind::Guard);
  EXPECT_TRUE(r.methods.empty());
}

TEST_F(QuantizeOptions, OneSchemeNeedsNoRuns) {
  QuantizeRequest r = llvm::cantFail(request({"--quantize=w4a8", "--method=rtn"}));
  EXPECT_FALSE(r.keep);
  EXPECT_EQ(r.text, "w4a8:g32");
  EXPECT_EQ(r.candidates.size(), 1u);
  EXPECT_EQ(r.scheme, r.candidates.front());
  EXPECT_FALSE(r.needsRuns());
}

TEST_F(QuantizeOptions, DataAndBudgetsImplyAuto) {
  for (const char *option : {"--calib=@/d.npz", "--calib=@/d.stats", "--budget-size=60MB",
                             "--budget-latency=5ms@1x128", "--accept=@/gate.yaml"}) {
    QuantizeRequest r = llvm::cantFail(request({option}));
    EXPECT_TRUE(r.automatic) << option;
    EXPECT_EQ(r.text, "auto");
    EXPECT_TRUE(r.needsRuns()) << option;
  }
  EXPECT_EQ(codeOf(request({"--quantize=keep", "--calib=@/d.npz"})), Diag::UsageError);
  EXPECT_TRUE(llvm::cantFail(request({"--accept=none"})).keep);
}

TEST_F(QuantizeOptions, FieldsArrive) {
  QuantizeRequest r = llvm::cantFail(
      request({"--quantize=w8a8,w4a8:g32", "--method=awq,gptq", "--method=gptq", "--calib=@/d.npz",
               "--calib-samples=12", "--ctx=64", "--mem-limit=2GB", "--seed=7",
               "--budget-size=1.5MB", "--budget-latency=5ms@1x128,threads=2",
               "--budget-latency=40ms@decode", "--cost-table=@/costs.json", "--accept=99.9%",
               "--eval-data=@/d.npz", "--labels=y", "--require-measured"}));
  EXPECT_EQ(r.candidates.size(), 2u);
  EXPECT_EQ(r.text, "w8a8,w4a8:g32");
  EXPECT_EQ(r.methods, (std::vector<std::string>{"awq", "gptq"}));
  EXPECT_EQ(r.calib.samples, 12);
  EXPECT_EQ(r.calib.ctx, 64);
  EXPECT_EQ(r.memLimit, 2000000000u);
  EXPECT_EQ(r.seed, 7u);
  EXPECT_EQ(r.budgetSize, 1500000u);
  ASSERT_EQ(r.budgetLatency.size(), 2u);
  EXPECT_EQ(r.budgetLatency[0].dims, (std::vector<int64_t>{1, 128}));
  EXPECT_EQ(r.budgetLatency[0].threads, 2u);
  EXPECT_EQ(r.budgetLatency[1].run, LatencyBudget::Run::Decode);
  EXPECT_EQ(r.gate.kind, Gate::Kind::Percent);
  EXPECT_DOUBLE_EQ(r.gate.percent, 99.9);
  EXPECT_EQ(r.evalData.labels, "y");
  EXPECT_TRUE(r.requireMeasured);
  // What goes into the manifest names no path.
  for (const std::string &option : options)
    EXPECT_EQ(option.find(folder), std::string::npos) << option;
  EXPECT_TRUE(llvm::is_contained(options, "--budget-latency=40ms@decode"));
}

TEST_F(QuantizeOptions, AFileOfStatisticsIsNoData) {
  QuantizeRequest r = llvm::cantFail(request({"--quantize=w8a8s", "--calib=@/d.stats"}));
  EXPECT_FALSE(r.calib.given());
  EXPECT_EQ(r.statistics, folder + "/d.stats");
  EXPECT_TRUE(r.needsRuns());
  EXPECT_EQ(codeOf(request({"--calib=@/d.stats", "--calib-samples=3"})), Diag::UsageError);
}

TEST_F(QuantizeOptions, Mistakes) {
  EXPECT_EQ(codeOf(request({"--method=magic"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--calib=@/none.npz"})), Diag::CannotRead);
  EXPECT_EQ(codeOf(request({"--calib=@/d.npz", "--ctx=1"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--calib=@/d.npz", "--mem-limit=much"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--budget-size=small"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--budget-latency=5"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--budget-latency=5ms@1x0"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--cost-table=@/none"})), Diag::CannotRead);
  EXPECT_EQ(codeOf(request({"--accept=90"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--accept=@/none.yaml"})), Diag::CannotRead);
  EXPECT_EQ(codeOf(request({"--accept=@/r.yaml"})), Diag::BadGateFile);
  EXPECT_EQ(codeOf(request({"--accept=99%"})), Diag::UsageError);
  EXPECT_EQ(codeOf(request({"--quantize=w8a8,w4a8"})), Diag::UsageError);
  EXPECT_EQ(codeOf(request({"--quantize=w2"})), Diag::BadOptionValue);
  EXPECT_EQ(codeOf(request({"--quantize=w2", "--calib=@/d.npz"})), noDiag);
  EXPECT_EQ(codeOf(request({"--recipe=@/r.yaml"})), noDiag);
  EXPECT_EQ(codeOf(request({"--recipe=@/none.yaml"})), Diag::CannotRead);
}

TEST_F(QuantizeOptions, RecipesNameSchemes) {
  QuantizeRequest r = llvm::cantFail(request({"--recipe=@/r.yaml", "--quantize=my3"}));
  EXPECT_EQ(r.scheme.custom, "my3");
  EXPECT_EQ(r.head, "f32");
  // The command line goes before the recipe.
  r = llvm::cantFail(request({"--recipe=@/r.yaml", "--quantize=my3", "--head=w8"}));
  EXPECT_EQ(r.head, "w8");
}

TEST_F(QuantizeOptions, CompileQuantizesOnTheWay) {
  std::string made;
  backend.compile = [&](const CompileRequest &request, llvm::raw_ostream &) {
    made += "compile " + request.quantize.text + (request.input == input ? " model" : " qnt");
    EXPECT_EQ(request.quantization != nullptr, request.input != input);
    return llvm::Error::success();
  };
  EXPECT_EQ(run(runCompile, "compile", {"@/model.onnx", "--calib=@/d.npz", "-o", "@/x.so"}),
            Diag::NotAvailable);
  backend.quantize = [&](const CompileRequest &request, llvm::raw_ostream &) {
    EXPECT_EQ(request.emit, EmitKind::Qnt);
    EXPECT_NE(request.quantization, nullptr);
    EXPECT_TRUE(request.report.empty());
    made += "quantize " + request.quantize.text + "; ";
    return llvm::Error::success();
  };
  EXPECT_EQ(run(runCompile, "compile", {"@/model.onnx", "--calib=@/d.npz", "-o", "@/x.so"}),
            noDiag);
  EXPECT_EQ(made, "quantize auto; compile keep qnt");
  made.clear();
  EXPECT_EQ(run(runCompile, "compile", {"@/model.onnx", "--quantize=w8a8", "-o", "@/x.so"}),
            noDiag);
  EXPECT_EQ(made, "compile w8a8 model");
}

// A scheme that the recipe asks for goes before what the command assumes.
TEST_F(QuantizeOptions, RecipesChooseForQuantize) {
  write("six.yaml", "quantize: six\nschemes:\n  six:\n    weight: {bits: 6}\n");
  std::string asked;
  backend.quantize = [&](const CompileRequest &request, llvm::raw_ostream &) {
    asked = request.quantize.text;
    return llvm::Error::success();
  };
  std::vector<std::string> base = {"@/model.onnx", "-o", "@/x.qnt"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), base.begin(), base.end());
    EXPECT_EQ(run(runQuantize, "quantize", more), noDiag);
    return asked;
  };
  EXPECT_EQ(with({"--recipe=@/six.yaml", "--calib=@/d.npz"}), "six:g32");
  EXPECT_EQ(with({"--recipe=@/six.yaml", "--quantize=w8"}), "w8");
  EXPECT_EQ(with({"--recipe=@/r.yaml"}), "auto");
}

TEST_F(QuantizeOptions, Quantize) {
  EXPECT_EQ(run(runQuantize, "quantize", {"@/model.onnx", "-o", "@/x.qnt"}), Diag::NotAvailable);
  backend.quantize = [&](const CompileRequest &request, llvm::raw_ostream &) {
    EXPECT_TRUE(request.quantize.automatic);
    EXPECT_EQ(request.work, folder + "/x.qnt.work");
    EXPECT_FALSE(request.keepWork);
    quality::TensorReport tensor;
    tensor.name = "w";
    tensor.candidates.push_back({"w8a8", "none", "rtn", 0.5, {}, {}, 100, ""});
    tensor.chosen = 0;
    request.quantization->tensors.push_back(tensor);
    return makeError(Diag::GateNotMet, "", "no");
  };
  // The report is written although the gate refuses.
  EXPECT_EQ(
      run(runQuantize, "quantize", {"@/model.onnx", "-o", "@/x.qnt", "--report", "@/report.json"}),
      Diag::GateNotMet);
  auto report = llvm::MemoryBuffer::getFile(folder + "/report.json");
  ASSERT_TRUE(static_cast<bool>(report));
  auto json = llvm::cantFail(llvm::json::parse((*report)->getBuffer()));
  EXPECT_EQ(json.getAsObject()->getString("schema"), "qcc.report/1");
  EXPECT_NE(text.find("w8a8"), std::string::npos);
  EXPECT_EQ(run(runQuantize, "quantize", {"@/model.onnx", "-o", "@/x.so"}), Diag::BadOptionValue);
  EXPECT_EQ(run(runQuantize, "quantize",
                {"@/model.onnx", "--quantize=w8a8", "--emit=so", "-o", "@/x.qnt"}),
            Diag::BadOptionValue);
  EXPECT_EQ(run(runQuantize, "quantize", {"@/model.onnx", "--quantize=keep", "-o", "@/x.qnt"}),
            Diag::UsageError);
  EXPECT_EQ(run(runQuantize, "quantize", {"@/d.npz"}), Diag::UsageError);
}

TEST_F(QuantizeOptions, Calibrate) {
  EXPECT_EQ(run(runCalibrate, "calibrate", {"@/model.onnx"}), Diag::UsageError);
  EXPECT_EQ(run(runCalibrate, "calibrate", {"@/model.onnx", "--data=@/d.npz"}), Diag::UsageError);
  std::vector<std::string> good = {"@/model.onnx", "--data=@/d.npz", "-o",          "@/s",
                                   "--limit=4",    "--ranges-only",  "--threads=3", "--json"};
  EXPECT_EQ(run(runCalibrate, "calibrate", good), Diag::NotAvailable);
  backend.calibrate = [&](const CalibrateRequest &request, llvm::raw_ostream &) {
    EXPECT_EQ(request.data.samples, 4);
    EXPECT_TRUE(request.rangesOnly);
    EXPECT_TRUE(request.model.exactNumerics);
    EXPECT_EQ(request.model.threads, 3u);
    (*request.model.facts)["samples"] = 4;
    return llvm::Error::success();
  };
  EXPECT_EQ(run(runCalibrate, "calibrate", good), noDiag);
  EXPECT_NE(text.find("qcc.calibrate/1"), std::string::npos);
}

TEST_F(QuantizeOptions, Sweep) {
  EXPECT_EQ(run(runSweep, "sweep", {"@/model.onnx"}), Diag::UsageError);
  std::vector<std::string> good = {"@/model.onnx", "--data=@/d.npz", "--quantize=w8a8,w2",
                                   "--latency-at=1x128,threads=2"};
  EXPECT_EQ(run(runSweep, "sweep", good), Diag::NotAvailable);
  backend.sweep = [&](const SweepRequest &request,
                      llvm::raw_ostream &) -> llvm::Expected<quality::SweepTable> {
    EXPECT_EQ(request.model.quantize.candidates.size(), 2u);
    EXPECT_EQ(request.latencyAt.value_or(LatencyBudget()).threads, 2u);
    EXPECT_FALSE(request.pairs);
    request.progress(1, 2);
    quality::SweepTable table;
    table.rows.resize(1);
    table.rows[0].scheme = "w8a8";
    table.rows[0].bytes = 1000;
    return table;
  };
  EXPECT_EQ(run(runSweep, "sweep", good), noDiag);
  EXPECT_NE(text.find("1.0 kB"), std::string::npos) << text;
  good.push_back("--pairs=@/d.npz");
  EXPECT_EQ(run(runSweep, "sweep", good), Diag::UsageError);
  good.pop_back();
  good[3] = "--latency-at=fast";
  EXPECT_EQ(run(runSweep, "sweep", good), Diag::BadOptionValue);
  good[2] = "--quantize=auto";
  good.pop_back();
  EXPECT_EQ(run(runSweep, "sweep", good), Diag::BadOptionValue);
}

TEST_F(QuantizeOptions, TheTableThatComesWithQcc) {
  QuantizeRequest r = llvm::cantFail(request({"--cost-table=default"}));
  EXPECT_TRUE(r.shippedCosts);
  EXPECT_EQ(r.costTable, "");
  EXPECT_TRUE(llvm::is_contained(options, "--cost-table=default"));
}

TEST_F(QuantizeOptions, Tune) {
  EXPECT_EQ(run(runTune, "tune", {}), Diag::UsageError);
  EXPECT_EQ(run(runTune, "tune", {"m.onnx", "-o", "@/c"}), Diag::UsageError);
  EXPECT_EQ(run(runTune, "tune", {"-o", "@/c", "--threads=0"}), Diag::BadOptionValue);
  EXPECT_EQ(run(runTune, "tune", {"-o", "@/c"}), Diag::NotAvailable);
  backend.tune = [&](const TuneRequest &request, llvm::raw_ostream &) {
    EXPECT_EQ(request.targets, std::vector<std::string>{"native"});
    EXPECT_EQ(request.threads, (std::vector<unsigned>{1, 4}));
    EXPECT_EQ(request.seconds, 3);
    EXPECT_TRUE(request.model);
    return llvm::Error::success();
  };
  EXPECT_EQ(run(runTune, "tune", {"-o", "@/c", "--threads=1,4", "--seconds=3", "--model"}), noDiag);
}
