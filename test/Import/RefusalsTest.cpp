// What the operators' import functions refuse, each by its own message.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

namespace {

/// A model of one node; operands are added in the node's order.
class One {
public:
  One(const std::string &op, const std::string &domain = "") : op(op), domain(domain) {}
  One &in(const Names &dims, int type = F32) {
    g.input(fresh(), dims, type);
    return *this;
  }
  One &ints(const std::vector<int64_t> &values) {
    g.constant(test::ints(fresh(), values));
    return *this;
  }
  One &constant(int type, const std::vector<int64_t> &dims, const std::string &bytes) {
    g.constant(rawTensor(fresh(), type, dims, bytes));
    return *this;
  }
  One &number(float value) { return constant(F32, {}, WireWriter::pod(value)); }
  One &none() {
    operands.push_back("");
    return *this;
  }
  One &attribute(const WireWriter &attribute) {
    attributes.push_back(attribute);
    return *this;
  }
  One &integer(const std::string &name, int64_t value) {
    return attribute(intAttribute(name, value));
  }
  One &outputs(size_t count) {
    outputCount = count;
    return *this;
  }
  One &opset(int64_t version) {
    g.version = version;
    return *this;
  }
  void refused(Diag code, llvm::StringRef part) {
    Names results;
    for (size_t i = 0; i < outputCount; ++i)
      results.push_back("y" + std::to_string(i));
    g.add(with(node(op, operands, results, "n", domain), attributes));
    for (const std::string &result : results)
      g.output(result);
    std::string text = test::refused(g, code);
    expectContains(text, part);
    std::string name = (domain.empty() ? "" : domain + ".") + op;
    bool listed = code == Diag::UnsupportedOps;
    expectContains(text, listed ? name + " (opset " : "node 'n' (" + name);
    expectContains(text, "'n'");
  }

private:
  std::string fresh() {
    operands.push_back("x" + std::to_string(operands.size()));
    return operands.back();
  }
  std::string op, domain;
  Graph g;
  Names operands;
  std::vector<WireWriter> attributes;
  size_t outputCount = 1;
};

const char *const microsoft = "com.microsoft";

TEST(ImportRefusals, Constants) {
  One("Constant").refused(Diag::BadNode, "has no value");
  WireWriter two = WireWriter().bytes(1, "value").message(5, floats("t", {2}, {1, 2}));
  One("ConstantOfShape")
      .ints({3})
      .attribute(two.varint(20, 4))
      .refused(Diag::BadNode, "value is not a tensor of one element");
  WireWriter complex =
      WireWriter().bytes(1, "value").message(5, rawTensor("t", 14, {1}, std::string(8, 'a')));
  One("ConstantOfShape")
      .ints({3})
      .attribute(complex.varint(20, 4))
      .refused(Diag::BadNode, "has element type complex64");
  One("ConstantOfShape").ints({-1}).refused(Diag::BadNode, "the shape has a dimension of -1");
  One("Range").number(0).number(1).number(0).refused(Diag::BadNode, "has no end");
}

TEST(ImportRefusals, NewShapes) {
  One("Reshape")
      .in({"2", "3"})
      .ints({-1, -1})
      .refused(Diag::BadNode, "the new shape has two dimensions of -1");
  One("Reshape").in({"4"}).ints({2, 0}).refused(Diag::BadNode,
                                                "dimension 1 is to be kept, but the rank is 1");
  One("Reshape").in({"6"}).ints({-2, 3}).refused(Diag::BadNode,
                                                 "the new shape has a dimension of -2");
  One("Flatten")
      .in({"2", "3"})
      .integer("axis", 5)
      .refused(Diag::BadNode, "axis 5 is outside rank 2");
  One("Unsqueeze").in({"2"}).refused(Diag::BadNode, "axes are missing");
  One("Transpose")
      .in({"2", "3"})
      .attribute(intsAttribute("perm", {0, 0}))
      .refused(Diag::BadNode, "perm is no permutation of 2 axes");
  One("Expand").in({"2"}).ints({-1}).refused(Diag::BadNode, "the new shape has a dimension of -1");
  One("Tile").in({"2", "3"}).ints({2}).refused(Diag::BadNode, "gives 1 repeats for rank 2");
  One("Tile").in({"2", "3"}).ints({-1, 1}).refused(Diag::BadNode, "repeats -1 times");
}

TEST(ImportRefusals, PartsAndWholes) {
  One("Concat").integer("axis", 0).refused(Diag::BadNode, "has no inputs");
  One("Concat").in({"2"}).refused(Diag::BadNode, "lacks the attribute 'axis'");
  One("Split").in({"3"}).ints({1, 1, 1}).outputs(2).refused(
      Diag::BadNode, "splits into 3 parts, but has 2 outputs");
  One("Split")
      .in({"4"})
      .integer("num_outputs", 3)
      .outputs(2)
      .opset(18)
      .refused(Diag::BadNode, "num_outputs is 3, but it has 2 outputs");
  One("Split").in({"4"}).ints({-1, 5}).outputs(2).refused(Diag::BadNode, "splits off a part of -1");
  One("Slice").in({"4"}).ints({0}).ints({4}).ints({0}).ints({0}).refused(Diag::BadNode,
                                                                         "a step is 0");
}

TEST(ImportRefusals, Matrices) {
  One("Trilu").in({"4"}).refused(Diag::ShapeMismatch, "needs a matrix, but the rank is 1");
  One("EyeLike").in({"4"}).refused(Diag::ShapeMismatch, "needs a matrix, but the rank is 1");
  One("Gemm")
      .in({"2", "3", "4"})
      .in({"4", "5"})
      .refused(Diag::ShapeMismatch, "needs matrices, but has ranks 3 and 2");
  One("Einsum")
      .in({"2", "3"})
      .in({"3", "4"})
      .attribute(stringAttribute("equation", "ij->ij"))
      .refused(Diag::BadNode, "equation 'ij->ij' does not have 2 operands");
  One("Einsum")
      .in({"2", "3"})
      .attribute(stringAttribute("equation", "ij->ik"))
      .refused(Diag::BadNode, "equation 'ij->ik' has a wrong result");
  One("Einsum")
      .in({"2", "3"})
      .attribute(stringAttribute("equation", "ij->ii"))
      .refused(Diag::BadNode, "equation 'ij->ii' has a wrong result");
}

TEST(ImportRefusals, Blocks) {
  One("DepthToSpace")
      .in({"1", "4", "2"})
      .integer("blocksize", 2)
      .refused(Diag::BadNode, "needs rank 4 and a blocksize of 1 to 2^31 - 1, which is 2");
  One("DepthToSpace").in({"1", "4", "2", "2"}).refused(Diag::BadNode, "which is 0");
  One("DepthToSpace")
      .in({"1", "3", "2", "2"})
      .integer("blocksize", 2)
      .refused(Diag::ShapeMismatch, "3 channels do not divide by 4 places of a block");
  One("SpaceToDepth")
      .in({"1", "4", "2"})
      .integer("blocksize", 2)
      .refused(Diag::BadNode, "needs rank 4 and a blocksize of 1 to 2^31 - 1, which is 2");
  One("SpaceToDepth")
      .in({"1", "4", "3", "2"})
      .integer("blocksize", 2)
      .refused(Diag::ShapeMismatch, "3 rows do not divide by 2 of a block");
}

TEST(ImportRefusals, PadAndResize) {
  One("Pad").in({"2", "3"}).ints({1}).refused(Diag::BadNode, "gives 1 pads for 2 axes");
  One("Pad")
      .in({"2", "3"})
      .ints({-3, 0, 0, 0})
      .refused(Diag::BadNode, "padding takes more off axis 0 than its 2");
  One("Resize")
      .in({"1", "2", "3"})
      .none()
      .none()
      .ints({1, 1})
      .refused(Diag::BadNode, "sizes and axes differ in length");
  One("Resize")
      .in({"2", "3"})
      .none()
      .constant(F32, {2}, WireWriter::pods<float>({0, 1}))
      .refused(Diag::BadNode, "a scale is not a positive constant");
  // What only data says goes another way than constants do.
  One("Resize")
      .in({"2", "3"})
      .none()
      .in({"2"})
      .attribute(stringAttribute("mode", "smooth"))
      .refused(Diag::BadNode, "mode 'smooth' is not nearest, linear or cubic");
  One("Resize")
      .in({"2", "3"})
      .in({"3"})
      .in({"2"})
      .attribute(stringAttribute("mode", "linear"))
      .attribute(stringAttribute("coordinate_transformation_mode", "tf_crop_and_resize"))
      .refused(Diag::BadNode, "the region of interest does not fit the axes");
  One("Resize").in({"2", "3"}).refused(Diag::BadNode, "has neither scales nor sizes");
  One("Range")
      .in({"2"}, I64)
      .in({}, I64)
      .in({}, I64)
      .refused(Diag::BadNode, "start, limit and delta are not one number each");
  One("Pad").in({"2", "3"}).in({"3"}, I64).refused(Diag::BadNode, "gives 3 pads for 2 axes");
  One("Slice")
      .in({"4", "3"})
      .in({"2"}, I64)
      .in({"1"}, I64)
      .refused(Diag::BadNode, "starts, ends, axes and steps differ in length");
  // Axes that are sizes of the input: known, but no numbers.
  Graph sized;
  sized.input("x", {"n", "3"}).input("s", {"1"}, I64).input("e", {"1"}, I64);
  sized.add(with(node("Shape", {"x"}, {"axes"}), {intAttribute("end", 1)}));
  sized.add(node("Slice", {"x", "s", "e", "axes"}, {"y"})).output("y");
  expectContains(refused(sized, Diag::BadNode), "the axes are no constant integers");
  One("CenterCropPad")
      .opset(18)
      .in({"4", "3"})
      .ints({2})
      .refused(Diag::BadNode, "shape and axes differ in length");
}

TEST(ImportRefusals, Sampling) {
  auto sample = [](const char *attribute, const char *value) {
    One one("GridSample");
    one.opset(20).in({"1", "2", "4", "4"}).in({"1", "3", "3", "2"});
    return one.attribute(stringAttribute(attribute, value));
  };
  sample("mode", "lanczos")
      .refused(Diag::BadNode, "mode 'lanczos' is not nearest, linear or cubic");
  sample("padding_mode", "wrap")
      .refused(Diag::BadNode, "padding_mode 'wrap' is not zeros, border or reflection");
  One("GridSample")
      .opset(20)
      .in({"1", "2", "4", "4"})
      .in({"1", "3", "3", "3"})
      .refused(Diag::ShapeMismatch, "coordinates of the grid 3 and 2 differ");
  One("GridSample")
      .opset(20)
      .in({"1", "2", "4"}, I32)
      .in({"1", "3", "1"})
      .refused(Diag::TypeMismatch, "interpolates integers or by an integer grid");
  One("GridSample")
      .opset(20)
      .in({"1", "2", "3", "3", "3", "3"})
      .in({"1", "3", "3", "3", "3", "4"})
      .attribute(stringAttribute("mode", "cubic"))
      .refused(Diag::UnsupportedOps, "interpolates over 4 axes by mode cubic");
  One("AffineGrid")
      .opset(20)
      .in({"1", "2", "2"})
      .ints({1, 1, 4, 4})
      .refused(Diag::ShapeMismatch, "columns of theta 2 and 3 differ");
  One("AffineGrid")
      .opset(20)
      .in({"1", "2", "3"}, I32)
      .ints({1, 1, 4, 4})
      .refused(Diag::TypeMismatch, "theta is not of floats");
  auto deformed = [](const Names &x, const Names &offset) {
    One one("DeformConv");
    return one.opset(19).in(x).in({"2", "3", "2", "2"}).in(offset);
  };
  deformed({"1", "3", "4"}, {"1", "8", "3"})
      .refused(Diag::UnsupportedOps, "convolves over other than two axes");
  deformed({"1", "3", "4", "4"}, {"1", "9", "3", "3"})
      .refused(Diag::ShapeMismatch, "channels of the offsets 9 and 8 differ");
  deformed({"1", "3", "4", "4"}, {"1", "8", "3", "4"})
      .refused(Diag::ShapeMismatch, "sizes of the offsets 4 and 3 differ");
  deformed({"1", "3", "4", "4"}, {"1", "8", "3", "3"})
      .integer("group", 0)
      .refused(Diag::BadNode, "pads or groups are out of range");
  deformed({"1", "3", "4", "4"}, {"1", "16", "3", "3"})
      .integer("offset_group", 2)
      .refused(Diag::ShapeMismatch, "3 channels do not divide by 2 groups");
  auto align = [] {
    One one("RoiAlign");
    return one.opset(16).in({"1", "2", "4", "4"}).in({"k", "4"}).in({"k"}, I64);
  };
  align().attribute(stringAttribute("mode", "sum")).refused(Diag::BadNode, "mode 'sum' do not fit");
  align().integer("output_width", 0).refused(Diag::BadNode, "output_width is 0");
  align()
      .attribute(stringAttribute("coordinate_transformation_mode", "asymmetric"))
      .refused(Diag::BadNode, "coordinate transformation 'asymmetric' is not known");
}

TEST(ImportRefusals, Unfolding) {
  auto image = [](const Names &dims) {
    One one("Col2Im");
    return one.opset(18).in(dims).ints({4, 4}).ints({2, 2});
  };
  image({"1", "6", "9"})
      .refused(Diag::ShapeMismatch, "6 channels do not divide by 4 places of a block");
  image({"1", "8", "8"}).refused(Diag::ShapeMismatch, "numbers of blocks 8 and 9 differ");
  image({"8", "9"}).refused(Diag::ShapeMismatch, "needs [batch, channels * block, blocks]");
  image({"1", "8", "9"})
      .attribute(intsAttribute("strides", {0, 1}))
      .refused(Diag::BadNode, "block, strides, dilations or pads do not fit 2 axes");
  auto unpool = [] {
    One one("MaxUnpool");
    return one.in({"1", "1", "2", "2"}).in({"1", "1", "2", "2"}, I64);
  };
  unpool().refused(Diag::BadNode, "places or attributes do not fit 2 spatial axes");
  unpool()
      .ints({1, 1, 1, 4})
      .attribute(intsAttribute("kernel_shape", {2, 2}))
      .refused(Diag::ShapeMismatch, "an output of [1, 1, 1, 4] does not hold the [1, 1, 3, 3]");
  unpool()
      .ints({3, 3})
      .attribute(intsAttribute("kernel_shape", {2, 2}))
      .refused(Diag::ShapeMismatch, "the output's shape has 2 axes instead of 4");
  One("GlobalLpPool").in({"1", "2", "3"}).integer("p", 0).refused(Diag::BadNode, "p is 0");
}

TEST(ImportRefusals, Signals) {
  auto dft = [](const Names &dims, int type = F32) {
    One one("DFT");
    return one.opset(17).in(dims, type);
  };
  dft({"1", "8", "1"}, I32).refused(Diag::TypeMismatch, "transforms no floats");
  dft({"1", "8", "3"})
      .refused(Diag::ShapeMismatch, "the last dimension is 3 instead of 1 (real) or 2 (complex)");
  dft({"1", "8", "p"})
      .refused(Diag::UnsupportedOps, "whether the input is real or complex depends on its shape");
  dft({"1", "8", "1"}).integer("axis", 2).refused(Diag::BadNode, "transforms the axis of real");
  dft({"1", "8", "2"})
      .integer("onesided", 1)
      .refused(Diag::BadNode, "gives half of the spectrum of a complex input");
  dft({"1", "8", "1"})
      .integer("onesided", 1)
      .integer("inverse", 1)
      .refused(Diag::BadNode, "gives real values of a real input");
  dft({"1", "8", "1"}).ints({0}).refused(Diag::BadNode, "the length is not one positive number");
  dft({"1", "20000", "1"})
      .refused(Diag::UnsupportedOps,
               "a transform of 20000 elements takes a matrix of 20000 x 20000");
  One("DFT")
      .opset(20)
      .in({"1", "8", "1"})
      .none()
      .in({})
      .refused(Diag::BadNode, "the axis is no integer");
  auto stft = [](const Names &dims) {
    One one("STFT");
    return one.opset(17).in(dims).ints({2});
  };
  stft({"1", "8", "1"}).refused(Diag::ShapeMismatch, "or the frames no length");
  stft({"1", "8", "1"})
      .none()
      .ints({12})
      .refused(Diag::ShapeMismatch, "frames of 12 elements do not fit a signal of 8");
  stft({"1", "8", "2"})
      .none()
      .ints({4})
      .refused(Diag::BadNode, "gives half of the spectrum of a complex input");
  stft({"1", "8", "1"})
      .in({"5"})
      .ints({4})
      .refused(Diag::ShapeMismatch, "lengths of frame and window");
  auto mel = [] {
    One one("MelWeightMatrix");
    return one.opset(17);
  };
  mel().ints({0}).refused(Diag::BadNode, "the number of filters is not one positive number");
  mel()
      .ints({4})
      .ints({16})
      .ints({8000})
      .number(0)
      .number(4000)
      .integer("output_datatype", 8)
      .refused(Diag::UnsupportedOps, "gives a type that qcc does not take");
}

TEST(ImportRefusals, Convolutions) {
  One("Conv")
      .in({"1", "3"})
      .in({"2", "3"})
      .refused(Diag::ShapeMismatch, "needs data and weight of one rank, at least 3");
  One("Conv")
      .in({"1", "0", "5"})
      .in({"2", "3", "3"})
      .integer("group", 0)
      .refused(Diag::BadNode, "group is 0");
  One("Conv")
      .in({"1", "3", "5"})
      .in({"2", "3", "3"})
      .attribute(intsAttribute("kernel_shape", {5}))
      .refused(Diag::BadNode, "kernel_shape is not the weight's");
  One("MaxPool")
      .in({"2", "3"})
      .attribute(intsAttribute("kernel_shape", {2}))
      .refused(Diag::ShapeMismatch, "needs spatial axes, but the rank is 2");
  One("AveragePool")
      .in({"1", "2", "3"}, I32)
      .attribute(intsAttribute("kernel_shape", {2}))
      .refused(Diag::TypeMismatch, "averages integers");
  One("GlobalAveragePool")
      .in({"2", "3"})
      .refused(Diag::ShapeMismatch, "needs spatial axes, but the rank is 2");
  One("ConvTranspose")
      .in({"1", "3", "5"})
      .in({"3", "2", "3"})
      .integer("group", 0)
      .refused(Diag::BadNode, "group is 0");
  One("ConvTranspose")
      .in({"1", "3", "5"})
      .in({"4", "2", "3"})
      .refused(Diag::ShapeMismatch, "channels 3 and 4 differ");
  One("ConvTranspose")
      .in({"1", "3", "5"})
      .in({"3", "2", "3"})
      .attribute(intsAttribute("strides", {0}))
      .refused(Diag::BadNode, "attributes do not fit 1 spatial axes");
  One("QLinearConv")
      .in({"1", "3", "5"}, U8)
      .in({})
      .in({}, U8)
      .in({"2", "3", "3"}, U8)
      .in({})
      .in({}, U8)
      .in({})
      .in({})
      .refused(Diag::BadNode, "the operands do not fit");
  One("CausalConvWithState", microsoft)
      .in({"1", "3"})
      .in({"3", "1", "2"})
      .refused(Diag::ShapeMismatch, "needs data and weight of rank 3");
  One("CausalConvWithState", microsoft)
      .in({"1", "3", "5"})
      .in({"3", "1", "2"})
      .attribute(stringAttribute("activation", "relu"))
      .refused(Diag::BadNode, "activation 'relu' is not silu, swish or none");
  One("LpPool")
      .in({"1", "2", "6"})
      .attribute(intsAttribute("kernel_shape", {2}))
      .integer("p", 0)
      .refused(Diag::BadNode, "p is 0");
  One("LRN").in({"1", "2", "6"}).integer("size", 0).refused(Diag::BadNode, "size is 0");
}

TEST(ImportRefusals, CausalConvolutions) {
  auto causal = [] {
    return One("CausalConvWithState", microsoft).in({"1", "3", "5"}).in({"3", "1", "2"});
  };
  causal().integer("dilation", 0).refused(Diag::BadNode, "dilation is 0 and state_window 0");
  causal().integer("state_window", 9).refused(Diag::BadNode, "dilation is 1 and state_window 9");
  causal().none().in({"1", "3", "4"}).refused(Diag::ShapeMismatch, "past_state");
  causal().integer("ndim", 2).refused(Diag::UnsupportedOps, "convolves over 2 axes");
  One("CausalConvWithState", microsoft)
      .in({"1", "5", "2", "2"})
      .in({"3", "1", "2"})
      .integer("channels_last", 1)
      .refused(Diag::ShapeMismatch, "channels 4 and 3 differ");
}

TEST(ImportRefusals, FusedConvolutions) {
  One("FusedConv", microsoft)
      .in({"1", "3", "5"})
      .in({"4", "3", "2"})
      .attribute(stringAttribute("activation", "Wave"))
      .refused(Diag::UnsupportedOps, "applies 'Wave' to the sum");
  One("NhwcMaxPool", microsoft).in({"1", "3"}, U8).refused(Diag::ShapeMismatch, "rank below 3");
  One("ConvTransposeWithDynamicPads", microsoft)
      .in({"1", "3", "5"})
      .in({"3", "4", "2"})
      .in({"2"}, I64)
      .refused(Diag::UnsupportedOps, "its pads are computed at run time");
}

TEST(ImportRefusals, LinearAttention) {
  auto linear = [](const std::string &rule, int64_t queries = 4, int64_t groups = 4) {
    return One("LinearAttention", microsoft)
        .in({"1", "3", "16"})
        .in({"1", "3", "16"})
        .in({"1", "3", "16"})
        .integer("q_num_heads", queries)
        .integer("kv_num_heads", groups)
        .attribute(stringAttribute("update_rule", rule))
        .outputs(2);
  };
  linear("other").refused(Diag::BadNode, "'other' is not linear, gated, delta or gated_delta");
  linear("gated").refused(Diag::BadNode, "update_rule 'gated' needs decay");
  linear("gated_delta").refused(Diag::BadNode, "update_rule 'gated_delta' needs decay");
  linear("delta").refused(Diag::BadNode, "update_rule 'delta' needs beta");
  linear("linear", 4, 3).refused(Diag::BadNode, "q_num_heads 4 and kv_num_heads 3 do not divide");
  linear("linear", 0).refused(Diag::BadNode, "q_num_heads 0 and kv_num_heads 4 do not divide");
  linear("linear", 32, 32).refused(Diag::ShapeMismatch, "16 channels do not divide by 32 heads");
  linear("linear", 4, 2).refused(Diag::ShapeMismatch, "2 heads do not divide by 4 groups");
  linear("linear", 1, 1).in({"1", "1", "16", "8"}).refused(Diag::ShapeMismatch, "past_state");
  linear("linear")
      .integer("state_window", 9)
      .refused(Diag::BadNode, "state_window is 9, not 0 to 8");
  linear("gated").none().in({"1", "3", "5"}).refused(Diag::ShapeMismatch, "the decay");
  linear("delta").none().none().in({"1", "3", "5"}).refused(Diag::ShapeMismatch, "beta");
  One("LinearAttention", microsoft)
      .in({"3", "16"})
      .in({"1", "3", "16"})
      .in({"1", "3", "16"})
      .refused(Diag::ShapeMismatch, "needs query, key and value of rank 3");
  One("LinearAttention", microsoft)
      .in({"1", "3", "16"})
      .in({"1", "3", "10"})
      .in({"1", "3", "16"})
      .integer("q_num_heads", 4)
      .integer("kv_num_heads", 4)
      .refused(Diag::ShapeMismatch, "10 channels of the key do not divide by 4 of a head");
  One("LinearAttentionGate", microsoft)
      .in({"1", "3", "4"})
      .in({"4"})
      .in({"4"})
      .outputs(2)
      .refused(Diag::BadNode, "beta is wanted, but b is missing");
  One("LinearAttentionGate", microsoft)
      .in({"1", "3", "4"})
      .in({"3"})
      .in({"4"})
      .refused(Diag::ShapeMismatch, "dt_bias");
}

TEST(ImportRefusals, GatedDeltaNet) {
  auto net = [](const std::string &rule, const Names &query = {"2", "3", "2", "4"}) {
    return One("GatedDeltaNet", microsoft)
        .in(query)
        .in({"2", "3", "2", "4"})
        .in({"2", "3", "4", "6"})
        .attribute(stringAttribute("update_rule", rule));
  };
  net("gated_delta").refused(Diag::BadNode, "needs decay");
  net("other").refused(Diag::BadNode, "'other' is not linear");
  net("linear").in({"3"}, I32).refused(Diag::UnsupportedOps, "sequences of different lengths");
  net("linear").outputs(3).refused(Diag::UnsupportedOps, "captures its transitions");
  net("linear", {"6", "2", "4"}).refused(Diag::ShapeMismatch, "of rank 3 or 4");
  net("linear", {"2", "3", "3", "4"}).refused(Diag::BadNode, "3 and kv_num_heads 4 do not divide");
  net("linear")
      .none()
      .none()
      .none()
      .in({"2", "4", "4", "6"})
      .refused(Diag::ShapeMismatch, "initial_state");
  One("GatedDeltaNet", microsoft)
      .in({"6", "16"})
      .refused(Diag::UnsupportedOps, "packs query, key and value in one tensor");
  auto tokens = [] {
    return One("GatedDeltaNet", microsoft)
        .in({"n", "2", "4"})
        .in({"n", "2", "4"})
        .in({"n", "2", "6"})
        .attribute(stringAttribute("update_rule", "linear"));
  };
  tokens().refused(Diag::BadNode, "needs initial_state to tell the sequences apart");
  tokens()
      .none()
      .none()
      .none()
      .in({"b", "2", "6", "4"})
      .refused(Diag::UnsupportedOps, "its tokens have no axis for the batch");
}

TEST(ImportRefusals, ResidualStreams) {
  One("HyperConnectionPreMix", microsoft)
      .in({"2", "8"})
      .in({"2", "3"})
      .integer("num_branches", 3)
      .refused(Diag::ShapeMismatch, "8 channels do not divide by 3 branches");
  One("HyperConnectionPreMix", microsoft)
      .in({"2", "4", "8"})
      .in({"2", "3"})
      .refused(Diag::ShapeMismatch, "the gates");
  One("HyperConnectionPostMix", microsoft)
      .in({"2", "4", "8"})
      .in({"2", "7"})
      .in({"2", "4"})
      .refused(Diag::ShapeMismatch, "the block's output");
  auto gate = [](const std::string &rank) {
    One one("EngramGate", microsoft);
    rank == "3" ? one.in({"2", "4", "8"}) : one.in({"1", "2", "4", "8"});
    return one.in({"1", "2", "4", "8"}).in({"1", "2", "8"}).in({"4", "8"}).in({"4", "8"});
  };
  gate("3").refused(Diag::ShapeMismatch, "needs keys and queries of rank 4");
  gate("4").outputs(2).refused(Diag::BadNode, "conv_norm_scale is missing");
}

TEST(ImportRefusals, GatedAndGroupedNorms) {
  auto gated = [](const std::string &channels, const std::string &kind) {
    return One("GatedRMSNorm", microsoft)
        .in({"2", channels})
        .in({"4"})
        .in({"2", channels})
        .attribute(stringAttribute("activation", kind));
  };
  gated("6", "silu").refused(Diag::ShapeMismatch, "6 channels do not divide by 4 of the scale");
  gated("8", "relu").refused(Diag::BadNode, "'relu' is not silu, swish or sigmoid");
  One("GatedRMSNorm", microsoft)
      .in({"2", "8"})
      .in({"2", "4"})
      .in({"2", "8"})
      .refused(Diag::ShapeMismatch, "needs a scale of rank 1");
  One("BranchwiseRMSNorm", microsoft)
      .in({"2", "8"})
      .integer("num_branches", 3)
      .refused(Diag::ShapeMismatch, "8 channels do not divide by 3 branches");
  One("BranchwiseRMSNorm", microsoft)
      .in({"2", "3", "8"})
      .in({"5"})
      .refused(Diag::ShapeMismatch, "the scale");
  auto group = [](int64_t groups, int64_t activation) {
    return One("GroupNorm", microsoft)
        .in({"1", "2", "2", "8"})
        .in({"8"})
        .in({"8"})
        .integer("groups", groups)
        .integer("activation", activation);
  };
  group(3, 0).refused(Diag::ShapeMismatch, "8 channels do not divide by 3 groups");
  group(0, 0).refused(Diag::BadNode, "needs spatial axes, groups, and 0 or 1 as activation");
  group(2, 2).refused(Diag::BadNode, "needs spatial axes, groups, and 0 or 1 as activation");
  One("GatedAdd", microsoft)
      .in({"2", "8"})
      .in({"2", "8"})
      .in({"2", "8"})
      .refused(Diag::ShapeMismatch, "the gate");
  One("BiasSplitGelu", microsoft)
      .in({"2", "3", "7"})
      .in({"7"})
      .refused(Diag::ShapeMismatch, "7 channels do not divide by 2 halves");
  One("BiasSoftmax", microsoft)
      .in({"3", "1"})
      .in({"2", "3", "4"})
      .refused(Diag::ShapeMismatch, "does not broadcast to");
}

TEST(ImportRefusals, PositionForms) {
  auto turned = [](const std::vector<int64_t> &sections) {
    return One("MRotaryEmbedding", microsoft)
        .in({"1", "3", "16"})
        .in({"3", "1", "3"}, I64)
        .in({"9", "4"})
        .in({"9", "4"})
        .integer("num_heads", 2)
        .attribute(intsAttribute("mrope_section", sections));
  };
  turned({2, 1}).refused(Diag::BadNode, "mrope_section does not add up to the tables' 4 columns");
  turned({2, 2, 2}).refused(Diag::BadNode, "mrope_section does not add up");
  turned({2, 1, 1}).integer("mrope_layout", 2).refused(Diag::BadNode, "mrope_layout is 2");
  turned({2, 1, 1})
      .integer("is_packed_batching", 1)
      .refused(Diag::UnsupportedOps, "packs the sequences of a batch");
  turned({2, 1, 1})
      .attribute(floatAttribute("scale", 2))
      .refused(Diag::UnsupportedOps, "scales the rotated values");
  One("GemmaRotaryEmbedding", microsoft)
      .in({"3", "8"})
      .in({"1", "2", "3", "8"})
      .in({"1", "2", "3", "8"})
      .in({"1", "2", "3", "8"})
      .in({"1", "2", "3", "8"})
      .outputs(2)
      .refused(Diag::ShapeMismatch, "needs angles of rank 3");
  One("RelativePositionBias", microsoft)
      .in({"32", "4"})
      .in({"1"}, I64)
      .in({"1"}, I64)
      .integer("max_distance", 128)
      .refused(Diag::UnsupportedOps, "its lengths are computed at run time");
  One("RelativePositionBias", microsoft)
      .in({"32", "4"})
      .ints({5})
      .ints({5})
      .integer("max_distance", 16)
      .refused(Diag::BadNode, "max_distance 16 does not fit 32 buckets");
  One("RelativePositionBias", microsoft)
      .in({"32", "4"})
      .ints({5})
      .ints({6})
      .integer("max_distance", 128)
      .refused(Diag::ShapeMismatch, "lengths of queries and keys 5 and 6 differ");
  One("GatedRelativePositionBias", microsoft)
      .in({"1", "3", "16"})
      .in({"16"})
      .in({"1", "2", "3", "3"})
      .in({"8", "8"})
      .in({"8"})
      .in({"1", "2", "1", "1"})
      .in({"1", "3"}, I32)
      .integer("num_heads", 2)
      .refused(Diag::UnsupportedOps, "packs its tokens");
}

TEST(ImportRefusals, DecoderAttention) {
  auto decoder = [] {
    return One("DecoderMaskedMultiHeadAttention", microsoft)
        .in({"1", "1", "16"})
        .in({"1", "1", "16"})
        .in({"1", "1", "16"})
        .integer("num_heads", 2);
  };
  auto withoutPast = [&] { return decoder().none().none().none().none(); };
  withoutPast().none().in({"1"}, I32).refused(Diag::UnsupportedOps, "decodes in beams");
  withoutPast()
      .none()
      .none()
      .in({"1", "1", "4"}, I32)
      .refused(Diag::UnsupportedOps, "decodes in beams");
  decoder().outputs(4).refused(Diag::UnsupportedOps, "gives its scores");
  decoder()
      .integer("past_present_share_buffer", 1)
      .refused(Diag::BadNode, "shares a buffer, but a past or its length is missing");
  decoder().in({"1", "1", "1"}, I32).refused(Diag::ShapeMismatch, "needs a mask of rank 2");
  One("DecoderMaskedMultiHeadAttention", microsoft)
      .in({"1", "1", "16"})
      .integer("num_heads", 2)
      .refused(Diag::ShapeMismatch, "16 channels are no three parts");
}

TEST(ImportRefusals, FusedBlocks) {
  auto mlp = [](const std::string &kind, bool skip) {
    One one("MatMulNBitsMlp", microsoft);
    one.in({"2", "32"});
    skip ? one.in({"2", "32"}) : one.none();
    return one.none()
        .in({"8", "1", "16"}, U8)
        .in({"8", "1"})
        .none()
        .in({"8", "1", "16"}, U8)
        .in({"8", "1"})
        .integer("N", 8)
        .integer("K", 32)
        .integer("block_size", 32)
        .attribute(stringAttribute("activation", kind));
  };
  mlp("wave", false).refused(Diag::UnsupportedOps, "applies 'wave' to the gate");
  mlp("silu", true).refused(Diag::BadNode, "has a skip, but no norm_scale");
  One("ExpandDims", microsoft)
      .in({"2", "3"})
      .in({}, I32)
      .refused(Diag::UnsupportedOps, "the axis is computed at run time");
  One("BiasDropout", microsoft)
      .in({"2", "3"})
      .in({"3"})
      .none()
      .none()
      .in({}, Bool)
      .refused(Diag::UnsupportedOps, "runs in training mode");
  One("FusedMatMulActivation", microsoft)
      .in({"2", "3"})
      .in({"3", "4"})
      .attribute(stringAttribute("activation", "Wave"))
      .refused(Diag::UnsupportedOps, "applies 'Wave' to the sum");
}

TEST(ImportRefusals, Indices) {
  One("GatherElements")
      .in({"2", "3"})
      .in({"2"}, I64)
      .refused(Diag::ShapeMismatch, "data and indices differ in rank");
  One("GatherND")
      .in({"2", "3"})
      .in({"2", "1"}, I64)
      .integer("batch_dims", -1)
      .refused(Diag::BadNode, "batch_dims -1 does not fit the indices");
  One("ScatterND")
      .in({"2", "3"})
      .in({"4", "1"}, I64)
      .in({"4"})
      .refused(Diag::ShapeMismatch, "updates are [4] instead of [4, 3]");
  One("ScatterElements")
      .in({"2", "3"})
      .in({"2", "3"}, I64)
      .in({"2"})
      .refused(Diag::ShapeMismatch, "data, indices and updates differ in rank");
  One("ScatterElements")
      .in({"2", "3"})
      .in({"2"}, I64)
      .in({"2", "3"})
      .refused(Diag::ShapeMismatch, "data, indices and updates differ in rank");
  One("ReverseSequence")
      .in({"4", "2"})
      .in({"2"}, I64)
      .integer("batch_axis", 2)
      .refused(Diag::BadNode, "needs rank 2 and the axes 0 and 1");
  One("ReverseSequence")
      .in({"4", "2"})
      .in({"2", "1"}, I64)
      .refused(Diag::ShapeMismatch, "needs one length per sequence");
  One("Compress")
      .in({"4", "2"})
      .in({"2", "2"}, Bool)
      .refused(Diag::BadNode, "the condition is no vector");
  One("TensorScatter")
      .opset(24)
      .in({"2", "4", "3"})
      .in({"2", "1", "3"})
      .attribute(stringAttribute("mode", "spiral"))
      .refused(Diag::BadNode, "operands or mode 'spiral' do not fit");
  One("TensorScatter")
      .opset(24)
      .in({"2", "4", "3"})
      .in({"2", "1", "3"})
      .integer("axis", 0)
      .refused(Diag::BadNode, "scatters along the batch");
  One("TopK").in({"4", "2"}).ints({1, 1}).outputs(2).refused(Diag::BadNode, "k is not one number");
  One("HannWindow").ints({4, 4}).refused(Diag::BadNode, "the size is not one number");
}

TEST(ImportRefusals, Losses) {
  One("NegativeLogLikelihoodLoss")
      .in({"4", "3"})
      .in({"4", "1"}, I64)
      .refused(Diag::ShapeMismatch, "scores and targets do not fit each other");
  One("NegativeLogLikelihoodLoss")
      .in({"4", "3"})
      .in({"4"}, I64)
      .attribute(stringAttribute("reduction", "max"))
      .refused(Diag::BadNode, "reduction 'max' is not none, sum or mean");
}

TEST(ImportRefusals, Norms) {
  One("BatchNormalization")
      .in({"4"})
      .in({"4"})
      .in({"4"})
      .in({"4"})
      .in({"4"})
      .refused(Diag::ShapeMismatch, "needs channels, but the rank is 1");
  One("InstanceNormalization")
      .in({"2", "3"})
      .in({"3"})
      .in({"3"})
      .refused(Diag::ShapeMismatch, "needs spatial axes, but the rank is 2");
  One("GroupNormalization")
      .in({"1", "4", "2"})
      .in({"2"})
      .in({"2"})
      .opset(18)
      .refused(Diag::BadNode, "needs spatial axes and num_groups");
  One("GroupNormalization")
      .in({"1", "3", "2"})
      .in({"2"})
      .in({"2"})
      .integer("num_groups", 2)
      .opset(18)
      .refused(Diag::ShapeMismatch, "3 channels do not divide by 2 groups");
  One("EmbedLayerNormalization", microsoft)
      .in({"5"}, I32)
      .none()
      .in({"9", "4"})
      .in({"9", "4"})
      .none()
      .in({"4"})
      .in({"4"})
      .refused(Diag::ShapeMismatch, "needs ids of rank 2");
  One("LpNormalization")
      .in({"2", "3"})
      .integer("p", 3)
      .refused(Diag::BadNode, "p is 3, not 1 or 2");
  One("Gelu")
      .in({"2"})
      .attribute(stringAttribute("approximate", "cubic"))
      .opset(20)
      .refused(Diag::BadNode, "approximate 'cubic' is neither none nor tanh");
  One("Cast").in({"2"}).refused(Diag::BadNode, "lacks the attribute 'to'");
}

TEST(ImportRefusals, Attention) {
  One("Attention", microsoft)
      .in({"2", "4"})
      .in({"4", "12"})
      .refused(Diag::BadNode, "needs an input of rank 3 and a weight of rank 2");
  One("Attention", microsoft)
      .in({"1", "2", "4"})
      .in({"4", "12"})
      .refused(Diag::BadNode, "needs num_heads");
  One("Attention", microsoft)
      .in({"1", "2", "4"})
      .in({"4", "12"})
      .none()
      .none()
      .in({"2", "1", "2", "3"})
      .integer("num_heads", 2)
      .refused(Diag::ShapeMismatch, "the past has rank 4, not 5");
  One("MultiHeadAttention", microsoft)
      .in({"1", "2", "4"})
      .in({"1", "2", "4"})
      .in({"1", "2", "4"})
      .refused(Diag::BadNode, "needs num_heads");
  auto grouped = [](const Names &query) {
    return One("GroupQueryAttention", microsoft)
        .in(query)
        .none()
        .none()
        .none()
        .none()
        .in({"1"}, I32)
        .in({"1"}, I32);
  };
  grouped({"1", "2", "8"})
      .refused(Diag::BadNode, "needs a query of rank 3, seqlens_k, num_heads and kv_num_heads");
  grouped({"1", "2", "10"})
      .integer("num_heads", 2)
      .integer("kv_num_heads", 1)
      .refused(Diag::ShapeMismatch, "10 channels do not divide by 4 heads");
}

TEST(ImportRefusals, Codes) {
  One("QLinearConcat", microsoft)
      .in({})
      .in({}, U8)
      .integer("axis", 0)
      .refused(Diag::BadNode, "has no operands");
  One("QGemm", microsoft)
      .in({"4"}, U8)
      .in({})
      .in({}, U8)
      .in({"4", "3"}, U8)
      .in({})
      .in({}, U8)
      .refused(Diag::ShapeMismatch, "needs matrices");
  One("QAttention", microsoft)
      .in({"2", "4"}, U8)
      .in({"4", "12"}, U8)
      .in({"12"})
      .in({})
      .in({})
      .integer("num_heads", 2)
      .refused(Diag::BadNode, "needs an input of rank 3 and a weight of rank 2");
  One("MatMulBnb4", microsoft)
      .in({"1", "32"})
      .constant(U8, {10}, std::string(10, '\x12'))
      .constant(F32, {2}, std::string(8, '\0'))
      .integer("N", 2)
      .integer("K", 32)
      .integer("block_size", 32)
      .refused(Diag::ShapeMismatch, "codes [10] do not fit 2 x 32 in blocks");
  One("GatherBlockQuantized", microsoft)
      .constant(22, {2, 32}, std::string(32, '\x12'))
      .in({"3"}, I64)
      .constant(F32, {2, 1}, std::string(8, '\0'))
      .integer("block_size", 16)
      .refused(Diag::ShapeMismatch, "scales [2, 1] do not fit");
}

TEST(ImportRefusals, Experts) {
  One("QMoE", microsoft)
      .in({"2", "32"})
      .in({"2", "2"})
      .in({"2", "64", "16"}, U8)
      .in({"2", "64"})
      .none()
      .in({"2", "32", "32"}, U8)
      .in({"2", "32"})
      .none()
      .in({"2", "64", "16"}, U8)
      .refused(Diag::BadNode, "the third matrix of the experts has no scales");
}

/// An If whose condition is a constant, with one branch.
WireWriter branching(const WireWriter &branch, const std::string &name = "then_branch") {
  return with(node("If", {"c"}, {"y"}, "if"), {graphAttribute(name, branch)});
}
std::string refusedBranch(const WireWriter &ifNode, Diag code = Diag::BadNode) {
  Graph g;
  g.constant(rawTensor("c", Bool, {}, "\1")).input("x", {"2"}).add(ifNode).output("y");
  return refused(g, code);
}
WireWriter inner(const std::vector<WireWriter> &nodes, const Names &inputs, const Names &outputs) {
  return graph(nodes, inputs, outputs);
}

TEST(ImportRefusals, Branches) {
  WireWriter good = inner({node("Neg", {"x"}, {"r"})}, {}, {"r"});
  expectContains(refusedBranch(branching(good, "else_branch")), "then_branch is missing");
  expectContains(
      refusedBranch(with(node("If", {"c"}, {"y"}, "if"), {intAttribute("then_branch", 1)})),
      "then_branch");
  expectContains(refusedBranch(branching(inner({node("Neg", {"x"}, {"r"})}, {}, {"r", "x"}))),
                 "then_branch has 2 outputs instead of 1");
  WireWriter failing = inner(
      {with(node("Transpose", {"x"}, {"r"}, "inside"), {intsAttribute("perm", {3})})}, {}, {"r"});
  expectContains(refusedBranch(branching(failing)), "perm is no permutation");
  // Branches take no inputs; some writers give them some.
  expectContains(refusedBranch(branching(inner({node("Neg", {"p"}, {"r"}, "neg")}, {"p"}, {"r"}))),
                 "reads 'p', which nothing defines");
  expectContains(refusedBranch(branching(inner({}, {"p"}, {"p"}))),
                 "branch output 'p' is defined nowhere");
}

TEST(ImportRefusals, BranchesAtRunTime) {
  Graph many;
  many.input("c", {"2"}, Bool).input("x", {"1"});
  WireWriter same = inner({node("Neg", {"x"}, {"r"})}, {}, {"r"});
  many.add(with(node("If", {"c"}, {"y"}, "if"),
                {graphAttribute("then_branch", same), graphAttribute("else_branch", same)}));
  expectContains(refused(many.output("y"), Diag::ShapeMismatch), "the condition is not one value");
  // A constant is made a value where the branches meet: there its type counts.
  for (bool first : {true, false}) {
    Graph g;
    g.constant(tensorHead("s", 8, {1}).bytes(6, "a"));
    g.input("c", {}, Bool).input("x", {"1"});
    WireWriter text = inner({node("Identity", {"s"}, {"r"})}, {}, {"r"});
    WireWriter number = inner({node("Neg", {"x"}, {"r"})}, {}, {"r"});
    g.add(with(node("If", {"c"}, {"y"}, "if"),
               {graphAttribute("then_branch", first ? text : number),
                graphAttribute("else_branch", first ? number : text)}));
    expectContains(refused(g.output("y"), Diag::BadNode), "has element type string");
  }
}

/// A Scan over `inputs`, each [3], of one state where `carried`; its body copies what it is given.
struct ScanCase {
  std::vector<WireWriter> attributes;
  int64_t scanned = 1;
  Names outputs = {"y"};
  std::vector<Names> inputs = {{"3"}};
  Diag code = Diag::BadNode;
};
std::string refusedScan(const ScanCase &scan) {
  Graph g;
  Names names, inner;
  for (const Names &dims : scan.inputs) {
    names.push_back("x" + std::to_string(names.size()));
    inner.push_back("i" + std::to_string(inner.size()));
    g.input(names.back(), dims);
  }
  WireWriter body = graph({node("Neg", {"i0"}, {"o"})}, inner, {"o"});
  std::vector<WireWriter> attributes = scan.attributes;
  attributes.push_back(graphAttribute("body", body));
  attributes.push_back(intAttribute("num_scan_inputs", scan.scanned));
  g.add(with(node("Scan", names, scan.outputs, "scan"), attributes));
  for (const std::string &output : scan.outputs)
    g.output(output);
  return refused(g, scan.code);
}

TEST(ImportRefusals, Loops) {
  ScanCase scan;
  scan.scanned = 2;
  expectContains(refusedScan(scan), "num_scan_inputs is 2");
  scan = {};
  scan.attributes = {intsAttribute("scan_input_axes", {0, 1})};
  expectContains(refusedScan(scan), "attributes or outputs do not fit the scanned inputs");
  scan = {};
  scan.outputs = {"y", "z"};
  expectContains(refusedScan(scan), "attributes or outputs do not fit the scanned inputs");
  scan = {};
  scan.attributes = {intsAttribute("scan_output_axes", {0, 1})};
  expectContains(refusedScan(scan), "scan_output_axes or scan_output_directions do not fit");
  scan = {};
  scan.inputs = {{"3"}, {"4"}};
  scan.scanned = 2;
  scan.code = Diag::ShapeMismatch;
  expectContains(refusedScan(scan), "the scanned axes 3 and 4 differ");

  // A Loop of two turns whose body gives less than it takes.
  Graph g;
  g.constant(ints("turns", {2})).input("x", {"2"});
  WireWriter body = graph({node("Identity", {"go"}, {"on"})}, {"i", "go", "s"}, {"on"});
  g.add(with(node("Loop", {"turns", "", "x"}, {"y"}, "loop"), {graphAttribute("body", body)}));
  expectContains(refused(g.output("y"), Diag::BadNode), "the outputs of loop and body do not fit");
}

/// A Loop of `count` turns (none: no count) over x [2] with the body's nodes, from (i, go, s) to
/// `gives`.
std::string refusedLoop(int64_t count, const std::vector<WireWriter> &nodes, const Names &gives,
                        size_t outputs = 1) {
  Graph g;
  g.input("x", {"2"}).input("m", {}, I64);
  if (count >= 0)
    g.constant(ints("turns", {count}));
  Names made;
  for (size_t i = 0; i < outputs; ++i)
    made.push_back("y" + std::to_string(i));
  std::string turns = count == -2 ? "m" : count < 0 ? "" : "turns";
  g.add(with(node("Loop", {turns, "", "x"}, made, "loop"),
             {graphAttribute("body", graph(nodes, {"i", "go", "s"}, gives))}));
  for (const std::string &output : made)
    g.output(output);
  return refused(g, Diag::UnsupportedOps);
}

TEST(ImportRefusals, LoopsThatAreNone) {
  WireWriter on = node("Identity", {"go"}, {"on"}), next = node("Neg", {"s"}, {"t"});
  expectContains(refusedLoop(-1, {on, next}, {"on", "t"}), "nothing ends it");
  WireWriter sum = node("ReduceSum", {"s"}, {"r"}), test = node("Cast", {"r"}, {"on"});
  test = with(test, {intAttribute("to", Bool)});
  expectContains(refusedLoop(-1, {sum, test, next, node("Neg", {"t"}, {"u"})}, {"on", "t", "u"}, 2),
                 "it collects values in a number of turns that nothing bounds");
  WireWriter wide = with(node("Concat", {"s", "s"}, {"t"}), {intAttribute("axis", 0)});
  expectContains(
      refusedLoop(-2, {on, wide}, {"on", "t"}),
      "value 0, which it carries from turn to turn, changes its size or type from [2] to [4]");
}

/// A layer over x [3, 2, 4] with 5 states and the `gates` of its operator.
std::string refusedLayer(const char *op, int64_t gates, const std::vector<WireWriter> &attributes,
                         const char *columns = "5", Diag code = Diag::BadNode) {
  Graph g;
  std::string rows = std::to_string(5 * gates);
  g.input("x", {"3", "2", "4"}).input("w", {"1", rows, "4"}).input("r", {"1", rows, columns});
  g.add(with(node(op, {"x", "w", "r"}, {"y"}, "layer"), attributes));
  return refused(g.output("y"), code);
}

TEST(ImportRefusals, RecurrentLayers) {
  expectContains(refusedLayer("GRU", 3, {stringAttribute("direction", "both")}),
                 "direction 'both' is not forward, reverse or bidirectional");
  expectContains(refusedLayer("LSTM", 4, {stringsAttribute("activations", {"Tanh"})}),
                 "has 1 activations instead of 3");
  expectContains(refusedLayer("RNN", 1, {stringsAttribute("activations", {"Gelu"})}),
                 "'Gelu' is no activation");
  expectContains(refusedLayer("LSTM", 4, {}, "6", Diag::ShapeMismatch),
                 "sizes of weights, biases or states 20 and 24 differ");
  expectContains(refusedLayer("RNN", 1, {intAttribute("layout", 1)}, "6", Diag::ShapeMismatch),
                 "sizes of weights, biases or states 5 and 6 differ");
}

Graph identity(const Names &dims = {"2"}, int type = F32) {
  Graph g;
  return g.input("x", dims, type).add(node("Identity", {"x"}, {"y"})).output("y", {}, type);
}

TEST(ImportRefusals, Signature) {
  ImportOptions options;
  options.outputs = {"nope"};
  expectContains(refused(identity(), Diag::UnknownValue, options),
                 "the model has no value 'nope' to make an output of");
  // An output that a node leaves out has the empty name.
  Graph dropout;
  dropout.input("x", {"2"}).add(node("Dropout", {"x"}, {"y", ""})).output("y");
  options.outputs = {""};
  expectContains(refused(dropout, Diag::UnknownValue, options), "the model has no value ''");
  options = {};
  options.inputs = {"b"};
  Graph two;
  two.input("x", {"2"}).add(node("Neg", {"x"}, {"b"})).add(node("Abs", {"b"}, {"y"})).output("y");
  expectContains(refused(two, Diag::UnsupportedType, options),
                 "the model does not say the type of this value");
  expectContains(refused(identity({"2"}, 8), Diag::UnsupportedType),
                 "has element type string, which qcc does not take");
  Graph strings;
  strings.constant(tensorHead("s", 8, {1}).bytes(6, "a")).add(node("Identity", {"s"}, {"y"}));
  strings.output("y", {}, 8);
  expectContains(refused(strings, Diag::UnsupportedType), "has element type string");
  Graph old = identity();
  old.version = 6;
  expectContains(refused(old, Diag::UnsupportedOpset), "the model uses opset 6");
}

TEST(ImportRefusals, DeclarationsOfHostOperators) {
  auto fails = [](const char *text, llvm::StringRef part) {
    expectContains(expectCode(parseHostOp(text), Diag::BadOptionValue), part);
  };
  fails("=like(0)", "names no operator");
  fails("my::", "names no operator");
  fails("my::Op=like(zero)", "'like(zero)' names no input");
  fails("my::Op=complex[2]", "'complex[2]' is no type of a result");
  fails("my::Op=f32[x0.0", "is no type of a result");
  fails("my::Op=f32[*]", "'*' is no size");
  HostOp op = expectOk(parseHostOp("ai.onnx::Op = like(1); f16[x0.0, 3]"));
  EXPECT_EQ(op.domain, "");
  EXPECT_EQ(op.name, "Op");
  ASSERT_EQ(op.results.size(), 2u);
  EXPECT_EQ(op.results[0].like, 1u);
  EXPECT_EQ(op.results[1].dims, (std::vector<std::string>{"x0.0", "3"}));
}

TEST(ImportRefusals, ShapeOptions) {
  auto fails = [](const char *text, llvm::StringRef part) {
    expectContains(expectCode(parseShapeOption(text), Diag::BadShapeOption), part);
  };
  fails("x", "names no input");
  fails("=1", "names no input");
  fails("x=a", "'a' is not a size");
  fails("x=-1", "'-1' is not a size");
  fails("x=3..2", "'3..2' is not a range of sizes");
  fails("x=3..a", "'3..a' is not a range of sizes");
  auto with = [](const char *text) {
    ImportOptions options;
    options.shapes.push_back(expectOk(parseShapeOption(text)));
    return refused(identity({"n"}), Diag::BadShapeOption, options);
  };
  expectContains(with("z=1"), "the model has no input of this name");
  expectContains(with("x=1x2"), "gives 2 dimensions, but the input has 1");
}

} // namespace
