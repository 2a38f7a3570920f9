// Kernels on codes: quantization of tokens, linear layers under every kind of scheme, look-ups and
// dequantization, against the interpreter, bit by bit on every level.
#include "AmxEmulator.h"
#include "KernelHarness.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Algorithms/FloatFormats.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Support/Diagnostics.h"
#include <cmath>

using namespace qcc;
using namespace qcc::lower;
using namespace qcc::lower::test;
using namespace qcc::qnt;
using llvm::ArrayRef;
using llvm::cast;
using llvm::isa;
using reference::QTensor;

namespace {

using QValue = std::shared_ptr<const QTensor>;

std::vector<float> randomFloats(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(generator) * (generator() % 50 ? 1.0f : 8.0f);
  return values;
}

int64_t bytesOf(QType type, ArrayRef<int64_t> dims) { return evaluate(quantizedBytes(type), dims); }

/// A kernel whose operands and results are buffers.
class BufferKernel {
public:
  BufferKernel(const std::string &text) : harness(text) {}

  void run(const Target &target, ArrayRef<int64_t> dims, ArrayRef<const void *> buffers) {
    Args args;
    for (const void *buffer : buffers)
      args << buffer;
    for (int64_t dim : dims)
      args << dim;
    LaunchShape launch = harness.shape();
    int64_t fault = launchTasks(harness.function(target), args, evaluate(launch.tasks, dims),
                                evaluate(launch.scratchBytes, dims));
    EXPECT_EQ(fault, 0);
  }
  template <typename Op> Op op() { return *harness.kernel().getBody().getOps<Op>().begin(); }

private:
  KernelHarness harness;
};

template <typename T> T at(const char *bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

//===-- Tokens --------------------------------------------------------------------------------===//

/// Rows of [d0, d1] in one of the token layouts.
std::string tokens(const std::string &rest) { return "!qnt.q<[d0, d1], " + rest + ">"; }
constexpr char rowsOfFloats[] = "tensor<?x?xf32, #qnt.dims<[d0, d1]>>";

/// Codes, scales, zero points and sums of the buffer are those of `want`; codes behind rows are 0.
void expectTokens(const GuardedBuffer &buffer, const QTensor &want, ArrayRef<int64_t> dims,
                  const char *base) {
  QType type = want.type;
  QuantizedLayout layout = layoutOf(type);
  auto value = [&](DimExpr expr) { return evaluate(expr, dims); };
  int64_t m = dims[0], k = dims[1], rowBytes = value(layout.rowBytes);
  int64_t plane = value(layout.planeBytes), groups = value(layout.groups);
  int64_t blocks = value(layout.blocks), block = type.getBlock();
  for (int64_t row = 0; row < m; ++row) {
    const char *codes = base + row * rowBytes;
    if (type.getLayout() == Layout::token_f32) {
      for (int64_t i = 0; i < k; ++i)
        ASSERT_EQ(at<uint32_t>(codes, i), std::bit_cast<uint32_t>(floatFromMini(
                                              kFloat8E4M3, uint8_t(want.codes[row * k + i]))));
      plane = 0;
    }
    for (int64_t i = 0; i < plane; ++i) {
      int code = type.getLayout() == Layout::token_f8   ? uint8_t(codes[i])
                 : type.getLayout() == Layout::token_u8 ? uint8_t(codes[i]) - 128
                 : type.getLayout() == Layout::token_s16
                     ? int8_t(codes[i]) * 256 + int8_t(codes[plane + i])
                     : int8_t(codes[i]);
      if (i < k)
        ASSERT_EQ(code, want.codes[row * k + i]) << row << "," << i;
      else if (type.getLayout() != Layout::token_u8)
        ASSERT_EQ(code, 0) << "behind row " << row;
    }
    for (int64_t g = 0; g < groups; ++g)
      ASSERT_EQ(at<float>(base + value(layout.scales), row * groups + g),
                want.scales[row * groups + g]);
    if (type.getZero())
      ASSERT_EQ(at<int32_t>(base + value(layout.extra), row), int32_t(want.zeros[row]));
    for (int64_t b = 0; block && b < blocks; ++b) {
      int32_t sum = 0;
      for (int64_t i = b * block; i < std::min(k, (b + 1) * block); ++i)
        sum += want.codes[row * k + i];
      ASSERT_EQ(at<int32_t>(base + value(layout.extra), row * blocks + b), sum);
    }
  }
}

/// qnt.quantize or qnt.quantize_static as a row kernel.
std::string quantizeText(const std::string &type, const std::string &op,
                         const std::string &attributes = "") {
  return std::string("qnt.kernel @k \"row\" dims 2 { ^bb0(%x: ") + rowsOfFloats + "): %0 = qnt." +
         op + " %x" + attributes + " : (" + rowsOfFloats + ") -> " + type +
         " qnt.yield %0 : " + type + " }";
}

template <typename Op>
QValue referenceTokens(BufferKernel &kernel, ArrayRef<int64_t> dims, const std::vector<float> &x) {
  auto element = mlir::Float32Type::get(&testContext());
  reference::Environment environment;
  environment.symbols["d0"] = dims[0], environment.symbols["d1"] = dims[1];
  std::vector<double> values(x.begin(), x.end());
  auto results =
      reference::evaluateOp(kernel.op<Op>(), {Tensor::of(element, dims, values)}, environment);
  EXPECT_TRUE(bool(results)) << llvm::toString(results.takeError());
  return std::get<QValue>((*results)[0]);
}

template <typename Op>
void checkTokens(const std::string &type, const std::string &op,
                 const std::string &attributes = "") {
  SCOPED_TRACE(type);
  BufferKernel kernel(quantizeText(type, op, attributes));
  for (Dims dims : {Dims{3, 1}, Dims{5, 96}, Dims{2, 130}, Dims{1, 400}}) {
    std::vector<float> x = randomFloats(dims[0] * dims[1], 3);
    if (dims[0] == 3)
      x[1] = 0; // a row of zeros
    if (dims[0] == 5)
      x[7] = NAN, x[96 + 3] = INFINITY, x[2 * 96] = -NAN;
    QValue want = referenceTokens<Op>(kernel, dims, x);
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer out(bytesOf(want->type, dims));
      kernel.run(*target, dims, {x.data(), out.data()});
      expectTokens(out, *want, dims, out.data());
    }
  }
}

TEST(KernelsQuantized, WritesTokens) {
  for (const char *rest :
       {"i8, token, scale f32, zero i8, layout token_u8", "i8, token, scale f32, layout token_s8",
        "i8, token, scale f32, sums 32, layout token_s8",
        "i8, token, scale f32, sums 96, layout token_s8",
        "i8, token, scale f32, group 32, sums 32, layout token_s8",
        "i8, token, scale f32, group 128, sums 32, layout token_s8",
        "i8, token, scale f32, group 64, layout token_s8",
        "i16, token, scale f32, sums 256, layout token_s16",
        "i16, token, scale f32, group 64, sums 64, layout token_s16",
        "f8e4m3fn, token, scale f32, layout token_f32",
        "f8e4m3fn, token, scale f32, layout token_f8"})
    checkTokens<QuantizeOp>(tokens(rest), "quantize");
}

TEST(KernelsQuantized, WritesTokensWithKnownScales) {
  checkTokens<QuantizeStaticOp>(tokens("i8, token, scale f32, zero i8, layout token_u8"),
                                "quantize_static", " {scale = 0.0171 : f32, zero = -5 : i64}");
  checkTokens<QuantizeStaticOp>(tokens("i8, token, scale f32, sums 32, layout token_s8"),
                                "quantize_static", " {scale = 0.02 : f32}");
  checkTokens<QuantizeStaticOp>(tokens("f8e4m3fn, token, scale f32, layout token_f32"),
                                "quantize_static", " {scale = 0.003 : f32}");
}

//===-- Weights -------------------------------------------------------------------------------===//

/// [d2, d1] with sizes n and k.
std::string matrix(const std::string &rest) { return "!qnt.q<[d2, d1], " + rest + ">"; }

QType parseType(const std::string &text) {
  testContext().loadDialect<QntDialect>();
  return cast<QType>(mlir::parseType(text, &testContext()));
}

uint8_t stored(QType type, int32_t code) {
  int32_t bias = isUnsignedStorage(type.getStorage()) ? 0 : 1 << (type.getBits() - 1);
  return uint8_t(code + bias) & uint8_t((1u << type.getBits()) - 1);
}

/// Bits of a scale in its own type; two levels have them already.
uint32_t scaleBits(const QTensor &w, int64_t index) {
  float scale = w.scales[index];
  uint32_t bits;
  std::memcpy(&bits, &scale, 4);
  switch (scaleFormOf(w.type.getScale())) {
  case ScaleForm::F16: {
    auto half = (_Float16)scale;
    uint16_t word;
    std::memcpy(&word, &half, 2);
    return word;
  }
  case ScaleForm::BF16:
    return bits >> 16;
  case ScaleForm::E8M0:
    return bits >> 23;
  case ScaleForm::E4M3:
  case ScaleForm::U8:
    return w.scaleCodes[index];
  default:
    return bits;
  }
}

/// The buffer of a weight in the layout of `type`.
std::vector<char> pack(const QTensor &w, QType type) {
  int64_t n = w.dims[0], k = w.dims[1];
  Dims sizes = {0, k, n};
  QuantizedLayout layout = layoutOf(type);
  auto value = [&](DimExpr expr) { return evaluate(expr, sizes); };
  std::vector<char> buffer(value(layout.bytes));
  std::vector<uint8_t> codes, zeros, scales;
  for (int32_t code : w.codes)
    codes.push_back(type.getLayout() == Layout::panel16_block ? stored(type, code) : uint8_t(code));
  for (float zero : w.zeros)
    zeros.push_back(type.getLayout() == Layout::panel16_block ? stored(type, int32_t(zero))
                                                              : uint8_t(int32_t(zero)));
  int64_t scaleBytes = type.getScale().getIntOrFloatBitWidth() / 8;
  bool repeat = type.getLayout() == Layout::panel16_block && w.scales.size() == 1;
  for (int64_t i = 0; i < (repeat ? n : int64_t(w.scales.size())); ++i) {
    uint32_t bits = scaleBits(w, repeat ? 0 : i);
    const auto *bytes = reinterpret_cast<const uint8_t *>(&bits);
    scales.insert(scales.end(), bytes, bytes + scaleBytes);
  }
  auto *out = reinterpret_cast<uint8_t *>(buffer.data());
  if (type.getLayout() == Layout::panel16_k4) {
    packW8({reinterpret_cast<const int8_t *>(codes.data()), n, k, k, 1}, 0, panels(n), 128,
           reinterpret_cast<int8_t *>(out), reinterpret_cast<int32_t *>(out + value(layout.extra)));
    std::memcpy(out + value(layout.scales), w.scales.data(), n * 4);
    return buffer;
  }
  bool realZeros = type.getZero() && isa<mlir::FloatType>(type.getZero());
  if (type.getLayout() == Layout::panel16_block) {
    BlockLayout block = blockLayoutOf(type);
    if (!w.table.empty())
      std::memcpy(out, w.table.data(), w.table.size() * 4);
    BlockSource source{{codes.data(), n, k, k, 1}, scales.data(), zeros.data()};
    source.floatZeros = w.zeros.data();
    source.super = w.supers.data();
    packBlocks(source, block, 0, panels(n), out + block.tableBytes());
    return buffer;
  }
  int64_t bits = type.getBits(), rowBytes = value(layout.rowBytes);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t i = 0; i < k * bits; ++i)
      if (codes[row * k + i / bits] >> i % bits & 1)
        out[row * rowBytes + i / 8] |= uint8_t(1 << i % 8);
  std::memcpy(out + value(layout.scales), scales.data(), scales.size());
  if (realZeros)
    std::memcpy(out + value(layout.extra), w.zeros.data(), w.zeros.size() * 4);
  else if (!zeros.empty())
    std::memcpy(out + value(layout.extra), zeros.data(), zeros.size());
  if (!w.supers.empty())
    std::memcpy(out + value(layout.supers), w.supers.data(), w.supers.size() * 4);
  if (!w.table.empty())
    std::memcpy(out + value(layout.table), w.table.data(), w.table.size() * 4);
  return buffer;
}

QTensor randomWeight(const std::string &rest, int64_t n, int64_t k) {
  QType type = parseType(matrix(rest)).withLayout(Layout::logical);
  return reference::quantize(type, {n, k}, randomFloats(n * k, 17));
}

void expectFloats(const GuardedBuffer &out, const Tensor &want, const char *data,
                  const char *level) {
  for (int64_t i = 0; i < want.size(); ++i) {
    float got = at<float>(data, i), wanted = at<float>(want.data(), i);
    ASSERT_EQ(std::memcmp(&got, &wanted, 4), 0)
        << level << ": element " << i << " is " << got << " instead of " << wanted;
  }
}

/// A linear layer on x (the rest of a token type, or "" for floats) with weights of `rest`.
void checkLinear(const std::string &xRest, const std::string &rest,
                 const std::vector<Dims> &shapes = {
                     {1, 160, 70}, {9, 160, 33}, {2, 288, 20}, {18, 160, 33}}) {
  SCOPED_TRACE((xRest.empty() ? "floats" : xRest) + " with " + rest);
  std::string x = xRest.empty() ? rowsOfFloats : tokens(xRest), w = matrix(rest);
  std::string y = "tensor<?x?xf32, #qnt.dims<[d0, d2]>>", b = "tensor<?xf32, #qnt.dims<[d2]>>";
  BufferKernel linear("qnt.kernel @k \"qlinear\" dims 3 { ^bb0(%x: " + x + ", %w: " + w +
                      ", %b: " + b + "): %0 = qnt.qlinear %x, %w, %b : (" + x + ", " + w + ", " +
                      b + ") -> " + y + " %1 = qnt.relu %0 : (" + y + ") -> " + y +
                      " qnt.yield %1 : " + y + " }");
  std::optional<BufferKernel> quantize;
  if (!xRest.empty())
    quantize.emplace(quantizeText(x, "quantize"));
  bool wholeRow = xRest.find("sums 160") != std::string::npos;
  for (const Dims &dims : shapes) {
    auto [m, k, n] = std::array<int64_t, 3>{dims[0], dims[1], dims[2]};
    if (wholeRow && k != 160)
      continue;
    std::vector<float> rows = randomFloats(m * k, 5), bias = randomFloats(n, 6);
    QTensor weight = randomWeight(rest, n, k);
    std::vector<char> packed = pack(weight, parseType(w));
    reference::Environment environment;
    for (int i = 0; i < 3; ++i)
      environment.symbols["d" + std::to_string(i)] = dims[i];
    auto element = mlir::Float32Type::get(&testContext());
    auto tensor = [&](ArrayRef<int64_t> sizes, const std::vector<float> &values) {
      return Tensor::of(element, sizes, std::vector<double>(values.begin(), values.end()));
    };
    reference::RtValue input = tensor({m, k}, rows);
    if (quantize)
      input = referenceTokens<QuantizeOp>(*quantize, {m, k}, rows);
    auto product = reference::evaluateOp(
        linear.op<QLinearOp>(), {input, std::make_shared<QTensor>(weight), tensor({n}, bias)},
        environment);
    ASSERT_TRUE(bool(product)) << llvm::toString(product.takeError());
    auto want = reference::evaluateOp(linear.op<ReluOp>(), *product, environment);
    ASSERT_TRUE(bool(want)) << llvm::toString(want.takeError());
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer out(m * n * 4), codes(quantize ? bytesOf(parseType(x), {m, k}) : 0);
      if (quantize)
        quantize->run(*target, {m, k}, {rows.data(), codes.data()});
      const void *first = quantize ? codes.data() : reinterpret_cast<char *>(rows.data());
      linear.run(*target, dims, {first, packed.data(), bias.data(), out.data()});
      expectFloats(out, std::get<Tensor>((*want)[0]), out.data(), target->name);
      if (testing::Test::HasFatalFailure())
        return;
    }
  }
}

constexpr char panel[] = ", layout panel16_block";
const std::string signs = ", codebook #qnt.codebook<[-1.0, 1.0]>";

TEST(KernelsQuantized, MultipliesEightBitTokens) {
  checkLinear("i8, token, scale f32, zero i8, layout token_u8",
              "i8, axis 0, scale f32, layout panel16_k4");
  std::string x = "i8, token, scale f32, sums 32, layout token_s8";
  for (std::string weight :
       {"u4, block 1 x 32, scale f16, zero ui4", "i3, block 1 x 32, scale bf16",
        "u7, block 1 x 32, scale f32, zero ui7", "i8, block 1 x 32, scale f16",
        "u8, block 1 x 32, scale f16, zero ui8", "ternary, block 1 x 32, scale f16",
        "f4e2m1, block 1 x 32, scale f8E8M0FNU", "i4, block 1 x 32, scale ui8, super f32",
        "i4, block 1 x 32, scale f8E4M3FN, super f32"})
    checkLinear(x, weight + panel);
  checkLinear(x, "u1, block 1 x 32, scale f16" + signs + panel);
  checkLinear(x, "u2, block 1 x 32, scale f16, codebook #qnt.codebook<[-7.0, -1.0, 2.0, 90.0]>" +
                     std::string(panel));
}

/// Rows that would lie at multiples of a way of the cache lie a line further apart.
TEST(KernelsQuantized, RowsDoNotShareSetsOfTheCache) {
  for (auto [rest, k] :
       {std::pair("i8, token, scale f32, zero i8, layout token_u8", kCacheWay),
        std::pair("i8, token, scale f32, sums 32, layout token_s8", kCacheWay - 1),
        std::pair("i16, token, scale f32, sums 256, layout token_s16", kCacheWay / 2)}) {
    DimExpr bytes = layoutOf(parseType(tokens(rest))).rowBytes;
    EXPECT_EQ(evaluate(bytes, {2, k}), kCacheWay + 64) << rest;
    EXPECT_EQ(evaluate(bytes, {2, k}), tokenRowStride(kCacheWay)) << rest;
  }
  checkLinear("i8, token, scale f32, zero i8, layout token_u8",
              "i8, axis 0, scale f32, layout panel16_k4", {{17, kCacheWay, 16}});
}

TEST(KernelsQuantized, MultipliesRowsWithOneScale) {
  std::string x = "i8, token, scale f32, sums 160, layout token_s8";
  for (std::string weight : {"i4, axis 0, scale f32", "u8, axis 0, scale f32, zero ui8",
                             "i2, tensor, scale f32", "ternary, tensor, scale f32"})
    checkLinear(x, weight + panel);
}

TEST(KernelsQuantized, MultipliesGroupsOfTokens) {
  checkLinear("i8, token, scale f32, group 32, sums 32, layout token_s8",
              "u4, block 1 x 128, scale f16, zero ui4" + std::string(panel));
  checkLinear("i8, token, scale f32, group 64, sums 32, layout token_s8",
              "i6, block 1 x 32, scale f16" + std::string(panel));
  checkLinear("i8, token, scale f32, group 32, sums 32, layout token_s8",
              "i8, axis 0, scale f32" + std::string(panel));
}

TEST(KernelsQuantized, MultipliesSixteenBitTokens) {
  checkLinear("i16, token, scale f32, sums 256, layout token_s16",
              "i8, axis 0, scale f32" + std::string(panel));
  for (std::string weight :
       {"u4, block 1 x 32, scale f16, zero ui4", "f4e2m1, block 1 x 32, scale f8E8M0FNU"})
    checkLinear("i16, token, scale f32, sums 32, layout token_s16", weight + panel);
}

TEST(KernelsQuantized, MultipliesFloats) {
  for (std::string weight :
       {"i8, axis 0, scale f32", "u4, block 1 x 32, scale f16, zero ui4",
        "i5, block 1 x 64, scale f16", "u4, block 1 x 32, scale f16, zero f32",
        "ternary, block 1 x 32, scale f16", "f8e4m3fn, axis 0, scale f32",
        "f8e5m2, block 1 x 128, scale f16", "f4e2m1, block 1 x 32, scale f8E8M0FNU",
        "u3, block 1 x 32, scale f16, codebook #qnt.codebook<learned>",
        "u4, block 1 x 64, scale ui8, super f32, codebook #qnt.codebook<learned>",
        "u6, block 1 x 32, scale f16, codebook #qnt.codebook<learned>"})
    checkLinear("", weight + panel);
}

TEST(KernelsQuantized, MultipliesTokensOfEightBitFloats) {
  for (std::string weight :
       {"f8e4m3fn, axis 0, scale f32", "f8e4m3fn, tensor, scale f32",
        "f8e5m2, block 1 x 32, scale f16", "u4, block 1 x 32, scale f16, zero ui4"})
    for (std::string layout : {"token_f32", "token_f8"})
      checkLinear("f8e4m3fn, token, scale f32, layout " + layout, weight + panel);
}

TEST(KernelsQuantized, RefusesWhatNoKernelKnows) {
  std::string x = tokens("i8, token, scale f32, zero i8, layout token_u8");
  std::string w = matrix("u4, block 1 x 32, scale f16, zero ui4, layout panel16_block");
  std::string y = "tensor<?x?xf32, #qnt.dims<[d0, d2]>>", message;
  mlir::ScopedDiagnosticHandler handler(&testContext(), [&](mlir::Diagnostic &diagnostic) {
    message += diagnostic.str();
    return mlir::success();
  });
  testContext().loadDialect<QntDialect>();
  mlir::ParserConfig unchecked(&testContext(), /*verifyAfterParse=*/false);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "qnt.kernel @k \"qlinear\" dims 3 { ^bb0(%x: " + x + ", %w: " + w +
          "): %0 = qnt.qlinear %x, %w : (" + x + ", " + w + ") -> " + y + " qnt.yield %0 : " + y +
          " }",
      unchecked);
  ASSERT_TRUE(module);
  KernelOp kernel = *module->getOps<KernelOp>().begin();
  mlir::OwningOpRef<mlir::ModuleOp> out =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
  KernelBuilder k(*out, "k", *hostLevels()[0]);
  KernelFrame frame(k, kernel);
  EXPECT_TRUE(failed(findFamily("qlinear")->emit(frame)));
  EXPECT_NE(message.find(diagName(Diag::NoKernel)), std::string::npos) << message;
  EXPECT_NE(message.find("another scheme"), std::string::npos) << message;
}

//===-- Reading -------------------------------------------------------------------------------===//

/// Rows 0, n - 1 and 3 of a table, out of `layout`.
void checkLookUp(const std::string &rest, const std::string &layout) {
  SCOPED_TRACE(rest + layout);
  std::string table = matrix(rest + layout), indices = "tensor<?xi64, #qnt.dims<[d0]>>";
  std::string out = "tensor<?x?xf32, #qnt.dims<[d0, d1]>>";
  BufferKernel kernel("qnt.kernel @k \"qgather\" dims 3 { ^bb0(%t: " + table + ", %i: " + indices +
                      "): %0 = qnt.qgather %t, %i : (" + table + ", " + indices + ") -> " + out +
                      " qnt.yield %0 : " + out + " }");
  for (int64_t k : {1, 40, 97}) {
    int64_t n = 21, rows[] = {0, n - 1, 3, -2};
    QTensor weight = randomWeight(rest, n, k);
    std::vector<char> packed = pack(weight, parseType(table));
    std::vector<float> all = reference::dequantize(weight);
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer result(4 * k * 4);
      kernel.run(*target, {4, k, n}, {packed.data(), rows, result.data()});
      for (int64_t i = 0; i < 4 * k; ++i) {
        int64_t row = (rows[i / k] + n) % n;
        ASSERT_EQ(at<float>(result.data(), i), all[row * k + i % k]) << target->name << " " << i;
      }
    }
  }
}

TEST(KernelsQuantized, LooksRowsUp) {
  for (std::string rest :
       {"i8, axis 0, scale f32", "u4, block 1 x 32, scale f16, zero ui4",
        "i3, block 1 x 32, scale bf16", "u5, block 1 x 32, scale f16, zero ui5",
        "u7, block 1 x 32, scale f16, zero ui7", "i2, axis 0, scale f32",
        "ternary, block 1 x 32, scale f16", "f8e4m3fn, axis 0, scale f32",
        "f8e5m2, axis 0, scale f32", "f4e2m1, block 1 x 32, scale f8E8M0FNU",
        "u4, block 1 x 32, scale f16, zero f32", "i4, block 1 x 32, scale ui8, super f32",
        "u3, block 1 x 32, scale f16, codebook #qnt.codebook<learned>"}) {
    checkLookUp(rest, "");
  }
  checkLookUp("i8, axis 0, scale f32", ", layout panel16_k4");
}

//===-- Floats in pairs -----------------------------------------------------------------------===//

constexpr char pairs[] = "bf16, tensor, scale f32, layout panel16_k2";

/// [n, k] random numbers of bf16, and the buffer that holds them in pairs.
std::pair<QTensor, std::vector<uint16_t>> randomPairs(int64_t n, int64_t k) {
  std::vector<float> values = randomFloats(n * k, 11);
  std::vector<uint16_t> bits, packed(packedPairBytes(n, k) / 2);
  for (float &value : values) {
    bits.push_back(bfloatFromFloat(value));
    value = floatFromBfloat(bits.back());
  }
  packPairs({bits.data(), n, k, k, 1}, 0, panels(n), packed.data());
  QTensor weight;
  weight.type = parseType(matrix(pairs));
  weight.dims = {n, k};
  weight.reals = Tensor::of(mlir::BFloat16Type::get(&testContext()), {n, k},
                            std::vector<double>(values.begin(), values.end()));
  return {weight, packed};
}

/// As the interpreter has them on levels with dots of bf16. Others keep the input as it is: each
/// product is off by half a step of 2^-8 of it at most, the sum of K by K of 2^-24.
TEST(KernelsQuantized, MultipliesPairsOfBfloat) {
  std::string w = matrix(pairs), y = "tensor<?x?xf32, #qnt.dims<[d0, d2]>>";
  BufferKernel linear(std::string("qnt.kernel @k \"linear\" dims 3 { ^bb0(%x: ") + rowsOfFloats +
                      ", %w: " + w +
                      "): %0 = qnt.linear %x, %w {products = #qnt<storage bf16>} : (" +
                      rowsOfFloats + ", " + w + ") -> " + y + " qnt.yield %0 : " + y + " }");
  for (Dims dims : {Dims{1, 160, 70}, Dims{40, 33, 33}, Dims{101, 288, 20}}) {
    auto [m, k, n] = std::array<int64_t, 3>{dims[0], dims[1], dims[2]};
    std::vector<float> rows = randomFloats(m * k, 5);
    auto [weight, packed] = randomPairs(n, k);
    reference::Environment environment;
    for (int i = 0; i < 3; ++i)
      environment.symbols["d" + std::to_string(i)] = dims[i];
    Tensor x = Tensor::of(mlir::Float32Type::get(&testContext()), {m, k},
                          std::vector<double>(rows.begin(), rows.end()));
    auto want = reference::evaluateOp(linear.op<LinearOp>(), {x, std::make_shared<QTensor>(weight)},
                                      environment);
    ASSERT_TRUE(bool(want)) << llvm::toString(want.takeError());
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer out(m * n * 4);
      linear.run(*target, dims, {rows.data(), packed.data(), out.data()});
      for (int64_t i = 0; i < m * n; ++i) {
        double sum = 0, got = at<float>(out.data(), i);
        for (int64_t j = 0; j < k; ++j)
          sum += std::fabs(rows[i / n * k + j] * weight.reals.real(i % n * k + j));
        bool same = target->hasBf16Dots && !target->hasTiles;
        ASSERT_LE(std::fabs(got - std::get<Tensor>((*want)[0]).real(i)),
                  same ? 0 : sum * (0x1p-8 + k * 0x1p-24))
            << target->name << " " << i;
      }
    }
  }
}

TEST(KernelsQuantized, LooksRowsOfPairsUp) {
  std::string table = matrix(pairs), indices = "tensor<?xi64, #qnt.dims<[d0]>>";
  std::string out = "tensor<?x?xf32, #qnt.dims<[d0, d1]>>";
  BufferKernel kernel("qnt.kernel @k \"qgather\" dims 3 { ^bb0(%t: " + table + ", %i: " + indices +
                      "): %0 = qnt.qgather %t, %i : (" + table + ", " + indices + ") -> " + out +
                      " qnt.yield %0 : " + out + " }");
  for (int64_t k : {1, 40, 97}) {
    int64_t n = 21, rows[] = {0, n - 1, 3, -2};
    auto [weight, packed] = randomPairs(n, k);
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer result(4 * k * 4);
      kernel.run(*target, {4, k, n}, {packed.data(), rows, result.data()});
      for (int64_t i = 0; i < 4 * k; ++i) {
        int64_t row = (rows[i / k] + n) % n;
        ASSERT_EQ(at<float>(result.data(), i), weight.reals.real(row * k + i % k)) << target->name;
      }
    }
  }
}

TEST(KernelsQuantized, DequantizesTokens) {
  for (std::string rest :
       {"i8, token, scale f32, zero i8, layout token_u8", "i8, token, scale f32, layout token_s8",
        "i8, token, scale f32, group 32, sums 32, layout token_s8",
        "i16, token, scale f32, sums 32, layout token_s16"}) {
    SCOPED_TRACE(rest);
    std::string x = tokens(rest);
    BufferKernel quantize(quantizeText(x, "quantize"));
    BufferKernel kernel("qnt.kernel @k \"dequantize\" dims 2 { ^bb0(%x: " + x +
                        "): %0 = qnt.dequantize %x : (" + x + ") -> " + rowsOfFloats +
                        " qnt.yield %0 : " + rowsOfFloats + " }");
    Dims dims = {7, 90};
    std::vector<float> rows = randomFloats(7 * 90, 8);
    std::vector<float> want =
        reference::dequantize(*referenceTokens<QuantizeOp>(quantize, dims, rows));
    for (const Target *target : levelsWithAmx()) {
      GuardedBuffer codes(bytesOf(parseType(x), dims)), out(7 * 90 * 4);
      quantize.run(*target, dims, {rows.data(), codes.data()});
      kernel.run(*target, dims, {codes.data(), out.data()});
      for (int64_t i = 0; i < 7 * 90; ++i)
        ASSERT_EQ(at<float>(out.data(), i), want[i]) << target->name << " " << i;
    }
  }
}

} // namespace
