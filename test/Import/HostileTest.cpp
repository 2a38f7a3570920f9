// Operators with inputs, types and attributes at random: the import gives a module or an error, and
// never crashes. What it gives has passed the verifier.
#include "ImportTesting.h"
#include <random>

using namespace qcc;
using namespace qcc::test;

static const char *const onnxOps[] = {"Abs",
                                      "Add",
                                      "ArgMax",
                                      "Attention",
                                      "AveragePool",
                                      "BatchNormalization",
                                      "Cast",
                                      "CastLike",
                                      "Clip",
                                      "Concat",
                                      "Constant",
                                      "ConstantOfShape",
                                      "Conv",
                                      "CumSum",
                                      "DepthToSpace",
                                      "DequantizeLinear",
                                      "Dropout",
                                      "DynamicQuantizeLinear",
                                      "Einsum",
                                      "Equal",
                                      "Expand",
                                      "EyeLike",
                                      "Flatten",
                                      "Gather",
                                      "GatherElements",
                                      "GatherND",
                                      "Gelu",
                                      "Gemm",
                                      "GlobalAveragePool",
                                      "GroupNormalization",
                                      "Hardmax",
                                      "Identity",
                                      "If",
                                      "InstanceNormalization",
                                      "IsInf",
                                      "LayerNormalization",
                                      "LpNormalization",
                                      "MatMul",
                                      "MatMulInteger",
                                      "Max",
                                      "MaxPool",
                                      "Mean",
                                      "MeanVarianceNormalization",
                                      "Mod",
                                      "NonZero",
                                      "Not",
                                      "OneHot",
                                      "PRelu",
                                      "Pad",
                                      "Pow",
                                      "QLinearMatMul",
                                      "QuantizeLinear",
                                      "RMSNormalization",
                                      "Range",
                                      "ReduceMax",
                                      "ReduceSum",
                                      "Reshape",
                                      "Resize",
                                      "ReverseSequence",
                                      "RotaryEmbedding",
                                      "ScatterElements",
                                      "ScatterND",
                                      "Shape",
                                      "SimplifiedLayerNormalization",
                                      "Size",
                                      "Slice",
                                      "Softmax",
                                      "SpaceToDepth",
                                      "Split",
                                      "Squeeze",
                                      "Tile",
                                      "TopK",
                                      "Transpose",
                                      "Trilu",
                                      "Unsqueeze",
                                      "Where"};
static const char *const contribOps[] = {"Attention",
                                         "BiasGelu",
                                         "DynamicQuantizeMatMul",
                                         "EmbedLayerNormalization",
                                         "FusedMatMul",
                                         "GatherBlockQuantized",
                                         "GroupQueryAttention",
                                         "MatMulBnb4",
                                         "MatMulIntegerToFloat",
                                         "MatMulNBits",
                                         "MultiHeadAttention",
                                         "QAttention",
                                         "QEmbedLayerNormalization",
                                         "QGemm",
                                         "QLinearAdd",
                                         "QLinearConcat",
                                         "QLinearSoftmax",
                                         "RotaryEmbedding",
                                         "SkipLayerNormalization",
                                         "SkipSimplifiedLayerNormalization"};
static const char *const intAttributes[] = {"axis",
                                            "keepdims",
                                            "transA",
                                            "transB",
                                            "to",
                                            "group",
                                            "num_heads",
                                            "kv_num_heads",
                                            "q_num_heads",
                                            "K",
                                            "N",
                                            "block_size",
                                            "bits",
                                            "batch_dims",
                                            "num_groups",
                                            "blocksize",
                                            "is_causal",
                                            "allowzero",
                                            "do_rotary",
                                            "rotary_embedding_dim",
                                            "interleaved",
                                            "p",
                                            "start",
                                            "end",
                                            "noop_with_empty_axes",
                                            "gather_axis",
                                            "quantize_axis",
                                            "time_axis",
                                            "batch_axis",
                                            "unidirectional",
                                            "ceil_mode"};
static const char *const listAttributes[] = {"axes", "perm",      "kernel_shape",     "strides",
                                             "pads", "dilations", "qkv_hidden_sizes", "shape",
                                             "split"};

namespace {
class Fuzzer {
public:
  explicit Fuzzer(unsigned seed) : random(seed) {}
  int64_t below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random); }
  bool chance(int percent) { return below(100) < percent; }
  int64_t number() {
    static const int64_t odd[] = {-1, 0, 1, 2, 3, 4, 8, 16, -2, 7, INT64_MAX, INT64_MIN, 1 << 20};
    return chance(85) ? odd[below(8)] : odd[below(13)];
  }
  std::vector<int64_t> list() {
    std::vector<int64_t> values(below(5));
    for (int64_t &value : values)
      value = number();
    return values;
  }

  Graph graph() {
    bool contrib = chance(30);
    std::string op =
        contrib ? contribOps[below(std::size(contribOps))] : onnxOps[below(std::size(onnxOps))];
    static const int64_t versions[] = {7, 9, 11, 13, 18, 21, 23};
    Graph g;
    g.version = versions[below(7)];
    Names inputs, outputs;
    for (int64_t i = below(contrib ? 9 : 5); i >= 0; --i) {
      std::string name = chance(6) ? "" : "i" + std::to_string(i);
      inputs.push_back(name);
      if (!name.empty())
        operand(g, name);
    }
    std::vector<WireWriter> attributes;
    for (const char *name : intAttributes)
      if (chance(contrib ? 45 : 15))
        attributes.push_back(intAttribute(name, number()));
    for (const char *name : listAttributes)
      if (chance(12))
        attributes.push_back(intsAttribute(name, list()));
    if (op == "Einsum" || chance(2))
      attributes.push_back(stringAttribute("equation", equation()));
    for (int64_t i = below(4); i >= 0; --i)
      outputs.push_back("o" + std::to_string(i));
    g.add(with(node(op, inputs, outputs, "n", contrib ? "com.microsoft" : ""), attributes));
    for (const std::string &name : outputs)
      g.output(name);
    return g;
  }

private:
  void operand(Graph &g, const std::string &name) {
    static const int types[] = {F32, F32, F32, I64, I64, U8, I8, Bool, I32, 10, 22};
    static const char *const sizes[] = {"1", "2", "4", "8", "0", "b", "s", "p + s", "16", "3"};
    if (chance(40)) {
      g.constant(chance(70) ? ints(name, list())
                            : rawTensor(name, I64, {}, WireWriter::pod<int64_t>(number())));
      return;
    }
    Names dims;
    for (int64_t i = below(6); i > 0; --i)
      dims.push_back(sizes[below(10)]);
    g.input(name, dims, types[below(11)]);
  }
  std::string equation() {
    static const char letters[] = "ijk,->.. aB";
    std::string text;
    for (int64_t i = below(12); i >= 0; --i)
      text += letters[below(11)];
    return chance(40) ? "ij,jk->ik" : text;
  }
  std::mt19937 random;
};
} // namespace

TEST(Hostile, RandomNodesGiveModulesOrErrors) {
  const char *count = std::getenv("QCC_FUZZ_COUNT");
  int imported = 0, total = count ? std::atoi(count) : 1500;
  TempFolder folder;
  mlir::MLIRContext context;
  for (int seed = 0; seed < total; ++seed) {
    SCOPED_TRACE(seed);
    std::string path = folder.write("m.onnx", Fuzzer(seed).graph().bytes());
    auto module = importOnnx(path, context);
    if (module) {
      ++imported;
      continue;
    }
    llvm::handleAllErrors(module.takeError(), [&](const CodedError &error) {
      std::string text;
      llvm::raw_string_ostream os(text);
      error.log(os);
      EXPECT_NE(diagExitCode(error.code), 70) << text; // our own mistakes
    });
  }
  std::printf("%d of %d imported\n", imported, total);
  EXPECT_GT(imported, total / 100);
}
