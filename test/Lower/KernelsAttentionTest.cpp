// Attention, rotary embedding and caches: against the interpreter, and what must not change a bit.
#include "AttentionText.h"
#include "KernelHarness.h"
#include <cmath>
#include <limits>

using namespace qcc;
using namespace qcc::lower::test;

namespace {

void checkFormula(const std::string &products, double tolerance) {
  AttentionText text;
  for (std::string more : {"", ", causal = true", ", causal = true, window = 17 : i64",
                           ", softcap = 3.0 : f64", ", window = 90 : i64, safe = true"}) {
    text.more = more + products;
    KernelHarness attention(text.str());
    for (auto dims :
         {Dims{2, 37, 0}, Dims{1, 1, 200}, Dims{3, 5, 59}, Dims{1, 64, 64}, Dims{1, 1, 0}})
      attention.check(dims, attention.randomInputs(dims), tolerance);
  }
}

TEST(KernelsAttention, IsTheFormula) { checkFormula("", 2e-6); }

void checkWidths(const std::string &products, double tolerance) {
  for (auto [heads, groups, width, outWidth] : {std::array{3, 3, 48, 48},
                                                {4, 1, 64, 20},
                                                {2, 2, 7, 80},
                                                {8, 2, 128, 128},
                                                {1, 1, 16, 1},
                                                {1, 1, 1, 33}}) {
    AttentionText text;
    text.heads = heads;
    text.groups = groups;
    text.width = width;
    text.outWidth = outWidth;
    text.more = products;
    KernelHarness attention(text.str());
    for (auto dims : {Dims{2, 13, 70}, Dims{1, 1, 128}})
      attention.check(dims, attention.randomInputs(dims), tolerance);
  }
}

TEST(KernelsAttention, TakesAnyWidths) { checkWidths("", 2e-6); }

/// A weight that falls between two codes may round either way: one of 4095 steps.
constexpr double codeStep = 3e-4;
const char *const onCodes = ", products = #qnt<storage i16>";

TEST(KernelsAttention, OnCodesIsTheFormula) { checkFormula(onCodes, codeStep); }

TEST(KernelsAttention, OnCodesTakesAnyWidths) { checkWidths(onCodes, codeStep); }

TEST(KernelsAttention, OnCodesIsCloseToFloats) {
  AttentionText text;
  KernelHarness floats(text.str());
  text.more = onCodes;
  KernelHarness codes(text.str());
  Dims dims = {2, 90, 61};
  std::vector<Tensor> inputs = floats.randomInputs(dims);
  const Target &target = *hostLevels()[0];
  Tensor want = floats.run(target, dims, inputs).results[0];
  Tensor got = codes.run(target, dims, inputs).results[0];
  double error = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    error += std::pow(got.real(i) - want.real(i), 2);
    size += std::pow(want.real(i), 2);
  }
  EXPECT_GT(error, 0); // codes they are
  EXPECT_LT(std::sqrt(error / size), 5e-4);
}

/// The largest codes in every place: 32-bit sums must not wrap around.
TEST(KernelsAttention, OnCodesDoesNotOverflow) {
  AttentionText text;
  for (int width : {1, 2, 3, 32, 64, 256}) {
    text.width = width;
    text.more = onCodes;
    KernelHarness attention(text.str());
    Dims dims = {1, 9, 64};
    std::vector<Tensor> inputs = attention.randomInputs(dims);
    for (Tensor &input : inputs) {
      float *x = reinterpret_cast<float *>(input.mutableData());
      std::fill(x, x + input.size(), 0.5f);
    }
    attention.check(dims, inputs, 1e-6);
    EXPECT_NEAR(attention.run(*hostLevels()[0], dims, inputs).results[0].real(0), 0.5, 1e-6);
  }
}

TEST(KernelsAttention, OnCodesSpreadsNoInfinity) {
  AttentionText text;
  text.heads = text.groups = 1;
  text.more = onCodes;
  KernelHarness attention(text.str());
  Dims dims = {2, 5, 80};
  for (int input : {0, 1, 2})
    for (float bad : {INFINITY, -INFINITY, NAN}) {
      std::vector<Tensor> inputs = attention.randomInputs(dims);
      reinterpret_cast<float *>(inputs[input].mutableData())[0] = bad;
      for (const Target *target : hostLevels()) {
        Tensor out = attention.run(*target, dims, inputs).results[0];
        EXPECT_TRUE(std::isnan(out.real(0))) << input << " " << bad << " " << target->name;
        EXPECT_FALSE(std::isnan(out.real(out.size() - 1))); // the other sample
      }
    }
}

TEST(KernelsAttention, TakesMasks) {
  for (std::string type : {"f32", "i1", "f16"})
    for (std::string mask :
         {"d0, 1, d1, d1 + d2", "d1, d1 + d2", "d0, 1, 1, d1 + d2", "1, 6, d1, 1"}) {
      AttentionText text;
      text.mask = mask;
      text.maskType = type;
      KernelHarness attention(text.str());
      Dims dims = {2, 5, 90};
      attention.check(dims, attention.randomInputs(dims), 2e-6);
    }
}

TEST(KernelsAttention, ReadsCachesAndHalves) {
  AttentionText text;
  text.cached = true;
  text.more = ", causal = true";
  KernelHarness attention(text.str());
  for (auto dims : {Dims{2, 3, 100}, Dims{1, 1, 63}})
    attention.check(dims, attention.randomInputs(dims), 2e-6);
  text.type = "f16";
  KernelHarness half(text.str());
  half.check({2, 3, 100}, half.randomInputs({2, 3, 100}), 2e-3);
}

/// Rows [first, first + count) of the heads-last result of one batch element.
std::vector<float> rowsOf(const Tensor &out, int64_t batch, int64_t first, int64_t count) {
  int64_t rows = out.dims()[1], width = out.dims()[2];
  const float *data = reinterpret_cast<const float *>(out.data());
  return {data + (batch * rows + first) * width, data + (batch * rows + first + count) * width};
}

/// The part of a tensor between `from` and `to` along `axis`.
Tensor part(const Tensor &x, int64_t axis, int64_t from, int64_t to) {
  Dims dims(x.dims());
  int64_t outer = 1, inner = x.bytesPerElement(), size = dims[axis];
  for (int64_t i = 0; i < axis; ++i)
    outer *= dims[i];
  for (size_t i = axis + 1; i < dims.size(); ++i)
    inner *= dims[i];
  dims[axis] = to - from;
  Tensor out(x.elementType(), dims);
  for (int64_t o = 0; o < outer; ++o)
    std::memcpy(out.mutableData() + o * (to - from) * inner, x.data() + (o * size + from) * inner,
                (to - from) * inner);
  return out;
}

bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

TEST(KernelsAttention, DoesNotDependOnChunks) {
  AttentionText text;
  text.more = ", causal = true";
  KernelHarness attention(text.str());
  const Target &target = *hostLevels()[0];
  int64_t length = 150;
  std::vector<Tensor> all = attention.randomInputs({1, length, 0});
  Tensor whole = attention.run(target, {1, length, 0}, all).results[0];
  for (int64_t chunk : {1, 7, 64, 90})
    for (int64_t first = 0; first < length; first += chunk) {
      int64_t count = std::min(chunk, length - first), end = first + count;
      std::vector<Tensor> inputs = {part(all[0], 1, first, end), part(all[1], 2, 0, end),
                                    part(all[2], 2, 0, end)};
      Tensor out = attention.run(target, {1, count, first}, inputs).results[0];
      ASSERT_TRUE(sameBits(rowsOf(out, 0, 0, count), rowsOf(whole, 0, first, count)))
          << chunk << " at " << first;
    }
}

void checkBatchAndPadding(const char *more) {
  AttentionText text;
  text.mask = "d0, 1, 1, d1 + d2";
  text.more = more;
  KernelHarness attention(text.str());
  for (const Target *target : hostLevels())
    for (float masked : {-INFINITY, std::numeric_limits<float>::lowest()}) {
      int64_t length = 50, padded = 131;
      std::vector<Tensor> inputs = attention.randomInputs({3, padded, 0});
      float *mask = reinterpret_cast<float *>(inputs[3].mutableData());
      for (int64_t i = 0; i < 3 * padded; ++i)
        mask[i] = i % padded < length ? 0 : masked;
      Tensor whole = attention.run(*target, {3, padded, 0}, inputs).results[0];
      for (int64_t b = 0; b < 3; ++b) {
        std::vector<Tensor> alone;
        for (int i = 0; i < 4; ++i)
          alone.push_back(part(part(inputs[i], 0, b, b + 1),
                               i == 0   ? 1
                               : i == 3 ? 3
                                        : 2,
                               0, length));
        Tensor out = attention.run(*target, {1, length, 0}, alone).results[0];
        ASSERT_TRUE(sameBits(rowsOf(out, 0, 0, length), rowsOf(whole, b, 0, length)))
            << target->name << " " << b << " " << masked;
      }
    }
}

TEST(KernelsAttention, DoesNotDependOnBatchOrPadding) {
  checkBatchAndPadding("");
  checkBatchAndPadding(onCodes);
}

TEST(KernelsAttention, SaysWhenNoKeyIsAdmitted) {
  for (bool safe : {false, true}) {
    AttentionText text;
    text.mask = "d0, 1, 1, d1 + d2";
    text.maskType = "i1";
    text.more = safe ? ", safe = true" : "";
    KernelHarness attention(text.str());
    std::vector<Tensor> inputs = attention.randomInputs({2, 3, 0});
    std::memset(inputs[3].mutableData(), 0, 3); // the first sample
    attention.check({2, 3, 0}, inputs, 2e-6);
    Tensor out = attention.run(*hostLevels()[0], {2, 3, 0}, inputs).results[0];
    EXPECT_EQ(std::isnan(out.real(0)), !safe);
    EXPECT_FALSE(std::isnan(out.real(out.size() - 1)));
  }
}

TEST(KernelsAttention, Rotates) {
  for (std::string interleaved : {"false", "true"})
    for (auto [width, half] : {std::pair{64, 32}, {80, 20}, {7, 3}}) {
      std::string c = std::to_string(width), w = std::to_string(half);
      std::string x = "tensor<2x3x?x" + c + "xf32, #qnt.dims<[2, 3, d0, " + c + "]>>";
      std::string angle = "tensor<?x" + w + "xf32, #qnt.dims<[d0, " + w + "]>>";
      KernelHarness rope("qnt.kernel @k \"rope\" dims 1 { ^bb0(%x: " + x + ", %c: " + angle +
                         ", %s: " + angle +
                         "): %0 = qnt.rope %x, %c, %s {interleaved = " + interleaved + "} : (" + x +
                         ", " + angle + ", " + angle + ") -> " + x + " qnt.yield %0 : " + x + " }");
      rope.check({5}, rope.randomInputs({5}), 1e-6);
    }
}

TEST(KernelsAttention, FillsCaches) {
  for (std::string type : {"f32", "f16"}) {
    std::string past = "tensor<2x3x?x20x" + type + ", #qnt.dims<[2, 3, d0, 20]>>";
    std::string begun = "!qnt.kv<[2, 3, d0, 20], " + type + ">";
    KernelHarness begin("qnt.kernel @k \"kv_begin\" dims 1 { ^bb0(%p: " + past +
                        "): %0 = qnt.kv_begin %p {output = 0 : i64} : (" + past + ") -> " + begun +
                        " qnt.yield %0 : " + begun + " }");
    for (int64_t length : {0, 1, 50})
      for (const Target *target : hostLevels()) {
        auto inputs = begin.randomInputs({length});
        Tensor out = begin.run(*target, {length}, inputs).results[0];
        EXPECT_EQ(std::memcmp(out.data(), inputs[0].data(), out.byteSize()), 0) << target->name;
      }
    // Rows arrive heads-last.
    std::string rows = "tensor<2x?x3x20x" + type + ", #qnt.dims<[2, d1, 3, 20]>>";
    std::string turned = "tensor<2x3x?x20x" + type + ", #qnt.dims<[2, 3, d1, 20]>>";
    std::string grown = "!qnt.kv<[2, 3, d0 + d1, 20], " + type + ">";
    KernelHarness append("qnt.kernel @k \"kv_append\" dims 2 { ^bb0(%c: " + begun +
                         ", %r: " + rows +
                         "): %t = qnt.transpose %r {permutation = array<i64: 0, 2, 1, 3>} : (" +
                         rows + ") -> " + turned + " %0 = qnt.kv_append %c, %t : (" + begun + ", " +
                         turned + ") -> " + grown + " qnt.yield %0 : " + grown + " }");
    for (auto dims : {Dims{0, 9}, Dims{40, 1}, Dims{3, 70}})
      append.check(dims, append.randomInputs(dims));
  }
}

} // namespace
