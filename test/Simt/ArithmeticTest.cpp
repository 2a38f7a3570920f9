// What single threads compute: arithmetic, memory, control flow, calls.
#include "SimtHarness.h"
#include <cmath>

namespace qcc::simt {
namespace {

/// Runs a kernel whose body reads %x (thread's element of the input) and stores %y.
template <typename Out, typename In>
std::vector<Out> mapped(llvm::StringRef inType, llvm::StringRef outType, llvm::StringRef body,
                        const std::vector<In> &inputs) {
  std::string text =
      ("llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {\n"
       "  %t = nvvm.read.ptx.sreg.tid.x : i32\n"
       "  %p = llvm.getelementptr %in[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, " +
       inType +
       "\n"
       "  %q = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, " +
       outType +
       "\n"
       "  %x = llvm.load %p : !llvm.ptr<1> -> " +
       inType + "\n" + body + "  llvm.store %y, %q : " + outType +
       ", !llvm.ptr<1>\n  llvm.return\n}\n")
          .str();
  Kernel kernel(text);
  uint64_t in = kernel.device.upload(inputs, "in");
  uint64_t out = kernel.device.allocate(inputs.size() * sizeof(Out), "out");
  Launch launch;
  launch.block = {static_cast<unsigned>(inputs.size()), 1, 1};
  Report report = kernel.run({argument(in), argument(out)}, launch);
  EXPECT_EQ(report.text(), "");
  return kernel.values<Out>(out);
}

TEST(Arithmetic, IntegersKeepTheirWidth) {
  std::vector<int8_t> in = {-128, -7, -1, 0, 5, 127};
  auto out = mapped<int32_t>("i8", "i32", R"(
    %c3 = llvm.mlir.constant(3 : i8) : i8
    %a = llvm.mul %x, %c3 : i8
    %b = llvm.sdiv %x, %c3 : i8
    %c = llvm.ashr %x, %c3 : i8
    %d = llvm.lshr %x, %c3 : i8
    %e = llvm.intr.smax(%a, %b) : (i8, i8) -> i8
    %f = llvm.xor %c, %d : i8
    %g = llvm.icmp "slt" %x, %c3 : i8
    %h = llvm.select %g, %e, %f : i1, i8
    %y = llvm.sext %h : i8 to i32
)",
                             in);
  for (size_t i = 0; i != in.size(); ++i) {
    auto x = in[i];
    auto a = static_cast<int8_t>(x * 3), b = static_cast<int8_t>(x / 3);
    auto c = static_cast<int8_t>(x >> 3), d = static_cast<int8_t>(static_cast<uint8_t>(x) >> 3);
    EXPECT_EQ(out[i], x < 3 ? std::max(a, b) : static_cast<int8_t>(c ^ d)) << int(x);
  }
}

TEST(Arithmetic, AnyNumberIsAConstant) {
  std::vector<int64_t> in = {0, 5, -5};
  auto out = mapped<int64_t>("i64", "i64", R"(
    %all = llvm.mlir.constant(-1 : i64) : i64
    %most = llvm.mlir.constant(-2 : i64) : i64
    %a = llvm.xor %x, %all : i64
    %y = llvm.add %a, %most : i64
)",
                             in);
  for (size_t i = 0; i != in.size(); ++i)
    EXPECT_EQ(out[i], ~in[i] - 2);
}

TEST(Arithmetic, FloatsRoundOnce) {
  std::vector<float> in = {1.0f, 0.1f, -3.75f, 1e-40f, 16777217.0f, 1e30f};
  auto out = mapped<float>("f32", "f32", R"(
    %c = llvm.mlir.constant(0.1 : f32) : f32
    %m = llvm.fmul %x, %c : f32
    %s = llvm.fadd %m, %x : f32
    %d = llvm.fdiv %s, %c : f32
    %a = llvm.intr.fabs(%d) : (f32) -> f32
    %r = llvm.intr.sqrt(%a) : (f32) -> f32
    %f = llvm.intr.fma(%r, %c, %x) : (f32, f32, f32) -> f32
    %n = llvm.intr.roundeven(%f) : (f32) -> f32
    %y = llvm.fsub %f, %n : f32
)",
                           in);
  for (size_t i = 0; i != in.size(); ++i) {
    volatile float product = in[i] * 0.1f, sum = product + in[i], quotient = sum / 0.1f;
    float f = std::fma(std::sqrt(std::fabs(quotient)), 0.1f, in[i]);
    volatile float rounded = std::nearbyint(f);
    EXPECT_EQ(out[i], f - rounded) << in[i];
  }
}

TEST(Arithmetic, HalfFloatsAreRoundedToEven) {
  // 1 + 2^-11 lies halfway between two f16, 1 + 2^-8 between two bf16.
  std::vector<float> in = {1.00048828125f, 1.00390625f, 65520.0f, -2.5f};
  auto half = mapped<uint16_t>("f32", "f16", "%y = llvm.fptrunc %x : f32 to f16\n", in);
  EXPECT_EQ(half, (std::vector<uint16_t>{0x3c00, 0x3c04, 0x7c00, 0xc100}));
  auto bfloat = mapped<uint16_t>("f32", "bf16", "%y = llvm.fptrunc %x : f32 to bf16\n", in);
  EXPECT_EQ(bfloat, (std::vector<uint16_t>{0x3f80, 0x3f80, 0x4780, 0xc020}));
}

TEST(Arithmetic, HalfFmaHasOneRounding) {
  // (1 + 2^-10)^2 - (1 + 2^-9) = 2^-20: a product that was rounded first would give 0.
  std::vector<uint16_t> in = {0x3c01};
  auto out = mapped<uint16_t>("f16", "f16", R"(
    %c = llvm.mlir.constant(-1.001953125 : f16) : f16
    %y = llvm.intr.fma(%x, %x, %c) : (f16, f16, f16) -> f16
)",
                              in);
  EXPECT_EQ(out[0], 0x0010);
}

TEST(Arithmetic, ConversionsToIntegersSaturate) {
  std::vector<float> in = {1e10f, -1e10f, NAN, 2.9f, -2.9f};
  auto out = mapped<int32_t>("f32", "i32", "%y = llvm.fptosi %x : f32 to i32\n", in);
  EXPECT_EQ(out, (std::vector<int32_t>{INT32_MAX, INT32_MIN, 0, 2, -2}));
  auto bytes = mapped<int8_t>("f32", "i8", R"(
    %y = llvm.call_intrinsic "llvm.fptosi.sat.i8.f32"(%x) : (f32) -> i8
)",
                              in);
  EXPECT_EQ(bytes, (std::vector<int8_t>{127, -128, 0, 2, -2}));
}

TEST(Arithmetic, DotProductsOfBytes) {
  std::vector<uint32_t> in = {0x01ff7f80, 0xffffffff};
  auto out = mapped<int32_t>("i32", "i32", R"(
    %v = llvm.bitcast %x : i32 to vector<4xi8>
    %c = llvm.mlir.constant(100 : i32) : i32
    %s = nvvm.dot.accumulate.4way %v <signed>, %v <signed>, %c : vector<4xi8>, vector<4xi8>
    %y = nvvm.dot.accumulate.4way %v <unsigned>, %v <signed>, %s : vector<4xi8>, vector<4xi8>
)",
                             in);
  EXPECT_EQ(out[0], 100 + 128 * 128 + 127 * 127 + 1 + 1 - 128 * 128 + 127 * 127 - 255 + 1);
  EXPECT_EQ(out[1], 100 + 4 - 4 * 255);
}

TEST(Arithmetic, VectorsArePermutedAndCast) {
  std::vector<uint32_t> in = {0x44332211};
  auto out = mapped<uint32_t>("i32", "i32", R"(
    %v = llvm.bitcast %x : i32 to vector<4xi8>
    %u = llvm.mlir.undef : vector<4xi8>
    %s = llvm.shufflevector %v, %u [3, 2, 1, 0] : vector<4xi8>
    %c0 = llvm.mlir.constant(0 : i32) : i32
    %c7 = llvm.mlir.constant(7 : i8) : i8
    %ins = llvm.insertelement %c7, %s[%c0 : i32] : vector<4xi8>
    %r = llvm.bitcast %ins : vector<4xi8> to i32
    %sel = llvm.mlir.constant(8208 : i32) : i32
    %y = nvvm.prmt #nvvm.permute_mode<default> %sel, %r, %x : i32
)",
                              in);
  // Bytes 0, 1, 0, 2 of 0x11223307.
  EXPECT_EQ(out[0], 0x22073307u);
}

TEST(Arithmetic, LoopsCallsAndDivergence) {
  Kernel kernel(R"(
    llvm.func @twice(%x: i32) -> i32 {
      %c0 = llvm.mlir.constant(0 : i32) : i32
      %neg = llvm.icmp "slt" %x, %c0 : i32
      llvm.cond_br %neg, ^minus, ^plus
    ^minus:
      llvm.return %c0 : i32
    ^plus:
      %y = llvm.add %x, %x : i32
      llvm.return %y : i32
    }
    llvm.func @k(%out: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %t = nvvm.read.ptx.sreg.tid.x : i32
      %c0 = llvm.mlir.constant(0 : i32) : i32
      %c1 = llvm.mlir.constant(1 : i32) : i32
      llvm.br ^head(%c0, %c1 : i32, i32)
    ^head(%i: i32, %sum: i32):
      %more = llvm.icmp "slt" %i, %t : i32
      llvm.cond_br %more, ^body, ^exit
    ^body:
      %a = llvm.call @twice(%i) : (i32) -> i32
      %b = llvm.add %sum, %a : i32
      %j = llvm.add %i, %c1 : i32
      llvm.br ^head(%j, %b : i32, i32)
    ^exit:
      llvm.switch %t : i32, ^other(%sum : i32) [ 3: ^three, 5: ^other(%c0 : i32) ]
    ^three:
      llvm.br ^other(%c1 : i32)
    ^other(%value: i32):
      %p = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
      llvm.store %value, %p : i32, !llvm.ptr<1>
      llvm.return
    })");
  for (uint64_t seed = 1; seed != 5; ++seed) {
    uint64_t out = kernel.device.allocate(40 * 4, "out");
    Launch launch;
    launch.block = {40, 1, 1};
    launch.seed = seed;
    EXPECT_EQ(kernel.run({argument(out)}, launch).text(), "");
    for (int t = 0; t != 40; ++t)
      EXPECT_EQ(kernel.values<int32_t>(out)[t], t == 3 ? 1 : t == 5 ? 0 : 1 + t * (t - 1)) << t;
  }
}

TEST(Arithmetic, ParallelCopiesOfBlockArguments) {
  Kernel kernel(R"(
    llvm.func @k(%out: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %c0 = llvm.mlir.constant(0 : i32) : i32
      %c1 = llvm.mlir.constant(1 : i32) : i32
      %c9 = llvm.mlir.constant(9 : i32) : i32
      llvm.br ^head(%c0, %c0, %c1 : i32, i32, i32)
    ^head(%i: i32, %a: i32, %b: i32):
      %j = llvm.add %i, %c1 : i32
      %sum = llvm.add %a, %b : i32
      %more = llvm.icmp "slt" %i, %c9 : i32
      llvm.cond_br %more, ^head(%j, %b, %sum : i32, i32, i32), ^exit
    ^exit:
      llvm.store %b, %out : i32, !llvm.ptr<1>
      llvm.return
    })");
  uint64_t out = kernel.device.allocate(4, "out");
  Launch launch;
  launch.block = {1, 1, 1};
  EXPECT_EQ(kernel.run({argument(out)}, launch).text(), "");
  EXPECT_EQ(kernel.values<int32_t>(out)[0], 55);
}

TEST(Arithmetic, LocalMemoryAndVariables) {
  Kernel kernel(R"(
    llvm.mlir.global private constant @table(dense<[10, 20, 30, 40]> : tensor<4xi32>) {addr_space = 4 : i32}
      : !llvm.array<4 x i32>
    llvm.func @k(%out: !llvm.ptr, %s: !llvm.ptr {llvm.byval = !llvm.struct<(i8, i32)>}) attributes {nvvm.kernel} {
      %t = nvvm.read.ptx.sreg.tid.x : i32
      %c4 = llvm.mlir.constant(4 : i32) : i32
      %local = llvm.alloca %c4 x i32 : (i32) -> !llvm.ptr
      %table = llvm.mlir.addressof @table : !llvm.ptr<4>
      %from = llvm.getelementptr %table[0, %t] : (!llvm.ptr<4>, i32) -> !llvm.ptr<4>, !llvm.array<4 x i32>
      %v = llvm.load %from : !llvm.ptr<4> -> i32
      %to = llvm.getelementptr %local[%t] : (!llvm.ptr, i32) -> !llvm.ptr, i32
      llvm.store %v, %to : i32, !llvm.ptr
      %member = llvm.getelementptr %s[0, 1] : (!llvm.ptr) -> !llvm.ptr, !llvm.struct<(i8, i32)>
      %m = llvm.load %member : !llvm.ptr -> i32
      %w = llvm.load %to : !llvm.ptr -> i32
      %y = llvm.add %w, %m : i32
      %p = llvm.getelementptr %out[%t] : (!llvm.ptr, i32) -> !llvm.ptr, i32
      llvm.store %y, %p : i32, !llvm.ptr
      llvm.return
    })");
  uint64_t out = kernel.device.allocate(16, "out");
  struct {
    int8_t first = 1;
    int32_t second = 1000;
  } byValue;
  Launch launch;
  launch.block = {4, 1, 1};
  EXPECT_EQ(kernel.run({argument(out), argument(byValue)}, launch).text(), "");
  EXPECT_EQ(kernel.values<int32_t>(out), (std::vector<int32_t>{1010, 1020, 1030, 1040}));
}

TEST(Arithmetic, UnknownOpsAreRefused) {
  Kernel kernel(R"(
    llvm.func @k(%x: f32) attributes {nvvm.kernel} {
      %y = llvm.intr.sin(%x) : (f32) -> f32
      llvm.return
    })");
  llvm::Expected<Report> report = run(*kernel.module, "k", kernel.device, {argument(1.0f)}, {});
  ASSERT_FALSE(report);
  EXPECT_NE(llvm::toString(report.takeError()).find("has no such op"), std::string::npos);
}

} // namespace
} // namespace qcc::simt
