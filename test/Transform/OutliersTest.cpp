// Split, migrated and corrected layers compute what they did before; and codes of 8 bits, which
// planted outliers ruin, are good again after each of the transforms.
#include "Model.h"
#include "qcc/AssignBits/Passes.h"
#include "qcc/Calibrate/Passes.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Rotate/Passes.h"
#include "qcc/Support/Decisions.h"
#include "qcc/Support/Ranges.h"
#include "qcc/Transform/Layers.h"
#include "qcc/Transform/Passes.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::test;

namespace {

constexpr const char *kEps = "epsilon = 1.0e-5 : f64";
constexpr int64_t S = 6, C = 64, H = 4, G = 2, E = 16, M = 96;

/// One layer of a decoder: attention and a gated MLP, each behind a norm.
struct Decoder {
  Text t;
  std::string text;
  Decoder() {
    std::string x = t.input("x", "tensor<1x6x64xf32>");
    std::string n = t.op("rms_norm", {x, t.weight("g1", {C})}, {1, S, C}, kEps);
    auto heads = [&](const std::string &name, int64_t count) {
      std::string y = t.op("linear", {n, t.weight(name, {count * E, C})}, {1, S, count * E});
      y = t.op("reshape", {y}, {1, S, count, E});
      return t.op("transpose", {y}, {1, count, S, E}, "permutation = array<i64: 0, 2, 1, 3>");
    };
    std::string q = heads("q", H), k = heads("k", G), v = heads("v", G);
    std::string a = t.op("attention", {q, k, v}, {1, H, S, E}, "scale = 0.25 : f64");
    a = t.op("transpose", {a}, {1, S, H, E}, "permutation = array<i64: 0, 2, 1, 3>");
    a = t.op("reshape", {a}, {1, S, H * E});
    a = t.op("linear", {a, t.weight("o", {C, H * E}), t.weight("ob", {C})}, {1, S, C});
    x = t.op("add", {x, a}, {1, S, C});
    n = t.op("rms_norm", {x, t.weight("g2", {C})}, {1, S, C}, kEps);
    std::string gate = t.op("linear", {n, t.weight("gate", {M, C})}, {1, S, M});
    std::string up = t.op("linear", {n, t.weight("up", {M, C})}, {1, S, M});
    std::string h = t.op("mul", {t.op("silu", {gate}, {1, S, M}), up}, {1, S, M});
    h = t.op("linear", {h, t.weight("down", {C, M})}, {1, S, C});
    text = t.module({t.op("add", {x, h}, {1, S, C})});
  }
};

class OutliersTest : public testing::Test {
protected:
  OutliersTest() : model(decoder.text) {
    model.weights.deviation = 0.1f;
    for (const char *gain : {"g1", "g2"})
      model.weights.edits[decoder.t.offsets[gain]] = [](std::vector<float> &g) {
        for (float &value : g)
          value += 1;
      };
    plain = model.run();
    plant(60);
  }
  /// Channels of both norms, of the MLP and of the values of attention grow; what reads them takes
  /// it back, so that the function stays.
  void plant(float size) {
    for (auto &edit : planted)
      model.weights.edits[edit.first] = edit.second;
    planted.clear();
    for (const char *gain : {"g1", "g2"})
      scale(gain, 1, C, {3, 40}, size, false);
    for (const char *weight : {"q", "k", "v", "gate", "up"})
      scale(weight,
            weight[0] == 'q'                       ? H * E
            : weight[0] == 'k' || weight[0] == 'v' ? G * E
                                                   : M,
            C, {3, 40}, 1 / size, false);
    scale("up", M, C, {7}, size, true);
    scale("down", C, M, {7}, 1 / size, false);
    scale("v", G * E, C, {5}, size, true);
    scale("o", C, H * E, {5, 5 + 16}, 1 / size, false); // two heads share the values
    before = model.run();
  }
  /// Multiplies rows or columns of a weight.
  void scale(const std::string &name, int64_t rows, int64_t columns, std::vector<int64_t> which,
             float by, bool byRow) {
    auto old = model.weights.edits[decoder.t.offsets[name]];
    planted.try_emplace(decoder.t.offsets[name], old);
    model.weights.edits[decoder.t.offsets[name]] = [=](std::vector<float> &w) {
      if (old)
        old(w);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
          if (llvm::is_contained(which, byRow ? r : c))
            w[r * columns + c] *= by;
    };
  }
  /// Ranges of the inputs of layers, as a file.
  void observe() {
    model.apply([](mlir::OpPassManager &pm) { pm.addPass(calibrate::createObserveRanges()); });
    RangeStore ranges;
    model.run([&](mlir::Operation *op, llvm::ArrayRef<reference::RtValue> results) {
      auto observe = llvm::dyn_cast<ObserveOp>(op);
      if (!observe)
        return;
      auto &tensor = std::get<reference::Tensor>(results[0]);
      std::vector<float> values;
      for (int64_t i = 0; i < tensor.size(); ++i)
        values.push_back(static_cast<float>(tensor.real(i)));
      EXPECT_TRUE(ranges.add(observe.getId(), tensor.dims().back(), values));
      ids.push_back(observe.getId().str());
    });
    rangesFile = write(ranges.toJson());
  }
  std::string write(const std::string &text) {
    llvm::SmallString<128> path;
    EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("qcc", "json", path));
    std::error_code failed;
    llvm::raw_fd_ostream(path, failed) << text;
    files.push_back(path.str().str());
    return files.back();
  }
  ~OutliersTest() override {
    for (const std::string &file : files)
      llvm::sys::fs::remove(file);
  }
  /// Error of codes of 8 bits on the model as it is now.
  double errorOfCodes() {
    model.apply([](mlir::OpPassManager &pm) {
      assignbits::AssignSchemesOptions options;
      options.scheme = "w8a8";
      options.minDim = 16;
      pm.addPass(assignbits::createAssignSchemes(options));
      pm.addPass(quantize::createQuantizeLinear());
    });
    EXPECT_EQ(model.count<QLinearOp>(), 7);
    return difference(before, model.run());
  }
  void split(double ratio = 8, const std::string &decisions = "") {
    model.apply([&](mlir::OpPassManager &pm) {
      transform::SplitOutliersOptions options;
      options.ranges = rangesFile;
      options.decisions = decisions;
      options.ratio = ratio;
      pm.addPass(transform::createSplitOutliers(options));
    });
  }
  void migrate(const std::string &decisions = "") {
    model.apply([&](mlir::OpPassManager &pm) {
      transform::MigrateScalesOptions options;
      options.ranges = rangesFile;
      options.decisions = decisions;
      pm.addPass(transform::createMigrateScales(options));
    });
  }

  Decoder decoder;
  Model model;
  Reals plain, before;
  std::map<uint64_t, std::function<void(std::vector<float> &)>> planted; ///< edits as they were
  std::string rangesFile;
  std::vector<std::string> files, ids;
};

} // namespace

TEST_F(OutliersTest, PlantingKeepsTheFunctionAndRuinsCodes) {
  EXPECT_LT(difference(plain, before), 1e-5);
  EXPECT_GT(errorOfCodes(), 0.05);
}

TEST_F(OutliersTest, SmallerOnesRuinCodesToo) {
  plant(20);
  EXPECT_LT(difference(plain, before), 1e-5);
  EXPECT_GT(errorOfCodes(), 0.025);
}

TEST_F(OutliersTest, SplitColumns) {
  observe();
  split();
  EXPECT_EQ(model.count<SparseLinearOp>(), 7);
  EXPECT_LT(difference(before, model.run()), 1e-5);
  migrate(); // finds nothing, and takes the observers away
  EXPECT_EQ(model.count<ObserveOp>(), 0);
  EXPECT_LT(errorOfCodes(), 0.012);
}

TEST_F(OutliersTest, MigratedScales) {
  observe();
  migrate();
  EXPECT_EQ(model.count<ObserveOp>(), 0);
  EXPECT_LT(difference(before, model.run()), 1e-5);
  EXPECT_LT(errorOfCodes(), 0.012);
}

TEST_F(OutliersTest, Rotated) {
  // A head of 16 channels spreads an outlier by 4, not more.
  plant(20);
  model.apply([](mlir::OpPassManager &pm) {
    pm.addPass(rotate::createFoldNormGains());
    pm.addPass(rotate::createRotateHadamard({3}));
    pm.addPass(rotate::createRotateHeads({3}));
    pm.addPass(rotate::createRotateInputs());
  });
  EXPECT_LT(difference(before, model.run()), 1e-5);
  EXPECT_LT(errorOfCodes(), 0.015);
}

TEST_F(OutliersTest, RowsApartKeepTheFunction) {
  llvm::SmallVector<LinearOp> layers(model.main().getOps<LinearOp>());
  ASSERT_EQ(layers.size(), 7u);
  mlir::IRRewriter rewriter(model.main().getContext());
  for (auto [i, layer] : llvm::enumerate(layers)) {
    ASSERT_EQ(transform::whyNotPromoted(layer), nullptr);
    llvm::SmallVector<int32_t> rows = {0, 7, 31};
    if (i % 2)
      rows = {1, 2, 3, 30};
    transform::promoteRows(rewriter, layer, rows);
  }
  EXPECT_EQ(model.count<LinearOp>(), 14);
  EXPECT_EQ(difference(before, model.run()), 0);
  int apart = 0;
  for (LinearOp layer : model.main().getOps<LinearOp>())
    apart += nodeName(layer.getLoc()).ends_with(transform::promotedSuffix);
  EXPECT_EQ(apart, 7);
}

TEST_F(OutliersTest, DecidedForEachLayer) {
  observe();
  ASSERT_EQ(ids.size(), 4u); // q k v, o, gate up, down
  DecisionStore store;
  store.layers[ids[0]].kind = LayerDecision::Kind::Columns;
  store.layers[ids[0]].columns = {3, 40};
  store.layers[ids[1]].kind = LayerDecision::Kind::Migrate;
  store.layers[ids[1]].scales.assign(H * E, 1);
  store.layers[ids[1]].scales[5] = store.layers[ids[1]].scales[21] = 60;
  store.layers[ids[1]].bias.assign(C, 0);
  store.layers[ids[2]].kind = LayerDecision::Kind::Migrate;
  store.layers[ids[2]].rule = LayerDecision::Rule::Awq;
  store.layers[ids[2]].alpha = 0.7;
  store.layers[ids[3]].kind = LayerDecision::Kind::Sparse;
  store.layers[ids[3]].fraction = 0.05;
  store.layers[ids[3]].importance.assign(M, 1);
  std::string decisions = write(store.toJson());
  split(1e30, decisions);
  EXPECT_EQ(model.count<SparseLinearOp>(), 4);
  EXPECT_EQ(model.count<TopColumnsOp>(), 1);
  EXPECT_LT(difference(before, model.run()), 1e-5);
  model.apply([&](mlir::OpPassManager &pm) {
    transform::CorrectBiasOptions options;
    options.decisions = decisions;
    pm.addPass(transform::createCorrectBias(options));
  });
  migrate(decisions);
  EXPECT_LT(difference(before, model.run()), 1e-5);
}

TEST_F(OutliersTest, SparseElementsOfWeights) {
  // A few large elements in every row spoil its scale; they go to the side.
  uint64_t offset = decoder.t.offsets["down"];
  auto old = model.weights.edits[offset];
  model.weights.edits[offset] = [=](std::vector<float> &w) {
    old(w);
    for (int64_t r = 0; r < C; ++r)
      w[r * M + (r * 7) % M] = 20;
  };
  observe();
  before = model.run();
  DecisionStore store;
  store.layers[ids[3]].kind = LayerDecision::Kind::Sparse;
  store.layers[ids[3]].fraction = 0.01;
  split(1e30, write(store.toJson()));
  EXPECT_EQ(model.count<SparseLinearOp>(), 1);
  EXPECT_LT(difference(before, model.run()), 1e-5);
  auto dense = [&] { // the largest element that is left
    double largest = 0;
    model.run([&](mlir::Operation *op, llvm::ArrayRef<reference::RtValue> results) {
      if (!llvm::isa<ScatterElementsOp>(op))
        return;
      auto &w = std::get<reference::Tensor>(results[0]);
      for (int64_t i = 0; i < w.size(); ++i)
        largest = std::max(largest, std::fabs(w.real(i)));
    });
    return largest;
  };
  EXPECT_LT(dense(), 2);
}

TEST_F(OutliersTest, CorrectedBias) {
  observe();
  DecisionStore store;
  for (const std::string &id : {ids[1], ids[3]})
    store.layers[id].bias.assign(C, 0.5f);
  std::string decisions = write(store.toJson());
  model.apply([&](mlir::OpPassManager &pm) {
    transform::CorrectBiasOptions options;
    options.decisions = decisions;
    pm.addPass(transform::createCorrectBias(options));
  });
  int biases = 0;
  model.main().walk([&](LinearOp layer) { biases += static_cast<bool>(layer.getBias()); });
  EXPECT_EQ(biases, 2);
  Reals after = model.run();
  EXPECT_GT(difference(before, after), 0.01);
}
