// Rows of caches as codes: kernels that write and read them, to the bit of the interpreter.
#include "AttentionText.h"
#include "CacheText.h"
#include "KernelHarness.h"
#include <cmath>
#include <limits>

using namespace qcc;
using namespace qcc::lower::test;
using qcc::qnt::Storage;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float quietNan = std::numeric_limits<float>::quiet_NaN();

std::string decodeText(Storage codes, int64_t channels) {
  std::string x = rowsType(bytesOf(codes, channels), "ui8"), out = rowsType(channels, "f32");
  return "qnt.kernel @k \"decode_rows\" dims 3 { ^bb0(%x: " + x + "): %0 = qnt.decode_rows %x" +
         attributeOf(codes) + " : (" + x + ") -> " + out + " qnt.yield %0 : " + out + " }";
}
/// Rows that come with positions before heads, encoded as they are appended.
std::string appendText(Storage codes, int64_t channels) {
  int64_t bytes = bytesOf(codes, channels);
  std::string w = std::to_string(channels);
  std::string flat = "tensor<?x?x3x" + w + "xf32, #qnt.dims<[d0, d1, 3, " + w + "]>>";
  std::string x = rowsType(channels, "f32"), coded = rowsType(bytes, "ui8");
  std::string past = rowsType(bytes, "ui8", "d2", true),
              all = rowsType(bytes, "ui8", "d1 + d2", true);
  return "qnt.kernel @k \"kv_append\" dims 3 { ^bb0(%f: " + flat + ", %c: " + past +
         "): %x = qnt.transpose %f {permutation = array<i64: 0, 2, 1, 3>} : (" + flat + ") -> " +
         x + " %r = qnt.encode_rows %x" + attributeOf(codes) + " : (" + x + ") -> " + coded +
         " %0 = qnt.kv_append %c, %r : (" + past + ", " + coded + ") -> " + all +
         " qnt.yield %0 : " + all + " }";
}

/// Rows of every kind in turn: usual, small, large, with outliers, zeros of both signs, constant,
/// subnormal, and the last ones not finite.
Tensor hardRows(KernelHarness &harness, llvm::ArrayRef<int64_t> dims, bool finite) {
  Tensor rows = harness.randomInputs(dims)[0];
  auto *x = reinterpret_cast<float *>(rows.mutableData());
  int64_t width = rows.dims().back(), count = rows.size() / width;
  for (int64_t r = 0; r < count; ++r, x += width)
    for (int64_t i = 0; i < width; ++i)
      switch (r % (finite ? 8 : 11)) {
      case 1:
        x[i] *= 1e-6f;
        break;
      case 2:
        x[i] *= 1e5f;
        break;
      case 3:
        x[i] *= i % 7 == 3 ? 50.0f : 1.0f;
        break;
      case 4:
        x[i] = i % 2 ? 0.0f : -0.0f;
        break;
      case 5:
        x[i] = -2.5f;
        break;
      case 6:
        x[i] *= 1e-40f;
        break;
      case 7:
        x[i] = std::ldexp(x[i], int(i % 64) - 32);
        break;
      case 8:
        x[i] = i == width / 2 ? infinity : x[i];
        break;
      case 9:
        x[i] = i == 0 ? quietNan : x[i];
        break;
      case 10:
        x[i] = i == width - 1 ? -infinity : x[i];
        break;
      }
  return rows;
}

constexpr int64_t widths[] = {1, 5, 16, 19, 32, 33, 48, 64, 80, 128};
constexpr Storage storages[] = {Storage::i8, Storage::u4};

TEST(KernelsCache, EncodesRows) {
  for (Storage codes : storages)
    for (int64_t width : widths) {
      KernelHarness encode(encodeText(codes, width));
      Dims dims = {2, 11, 0};
      encode.check(dims, {hardRows(encode, dims, false)});
    }
}

TEST(KernelsCache, DecodesRows) {
  for (Storage codes : storages)
    for (int64_t width : widths) {
      Dims dims = {2, 11, 0};
      KernelHarness encode(encodeText(codes, width)), decode(decodeText(codes, width));
      decode.check(dims, encode.expected(dims, {hardRows(encode, dims, true)}));
    }
}

TEST(KernelsCache, EncodesWhatItAppends) {
  for (Storage codes : storages)
    for (int64_t width : {16, 33, 64}) {
      KernelHarness append(appendText(codes, width));
      for (auto dims : {Dims{2, 5, 9}, Dims{1, 1, 0}})
        append.check(dims, append.randomInputs(dims));
    }
}

TEST(KernelsCache, AttentionDecodesRows) {
  for (Storage codes : storages)
    for (auto [width, outWidth, cached] : {std::tuple(64, 48, true), {80, 20, false}}) {
      AttentionText text;
      text.groups = 3;
      text.width = width, text.outWidth = outWidth;
      text.more = ", causal = true";
      text.codes = nameOf(codes);
      text.keyBytes = bytesOf(codes, width), text.valueBytes = bytesOf(codes, outWidth);
      text.cached = cached;
      KernelHarness attention(text.str());
      for (auto dims : {Dims{2, 3, 100}, Dims{1, 1, 63}}) {
        Dims keys = {dims[0], dims[1] + dims[2], 0};
        KernelHarness encodeKeys(encodeText(codes, width)),
            encodeValues(encodeText(codes, outWidth));
        Tensor k = encodeKeys.expected(keys, encodeKeys.randomInputs(keys))[0];
        Tensor v = encodeValues.expected(keys, encodeValues.randomInputs(keys, {}, 2))[0];
        attention.check(dims, attention.randomInputs(dims, {{1, k}, {2, v}}), 2e-6);
      }
    }
}

TEST(KernelsCache, AttentionWidensFloats) {
  for (std::string storage : {"f16", "bf16", "f8E4M3FN"})
    for (bool cached : {false, true}) {
      AttentionText text;
      text.storage = storage;
      text.cached = cached;
      KernelHarness attention(text.str());
      for (auto dims : {Dims{2, 3, 100}, Dims{1, 1, 63}})
        attention.check(dims, attention.randomInputs(dims), 2e-6);
    }
}

} // namespace
