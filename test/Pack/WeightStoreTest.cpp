// Weights evaluated by the store, against the interpreter.
#include "qcc/Pack/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace qcc;
using namespace qcc::qnt;
using pack::OwnedBytes;
using pack::WeightStore;

namespace {

/// A folder with `w.bin`: floats, halves and bytes at odd offsets.
class WeightStoreTest : public testing::Test {
protected:
  WeightStoreTest() {
    context.loadDialect<QntDialect, mlir::func::FuncDialect>();
    llvm::SmallString<128> path;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("qcc-weights", path));
    dir = path.str().str();
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::string bytes = "odd";
    for (int i = 0; i < 20000; ++i) {
      float value = normal(random);
      bytes.append(reinterpret_cast<const char *>(&value), 4);
    }
    halves = bytes.size();
    for (int i = 0; i < 20000; ++i) {
      uint16_t value = halfFromFloat(normal(random));
      bytes.append(reinterpret_cast<const char *>(&value), 2);
    }
    ints = bytes.size();
    for (int i = 0; i < 20000; ++i)
      bytes += static_cast<char>(random());
    put("w.bin", bytes);
  }
  ~WeightStoreTest() override { llvm::sys::fs::remove_directories(dir); }

  void put(const std::string &name, llvm::StringRef bytes) {
    std::error_code failed;
    llvm::raw_fd_ostream os(dir + "/" + name, failed);
    os << bytes;
  }

  std::string f32(int64_t count, int64_t at = 3) { return source(at, count * 4); }
  std::string source(int64_t at, int64_t bytes) {
    return "#qnt.file<\"w.bin\", " + std::to_string(at) + ", " + std::to_string(bytes) + ">";
  }
  void parse(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
  }
  WeightOp weight(llvm::StringRef name = "r") { return module->lookupSymbol<WeightOp>(name); }

  OwnedBytes bytesOf(WeightOp weight, unsigned threads = 1) {
    WeightStore store(*module, dir, dir, threads);
    auto bytes = store.evaluate(weight);
    if (bytes)
      return *bytes;
    ADD_FAILURE() << llvm::toString(bytes.takeError());
    return {};
  }
  reference::RtValue referenceValue() {
    reference::FolderWeights files(dir, dir);
    reference::Environment environment;
    environment.weights = &files;
    auto value = reference::evaluateWeight(weight(), environment);
    if (value)
      return *value;
    ADD_FAILURE() << llvm::toString(value.takeError());
    return {};
  }
  void expectDense();
  void expectCodes();
  void expectPanels();
  std::string faultOf() {
    WeightStore store(*module, dir, dir, 1);
    auto bytes = store.evaluate(weight());
    return bytes ? "no error" : llvm::toString(bytes.takeError());
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string dir;
  int64_t halves, ints;
};

void WeightStoreTest::expectDense() {
  OwnedBytes bytes = bytesOf(weight());
  auto want = std::get<reference::Tensor>(referenceValue());
  ASSERT_EQ(bytes.size(), static_cast<size_t>(want.byteSize()));
  EXPECT_EQ(std::memcmp(bytes.data(), want.data(), bytes.size()), 0);
  EXPECT_EQ(bytes, bytesOf(weight(), 3));
}

float scaleAt(const uint8_t *bytes, int64_t i, mlir::Type type) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, bytes + i * 4, 4);
    return value;
  }
  if (type.isInteger(8))
    return bytes[i];
  if (llvm::isa<mlir::Float8E8M0FNUType>(type))
    return floatFromE8m0(bytes[i]);
  if (llvm::isa<mlir::Float8E4M3FNType>(type))
    return floatFromMini(kFloat8E4M3, bytes[i]);
  uint16_t bits;
  std::memcpy(&bits, bytes + i * 2, 2);
  return type.isF16() ? floatFromHalf(bits) : floatFromBfloat(bits);
}

/// Codes, scales and zero points of a buffer, whatever its layout.
struct Decoded {
  std::vector<uint8_t> codes;
  std::vector<float> scales;
  std::vector<uint8_t> zeros;
  std::vector<float> realZeros, table;
};

/// The parts of a panel16_block buffer, through the inverse of the packer.
Decoded decodeBlocks(QType type, const OwnedBytes &bytes, Decoded out) {
  BlockLayout layout = blockLayoutOf(type);
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  int64_t blocks = layout.blocks(k);
  EXPECT_EQ(layout.bytes(n, k), static_cast<int64_t>(bytes.size()));
  std::vector<uint8_t> scales(n * blocks * 4);
  std::vector<float> super(n, 1);
  out.realZeros.resize(n * blocks);
  BlockParts parts{out.codes.data(), scales.data(), out.zeros.data(), out.realZeros.data(),
                   super.data()};
  unpackBlocks(bytes.data() + layout.tableBytes(), layout, n, k, parts);
  for (int64_t i = 0; i < n * blocks; ++i)
    out.scales[i] = scaleAt(scales.data(), i, type.getScale()) * super[i / blocks];
  out.table.resize(layout.tableEntries);
  if (!out.table.empty())
    std::memcpy(out.table.data(), bytes.data(), out.table.size() * 4);
  return out;
}

/// Bits [bit, bit + count) of packed codes.
unsigned bitsAt(const uint8_t *bytes, int64_t bit, unsigned count) {
  unsigned code = 0;
  for (unsigned i = 0; i < count; ++i)
    code |= unsigned(bytes[(bit + i) / 8] >> (bit + i) % 8 & 1) << i;
  return code;
}

Decoded decode(QType type, const OwnedBytes &bytes) {
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  int64_t blocks = type.getGranularity() == Granularity::block ? ceilDiv(k, type.getBlock()) : 1;
  Decoded out{std::vector<uint8_t>(n * k),
              std::vector<float>(n * blocks),
              std::vector<uint8_t>(n * blocks),
              {}};
  QuantizedLayout layout = layoutOf(type);
  auto at = [](DimExpr dim) { return *dim.constantValue(); };
  EXPECT_EQ(at(layout.bytes), static_cast<int64_t>(bytes.size()));
  if (type.getLayout() == Layout::panel16_k4) {
    auto *codes = reinterpret_cast<int8_t *>(out.codes.data());
    unpackW8(reinterpret_cast<const int8_t *>(bytes.data()), n, k, codes);
    for (int64_t i = 0; i < panels(n) * kPanel; ++i) {
      int32_t correction, sum = 0;
      std::memcpy(&correction, bytes.data() + at(layout.extra) + i * 4, 4);
      float scale = scaleAt(bytes.data() + at(layout.scales), i, type.getScale());
      for (int64_t j = 0; i < n && j < k; ++j)
        sum += codes[i * k + j];
      EXPECT_EQ(correction, -128 * sum) << "channel " << i;
      if (i < n)
        out.scales[i] = scale;
      else
        EXPECT_EQ(scale, 0);
    }
  } else if (type.getLayout() == Layout::panel16_block) {
    return decodeBlocks(type, bytes, std::move(out));
  } else {
    for (int64_t i = 0; i < n * k; ++i) {
      unsigned bits = type.getBits();
      out.codes[i] = bitsAt(bytes.data() + i / k * at(layout.rowBytes), i % k * bits, bits);
    }
    auto reals = [&](int64_t from, int64_t count) {
      std::vector<float> values(count);
      if (count != 0)
        std::memcpy(values.data(), bytes.data() + from, count * 4);
      return values;
    };
    bool one = type.getGranularity() == Granularity::tensor;
    std::vector<float> super = reals(at(layout.supers), type.getSuper() ? n : 0);
    for (int64_t i = 0; i < n * blocks; ++i) {
      out.scales[i] = scaleAt(bytes.data() + at(layout.scales), one ? 0 : i, type.getScale());
      if (type.getSuper())
        out.scales[i] *= super[i / blocks];
      if (type.getZero() && type.getZero().isInteger())
        out.zeros[i] = bytes[at(layout.extra) + (one ? 0 : i)];
    }
    if (isa_and_nonnull<mlir::FloatType>(type.getZero()))
      out.realZeros = reals(at(layout.extra), n * blocks);
    out.table = reals(at(layout.table), type.getCodebook() ? 1 << type.getBits() : 0);
  }
  return out;
}

void WeightStoreTest::expectCodes() {
  OwnedBytes bytes = bytesOf(weight());
  auto type = llvm::cast<QType>(weight().getType());
  auto want = std::get<std::shared_ptr<const reference::QTensor>>(referenceValue());
  Decoded got = decode(type, bytes);
  bool one = type.getGranularity() == Granularity::tensor;
  for (size_t i = 0; i < got.scales.size(); ++i)
    ASSERT_EQ(got.scales[i], want->scales[one ? 0 : i]) << "scale " << i;
  // Packed codes count from the lowest one.
  bool packed = type.getLayout() == Layout::panel16_block;
  unsigned low = packed && !isUnsignedStorage(type.getStorage()) ? 1u << (type.getBits() - 1) : 0;
  unsigned mask = (1u << type.getBits()) - 1;
  for (size_t i = 0; i < got.codes.size(); ++i)
    ASSERT_EQ(got.codes[i], (static_cast<unsigned>(want->codes[i]) + low) & mask) << "code " << i;
  bool realZeros = isa_and_nonnull<mlir::FloatType>(type.getZero());
  for (size_t i = 0; i < want->zeros.size() && i < got.scales.size(); ++i) {
    if (realZeros)
      ASSERT_EQ(got.realZeros[i], want->zeros[i]) << "zero point " << i;
    else
      ASSERT_EQ(got.zeros[i],
                (static_cast<unsigned>(int32_t(want->zeros[i])) + low) & (packed ? mask : 255))
          << "zero point " << i;
  }
  EXPECT_EQ(got.table, want->table);
  EXPECT_EQ(bytes, bytesOf(weight(), 3));
}

void WeightStoreTest::expectPanels() {
  OwnedBytes bytes = bytesOf(weight());
  auto type = llvm::cast<QType>(weight().getType());
  auto want = std::get<std::shared_ptr<const reference::QTensor>>(referenceValue())->reals;
  int64_t n = want.dims()[0], k = want.dims()[1], width = want.bytesPerElement();
  int64_t together = type.getLayout() == Layout::panel16_k2 ? 2 : 1, steps = ceilDiv(k, together);
  ASSERT_EQ(static_cast<int64_t>(bytes.size()), panels(n) * kPanel * steps * together * width);
  ASSERT_EQ(static_cast<int64_t>(type.getBits()), width * 8);
  for (int64_t i = 0; i < panels(n) * kPanel; ++i)
    for (int64_t j = 0; j < steps * together; ++j) {
      static const char zeros[4] = {};
      int64_t step = (i / kPanel * steps + j / together) * kPanel + i % kPanel;
      const uint8_t *got = bytes.data() + (step * together + j % together) * width;
      const char *expected = i < n && j < k ? want.data() + (i * k + j) * width : zeros;
      ASSERT_EQ(std::memcmp(got, expected, width), 0) << "element " << i << ", " << j;
    }
  EXPECT_EQ(bytes, bytesOf(weight(), 3));
}

const char *q8 = "!qnt.q<[33, 70], i8, axis 0, scale f32";
const char *q4 = "!qnt.q<[33, 70], u4, block 1 x 32, scale f16, zero ui4";
const char *s4 = "!qnt.q<[33, 70], i4, block 1 x 16, scale f32";

/// A recipe over @w, a matrix [70, 33] as ONNX stores it.
std::string quantizeAndPack(const std::string &type, const std::string &layout) {
  std::string result = layout.empty() ? type + ">" : type + ", layout " + layout + ">";
  std::string text = "qnt.weight @r : " + result + R"( {
    %0 = qnt.use @w : tensor<70x33xf32>
    %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<70x33xf32>) -> tensor<33x70xf32>
    %2 = qnt.quantize %1 : (tensor<33x70xf32>) -> )" +
                     type + ">\n";
  if (layout.empty())
    return text + "qnt.yield %2 : " + result + " }";
  return text + "%3 = qnt.pack %2 : (" + type + ">) -> " + result + "\nqnt.yield %3 : " + result +
         " }";
}

} // namespace

TEST_F(WeightStoreTest, BytesOfAFile) {
  parse("qnt.weight @r : tensor<20x11xf32> = " + f32(220));
  expectDense();
  parse("qnt.weight @r : tensor<20x11xi8> = " + source(ints, 220));
  expectDense();
}

TEST_F(WeightStoreTest, BytesOfABlob) {
  std::string bytes(128, 'x');
  std::string hash =
      llvm::toHex(llvm::SHA256::hash(llvm::ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()),
                                                    bytes.size())),
                  true);
  put(hash, bytes);
  parse("qnt.weight @r : tensor<32xi32> = #qnt.blob<\"" + hash + "\", 128>");
  expectDense();
}

TEST_F(WeightStoreTest, Views) {
  parse("qnt.weight @w : tensor<20x11xf32> = " + f32(220) + R"(
qnt.weight @r : tensor<11x20xf32> {
  %0 = qnt.use @w : tensor<20x11xf32>
  %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<20x11xf32>) -> tensor<11x20xf32>
  qnt.yield %1 : tensor<11x20xf32>
})");
  expectDense();
  parse("qnt.weight @w : tensor<20x11xf16> = " + source(halves, 440) + R"(
qnt.weight @r : tensor<5x22xf32> {
  %0 = qnt.use @w : tensor<20x11xf16>
  %1 = qnt.reshape %0 : (tensor<20x11xf16>) -> tensor<10x22xf16>
  %2 = qnt.slice %1 {starts = #qnt.dims<[9, 0]>, steps = array<i64: -2, 1>} : (tensor<10x22xf16>) -> tensor<5x22xf16>
  %3 = qnt.cast %2 : (tensor<5x22xf16>) -> tensor<5x22xf32>
  qnt.yield %3 : tensor<5x22xf32>
})");
  expectDense();
}

TEST_F(WeightStoreTest, OtherOpsGoThroughTheInterpreter) {
  parse("qnt.weight @w : tensor<20x11xf32> = " + f32(220) + R"(
qnt.weight @g : tensor<11xf32> {
  %0 = qnt.constant dense<2.0> : tensor<11xf32>
  qnt.yield %0 : tensor<11xf32>
}
qnt.weight @r : tensor<11x20xf32> {
  %0 = qnt.use @w : tensor<20x11xf32>
  %1 = qnt.use @g : tensor<11xf32>
  %2 = qnt.mul %0, %1 : (tensor<20x11xf32>, tensor<11xf32>) -> tensor<20x11xf32>
  %3 = qnt.transpose %2 {permutation = array<i64: 1, 0>} : (tensor<20x11xf32>) -> tensor<11x20xf32>
  qnt.yield %3 : tensor<11x20xf32>
})");
  expectDense();
}

TEST_F(WeightStoreTest, PanelsOfFloats) {
  std::string packed = "!qnt.q<[33, 70], f32, tensor, scale f32, layout panel16_f32>";
  for (int64_t at : {3, 7}) {
    parse("qnt.weight @w : tensor<70x33xf32> = " + f32(2310, at) + "\nqnt.weight @r : " + packed +
          R"( {
  %0 = qnt.use @w : tensor<70x33xf32>
  %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<70x33xf32>) -> tensor<33x70xf32>
  %2 = qnt.pack %1 : (tensor<33x70xf32>) -> )" +
          packed + "\nqnt.yield %2 : " + packed + "\n}");
    expectPanels();
  }
  packed = "!qnt.q<[33, 70], f16, tensor, scale f32, layout panel16_f32>";
  parse("qnt.weight @w : tensor<33x70xf16> = " + source(halves, 4620) +
        "\nqnt.weight @r : " + packed + R"( {
  %0 = qnt.use @w : tensor<33x70xf16>
  %2 = qnt.pack %0 : (tensor<33x70xf16>) -> )" +
        packed + "\nqnt.yield %2 : " + packed + "\n}");
  expectPanels();
}

TEST_F(WeightStoreTest, PanelsOfPairs) {
  std::string packed = "!qnt.q<[33, 69], bf16, tensor, scale f32, layout panel16_k2>";
  std::string end = " : (tensor<33x69xbf16>) -> " + packed + "\nqnt.yield %2 : " + packed + "\n}";
  parse("qnt.weight @w : tensor<33x69xbf16> = " + source(halves, 4554) + "\nqnt.weight @r : " +
        packed + " {\n%0 = qnt.use @w : tensor<33x69xbf16>\n%2 = qnt.pack %0" + end);
  expectPanels();
  parse("qnt.weight @w : tensor<33x69xf32> = " + f32(2277, 7) + "\nqnt.weight @r : " + packed +
        R"( {
  %0 = qnt.use @w : tensor<33x69xf32>
  %1 = qnt.cast %0 : (tensor<33x69xf32>) -> tensor<33x69xbf16>
  %2 = qnt.pack %1)" +
        end);
  expectPanels();
}

TEST_F(WeightStoreTest, CodesInEveryLayout) {
  std::string w = "qnt.weight @w : tensor<70x33xf32> = " + f32(2310) + "\n";
  for (const char *type : {q8, q4, s4}) {
    parse(w + quantizeAndPack(type, ""));
    expectCodes();
    parse(w + quantizeAndPack(type, type == q8 ? "panel16_k4" : "panel16_block"));
    expectCodes();
  }
}

TEST_F(WeightStoreTest, EverySchemeInItsLayouts) {
  std::string w = "qnt.weight @w : tensor<70x33xf32> = " + f32(2310) + "\n";
  for (const char *storage : {"i8",
                              "i7",
                              "i6",
                              "i5",
                              "i4",
                              "i3",
                              "i2",
                              "ternary",
                              "f8e4m3fn",
                              "f8e5m2",
                              "f4e2m1",
                              "u8 zero ui8",
                              "u7 zero ui7",
                              "u6 zero ui6",
                              "u5 zero ui5",
                              "u4 zero ui4",
                              "u3 zero ui3",
                              "u2 zero ui2",
                              "u1 zero ui1",
                              "u1 codebook #qnt.codebook<[-1.0, 1.0]>",
                              "u3 codebook #qnt.codebook<[-4.0, -1.0, 0.01, 0.5, 2.0, 4.0]>",
                              "u2 codebook #qnt.codebook<learned>"})
    for (const char *grouping :
         {"tensor, scale f32", "axis 0, scale f16", "block 1 x 32, scale bf16",
          "block 1 x 24, scale f8E8M0FNU", "block 1 x 20, scale ui8, super f32",
          "block 1 x 70, scale f8E4M3FN, super f32"}) {
      auto [name, rest] = llvm::StringRef(storage).split(' ');
      std::string type = "!qnt.q<[33, 70], " + name.str() + ", " + grouping +
                         (rest.empty() ? "" : ", " + rest.str());
      SCOPED_TRACE(type);
      parse(w + quantizeAndPack(type, ""));
      expectCodes();
      parse(w + quantizeAndPack(type, "panel16_block"));
      expectCodes();
    }
}

/// What the logical layout holds is read back from a blob, in every layout.
TEST_F(WeightStoreTest, CodesOfABlob) {
  std::string w = "qnt.weight @w : tensor<70x33xf32> = " + f32(2310) + "\n";
  for (const char *storage :
       {"i8", "i5", "i3", "ternary", "f8e5m2", "f4e2m1", "u6 zero ui6", "u4 zero ui4",
        "u1 codebook #qnt.codebook<[-1.0, 1.0]>", "u3 codebook #qnt.codebook<learned>"})
    for (const char *grouping :
         {"tensor, scale f32", "axis 0, scale f32", "block 1 x 32, scale f8E8M0FNU",
          "block 1 x 20, scale ui8, super f32", "block 1 x 24, scale f8E4M3FN, super f32"}) {
      auto [name, rest] = llvm::StringRef(storage).split(' ');
      std::string type = "!qnt.q<[33, 70], " + name.str() + ", " + grouping +
                         (rest.empty() ? "" : ", " + rest.str());
      SCOPED_TRACE(type);
      parse(w + quantizeAndPack(type, ""));
      OwnedBytes logical = bytesOf(weight());
      parse(w + quantizeAndPack(type, "panel16_block"));
      OwnedBytes packed = bytesOf(weight());
      std::string hash = llvm::toHex(llvm::SHA256::hash(logical), true);
      put(hash, llvm::StringRef(reinterpret_cast<const char *>(logical.data()), logical.size()));
      std::string source = "#qnt.blob<\"" + hash + "\", " + std::to_string(logical.size()) + ">";
      parse("qnt.weight @r : " + type + "> = " + source);
      EXPECT_EQ(bytesOf(weight()), logical);
      expectCodes();
      parse("qnt.weight @q : " + type + "> = " + source + "\nqnt.weight @r : " + type +
            ", layout panel16_block> {\n%0 = qnt.use @q : " + type + ">\n%1 = qnt.pack %0 : (" +
            type + ">) -> " + type + ", layout panel16_block>\nqnt.yield %1 : " + type +
            ", layout panel16_block>\n}");
      EXPECT_EQ(bytesOf(weight()), packed);
      parse("qnt.weight @q : " + type + "> = " + source +
            "\nqnt.weight @r : tensor<33x70xf32> {\n%0 = qnt.use @q : " + type +
            ">\n%1 = qnt.dequantize %0 : (" + type +
            ">) -> tensor<33x70xf32>\nqnt.yield %1 : tensor<33x70xf32>\n}");
      expectDense();
    }
}

/// Zero points of float type, as imported models have them.
TEST_F(WeightStoreTest, RealZeroPoints) {
  std::string type = "!qnt.q<[20, 12], u4, block 1 x 4, scale f32, zero f32";
  std::string parts = "qnt.weight @c : tensor<120xi8> = " + source(ints, 120) +
                      "\nqnt.weight @s : tensor<20x3xf32> = " + f32(60) +
                      "\nqnt.weight @z : tensor<60xf32> = " + f32(60, 403) + "\n";
  std::string codes = R"(
  %0 = qnt.use @c : tensor<120xi8>
  %1 = qnt.use @s : tensor<20x3xf32>
  %2 = qnt.use @z : tensor<60xf32>
  %3 = qnt.assemble %0, %1, %2 : (tensor<120xi8>, tensor<20x3xf32>, tensor<60xf32>) -> )" +
                      type + ">\n";
  parse(parts + "qnt.weight @r : " + type + "> {" + codes + "qnt.yield %3 : " + type + ">\n}");
  expectCodes();
  std::string packed = type + ", layout panel16_block>";
  parse(parts + "qnt.weight @r : " + packed + " {" + codes + "%4 = qnt.pack %3 : (" + type +
        ">) -> " + packed + "\nqnt.yield %4 : " + packed + "\n}");
  expectCodes();
  parse(parts + "qnt.weight @r : tensor<20x12xf32> {" + codes + "%4 = qnt.dequantize %3 : (" +
        type + ">) -> tensor<20x12xf32>\nqnt.yield %4 : tensor<20x12xf32>\n}");
  expectDense();
}

TEST_F(WeightStoreTest, QuantizesHalvesAfterWidening) {
  std::string packed = std::string(q4) + ", layout panel16_block>", plain = std::string(q4) + ">";
  parse("qnt.weight @w : tensor<33x70xf16> = " + source(halves, 4620) +
        "\nqnt.weight @r : " + packed + R"( {
  %0 = qnt.use @w : tensor<33x70xf16>
  %1 = qnt.cast %0 : (tensor<33x70xf16>) -> tensor<33x70xf32>
  %2 = qnt.quantize %1 : (tensor<33x70xf32>) -> )" +
        plain + R"(
  %3 = qnt.pack %2 : ()" +
        plain + ") -> " + packed + "\nqnt.yield %3 : " + packed + "\n}");
  expectCodes();
}

TEST_F(WeightStoreTest, CodesThatExist) {
  std::string plain = "!qnt.q<[20, 12], u4, block 1 x 4, scale f32, zero ui4";
  parse("qnt.weight @c : tensor<120xi8> = " + source(ints, 120) +
        "\nqnt.weight @s : tensor<20x3xf32> = " + f32(60) + "\nqnt.weight @z : tensor<30xi8> = " +
        source(ints + 200, 30) + "\nqnt.weight @r : " + plain + ", layout panel16_block>" + R"( {
  %0 = qnt.use @c : tensor<120xi8>
  %1 = qnt.use @s : tensor<20x3xf32>
  %2 = qnt.use @z : tensor<30xi8>
  %3 = qnt.assemble %0, %1, %2 : (tensor<120xi8>, tensor<20x3xf32>, tensor<30xi8>) -> )" +
        plain + R"(>
  %4 = qnt.pack %3 : ()" +
        plain + ">) -> " + plain + ", layout panel16_block>\nqnt.yield %4 : " + plain +
        ", layout panel16_block>\n}");
  expectCodes();
}

TEST_F(WeightStoreTest, SignedCodesThatExist) {
  std::string i4 = "!qnt.q<[20, 12], i4, block 1 x 4, scale f16";
  std::string parts = "qnt.weight @c : tensor<120xui8> = " + source(ints, 120) +
                      "\nqnt.weight @s : tensor<60xf16> = " + source(halves, 120) +
                      "\nqnt.weight @t : tensor<12x20xi8> = " + source(ints, 240) +
                      "\nqnt.weight @f : tensor<20xf32> = " + f32(20) + "\n";
  std::string codes = R"(
  %0 = qnt.use @c : tensor<120xui8>
  %1 = qnt.use @s : tensor<60xf16>
  %2 = qnt.assemble %0, %1 : (tensor<120xui8>, tensor<60xf16>) -> )" +
                      i4 + ">\n";
  parse(parts + "qnt.weight @r : " + i4 + "> {" + codes + "qnt.yield %2 : " + i4 + ">\n}");
  expectCodes();
  parse(parts + "qnt.weight @r : tensor<20x12xf32> {" + codes + "%3 = qnt.dequantize %2 : (" + i4 +
        ">) -> tensor<20x12xf32>\nqnt.yield %3 : tensor<20x12xf32>\n}");
  expectDense();
  std::string i8 = "!qnt.q<[20, 12], i8, axis 0, scale f32";
  parse(parts + "qnt.weight @r : " + i8 + ", layout panel16_k4> {" + R"(
  %0 = qnt.use @t : tensor<12x20xi8>
  %1 = qnt.use @f : tensor<20xf32>
  %2 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<12x20xi8>) -> tensor<20x12xi8>
  %3 = qnt.assemble %2, %1 : (tensor<20x12xi8>, tensor<20xf32>) -> )" +
        i8 + ">\n%4 = qnt.pack %3 : (" + i8 + ">) -> " + i8 +
        ", layout panel16_k4>\nqnt.yield %4 : " + i8 + ", layout panel16_k4>\n}");
  expectCodes();
}

TEST_F(WeightStoreTest, SectionsAreWrittenInOrderWithZerosBetween) {
  parse("qnt.weight @a : tensor<5xi8> = " + source(ints, 5) + "\nqnt.weight @b : tensor<70xi8> = " +
        source(ints + 5, 70) + "\nqnt.section [@a, @b] at [64, 128] bytes 256");
  OwnedBytes got;
  WeightStore store(*module, dir, dir, 2);
  auto section = *module->getOps<SectionOp>().begin();
  auto error = store.writeSection(section, [&](llvm::ArrayRef<uint8_t> bytes) {
    got.insert(got.end(), bytes.begin(), bytes.end());
    return llvm::Error::success();
  });
  ASSERT_FALSE(error) << llvm::toString(std::move(error));
  OwnedBytes want(64, 0), a = bytesOf(weight("a")), b = bytesOf(weight("b"));
  want.insert(want.end(), a.begin(), a.end());
  want.resize(128);
  want.insert(want.end(), b.begin(), b.end());
  want.resize(256);
  EXPECT_EQ(got, want);
}

TEST_F(WeightStoreTest, FilesOutsideTheFolderAreRefused) {
  parse("qnt.weight @r : tensor<4xi8> = #qnt.file<\"../w.bin\", 0, 4>");
  EXPECT_NE(faultOf().find("QCC1110"), std::string::npos) << faultOf();
  parse("qnt.weight @r : tensor<4xi8> = #qnt.file<\"/etc/hostname\", 0, 4>");
  EXPECT_NE(faultOf().find("QCC1110"), std::string::npos) << faultOf();
  parse("qnt.weight @r : tensor<4xi8> = #qnt.blob<\"../w.bin\", 4>");
  EXPECT_NE(faultOf().find("QCC1856"), std::string::npos) << faultOf();
}

TEST_F(WeightStoreTest, MissingBytesAreNamed) {
  parse("qnt.weight @r : tensor<4xi8> = #qnt.file<\"gone.bin\", 0, 4>");
  EXPECT_NE(faultOf().find("gone.bin"), std::string::npos) << faultOf();
  parse("qnt.weight @r : tensor<4xi8> = #qnt.file<\"w.bin\", 18446744073709551615, 4>");
  EXPECT_NE(faultOf().find("QCC1856"), std::string::npos) << faultOf();
}

TEST_F(WeightStoreTest, RecipesThatReadEachOtherEnd) {
  parse(R"(qnt.weight @r : tensor<4xi8> {
  %0 = qnt.use @s : tensor<4xi8>
  qnt.yield %0 : tensor<4xi8>
}
qnt.weight @s : tensor<4xi8> {
  %0 = qnt.use @r : tensor<4xi8>
  qnt.yield %0 : tensor<4xi8>
})");
  EXPECT_NE(faultOf().find("nest"), std::string::npos) << faultOf();
}

TEST_F(WeightStoreTest, NamesOfNothing) {
  parse(R"(qnt.weight @s : tensor<4xi8> = #qnt.file<"w.bin", 0, 4>
qnt.weight @r : tensor<4xi8> {
  %0 = qnt.use @s : tensor<4xi8>
  qnt.yield %0 : tensor<4xi8>
})");
  weight("s").erase();
  EXPECT_NE(faultOf().find("error QCC1856: no weight has this name"), std::string::npos)
      << faultOf();
  parse("qnt.weight @r : tensor<4xi8> = #qnt.blob<\"w.bin\", 4>");
  EXPECT_NE(faultOf().find("is not the hash of a blob"), std::string::npos) << faultOf();
  parse("qnt.weight @r : tensor<4xi8> = #qnt.file<\"w.bin\", 1000000, 4>");
  EXPECT_NE(faultOf().find("but a weight lies at 1000000 and has 4"), std::string::npos)
      << faultOf();
}

TEST_F(WeightStoreTest, CodesThatDoNotFillTheirType) {
  parse("qnt.weight @r : !qnt.q<[4, 64], i8, axis 0, scale f32> = " + source(0, 64));
  EXPECT_NE(faultOf().find("64 bytes do not hold 320 bytes of codes by rows"), std::string::npos)
      << faultOf();
}

TEST_F(WeightStoreTest, CodesThatAreNotByRows) {
  parse("qnt.weight @w : tensor<4x64xf32> = " + f32(256) +
        "\nqnt.weight @r : !qnt.q<[4, 64], i8, axis 1, scale f32> {\n"
        "  %0 = qnt.use @w : tensor<4x64xf32>\n"
        "  %1 = qnt.quantize %0 : (tensor<4x64xf32>) -> !qnt.q<[4, 64], i8, axis 1, scale f32>\n"
        "  qnt.yield %1 : !qnt.q<[4, 64], i8, axis 1, scale f32>\n}");
  EXPECT_NE(faultOf().find("are not stored by rows"), std::string::npos) << faultOf();
}
