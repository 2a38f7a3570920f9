// Tensors: every data field becomes the bytes of the tensor's own type, or is refused.
#include "OnnxTesting.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

std::string modelOf(const WireWriter &tensor) { return model(graph({}).message(5, tensor)).str(); }

/// The bytes that arrive for an initializer.
std::string bytesOf(const WireWriter &tensor) {
  std::string bytes = modelOf(tensor);
  auto m = expectOk(readBytes(bytes));
  if (!m)
    return "";
  llvm::ArrayRef<uint8_t> data = m->graph.initializers[0].bytes(*m);
  return std::string(data.begin(), data.end());
}

TEST(TensorReader, TypedFieldsBecomeRawBytes) {
  using W = WireWriter;
  EXPECT_EQ(bytesOf(tensorHead("w", Int8, {3}).packed(5, {-1, 127, 255})), "\xff\x7f\xff");
  EXPECT_EQ(bytesOf(tensorHead("w", Bool, {2}).varint(5, 1).varint(5, 0)), std::string("\1\0", 2));
  EXPECT_EQ(bytesOf(tensorHead("w", Float16, {2}).packed(5, {0x3c00, 0xc000})),
            W::pods<uint16_t>({0x3c00, 0xc000}));
  EXPECT_EQ(bytesOf(tensorHead("w", BFloat16, {1}).packed(5, {0x3f80})),
            W::pods<uint16_t>({0x3f80}));
  EXPECT_EQ(bytesOf(tensorHead("w", Int32, {2}).packed(5, {-5, 6})), W::pods<int32_t>({-5, 6}));
  EXPECT_EQ(bytesOf(tensorHead("w", Int64, {2}).packed(7, {INT64_MIN, 6})),
            W::pods<int64_t>({INT64_MIN, 6}));
  EXPECT_EQ(bytesOf(tensorHead("w", UInt32, {1}).packed(11, {0xffffffff})), "\xff\xff\xff\xff");
  EXPECT_EQ(bytesOf(tensorHead("w", UInt64, {1}).packed(11, {-1})), W::pods<uint64_t>({~0ull}));
  EXPECT_EQ(bytesOf(tensorHead("w", Int4, {3}).packed(5, {0x21, 0x03})), "\x21\x03");
  EXPECT_EQ(bytesOf(tensorHead("w", Int2, {5}).packed(5, {0xe4, 0x01})), "\xe4\x01");
  EXPECT_EQ(bytesOf(tensorHead("w", Float, {2}).fixed32(4, 1).fixed32(4, 2)),
            W::pods<float>({1, 2}));
  EXPECT_EQ(bytesOf(tensorHead("w", Double, {2}).bytes(10, W::pods<double>({1, 2}))),
            W::pods<double>({1, 2}));
  EXPECT_EQ(bytesOf(tensorHead("w", Complex64, {1}).bytes(4, W::pods<float>({1, 2}))),
            W::pods<float>({1, 2}));
}

TEST(TensorReader, LongPackedFloatsStayInTheFile) {
  std::vector<float> numbers(100, 3.5f);
  std::string bytes = modelOf(tensorHead("w", Float, {100}).bytes(4, WireWriter::pods(numbers)));
  auto m = expectOk(readBytes(bytes));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.initializers[0].data.file, 0);
  EXPECT_EQ(m->graph.initializers[0].bytes(*m).size(), 400u);
}

TEST(TensorReader, StringsAndEmptyTensors) {
  std::string bytes = modelOf(tensorHead("s", String, {2}).bytes(6, "a").bytes(6, ""));
  auto m = expectOk(readBytes(bytes));
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->graph.initializers[0].isString());
  EXPECT_EQ(m->graph.initializers[0].strings, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(bytesOf(tensorHead("w", Float, {0, 5})), "");
  EXPECT_EQ(bytesOf(rawTensor("w", Float, {0}, "")), "");
  expectCode(readBytes(modelOf(tensorHead("s", String, {2}).bytes(6, "a"))), Diag::TensorSize);
}

TEST(TensorReader, WidthsOfAllTypes) {
  for (int type = 1; type <= 26; ++type)
    EXPECT_EQ(bitWidth(type) == 0, type == String) << type;
  EXPECT_EQ(bitWidth(0) + bitWidth(27) + bitWidth(-1), 0u);
  EXPECT_EQ(*byteSize(Int4, 3), 2u);
  EXPECT_EQ(*byteSize(UInt2, 5), 2u);
  EXPECT_EQ(*byteSize(Complex128, 2), 32u);
}

TEST(TensorReader, ElementCountNeverOverflows) {
  EXPECT_EQ(*elementCount({}), 1);
  EXPECT_EQ(*elementCount({int64_t(1) << 40}), int64_t(1) << 40);
  EXPECT_FALSE(elementCount({int64_t(1) << 40, 2}));
  EXPECT_FALSE(elementCount({int64_t(1) << 32, int64_t(1) << 32, 1}));
  EXPECT_FALSE(elementCount({-1, -1}));
  EXPECT_EQ(*elementCount({int64_t(1) << 62, 0, 8}), 0);
  uint64_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    std::vector<int64_t> dims;
    __int128 exact = 1;
    for (int k = 0; k < 4; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      dims.push_back(static_cast<int64_t>(state >> 34 >> (state >> 8 & 31)) + 1);
      exact *= dims.back();
    }
    auto count = elementCount(dims);
    EXPECT_EQ(count.has_value(), exact <= (__int128(1) << 40));
    if (count) {
      EXPECT_TRUE(exact == *count);
    }
  }
}

TEST(TensorReader, BadDim) {
  expectCode(readBytes(modelOf(rawTensor("w", 1, {-1}, ""))), Diag::BadDim);
  expectCode(readBytes(modelOf(rawTensor("w", 1, {0, (int64_t(1) << 40) + 1}, ""))), Diag::BadDim);
  expectCode(readBytes(modelOf(rawTensor("w", 2, std::vector<int64_t>(65, 1), "a"))), Diag::BadDim);
}

TEST(TensorReader, TensorTooLarge) {
  expectCode(readBytes(modelOf(rawTensor("w", 1, {1 << 30, 1 << 30}, ""))), Diag::TensorTooLarge);
}

TEST(TensorReader, TensorSize) {
  std::string text =
      expectCode(readBytes(modelOf(rawTensor("w", 1, {2, 3}, "abc"))), Diag::TensorSize);
  expectContains(text, "initializer[0] 'w'");
  expectContains(text, "float[2x3] takes 24 bytes but raw_data has 3");
  expectCode(readBytes(modelOf(tensorHead("w", 1, {2}))), Diag::TensorSize);
  expectCode(readBytes(modelOf(tensorHead("w", 6, {int64_t(1) << 38}))), Diag::TensorSize);
  expectCode(readBytes(modelOf(tensorHead("w", 6, {2}).packed(5, {1}))), Diag::TensorSize);
  expectCode(readBytes(modelOf(tensorHead("w", 6, {2}).packed(5, {1, 2, 3}))), Diag::TensorSize);
  expectCode(readBytes(modelOf(tensorHead("w", 1, {2}).bytes(4, "abcde"))), Diag::TensorSize);
  std::string many(400, 'f');
  expectCode(readBytes(modelOf(tensorHead("w", 1, {100}).bytes(4, many).bytes(4, many))),
             Diag::TensorSize);
}

TEST(TensorReader, BadTensorType) {
  expectCode(readBytes(modelOf(rawTensor("w", 0, {1}, "a"))), Diag::BadTensorType);
  expectCode(readBytes(modelOf(rawTensor("w", 27, {1}, "a"))), Diag::BadTensorType);
  expectCode(readBytes(model(graph({}).message(11, value("x", 99))).str()), Diag::BadTensorType);
}

TEST(TensorReader, BadTensorData) {
  auto bad = [](const WireWriter &tensor) {
    return expectCode(readBytes(modelOf(tensor)), Diag::BadTensorData);
  };
  bad(tensorHead("w", Int8, {1}).packed(5, {256}));
  bad(tensorHead("w", Bool, {1}).packed(5, {2}));
  bad(tensorHead("w", Int32, {1}).packed(5, {int64_t(1) << 40}));
  expectContains(bad(tensorHead("w", Float, {1}).packed(5, {1})), "float_data");
  bad(rawTensor("w", Float, {1}, "abcd").fixed32(4, 1));
  bad(rawTensor("w", String, {1}, "a"));
  bad(tensorHead("w", Float, {1}).message(3, WireWriter()));
  bad(rawTensor("w", Float, {1}, "abcd").varint(14, 1));
  bad(rawTensor("w", Float, {1}, "abcd").varint(14, 7));
  expectCode(readBytes(modelOf(rawTensor("w", Float, {1}, "abcd").bytes(9, "abcd"))),
             Diag::RepeatedField);
}

TEST(TensorReader, TestDataFile) {
  TempFolder folder;
  auto t = expectOk(readTensorFile(folder.write(
      "input_0.pb", rawTensor("ids", Int64, {2}, WireWriter::pods<int64_t>({5, 6})).str())));
  EXPECT_EQ(t.name, "ids");
  EXPECT_EQ(t.dataType, Int64);
  EXPECT_EQ(t.dims, (std::vector<int64_t>{2}));
  EXPECT_EQ(t.bytes.size(), 16u);
  auto packedDims = expectOk(readTensorFile(
      folder.write("p.pb", WireWriter().packed(1, {2, 1}).varint(2, UInt8).bytes(9, "ab").str())));
  EXPECT_EQ(packedDims.dims, (std::vector<int64_t>{2, 1}));
  expectCode(readTensorFile(folder.file("none.pb")), Diag::CannotRead);
  expectCode(readTensorFile(folder.write(
                 "e.pb", externalTensor("w", 1, {1}, {{"location", "input_0.pb"}}).str())),
             Diag::BadTensorData);
}

TEST(TensorReader, NotATensor) {
  TempFolder folder;
  WireWriter sequence = WireWriter().bytes(1, "seq").varint(2, 1);
  sequence.message(3, rawTensor("a", 2, {1}, "a"));
  expectContains(expectCode(readTensorFile(folder.write("s.pb", sequence.str())), Diag::NotATensor),
                 "sequence");
  WireWriter optional = WireWriter().bytes(1, "opt").varint(2, 3).message(5, sequence);
  expectCode(readTensorFile(folder.write("o.pb", optional.str())), Diag::NotATensor);
}

} // namespace
