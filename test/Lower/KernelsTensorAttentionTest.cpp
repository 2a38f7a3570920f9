// Attention by tensor cores, in the tile interpreter, without findings: near the formula, as bf16
// and f16 allow.
#include "AttentionEmitter.h"
#include "AttentionText.h"
#include "CacheText.h"
#include "KernelHarness.h"
#include <limits>

using namespace qcc;
using namespace qcc::lower;
using namespace qcc::lower::test;
using qcc::qnt::Storage;

namespace {

const char *const inPairs = ", products = #qnt<storage bf16>";

/// A kernel's results on a GPU against the formula. Weights and values are rounded once each, a
/// score by up to 2^-8 of its parts: `bound` holds for standard normal numbers.
void checkNear(KernelHarness &attention, const Dims &dims, const std::vector<Tensor> &inputs,
               const char *level, double bound = 0.03) {
  Outcome got = attention.run(*findTarget(level), dims, inputs);
  Tensor want = attention.expected(dims, inputs)[0];
  EXPECT_EQ(got.fault, 0);
  double error = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    double a = got.results[0].real(i), b = want.real(i);
    ASSERT_EQ(std::isnan(a), std::isnan(b)) << i;
    if (std::isnan(b))
      continue;
    ASSERT_LE(std::fabs(a - b), bound * (1 + std::fabs(b))) << "element " << i << ": " << b;
    error += (a - b) * (a - b), size += b * b;
  }
  EXPECT_LE(error, 1e-4 * size); // 1 % of the root of the mean square
}

/// Warps multiply alone on the one, of many rows together on the other.
const char *const levels[] = {"nvptx-sm_80", "nvptx-sm_90a"};

void checkNear(const AttentionText &text, std::initializer_list<Dims> sizes) {
  for (const char *level : levels) {
    SCOPED_TRACE(level);
    KernelHarness attention(text.str());
    auto plan = AttentionPlan::build(attention.kernel());
    ASSERT_TRUE(succeeded(plan) && fitsTensorAttention(*plan, *findTarget(level)));
    for (const Dims &dims : sizes) {
      checkNear(attention, dims, attention.randomInputs(dims), level);
      if (testing::Test::HasFatalFailure() || testing::Test::HasFailure())
        return;
    }
  }
}

TEST(KernelsTensorAttention, IsTheFormula) {
  AttentionText text;
  for (std::string more : {"", ", causal = true", ", causal = true, window = 17 : i64",
                           ", softcap = 3.0 : f64", ", window = 90 : i64, safe = true"}) {
    SCOPED_TRACE(more);
    text.more = more + inPairs;
    checkNear(text, {{2, 37, 0}, {1, 1, 200}, {1, 5, 59}, {1, 64, 64}, {1, 1, 0}});
  }
}

TEST(KernelsTensorAttention, TakesChannelsByTheSixteen) {
  // Warpgroups multiply up to 128, as many of keys as of values.
  for (auto [heads, groups, width, outWidth] : {std::array{3, 3, 48, 16},
                                                {4, 1, 64, 80},
                                                {1, 1, 16, 256},
                                                {1, 1, 256, 48},
                                                {2, 2, 16, 16},
                                                {2, 1, 48, 48},
                                                {1, 1, 80, 80},
                                                {1, 1, 112, 112},
                                                {8, 2, 128, 128}})
    for (const char *type : {"f32", "bf16", "f16"}) {
      SCOPED_TRACE(std::string(type) + " " + std::to_string(width));
      AttentionText text;
      text.heads = heads, text.groups = groups, text.width = width, text.outWidth = outWidth;
      text.type = type, text.more = std::string(", causal = true") + inPairs;
      checkNear(text, {{1, 21, 70}, {1, 1, 130}});
    }
}

TEST(KernelsTensorAttention, TakesMasks) {
  for (std::string type : {"f32", "i1", "f16"})
    for (std::string mask :
         {"d0, 1, d1, d1 + d2", "d1, d1 + d2", "d0, 1, 1, d1 + d2", "1, 6, d1, 1"}) {
      AttentionText text;
      text.mask = mask, text.maskType = type;
      text.more = std::string(inPairs) + ", safe = true";
      SCOPED_TRACE(mask + " " + type);
      checkNear(text, {{2, 5, 90}, {1, 1, 70}});
    }
}

/// Rows without keys are NaN, or 0, or what equal scores give.
TEST(KernelsTensorAttention, SaysWhenNoKeyIsAdmitted) {
  for (float masked :
       {-std::numeric_limits<float>::infinity(), std::numeric_limits<float>::lowest()})
    for (bool safe : {false, true}) {
      AttentionText text;
      text.mask = "d0, 1, 1, d1 + d2";
      text.more = std::string(inPairs) + (safe ? ", safe = true" : "");
      KernelHarness attention(text.str());
      for (Dims dims : {Dims{2, 3, 0}, Dims{2, 3, 70}, Dims{2, 20, 70}}) {
        std::vector<Tensor> inputs = attention.randomInputs(dims);
        auto *mask = reinterpret_cast<float *>(inputs[3].mutableData());
        std::fill(mask, mask + dims[1] + dims[2], masked); // the first sample
        for (const char *level : levels)
          checkNear(attention, dims, inputs, level);
      }
    }
}

/// Caches whose lines lie anywhere, and such as copies of 16 bytes can read.
TEST(KernelsTensorAttention, ReadsCaches) {
  for (const char *type : {"f32", "bf16", "f16"}) {
    AttentionText text;
    text.cached = true, text.type = type;
    text.more = std::string(", causal = true") + inPairs;
    SCOPED_TRACE(type);
    checkNear(text, {{2, 3, 100}, {1, 1, 63}, {1, 70, 3}});
  }
}

/// Rows of codes, or 8-bit floats where `codes` is nothing, near the formula: without gaps in a
/// head that begins at a multiple of 16 bytes, and elsewhere.
void checkNarrow(std::optional<Storage> codes, int width, int outWidth, bool cached) {
  AttentionText text;
  text.groups = 3;
  text.width = width, text.outWidth = outWidth, text.cached = cached;
  text.more = std::string(", causal = true") + inPairs;
  if (codes) {
    text.codes = nameOf(*codes);
    text.keyBytes = bytesOf(*codes, width), text.valueBytes = bytesOf(*codes, outWidth);
  } else {
    text.storage = "f8E4M3FN";
  }
  for (const char *level : levels) {
    SCOPED_TRACE(level);
    KernelHarness attention(text.str());
    auto plan = AttentionPlan::build(attention.kernel());
    ASSERT_TRUE(succeeded(plan) && fitsTensorAttention(*plan, *findTarget(level)));
    for (Dims dims : {Dims{2, 3, 100}, {1, 4, 60}, {1, 70, 3}}) {
      std::map<int, Tensor> rows;
      for (int operand : {1, 2})
        if (codes) {
          KernelHarness encode(encodeText(*codes, operand == 1 ? width : outWidth));
          Dims keys = {dims[0], dims[1] + dims[2], 0};
          rows[operand] = encode.expected(keys, encode.randomInputs(keys, {}, operand))[0];
        }
      checkNear(attention, dims, attention.randomInputs(dims, rows), level);
    }
  }
}

TEST(KernelsTensorAttention, ReadsNarrowCaches) {
  for (std::optional<Storage> codes : {std::optional<Storage>(), {Storage::i8}, {Storage::u4}})
    for (auto [width, outWidth, cached] : {std::tuple(64, 48, true),
                                           {80, 16, false},
                                           {48, 48, true},
                                           {128, 128, true},
                                           {16, 256, false}}) {
      SCOPED_TRACE((codes ? nameOf(*codes) : "f8") + " " + std::to_string(width));
      checkNarrow(codes, width, outWidth, cached);
    }
}

/// Equal scores give the values themselves, which bf16 can say.
TEST(KernelsTensorAttention, WidensEveryCode) {
  for (std::string codes : {"", "i8", "u4"}) {
    SCOPED_TRACE(codes);
    constexpr int64_t width = 128, groups = 2, keys = 70;
    AttentionText text;
    text.heads = text.groups = groups, text.width = text.outWidth = width;
    text.more = inPairs, text.codes = codes;
    if (codes.empty())
      text.storage = "f8E4M3FN";
    int64_t bytes = width;
    if (!codes.empty())
      bytes = text.keyBytes = text.valueBytes =
          bytesOf(codes == "i8" ? Storage::i8 : Storage::u4, width);
    KernelHarness attention(text.str());
    for (Dims dims : {Dims{1, keys, 0}, Dims{1, 1, keys - 1}}) {
      std::vector<Tensor> inputs = attention.randomInputs(dims);
      std::memset(inputs[1].mutableData(), 0, inputs[1].byteSize());
      ASSERT_EQ(inputs[2].byteSize(), groups * keys * bytes);
      for (int64_t row = 0; row < groups * keys; ++row) {
        char *line = inputs[2].mutableData() + row * bytes;
        int64_t first = row / keys * width;
        for (int64_t i = 0; i < (codes == "u4" ? width / 2 : width); ++i)
          line[i] = static_cast<char>(codes == "u4" ? first + 2 * i : first + i);
        if (codes == "i8") {
          float scale = 0.5f;
          std::memcpy(line + width, &scale, sizeof(scale));
        }
        for (int64_t block = 0; codes == "u4" && block < width / 32; ++block) {
          constexpr uint16_t half = 0x3800, minusThree = 0xc200; // of f16
          std::memcpy(line + width / 2 + block * 4, &half, 2);
          std::memcpy(line + width / 2 + block * 4 + 2, &minusThree, 2);
        }
      }
      for (const char *level : levels)
        checkNear(attention, dims, inputs, level, 1e-6);
    }
  }
}

TEST(KernelsTensorAttention, HasSinks) {
  std::string q = "tensor<1x4x?x32xf32, #qnt.dims<[1, 4, d0, 32]>>";
  std::string keys = "tensor<1x2x?x32xf32, #qnt.dims<[1, 2, d1, 32]>>";
  KernelHarness attention("qnt.kernel @k \"attention\" dims 2 { ^bb0(%q: " + q + ", %k: " + keys +
                          ", %v: " + keys +
                          ", %s: tensor<4xf32>): %a = qnt.attention %q, %k, %v sink %s" +
                          " {scale = 0.2 : f64" + inPairs + "} : (" + q + ", " + keys + ", " +
                          keys + ", tensor<4xf32>) -> " + q + " qnt.yield %a : " + q + " }");
  for (const char *level : levels)
    for (Dims dims : {Dims{1, 90}, Dims{40, 70}})
      checkNear(attention, dims, attention.randomInputs(dims), level);
}

/// Three warpgroups go from task to task, with rows and keys that end anywhere in a tile.
TEST(KernelsTensorAttention, GoesOnWithTheNextTask) {
  AttentionText text;
  text.heads = 2, text.groups = 1;
  text.more = std::string(", causal = true, window = 150 : i64") + inPairs;
  for (auto [type, width] : {std::pair{"bf16", 96}, {"f32", 96}, {"f16", 48}}) {
    SCOPED_TRACE(type);
    text.type = type, text.width = text.outWidth = width;
    checkNear(text, {{3, 150, 130}});
  }
}

/// Ranges of keys by blocks, whoever is the last: equal bits in any order, near the formula, also
/// where rows admit no keys of some ranges.
TEST(KernelsTensorAttention, SharesKeysAmongBlocks) {
  for (const char *level : levels)
    for (std::string more : {"", ", causal = true, window = 300 : i64"}) {
      SCOPED_TRACE(level + more);
      AttentionText text;
      text.heads = 4, text.groups = 2, text.width = 32, text.outWidth = 48, text.type = "bf16";
      text.more = more + inPairs;
      KernelHarness attention(text.str());
      for (auto [dims, blocks] : {std::pair{Dims{1, 1, 1100}, 9},
                                  {Dims{2, 3, 600}, 12},
                                  {Dims{1, 30, 700}, 4},
                                  {Dims{1, 1, 40}, 7}}) {
        attention.blocks = blocks;
        std::vector<Tensor> inputs = attention.randomInputs(dims);
        checkNear(attention, dims, inputs, level);
        Tensor first = attention.run(*findTarget(level), dims, inputs).results[0];
        attention.seed = 2;
        Tensor second = attention.run(*findTarget(level), dims, inputs).results[0];
        EXPECT_EQ(std::memcmp(first.data(), second.data(), first.byteSize()), 0);
        attention.seed = 1;
      }
    }
}

/// What tensor cores do not take stays with lanes, and with f32.
TEST(KernelsTensorAttention, LeavesOthersToLanes) {
  const Target &gpu = *findTarget("nvptx-sm_80"), &cpu = *hostLevels()[0];
  auto fits = [](const AttentionText &text, const Target &target) {
    KernelHarness attention(text.str());
    return fitsTensorAttention(*AttentionPlan::build(attention.kernel()), target);
  };
  AttentionText text;
  EXPECT_FALSE(fits(text, gpu));
  text.more = inPairs;
  EXPECT_TRUE(fits(text, gpu));
  EXPECT_FALSE(fits(text, cpu));
  for (int width : {20, 272}) {
    text.width = width;
    EXPECT_FALSE(fits(text, gpu)) << width;
    KernelHarness attention(text.str());
    Dims dims = {1, 5, 20};
    attention.check(dims, attention.randomInputs(dims), 2e-6);
  }
  // 256 channels of f32 need more than half of the memory, and as few keys as there can be.
  text.width = text.outWidth = 256;
  EXPECT_TRUE(fits(text, gpu));
}

} // namespace
