// Ops written as ONNX and read again: the interpreter computes the same on both sides. And what is
// refused, and weights beside the model.
#include "qcc/Export/Export.h"
#include "Onnx/OnnxTesting.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Import/Import.h"
#include "qcc/Reference/Interpreter.h"
#include <cmath>

using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::test;
using reference::RtValue;
using reference::Tensor;

namespace {

struct Case {
  const char *name;
  /// The body of a function of x [b, s, 4] f32, i [b, s] i64 (0 .. 3) and c [s, 1] i1.
  const char *body;
  const char *result; ///< its type
};

#define X "tensor<?x?x4xf32, #qnt.dims<[b, s, 4]>>"
#define I "tensor<?x?xi64, #qnt.dims<[b, s]>>"
#define C "tensor<?x1xi1, #qnt.dims<[s, 1]>>"

std::string moduleText(const Case &test) {
  return "qnt.weight @w : tensor<6x4xf32> = #qnt.file<\"w.bin\", 0, 96>\n"
         "qnt.weight @t : tensor<4x6xf32> = #qnt.file<\"w.bin\", 4, 96>\n"
         "func.func @main(%x: " X " {qnt.name = \"x\"}, %i: " I " {qnt.name = \"i\"}, %c: " C
         " {qnt.name = \"c\"}) -> (" +
         std::string(test.result) +
         " {qnt.name = \"y\"}) attributes {qnt.symbols = [#qnt.symbol<\"b\", input = 0, axis = 0>, "
         "#qnt.symbol<\"s\", input = 0, axis = 1>]} {\n" +
         test.body + "\n  return %y : " + test.result + "\n}\n";
}

class Exported {
public:
  Exported() {
    context.loadDialect<QntDialect, mlir::func::FuncDialect>();
    std::vector<float> numbers;
    for (int i = 0; i < 32; ++i)
      numbers.push_back(static_cast<float>(std::sin(i * 1.7)));
    folder.write("w.bin", WireWriter::pods(numbers));
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(const Case &test) {
    return mlir::parseSourceString<mlir::ModuleOp>(moduleText(test), &context);
  }

  ExportOptions options() {
    ExportOptions options;
    options.modelDir = options.blobDir = folder.path.string();
    return options;
  }

  std::string path() { return (folder.path / "m.onnx").string(); }

  std::vector<double> run(mlir::ModuleOp module, int64_t b, int64_t s) {
    auto function = *module.getOps<mlir::func::FuncOp>().begin();
    std::vector<double> x(b * s * 4), i(b * s), c(s);
    for (size_t k = 0; k < x.size(); ++k)
      x[k] = std::sin(0.9 * k) * 3;
    for (size_t k = 0; k < i.size(); ++k)
      i[k] = k * 7 % 4;
    for (size_t k = 0; k < c.size(); ++k)
      c[k] = k % 2;
    auto element = [&](unsigned n) { return elementTypeOf(function.getArgumentTypes()[n]); };
    std::vector<RtValue> inputs = {Tensor::of(element(0), {b, s, 4}, x),
                                   Tensor::of(element(1), {b, s}, i),
                                   Tensor::of(element(2), {s, 1}, c)};
    reference::FolderWeights weights(folder.path.string(), folder.path.string());
    auto results = reference::evaluateFunction(function, inputs, weights);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    const auto &tensor = std::get<Tensor>((*results)[0]);
    std::vector<double> out;
    for (int64_t e = 0; e < tensor.size(); ++e)
      out.push_back(tensor.real(e));
    return out;
  }

  void expectSame(mlir::ModuleOp before, mlir::ModuleOp after, int64_t b, int64_t s) {
    std::vector<double> want = run(before, b, s), got = run(after, b, s);
    ASSERT_EQ(got.size(), want.size());
    for (size_t k = 0; k < want.size(); ++k)
      if (!(std::isnan(want[k]) && std::isnan(got[k])))
        EXPECT_NEAR(got[k], want[k], 1e-5 * std::max(1.0, std::abs(want[k]))) << "element " << k;
  }

  TempFolder folder;
  mlir::MLIRContext context;
};

class Ops : public testing::TestWithParam<Case> {};

TEST_P(Ops, MeanTheSame) {
  Exported e;
  auto module = e.parse(GetParam());
  ASSERT_TRUE(module);
  auto written = exportOnnx(*module, e.path(), e.options());
  ASSERT_TRUE(static_cast<bool>(written)) << llvm::toString(written.takeError());
  EXPECT_FALSE(written->hasDataFile);
  auto back = importOnnx(e.path(), e.context);
  ASSERT_TRUE(static_cast<bool>(back)) << llvm::toString(back.takeError());
  e.expectSame(*module, **back, 2, 3);
  e.expectSame(*module, **back, 1, 5);
}

#define SAME(op) "  %y = qnt." op " %x : (" X ") -> " X
#define TWICE(op) "  %y = qnt." op " %x, %x : (" X ", " X ") -> " X

const Case cases[] = {
    {"Abs", SAME("abs"), X},
    {"Round", SAME("round"), X},
    {"Silu", SAME("silu"), X},
    {"Softplus", SAME("softplus"), X},
    {"Gelu", SAME("gelu"), X},
    {"GeluOfTanh", "  %y = qnt.gelu %x {kind = #qnt<gelu_kind tanh>} : (" X ") -> " X, X},
    {"GeluOfSigmoid", "  %y = qnt.gelu %x {kind = #qnt<gelu_kind sigmoid>} : (" X ") -> " X, X},
    {"Softmax", SAME("softmax"), X},
    {"LogSoftmax", "  %y = qnt.softmax %x {log = true} : (" X ") -> " X, X},
    {"Max", TWICE("max"), X},
    {"Mod", TWICE("mod"), X},
    {"NotEqual",
     "  %0 = qnt.round %x : (" X ") -> " X "\n  %1 = qnt.compare ne %0, %x : (" X ", " X
     ") -> tensor<?x?x4xi1, #qnt.dims<[b, s, 4]>>\n"
     "  %y = qnt.cast %1 : (tensor<?x?x4xi1, #qnt.dims<[b, s, 4]>>) -> " X,
     X},
    {"Select",
     "  %0 = qnt.neg %x : (" X ") -> " X "\n  %y = qnt.select %c, %x, %0 : (" C ", " X ", " X
     ") -> " X,
     X},
    {"Shift",
     "  %0 = qnt.constant dense<3> : tensor<ui8>\n  %1 = qnt.cast %i : (" I
     ") -> tensor<?x?xui8, #qnt.dims<[b, s]>>\n"
     "  %y = qnt.shl %1, %0 : (tensor<?x?xui8, #qnt.dims<[b, s]>>, tensor<ui8>) -> "
     "tensor<?x?xui8, #qnt.dims<[b, s]>>",
     "tensor<?x?xui8, #qnt.dims<[b, s]>>"},
    {"Reshape", "  %y = qnt.reshape %x : (" X ") -> tensor<?x2xf32, #qnt.dims<[2*b*s, 2]>>",
     "tensor<?x2xf32, #qnt.dims<[2*b*s, 2]>>"},
    {"ReshapeOfTwoSizes",
     "  %0 = qnt.transpose %x {permutation = array<i64: 1, 2, 0>} : (" X
     ") -> tensor<?x4x?xf32, #qnt.dims<[s, 4, b]>>\n"
     "  %y = qnt.reshape %0 : (tensor<?x4x?xf32, #qnt.dims<[s, 4, b]>>) -> tensor<?x?x2xf32, "
     "#qnt.dims<[b, 2*s, 2]>>",
     "tensor<?x?x2xf32, #qnt.dims<[b, 2*s, 2]>>"},
    {"SliceBackwards",
     "  %y = qnt.slice %x {starts = #qnt.dims<[0, s - 1, 1]>, steps = array<i64: 1, -1, 2>} : (" X
     ") -> tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>",
     "tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>"},
    {"SliceOfHalf",
     "  %y = qnt.slice %x {starts = #qnt.dims<[0, floordiv(s, 2), 0]>, steps = array<i64: 1, 1, "
     "1>} : (" X ") -> tensor<?x?x4xf32, #qnt.dims<[b, s - floordiv(s, 2), 4]>>",
     "tensor<?x?x4xf32, #qnt.dims<[b, s - floordiv(s, 2), 4]>>"},
    {"Concat",
     "  %y = qnt.concat %x, %x {axis = 1 : i64} : (" X ", " X
     ") -> tensor<?x?x4xf32, #qnt.dims<[b, 2*s, 4]>>",
     "tensor<?x?x4xf32, #qnt.dims<[b, 2*s, 4]>>"},
    {"Pad",
     "  %0 = qnt.constant dense<2.5> : tensor<f32>\n"
     "  %y = qnt.pad %x, %0 {low = #qnt.dims<[0, 1, 0]>, high = #qnt.dims<[0, b, 2]>} : (" X
     ", tensor<f32>) -> tensor<?x?x6xf32, #qnt.dims<[b, s + b + 1, 6]>>",
     "tensor<?x?x6xf32, #qnt.dims<[b, s + b + 1, 6]>>"},
    {"Gather",
     "  %0 = qnt.use @t : tensor<4x6xf32>\n  %y = qnt.gather %0, %i {axis = 0 : i64} : "
     "(tensor<4x6xf32>, " I ") -> tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>",
     "tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>"},
    {"Iota",
     "  %0 = qnt.iota {axis = 1 : i64, start = #qnt.dims<[b]>, step = 2 : i64} : tensor<?x?xi64, "
     "#qnt.dims<[b, s]>>\n  %y = qnt.add %0, %i : (tensor<?x?xi64, #qnt.dims<[b, s]>>, " I
     ") -> " I,
     I},
    {"DimTensor",
     "  %0 = qnt.dim_tensor <[max(b, s) + ceildiv(s, 2) * 3]> : tensor<1xi64>\n"
     "  %y = qnt.add %0, %i : (tensor<1xi64>, " I ") -> " I,
     I},
    {"Broadcast",
     "  %0 = qnt.reshape %x : (" X ") -> tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>\n"
     "  %y = qnt.broadcast %0 : (tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>) -> "
     "tensor<?x3x?x4xf32, #qnt.dims<[b, 3, s, 4]>>",
     "tensor<?x3x?x4xf32, #qnt.dims<[b, 3, s, 4]>>"},
    {"Reduce",
     "  %y = qnt.reduce l2 %x {axes = array<i64: 0, 2>, keepDims = false} : (" X
     ") -> tensor<?xf32, #qnt.dims<[s]>>",
     "tensor<?xf32, #qnt.dims<[s]>>"},
    {"ArgReduce",
     "  %y = qnt.arg_reduce %x {axis = 2 : i64, keepDims = false, minimum = true} : (" X ") -> " I,
     I},
    {"CumSum", "  %y = qnt.cum_sum %x {axis = 1 : i64, reverse = true} : (" X ") -> " X, X},
    {"TopK",
     "  %y, %n = qnt.top_k %x {axis = 2 : i64} : (" X
     ") -> (tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>, "
     "tensor<?x?x2xi64, #qnt.dims<[b, s, 2]>>)",
     "tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>"},
    {"Matmul",
     "  %y = qnt.matmul %x, %x {transposeY = true} : (" X ", " X
     ") -> tensor<?x?x?xf32, #qnt.dims<[b, s, s]>>",
     "tensor<?x?x?xf32, #qnt.dims<[b, s, s]>>"},
    {"Linear",
     "  %0 = qnt.use @w : tensor<6x4xf32>\n  %1 = qnt.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, "
     "6.0]> "
     ": tensor<6xf32>\n  %y = qnt.linear %x, %0, %1 : (" X ", tensor<6x4xf32>, tensor<6xf32>) -> "
     "tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>",
     "tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>"},
    {"LinearOfASharedTable",
     "  %0 = qnt.use @w : tensor<6x4xf32>\n"
     "  %1 = qnt.linear %x, %0 : (" X
     ", tensor<6x4xf32>) -> tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>\n"
     "  %2 = qnt.gather %0, %i {axis = 0 : i64} : (tensor<6x4xf32>, " I ") -> " X "\n"
     "  %y = qnt.concat %1, %2 {axis = 2 : i64} : (tensor<?x?x6xf32, #qnt.dims<[b, s, 6]>>, " X
     ") -> tensor<?x?x10xf32, #qnt.dims<[b, s, 10]>>",
     "tensor<?x?x10xf32, #qnt.dims<[b, s, 10]>>"},
    {"LayerNorm", "  %y = qnt.layer_norm %x {epsilon = 1.0e-5 : f64} : (" X ") -> " X, X},
    {"RmsNorm",
     "  %g = qnt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>\n"
     "  %y = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (" X ", tensor<4xf32>) -> " X,
     X},
    {"Rope",
     "  %0 = qnt.constant dense<[[0.6, 0.8]]> : tensor<1x2xf32>\n"
     "  %1 = qnt.constant dense<[[0.8, 0.6]]> : tensor<1x2xf32>\n"
     "  %y = qnt.rope %x, %0, %1 : (" X ", tensor<1x2xf32>, tensor<1x2xf32>) -> " X,
     X},
    {"RopeOfPairs",
     "  %0 = qnt.constant dense<[[0.6]]> : tensor<1x1xf32>\n"
     "  %1 = qnt.constant dense<[[0.8]]> : tensor<1x1xf32>\n"
     "  %y = qnt.rope %x, %0, %1 {interleaved = true} : (" X
     ", tensor<1x1xf32>, tensor<1x1xf32>) -> " X,
     X},
    {"AttentionInGroups",
     "  %q = qnt.reshape %x : (" X ") -> tensor<?x2x?x2xf32, #qnt.dims<[b, 2, s, 2]>>\n"
     "  %0 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0]>, steps = array<i64: 1, 1, 1>} : (" X
     ") -> tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>\n"
     "  %k = qnt.reshape %0 : (tensor<?x?x2xf32, #qnt.dims<[b, s, 2]>>) -> tensor<?x1x?x2xf32, "
     "#qnt.dims<[b, 1, s, 2]>>\n"
     "  %y = qnt.attention %q, %k, %k {scale = 0.5 : f64, softcap = 2.0 : f64, causal = true, "
     "window = 2 : i64} : (tensor<?x2x?x2xf32, #qnt.dims<[b, 2, s, 2]>>, tensor<?x1x?x2xf32, "
     "#qnt.dims<[b, 1, s, 2]>>, tensor<?x1x?x2xf32, #qnt.dims<[b, 1, s, 2]>>) -> "
     "tensor<?x2x?x2xf32, #qnt.dims<[b, 2, s, 2]>>",
     "tensor<?x2x?x2xf32, #qnt.dims<[b, 2, s, 2]>>"},
    {"AttentionWithAMask",
     "  %q = qnt.reshape %x : (" X ") -> tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>\n"
     "  %m = qnt.reshape %c : (" C ") -> tensor<1x1x1x?xi1, #qnt.dims<[1, 1, 1, s]>>\n"
     "  %y = qnt.attention %q, %q, %q, %m {scale = 0.5 : f64, safe = true} : (tensor<?x1x?x4xf32, "
     "#qnt.dims<[b, 1, s, 4]>>, tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>, tensor<?x1x?x4xf32, "
     "#qnt.dims<[b, 1, s, 4]>>, tensor<1x1x1x?xi1, #qnt.dims<[1, 1, 1, s]>>) -> "
     "tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>",
     "tensor<?x1x?x4xf32, #qnt.dims<[b, 1, s, 4]>>"},
    {"Hadamard",
     "  %y = qnt.hadamard %x {axis = 2 : i64, block = 2 : i64, seed = 5 : i64} : (" X ") -> " X, X},
    {"HadamardBack",
     "  %y = qnt.hadamard %x {axis = 2 : i64, block = 4 : i64, seed = 9 : i64, inverse = true} : "
     "(" X ") -> " X,
     X},
    {"SparseColumns",
     "  %v = qnt.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>\n"
     "  %n = qnt.constant dense<[3, 1]> : tensor<2xi32>\n"
     "  %y = qnt.sparse_linear %x, %v, %n : (" X ", tensor<2x3xf32>, tensor<2xi32>) -> "
     "tensor<?x?x3xf32, #qnt.dims<[b, s, 3]>>",
     "tensor<?x?x3xf32, #qnt.dims<[b, s, 3]>>"},
    {"SparseElements",
     "  %v = qnt.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf16>\n"
     "  %n = qnt.constant dense<[[3, 1, 0], [0, 2, 2]]> : tensor<2x3xi32>\n"
     "  %y = qnt.sparse_linear %x, %v, %n : (" X ", tensor<2x3xf16>, tensor<2x3xi32>) -> "
     "tensor<?x?x3xf32, #qnt.dims<[b, s, 3]>>",
     "tensor<?x?x3xf32, #qnt.dims<[b, s, 3]>>"},
    {"NonZero",
     "  %0 = qnt.non_zero %i {symbol = \"n\"} : (" I ") -> tensor<2x?xi64, #qnt.dims<[2, n]>>\n"
     "  %y = qnt.reduce sum %0 {axes = array<i64: 1>, keepDims = false} : (tensor<2x?xi64, "
     "#qnt.dims<[2, n]>>) -> tensor<2xi64>",
     "tensor<2xi64>"},
    {"ArgumentAsResult", "  %y = qnt.identity %i : (" I ") -> " I, I},
};

INSTANTIATE_TEST_SUITE_P(Export, Ops, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(Export, WritesWeightsBesideALargeModel) {
  Exported e;
  const Case &linear = *std::find_if(std::begin(cases), std::end(cases), [](const Case &c) {
    return llvm::StringRef(c.name) == "Linear";
  });
  auto module = e.parse(linear);
  ASSERT_TRUE(module);
  ExportOptions options = e.options();
  options.maxModelBytes = 64;
  auto written = exportOnnx(*module, e.path(), options);
  ASSERT_TRUE(static_cast<bool>(written)) << llvm::toString(written.takeError());
  EXPECT_TRUE(written->hasDataFile);
  EXPECT_EQ(std::filesystem::file_size(e.path() + ".data"), 96u);
  auto back = importOnnx(e.path(), e.context);
  ASSERT_TRUE(static_cast<bool>(back)) << llvm::toString(back.takeError());
  e.expectSame(*module, **back, 2, 3);
}

TEST(Export, NamesEveryNodeWithoutAForm) {
  Exported e;
  auto module = e.parse(
      {"Resize",
       "  %0 = qnt.resize %x {mode = \"nearest\", coordinates = \"asymmetric\", nearest = "
       "\"floor\", "
       "scales = array<f64: 1.0, 1.0, 2.0>} : (" X ") -> tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>> "
       "loc(\"up/Resize\")\n"
       "  %y = qnt.choose #qnt.dims<[min(b, 1)]> %0, %0 : (tensor<?x?x8xf32, #qnt.dims<[b, s, "
       "8]>>, "
       "tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>) -> tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>",
       "tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>"});
  ASSERT_TRUE(module);
  std::string text = expectCode(exportOnnx(*module, e.path(), e.options()), Diag::NoOnnxForm);
  expectContains(text, "up/Resize");
  expectContains(text, "qnt.choose");
  EXPECT_FALSE(std::filesystem::exists(e.path()));
}

} // namespace
