// GPTQ, clipping, refinement and recipes against slow definitions, and what must always hold.
#include "qcc/Algorithms/Gptq.h"
#include "../../lib/Algorithms/Dense.h"
#include "Layers.h"
#include "qcc/Algorithms/Layer.h"
#include <gtest/gtest.h>

using namespace qcc;
using namespace qcc::test;

namespace {

/// Optimal Brain Quantization in a fixed order, in f64 (Frantar et al. 2022, eq. 2): after each
/// column the others move by -(w - q) / [F^-1]_jj [F^-1]_j, F the part of H still open.
EncodedRows slowGptq(const TestLayer &layer, const WeightFormat &format, double damp) {
  int64_t k = layer.k, block = format.blockLength(k);
  Matrix h = layer.hessian();
  double mean = h.diagonal().mean();
  h.diagonal().array() += damp * mean;
  EncodedRows out = makeRows(format, layer.rows, k);
  Coder coder(format);
  std::vector<Matrix> inverses;
  for (int64_t j = 0; j < k; ++j)
    inverses.push_back(h.bottomRightCorner(k - j, k - j).inverse());
  for (int64_t row = 0; row < layer.rows; ++row) {
    Eigen::VectorXd w(k);
    for (int64_t i = 0; i < k; ++i)
      w[i] = layer.row(row)[i];
    Grid grid;
    for (int64_t j = 0; j < k; ++j) {
      if (j % block == 0) {
        Eigen::VectorXf values = w.segment(j, std::min(block, k - j)).cast<float>();
        grid = gridFor(format, values.data(), values.size());
        setGrid(format, out, row, j / block, grid);
      }
      uint8_t code = coder.nearest(static_cast<float>(w[j]), grid);
      out.codes[row * k + j] = code;
      double error = w[j] - coder.decode(code, grid);
      w.tail(k - j) -= error / inverses[j](0, 0) * inverses[j].col(0);
    }
  }
  return out;
}

GptqOptions plainOptions() {
  GptqOptions options;
  options.damp = 0.01;
  options.searchGrids = options.actOrder = false;
  return options;
}

} // namespace

TEST(Dense, FactorsAndInversesAreEigens) {
  for (int64_t n : {1, 5, 63, 64, 65, 200}) {
    TestLayer layer = makeLayer(1, n, n + 20);
    Matrix h = layer.hessian();
    std::vector<double> a = layer.h, one = layer.h;
    ASSERT_TRUE(dense::cholesky(a.data(), n, 3));
    ASSERT_TRUE(dense::cholesky(one.data(), n, 1));
    dense::invertLower(a.data(), n, 3);
    dense::invertLower(one.data(), n, 1);
    EXPECT_EQ(a, one);
    Matrix lower = h.llt().matrixL(), inverse = Eigen::Map<Matrix>(a.data(), n, n);
    EXPECT_LT((lower * inverse - Matrix::Identity(n, n)).cwiseAbs().maxCoeff(), 1e-8) << n;
  }
  std::vector<double> bad = {1, 2, 2, 1};
  EXPECT_FALSE(dense::cholesky(bad.data(), 2, 1));
}

TEST(Dense, ProductsOfAllShapes) {
  std::mt19937 random(1);
  for (int64_t m : {1, 3, 4, 70})
    for (int64_t n : {1, 15, 16, 33})
      for (int64_t p : {1, 7, 300}) {
        Eigen::MatrixXf draw = Eigen::MatrixXf::NullaryExpr(
            m + p, n + p, [&] { return std::uniform_real_distribution<float>(-1, 1)(random); });
        using MatrixF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        MatrixF a = draw.topLeftCorner(m, p), b = draw.bottomRightCorner(p, n);
        MatrixF c = draw.topRightCorner(m, n), want = c - a * b;
        dense::addProduct(dense::View<float>{c.data(), m, n, n},
                          dense::View<const float>{a.data(), m, p, p},
                          dense::View<const float>{b.data(), p, n, n}, -1.0f, 2);
        EXPECT_LT((c - want).cwiseAbs().maxCoeff(), 1e-4f) << m << " " << n << " " << p;
      }
}

TEST(Gptq, AgreesWithTheDefinition) {
  for (int64_t k : {70, 150, 288}) {
    TestLayer layer = makeLayer(12, k, 3 * k);
    for (const WeightFormat &format :
         {uniformFormat(4, 32), uniformFormat(3, 0), uniformFormat(4, 24, false),
          uniformFormat(4, 140), uniformFormat(8, 0, false)}) {
      EncodedRows want = slowGptq(layer, format, 0.01);
      EncodedRows got =
          gptq(format, layer.w.data(), layer.rows, k, layer.h.data(), plainOptions(), 2);
      // A number on the edge between two codes may fall to the other side in f32, and moves the
      // rest of its row.
      std::vector<double> wanted = objectives(layer, format, want);
      std::vector<double> found = objectives(layer, format, got);
      int same = 0;
      for (int64_t row = 0; row < layer.rows; ++row) {
        same += std::equal(&want.codes[row * k], &want.codes[row * k] + k, &got.codes[row * k]);
        EXPECT_LT(found[row], 1.5 * wanted[row]);
      }
      EXPECT_GE(same, 9) << "k " << k << " bits " << format.bits << " block " << format.block;
      EXPECT_NEAR(sum(found), sum(wanted), 0.1 * sum(wanted));
    }
  }
}

TEST(Gptq, ObjectiveIsTheTrace) {
  TestLayer layer = makeLayer(7, 50, 100);
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows q = encodeRows(format, layer.w.data(), layer.rows, layer.k);
  std::vector<double> want = objectives(layer, format, q);
  std::vector<double> got = rowObjectives(format, layer.w.data(), q, layer.h.data(), 2);
  for (int64_t row = 0; row < layer.rows; ++row)
    EXPECT_NEAR(got[row], want[row], 1e-4 * want[row]);
}

TEST(Gptq, ThreadsChangeNoBit) {
  TestLayer layer = makeLayer(37, 150, 400);
  for (const WeightFormat &format : methodFormats())
    for (bool order : {false, true}) {
      LayerRecipe recipe;
      recipe.gptq.actOrder = order;
      EncodedRows one =
          quantizeLayer(format, layer.w.data(), layer.rows, layer.k, layer.h.data(), recipe, 1);
      EncodedRows four =
          quantizeLayer(format, layer.w.data(), layer.rows, layer.k, layer.h.data(), recipe, 4);
      expectSame(one, four);
    }
}

TEST(Gptq, NeverAboveRoundToNearest) {
  for (int64_t k : {33, 64, 200}) {
    TestLayer layer = makeLayer(20, k, 2 * k);
    for (const WeightFormat &format : methodFormats())
      for (auto method :
           {LayerRecipe::Method::Rtn, LayerRecipe::Method::Clip, LayerRecipe::Method::Gptq}) {
        LayerRecipe recipe;
        recipe.method = method;
        LayerReport report;
        EncodedRows q = quantizeLayer(format, layer.w.data(), layer.rows, k, layer.h.data(), recipe,
                                      2, &report);
        EncodedRows rtn = encodeRows(format, layer.w.data(), layer.rows, k);
        std::vector<double> before = objectives(layer, format, rtn);
        std::vector<double> after = objectives(layer, format, q);
        for (int64_t row = 0; row < layer.rows; ++row)
          EXPECT_LE(after[row], before[row] * 1.0001 + 1e-9);
        EXPECT_NEAR(report.rtn, sum(before), 1e-3 * sum(before) + 1e-9);
        EXPECT_NEAR(report.result, sum(after), 1e-3 * sum(before) + 1e-9);
      }
  }
}

TEST(Gptq, EachStepOfTheDefaultRecipePays) {
  TestLayer layer = makeLayer(64, 256, 1024);
  const float *w = layer.w.data();
  for (const WeightFormat &format : {uniformFormat(4, 32), uniformFormat(3, 32),
                                     uniformFormat(4, 0), uniformFormat(3, 0, false)}) {
    double rtn = sum(objectives(layer, format, encodeRows(format, w, 64, 256)));
    EncodedRows plain = gptq(format, w, 64, 256, layer.h.data(), plainOptions(), 2);
    EncodedRows searched = gptq(format, w, 64, 256, layer.h.data(), {}, 2);
    double walked = sum(objectives(layer, format, plain));
    double better = sum(objectives(layer, format, searched));
    RefineReport report;
    RefineOptions options;
    options.damp = 0;
    refine(format, w, searched, layer.h.data(), options, 2, &report);
    double refined = sum(objectives(layer, format, searched));
    EXPECT_LT(walked, 0.7 * rtn);
    EXPECT_LT(better, walked);
    EXPECT_LT(refined, 0.95 * better);
    EXPECT_NEAR(report.before, better, 1e-3 * better);
    EXPECT_NEAR(report.after, refined, 1e-3 * refined);
  }
}

TEST(Gptq, RefinementNeverRaisesARow) {
  for (int64_t k : {40, 130}) {
    TestLayer layer = makeLayer(24, k, 3 * k);
    for (const WeightFormat &format : methodFormats())
      for (bool scales : {false, true}) {
        EncodedRows q = encodeRows(format, layer.w.data(), layer.rows, k);
        std::vector<double> before = objectives(layer, format, q);
        RefineOptions options;
        options.scales = scales;
        options.damp = 0;
        std::vector<float> scalesBefore = q.scales;
        refine(format, layer.w.data(), q, layer.h.data(), options, 2);
        std::vector<double> after = objectives(layer, format, q);
        for (int64_t row = 0; row < layer.rows; ++row)
          EXPECT_LE(after[row], before[row] * 1.0001);
        if (!scales)
          EXPECT_EQ(q.scales, scalesBefore);
        // Coordinate descent has arrived: no single code can move.
        if (!scales && format.bits == 3) {
          EncodedRows again = q;
          options.sweeps = 20;
          refine(format, layer.w.data(), again, layer.h.data(), options, 2);
          EXPECT_GE(sum(objectives(layer, format, again)), 0.97 * sum(after));
        }
      }
  }
}

TEST(Gptq, DeadColumnsAreRounded) {
  TestLayer layer = makeLayer(9, 64, 200);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t dead : {3, 40, 63})
      layer.h[i * 64 + dead] = layer.h[dead * 64 + i] = 0;
  LayerRecipe recipe;
  recipe.refine.scales = false;
  LayerReport report;
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows q = quantizeLayer(format, layer.w.data(), 9, 64, layer.h.data(), recipe, 1, &report);
  EXPECT_EQ(report.deadColumns, 3);
  EXPECT_LT(report.result, report.rtn);
  std::vector<float> decoded(9 * 64);
  decodeRows(format, q, decoded.data());
  for (int64_t row = 0; row < 9; ++row)
    for (int64_t dead : {3, 40, 63})
      EXPECT_LE(std::fabs(decoded[row * 64 + dead] - layer.row(row)[dead]),
                2.5f * q.scales[row * 2 + dead / 32]);
}

TEST(Gptq, NoInputAtAllIsRoundToNearest) {
  TestLayer layer = makeLayer(5, 48, 10);
  std::fill(layer.h.begin(), layer.h.end(), 0.0);
  LayerReport report;
  for (const WeightFormat &format : {uniformFormat(4, 16), uniformFormat(8, 0, false)}) {
    EncodedRows q = quantizeLayer(format, layer.w.data(), 5, 48, layer.h.data(), {}, 2, &report);
    std::vector<float> decoded(5 * 48);
    decodeRows(format, q, decoded.data());
    for (int64_t i = 0; i < 5 * 48; ++i)
      EXPECT_NEAR(decoded[i], layer.w[i], 0.03f);
  }
  EXPECT_EQ(report.result, 0);
}

TEST(Gptq, DampingHelpsOnOtherInputs) {
  // Moments of few samples, judged by those of many from the same source.
  TestLayer all = makeLayer(32, 96, 4000), few = makeLayer(32, 96, 4000);
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  Eigen::LLT<Matrix> factor(all.hessian());
  Matrix root = factor.matrixL(), draws(96, 70);
  for (double &value : draws.reshaped())
    value = normal(random);
  Matrix inputs = root * draws, moments = inputs * inputs.transpose();
  few.h.assign(moments.data(), moments.data() + 96 * 96);
  WeightFormat format = uniformFormat(3, 32);
  LayerRecipe recipe, bare;
  bare.gptq.damp = 1e-6;
  bare.refine.damp = 0;
  double damped = sum(objectives(
      all, format, quantizeLayer(format, few.w.data(), 32, 96, few.h.data(), recipe, 2)));
  double undamped = sum(
      objectives(all, format, quantizeLayer(format, few.w.data(), 32, 96, few.h.data(), bare, 2)));
  EXPECT_LT(damped, 0.9 * undamped);
}

TEST(Gptq, SingularMomentsAreDamped) {
  TestLayer layer = makeLayer(16, 96, 7); // of rank 7
  LayerRecipe recipe;
  recipe.gptq.damp = recipe.refine.damp = 0;
  LayerReport report;
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows q = quantizeLayer(format, layer.w.data(), 16, 96, layer.h.data(), recipe, 1, &report);
  EXPECT_GT(report.damp, 0);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes[0].find("damping raised"), std::string::npos);
  EXPECT_LT(sum(objectives(layer, format, q)), 0.1 * report.rtn);
}

TEST(Gptq, BadNumbersAreSaid) {
  TestLayer layer = makeLayer(4, 32, 64);
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows rtn = encodeRows(format, layer.w.data(), 4, 32);
  std::vector<double> h = layer.h;
  h[5] = std::nan("");
  LayerReport report;
  expectSame(quantizeLayer(format, layer.w.data(), 4, 32, h.data(), {}, 1, &report), rtn);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("NaN"), std::string::npos);
  std::vector<float> w = layer.w;
  w[7] = INFINITY;
  report = {};
  quantizeLayer(format, w.data(), 4, 32, layer.h.data(), {}, 1, &report);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("weights"), std::string::npos);
}

TEST(Gptq, OneRowOneColumnAndNoMoments) {
  for (int64_t k : {1, 2, 31}) {
    TestLayer layer = makeLayer(1, k, 64);
    LayerReport report;
    EncodedRows q =
        quantizeLayer(uniformFormat(4, 32), layer.w.data(), 1, k, layer.h.data(), {}, 2, &report);
    EXPECT_EQ(q.codes.size(), size_t(k));
    EXPECT_LE(report.result, report.rtn);
  }
  TestLayer layer = makeLayer(8, 64, 64);
  LayerReport report;
  quantizeLayer(uniformFormat(3, 32), layer.w.data(), 8, 64, nullptr, {}, 2, &report);
  EXPECT_LT(report.result, report.rtn);
  EXPECT_EQ(report.notes.size(), 1u);
}

TEST(Gptq, TablesAreLearnedUnderTheMoments) {
  TestLayer layer = makeLayer(32, 128, 512);
  WeightFormat format;
  format.kind = WeightKind::Codebook;
  format.bits = 3;
  format.block = 64;
  LayerReport report;
  EncodedRows q = quantizeLayer(format, layer.w.data(), 32, 128, layer.h.data(), {}, 2, &report);
  ASSERT_EQ(q.table.size(), 8u);
  WeightFormat uniform = uniformFormat(3, 64, false);
  LayerReport other;
  quantizeLayer(uniform, layer.w.data(), 32, 128, layer.h.data(), {}, 2, &other);
  EXPECT_LT(report.result, other.result);
}

TEST(Clip, BeatsEveryGridOfACoarserSearch) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const WeightFormat &format : methodFormats()) {
    Coder coder(format);
    std::vector<float> x(32), weights(32);
    for (int round = 0; round < 20; ++round) {
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = normal(random) * (i == 5 ? 4.0f : 1.0f);
        weights[i] = std::exp(normal(random));
      }
      float raw = rawScale(format, x.data(), 32), super = superFor(format, raw);
      double error;
      Grid grid = searchGrid(coder, x.data(), weights.data(), 32, super, {}, &error);
      double slow = 0;
      for (int i = 0; i < 32; ++i) {
        double e = x[i] - coder.decode(coder.nearest(x[i], grid), grid);
        slow += weights[i] * e * e;
      }
      EXPECT_NEAR(error, slow, 2e-2 * slow + 1e-9);
      Grid plain = gridFor(format, x.data(), 32, super);
      EXPECT_LE(error, gridError(coder, x.data(), weights.data(), 32, plain));
    }
  }
}
