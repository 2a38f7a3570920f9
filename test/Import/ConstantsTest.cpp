// Where constants go: attributes, file ranges, blobs and recipes.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

static std::vector<float> counting(size_t n) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>(i % 7);
  return values;
}

TEST(Constants, SmallOnesAreAttributes) {
  Graph g;
  g.input("x", {"s", "4"})
      .constant(floats("c", {4}, {1, 2, 3, 4}))
      .add(node("Add", {"x", "c"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.count<qnt::ConstantOp>(), 1u);
  EXPECT_EQ(m.text().find("qnt.weight"), std::string::npos);
}

TEST(Constants, LargeOnesAreFileRanges) {
  Graph g;
  g.input("x", {"s", "32"})
      .constant(floats("a/b:0", {32, 16}, counting(512)))
      .add(node("MatMul", {"x", "a/b:0"}, {"z"}))
      .output("z");
  Imported m(g);
  expectContains(m.text(), "qnt.weight @a_b_0 : tensor<32x16xf32> = #qnt.file<\"m.onnx\", ");
  EXPECT_EQ(m.count<qnt::LinearOp>(), 1u);
  EXPECT_EQ(m.run({{std::vector<double>(32, 1), {1, 32}}}).size(), 16u);
}

TEST(Constants, EqualRangesAreOneWeight) {
  Graph g;
  TempFolder folder;
  std::string bytes = WireWriter::pods(counting(512));
  folder.write("w.bin", bytes);
  for (const char *name : {"a", "b"})
    g.constant(externalTensor(name, F32, {512},
                              {{"location", "w.bin"}, {"offset", "0"}, {"length", "2048"}}));
  g.input("x", {"512"})
      .add(node("Mul", {"x", "a"}, {"y"}))
      .add(node("Add", {"y", "b"}, {"z"}))
      .output("z");
  mlir::MLIRContext context;
  auto module = expectOk(importOnnx(folder.write("m.onnx", g.bytes()), context));
  auto weights = module->getOps<qnt::WeightOp>();
  EXPECT_EQ(std::distance(weights.begin(), weights.end()), 1);
}

TEST(Constants, NumberListsNeedABlobFolder) {
  // int32_data of an int8 tensor is no range of the file.
  std::vector<int64_t> values(2048, 3);
  Graph g;
  g.input("x", {"2048"}, I8)
      .constant(tensorHead("c", I8, {2048}).packed(5, values))
      .add(node("Add", {"x", "c"}, {"z"}))
      .output("z", {}, I8);
  refused(g, Diag::NoBlobFolder);
  size_t stored = 0;
  ImportOptions options;
  mlir::MLIRContext context;
  context.loadDialect<qnt::QntDialect>();
  TempFolder folder;
  options.addBlob = [&](llvm::ArrayRef<uint8_t> bytes) -> llvm::Expected<qnt::BlobAttr> {
    stored = bytes.size();
    return qnt::BlobAttr::get(&context, "ab", bytes.size());
  };
  auto module = expectOk(importOnnx(folder.write("m.onnx", g.bytes()), context, options));
  EXPECT_EQ(stored, 2048u);
}

TEST(Constants, SmallOpsFoldLargeOnesBecomeRecipes) {
  Graph g;
  g.input("x", {"512"})
      .constant(floats("c", {2, 2}, {1, 2, 3, 4}))
      .constant(floats("w", {512}, counting(512)))
      .add(with(node("Transpose", {"c"}, {"t"}), {intsAttribute("perm", {1, 0})}))
      .add(node("Exp", {"w"}, {"e"}))
      .add(node("Mul", {"x", "e"}, {"z"}))
      .output("z")
      .output("t");
  Imported m(g);
  EXPECT_EQ(m.count<qnt::TransposeOp>(), 0u);
  EXPECT_EQ(m.count<qnt::ExpOp>(), 0u);
  expectContains(m.text(), "qnt.exp");
  EXPECT_EQ(m.run({{std::vector<double>(512, 0), {512}}}, 1), (std::vector<double>{1, 3, 2, 4}));
  EXPECT_NEAR(m.run({{std::vector<double>(512, 1), {512}}})[1], 2.7182817, 1e-6);
}

TEST(Constants, DefaultsOfInputsAreConstants) {
  Graph g; // an initializer that is listed as an input, too
  g.input("x", {"2"})
      .input("c", {"2"})
      .constant(floats("c", {2}, {1, 2}))
      .add(node("Add", {"x", "c"}, {"z"}))
      .output("z");
  Imported m(g);
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(m.main().getNumArguments(), 1u);
}

TEST(Constants, OutputsHaveStorageOfTheirOwn) {
  Graph g;
  g.input("x", {"2"})
      .constant(floats("c", {2}, {1, 2}))
      .add(node("Identity", {"x"}, {"y"}))
      .output("y")
      .output("c");
  EXPECT_EQ(Imported(g).count<qnt::IdentityOp>(), 2u);
}
