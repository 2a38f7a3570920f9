// Rotated models compute what they did before, and spread outliers.
#include "Model.h"
#include "qcc/Rotate/Passes.h"

using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::test;

namespace {

constexpr const char *kEps = "epsilon = 1.0e-5 : f64";
constexpr int64_t S = 6, C = 48, H = 4, E = 16, M = 96;

/// Attention of normed rows n, as its output layer gives it; G groups of heads.
std::string attention(Text &t, const std::string &p, const std::string &n, int64_t G, bool bias) {
  auto heads = [&](const std::string &name, int64_t count) {
    std::vector<std::string> operands = {n, t.weight(p + name, {count * E, C})};
    if (bias)
      operands.push_back(t.weight(p + name + ".b", {count * E}));
    std::string x = t.op("linear", operands, {1, S, count * E});
    x = t.op("reshape", {x}, {1, S, count, E});
    return t.op("transpose", {x}, {1, count, S, E}, "permutation = array<i64: 0, 2, 1, 3>");
  };
  std::string q = heads("q", H), k = heads("k", G), v = heads("v", G);
  std::string a = t.op("attention", {q, k, v}, {1, H, S, E}, "scale = 0.25 : f64, causal = true");
  a = t.op("transpose", {a}, {1, S, H, E}, "permutation = array<i64: 0, 2, 1, 3>");
  a = t.op("reshape", {a}, {1, S, H * E});
  return t.op("linear", {a, t.weight(p + "o", {C, H * E})}, {1, S, C});
}

/// A decoder with RMS norms, grouped heads and a gated MLP.
std::string llama() {
  Text t;
  std::string ids = t.input("ids", "tensor<1x6xi64>");
  std::string x = t.op("gather", {t.weight("embed", {20, C}), ids}, {1, S, C}, "axis = 0 : i64");
  for (std::string p : {"a.", "b."}) {
    std::string n = t.op("rms_norm", {x, t.weight(p + "g1", {C})}, {1, S, C}, kEps);
    x = t.op("add", {x, attention(t, p, n, 2, false)}, {1, S, C});
    n = t.op("rms_norm", {x, t.weight(p + "g2", {C})}, {1, S, C}, kEps);
    std::string gate = t.op("linear", {n, t.weight(p + "gate", {M, C})}, {1, S, M});
    std::string up = t.op("linear", {n, t.weight(p + "up", {M, C})}, {1, S, M});
    std::string h = t.op("mul", {t.op("silu", {gate}, {1, S, M}), up}, {1, S, M});
    h = t.op("linear", {h, t.weight(p + "down", {C, M})}, {1, S, C});
    x = t.op("add", {x, h}, {1, S, C});
  }
  std::string n = t.op("rms_norm", {x, t.weight("g", {C})}, {1, S, C}, kEps);
  return t.module({t.op("linear", {n, t.weight("head", {20, C})}, {1, S, 20})});
}

/// An encoder with layer norms before (GPT-2, ViT) or after (BERT) the sums.
std::string encoder(bool before, bool lastNormIsResult) {
  Text t;
  std::string ids = t.input("ids", "tensor<1x6xi64>");
  std::string x = t.op("gather", {t.weight("embed", {20, C}), ids}, {1, S, C}, "axis = 0 : i64");
  x = t.op("add", {x, t.weight("position", {S, C})}, {1, S, C});
  auto norm = [&](const std::string &p, const std::string &x) {
    return t.op("layer_norm", {x, t.weight(p + "g", {C}), t.weight(p + "gb", {C})}, {1, S, C},
                kEps);
  };
  auto mlp = [&](const std::string &n) {
    std::string h = t.op("linear", {n, t.weight("up", {M, C}), t.weight("upb", {M})}, {1, S, M});
    h = t.op("gelu", {h}, {1, S, M});
    return t.op("linear", {h, t.weight("down", {C, M}), t.weight("downb", {C})}, {1, S, C});
  };
  if (before) {
    x = t.op("add", {x, attention(t, "a.", norm("n1", x), H, true)}, {1, S, C});
    x = t.op("add", {x, mlp(norm("n2", x))}, {1, S, C});
    std::string n = norm("n3", x);
    if (lastNormIsResult)
      return t.module({n});
    return t.module({t.op("linear", {n, t.weight("head", {20, C})}, {1, S, 20})});
  }
  x = norm("n1", t.op("add", {x, attention(t, "a.", x, H, true)}, {1, S, C}));
  return t.module({norm("n2", t.op("add", {x, mlp(x)}, {1, S, C}))});
}

void turn(Model &model) {
  model.apply([](mlir::OpPassManager &pm) {
    pm.addPass(rotate::createFoldNormGains());
    pm.addPass(rotate::createRotateHadamard({7}));
    pm.addPass(rotate::createRotateHeads({7}));
    pm.addPass(rotate::createRotateInputs());
  });
}

} // namespace

TEST(Rotation, TurnsADecoder) {
  Model model(llama());
  Reals before = model.run();
  turn(model);
  EXPECT_EQ(model.countAtRunTime<HadamardOp>(), 2); // before the down projections
  // The table, and per layer q k v (in, and out of v), o (both), gate, up, down (both); the head.
  EXPECT_EQ(model.count<HadamardOp>(), 2 + 1 + 2 * 10 + 1);
  EXPECT_LT(difference(before, model.run()), 1e-5);
}

TEST(Rotation, SpreadsChannelsOfTheStream) {
  std::string text = llama();
  auto crest = [](Model &model) { // of inputs of norms: the largest channel to the root mean square
    double worst = 0;
    model.run([&](mlir::Operation *op, llvm::ArrayRef<reference::RtValue> results) {
      if (!llvm::isa<RmsNormOp>(op))
        return;
      auto &x = std::get<reference::Tensor>(results[0]);
      double squares = 0, largest = 0;
      for (int64_t i = 0; i < x.size(); ++i) {
        squares += x.real(i) * x.real(i);
        largest = std::max(largest, std::fabs(x.real(i)));
      }
      worst = std::max(worst, largest / std::sqrt(squares / static_cast<double>(x.size())));
    });
    return worst;
  };
  Model model(text);
  model.weights.edits[0] = [](std::vector<float> &embed) {
    for (size_t row = 0; row < 20; ++row)
      embed[row * C + 11] *= 200;
  };
  model.apply([](mlir::OpPassManager &pm) { pm.addPass(rotate::createFoldNormGains()); });
  double before = crest(model);
  turn(model);
  EXPECT_GT(before, 6);
  EXPECT_LT(crest(model), before / 2);
}

TEST(Rotation, TakesTheMeanOutOfLayerNorms) {
  Model model(encoder(true, false));
  Reals before = model.run();
  turn(model);
  EXPECT_EQ(model.count<LayerNormOp>(), 0);
  EXPECT_EQ(model.count<RmsNormOp>(), 3);
  EXPECT_EQ(model.countAtRunTime<HadamardOp>(), 1);
  EXPECT_LT(difference(before, model.run()), 1e-5);
}

TEST(Rotation, TurnsBackBeforeANormWithGain) {
  Model model(encoder(true, true));
  Reals before = model.run();
  turn(model);
  EXPECT_EQ(model.count<LayerNormOp>(), 1);
  EXPECT_EQ(model.countAtRunTime<HadamardOp>(), 2);
  EXPECT_LT(difference(before, model.run()), 1e-5);
}

TEST(Rotation, LeavesNormsAfterTheSum) {
  Model model(encoder(false, true));
  Reals before = model.run();
  turn(model);
  EXPECT_EQ(model.count<LayerNormOp>(), 2);
  // Only the values of attention, and the input of the last layer.
  EXPECT_EQ(model.count<HadamardOp>(), 3 + 2);
  EXPECT_LT(difference(before, model.run()), 1e-5);
}
