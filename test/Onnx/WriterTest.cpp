// Models written and read again: graphs, attributes, weights in the model and in a file beside it.
#include "qcc/Onnx/Writer.h"
#include "OnnxTesting.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

Attribute intAttribute(const std::string &name, int64_t value) {
  Attribute attribute;
  attribute.name = name;
  attribute.type = AttributeType::Int;
  attribute.i = value;
  return attribute;
}

/// y = Clip(x + w + c), with every kind of attribute that is written.
Model sample() {
  Model model;
  model.irVersion = 10;
  model.producerName = "qcc";
  model.opsetImports = {{"", 21}, {"com.microsoft", 1}};
  model.metadata = {{"key", "value"}};
  model.graph.name = "main";
  Tensor weight, small;
  weight.name = "w";
  weight.dataType = Float;
  weight.dims = {2, 3};
  weight.data.file = 1;
  weight.data.length = 24;
  small.name = "c";
  small.dataType = Int4;
  small.dims = {3};
  small.data.length = 2;
  small.data.inlineBytes = {0x21, 0x0f};
  model.graph.initializers = {small, weight};
  Node node;
  node.name = "a/b";
  node.opType = "Sum";
  node.inputs = {"x", "", "w"};
  node.outputs = {"y"};
  Attribute real, text, list;
  real.name = "epsilon", real.type = AttributeType::Float, real.f = 0.5f;
  text.name = "mode", text.type = AttributeType::String, text.s = "edge";
  list.name = "perm", list.type = AttributeType::Ints, list.ints = {1, -2, int64_t(1) << 40};
  node.attributes = {intAttribute("axis", -1), real, text, list};
  model.graph.nodes = {node};
  ValueInfo x;
  x.name = "x";
  x.kind = TypeKind::Tensor;
  x.elemType = Float;
  x.hasShape = true;
  x.dims.resize(3);
  x.dims[0].param = "s + p";
  x.dims[1].value = 3;
  model.graph.inputs = {x};
  x.name = "y";
  model.graph.outputs = {x};
  return model;
}

/// The files as an exporter writes them: pieces, then 1, 2, 3 ... in the places of weights.
std::pair<std::string, std::string> files(const ModelImage &image) {
  std::string model(image.modelBytes, '?'), data(image.dataBytes, '?');
  for (const FilePiece &piece : image.pieces)
    model.replace(piece.offset, piece.bytes.size(), piece.bytes);
  for (const TensorPlace &place : image.places)
    for (uint64_t i = 0; i < place.length; ++i)
      (place.external ? data : model)[place.offset + i] = static_cast<char>(i + 1);
  return {model, data};
}

void expectSample(const Model &read) {
  Model wrote = sample();
  EXPECT_EQ(read.irVersion, 10);
  EXPECT_EQ(read.producerName, "qcc");
  EXPECT_EQ(read.opsetImports, wrote.opsetImports);
  EXPECT_EQ(read.metadata, wrote.metadata);
  ASSERT_EQ(read.graph.nodes.size(), 1u);
  const Node &node = read.graph.nodes[0];
  EXPECT_EQ(node.name, "a/b");
  EXPECT_EQ(node.inputs, wrote.graph.nodes[0].inputs);
  EXPECT_EQ(node.outputs, wrote.graph.nodes[0].outputs);
  EXPECT_EQ(node.attribute("axis")->i, -1);
  EXPECT_EQ(node.attribute("epsilon")->f, 0.5f);
  EXPECT_EQ(node.attribute("mode")->s, "edge");
  EXPECT_EQ(node.attribute("perm")->ints, wrote.graph.nodes[0].attributes[3].ints);
  ASSERT_EQ(read.graph.inputs.size(), 1u);
  const std::vector<Dim> &dims = read.graph.inputs[0].dims;
  ASSERT_EQ(dims.size(), 3u);
  EXPECT_EQ(dims[0].param, "s + p");
  EXPECT_EQ(dims[1].value, 3);
  EXPECT_FALSE(dims[2].value || !dims[2].param.empty());
  ASSERT_EQ(read.graph.initializers.size(), 2u);
  EXPECT_EQ(read.graph.initializers[0].bytes(read).vec(), std::vector<uint8_t>({0x21, 0x0f}));
  const Tensor &weight = read.graph.initializers[1];
  EXPECT_EQ(weight.dims, std::vector<int64_t>({2, 3}));
  ASSERT_EQ(weight.bytes(read).size(), 24u);
  EXPECT_EQ(weight.bytes(read)[23], 24);
}

TEST(Writer, PutsWeightsIntoTheModel) {
  ModelImage image = layOutModel(sample(), "m.onnx.data");
  EXPECT_EQ(image.dataBytes, 0u);
  EXPECT_FALSE(image.places[1].external);
  EXPECT_EQ(image.places[0].length, 0u) << "small tensors are written with the graph";
  TempFolder folder;
  auto read = readModel(folder.write("m.onnx", files(image).first));
  ASSERT_TRUE(static_cast<bool>(read)) << llvm::toString(read.takeError());
  expectSample(**read);
}

TEST(Writer, PutsWeightsBesideALargeModel) {
  ModelImage image = layOutModel(sample(), "m.onnx.data", /*limit=*/100);
  EXPECT_EQ(image.dataBytes, 24u);
  EXPECT_TRUE(image.places[1].external);
  auto [model, data] = files(image);
  TempFolder folder;
  folder.write("m.onnx.data", data);
  auto read = readModel(folder.write("m.onnx", model));
  ASSERT_TRUE(static_cast<bool>(read)) << llvm::toString(read.takeError());
  expectSample(**read);
  EXPECT_TRUE((*read)->graph.initializers[1].isExternal());
}

} // namespace
