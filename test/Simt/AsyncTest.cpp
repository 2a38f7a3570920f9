// Matrix products, tensor copies and inline assembly.
#include "SimtHarness.h"
#include "qcc/Algorithms/FloatFormats.h"

namespace qcc::simt {
namespace {

/// D = A B^T of one warp: fragments by ldmatrix from row-major tiles of 16 x 32 bytes and 8 x 32
/// bytes.
std::string productKernel(llvm::StringRef mma, llvm::StringRef accumulator) {
  return ("llvm.mlir.global internal @a() {addr_space = 3 : i32, alignment = 16 : i64} : "
          "!llvm.array<192 x i32>\n"
          "llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {\n"
          "  %t = nvvm.read.ptx.sreg.tid.x : i32\n"
          "  %all = llvm.mlir.constant(-1 : i32) : i32\n"
          "  %c0 = llvm.mlir.constant(0 : i32) : i32\n"
          "  %c1 = llvm.mlir.constant(1 : i32) : i32\n"
          "  %c3 = llvm.mlir.constant(3 : i32) : i32\n"
          "  %c6 = llvm.mlir.constant(6 : i32) : i32\n"
          "  %c7 = llvm.mlir.constant(7 : i32) : i32\n"
          "  %c15 = llvm.mlir.constant(15 : i32) : i32\n"
          "  %c16 = llvm.mlir.constant(16 : i32) : i32\n"
          "  %c32 = llvm.mlir.constant(32 : i32) : i32\n"
          "  %z = llvm.mlir.zero : " +
          accumulator +
          "\n"
          "  %s = llvm.mlir.addressof @a : !llvm.ptr<3>\n"
          "  llvm.br ^fill(%c0 : i32)\n"
          "^fill(%i: i32):\n"
          "  %w = llvm.mul %i, %c32 : i32\n"
          "  %e = llvm.add %w, %t : i32\n"
          "  %p = llvm.getelementptr %in[%e] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n"
          "  %x = llvm.load %p : !llvm.ptr<1> -> i32\n"
          "  %q = llvm.getelementptr %s[%e] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32\n"
          "  llvm.store %x, %q : i32, !llvm.ptr<3>\n"
          "  %j = llvm.add %i, %c1 : i32\n"
          "  %more = llvm.icmp \"ult\" %j, %c6 : i32\n"
          "  llvm.cond_br %more, ^fill(%j : i32), ^go\n"
          "^go:\n"
          "  nvvm.bar.warp.sync %all : i32\n"
          // Matrices of A: rows 0 to 7 and 8 to 15 of the first 16 bytes, then of the second.
          "  %row = llvm.and %t, %c15 : i32\n"
          "  %half = llvm.lshr %t, %c3 : i32\n"
          "  %second = llvm.lshr %half, %c1 : i32\n"
          "  %ra = llvm.mul %row, %c32 : i32\n"
          "  %ca = llvm.mul %second, %c16 : i32\n"
          "  %oa = llvm.add %ra, %ca : i32\n"
          "  %pa = llvm.getelementptr %s[%oa] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8\n"
          "  %fa = nvvm.ldmatrix %pa {num = 4 : i32, layout = #nvvm.mma_layout<row>, "
          "shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
          "#nvvm.ld_st_matrix_elt_type<b16>} "
          ": (!llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)>\n"
          "  %a0 = llvm.extractvalue %fa[0] : !llvm.struct<(i32, i32, i32, i32)>\n"
          "  %a1 = llvm.extractvalue %fa[1] : !llvm.struct<(i32, i32, i32, i32)>\n"
          "  %a2 = llvm.extractvalue %fa[2] : !llvm.struct<(i32, i32, i32, i32)>\n"
          "  %a3 = llvm.extractvalue %fa[3] : !llvm.struct<(i32, i32, i32, i32)>\n"
          "  %rowB = llvm.and %t, %c7 : i32\n"
          "  %bit = llvm.and %half, %c1 : i32\n"
          "  %rb = llvm.mul %rowB, %c32 : i32\n"
          "  %cb = llvm.mul %bit, %c16 : i32\n"
          "  %ob = llvm.add %rb, %cb : i32\n"
          "  %pb = llvm.getelementptr %s[%ob] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8\n"
          "  %pb2 = llvm.getelementptr %pb[512] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8\n"
          "  %fb = nvvm.ldmatrix %pb2 {num = 2 : i32, layout = #nvvm.mma_layout<row>, "
          "shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
          "#nvvm.ld_st_matrix_elt_type<b16>} "
          ": (!llvm.ptr<3>) -> !llvm.struct<(i32, i32)>\n"
          "  %b0 = llvm.extractvalue %fb[0] : !llvm.struct<(i32, i32)>\n"
          "  %b1 = llvm.extractvalue %fb[1] : !llvm.struct<(i32, i32)>\n  " +
          mma +
          "\n"
          "  %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, "
          "vector<4xi32>\n"
          "  llvm.store %d, %o {alignment = 16 : i64} : !llvm.struct<(" +
          accumulator + ", " + accumulator + ", " + accumulator + ", " + accumulator +
          ")>, !llvm.ptr<1>\n  llvm.return\n}\n")
      .str();
}

template <typename T>
std::vector<T> runProduct(llvm::StringRef mma, llvm::StringRef type,
                          const std::vector<uint8_t> &in) {
  Kernel kernel(productKernel(mma, type));
  uint64_t input = kernel.device.upload(in, "in"), out = kernel.device.allocate(512, "out");
  EXPECT_EQ(kernel.run({argument(input), argument(out)}, {}).text(), "");
  // From fragments to rows.
  std::vector<T> fragments = kernel.values<T>(out), matrix(128);
  for (int t = 0; t != 32; ++t)
    for (int i = 0; i != 4; ++i)
      matrix[(t / 4 + i / 2 * 8) * 8 + t % 4 * 2 + i % 2] = fragments[t * 4 + i];
  return matrix;
}

constexpr llvm::StringLiteral mmaS8 =
    R"(%d = nvvm.mma.sync A[%a0,%a1,%a2,%a3] B[%b0,%b1] C[%z,%z,%z,%z]
  {intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, layoutA = #nvvm.mma_layout<row>,
   layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<u8>,
   multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>}
  : (i32, i32, i32) -> !llvm.struct<(i32, i32, i32, i32)>)";
constexpr llvm::StringLiteral mmaBf16 =
    R"(%d = nvvm.mma.sync A[%a0,%a1,%a2,%a3] B[%b0,%b1] C[%z,%z,%z,%z]
  {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>,
   multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>,
   shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>)";
constexpr llvm::StringLiteral mmaE4M3 =
    R"(%d = llvm.inline_asm asm_dialect = att "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$0,$1,$2,$3};", "=f,=f,=f,=f,r,r,r,r,r,r,0,1,2,3" %a0,%a1,%a2,%a3,%b0,%b1,%z,%z,%z,%z : (i32,i32,i32,i32,i32,i32,f32,f32,f32,f32) -> !llvm.struct<(f32, f32, f32, f32)>)";

TEST(Async, ProductsOfBytes) {
  std::vector<uint8_t> in(768);
  for (size_t i = 0; i != in.size(); ++i)
    in[i] = i * 37 + 11;
  std::vector<int32_t> d = runProduct<int32_t>(mmaS8, "i32", in);
  for (int row = 0; row != 16; ++row)
    for (int column = 0; column != 8; ++column) {
      int32_t sum = 0;
      for (int k = 0; k != 32; ++k)
        sum += in[row * 32 + k] * static_cast<int8_t>(in[512 + column * 32 + k]);
      EXPECT_EQ(d[row * 8 + column], sum) << row << " " << column;
    }
}

TEST(Async, ProductsOfFloats) {
  std::vector<uint16_t> halves(384);
  for (size_t i = 0; i != halves.size(); ++i)
    halves[i] = bfloatFromFloat(static_cast<float>(static_cast<int>(i * 7 % 29) - 14) / 8);
  std::vector<uint8_t> in(768);
  std::memcpy(in.data(), halves.data(), in.size());
  std::vector<float> d = runProduct<float>(mmaBf16, "f32", in);
  for (int row = 0; row != 16; ++row)
    for (int column = 0; column != 8; ++column) {
      float sum = 0;
      for (int k = 0; k != 16; ++k)
        sum +=
            floatFromBfloat(halves[row * 16 + k]) * floatFromBfloat(halves[256 + column * 16 + k]);
      EXPECT_EQ(d[row * 8 + column], sum) << row << " " << column;
    }
}

TEST(Async, ProductsOfSmallFloatsInAssembly) {
  std::vector<uint8_t> in(768);
  for (size_t i = 0; i != in.size(); ++i)
    in[i] = miniFromFloat(kFloat8E4M3, static_cast<int>(i * 5 % 17) - 8);
  std::vector<float> d = runProduct<float>(mmaE4M3, "f32", in);
  for (int row = 0; row != 16; ++row)
    for (int column = 0; column != 8; ++column) {
      float sum = 0;
      for (int k = 0; k != 32; ++k)
        sum += floatFromMini(kFloat8E4M3, in[row * 32 + k]) *
               floatFromMini(kFloat8E4M3, in[512 + column * 32 + k]);
      EXPECT_EQ(d[row * 8 + column], sum) << row << " " << column;
    }
}

TEST(Async, TensorCopiesSwizzleAndFillWithZeros) {
  // A box of 8 rows of 128 bytes at (64, 2) of a tensor of 6 rows of 144 bytes.
  Kernel kernel(R"(
    llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<256 x i32>
    llvm.mlir.global internal @full() {addr_space = 3 : i32, alignment = 8 : i64} : i64
    llvm.func @k(%map: !llvm.ptr {llvm.byval = !llvm.array<16 x i64>, nvvm.grid_constant, llvm.align = 64},
                 %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %t = nvvm.read.ptx.sreg.tid.x : i32
      %c0 = llvm.mlir.constant(0 : i32) : i32
      %c1 = llvm.mlir.constant(1 : i32) : i32
      %c2 = llvm.mlir.constant(2 : i32) : i32
      %c64 = llvm.mlir.constant(64 : i32) : i32
      %bytes = llvm.mlir.constant(1024 : i32) : i32
      %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
      %full = llvm.mlir.addressof @full : !llvm.ptr<3>
      %leads = llvm.icmp "eq" %t, %c0 : i32
      llvm.cond_br %leads, ^init, ^sync
    ^init:
      nvvm.mbarrier.init %full, %c1 : !llvm.ptr<3>, i32
      nvvm.fence.mbarrier.init
      nvvm.mbarrier.arrive.expect_tx %full, %bytes : !llvm.ptr<3>, i32
      nvvm.cp.async.bulk.tensor.shared.cluster.global %tile, %map, %full, box[%c64, %c2] {isCTAOnly = true}
        : !llvm.ptr<3>, !llvm.ptr
      llvm.br ^sync
    ^sync:
      nvvm.barrier0
      nvvm.mbarrier.try_wait.parity %full, %c0, %bytes : !llvm.ptr<3>, i32, i32
      %p = llvm.getelementptr %tile[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, vector<4xi32>
      %x = llvm.load %p {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
      %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xi32>
      llvm.store %x, %o {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
      llvm.return
    })");
  std::vector<uint8_t> in(6 * 144);
  for (size_t i = 0; i != in.size(); ++i)
    in[i] = i * 13 + 5;
  TensorMap map;
  map.address = kernel.device.upload(in, "in");
  map.dimensions[0] = 140;
  map.dimensions[1] = 6;
  map.strides[0] = 144;
  map.box[0] = 128;
  map.box[1] = 8;
  map.swizzle = TensorMap::bytes128;
  for (uint64_t seed = 1; seed != 6; ++seed) {
    uint64_t out = kernel.device.allocate(1024, "out");
    Launch launch;
    launch.block = {64, 1, 1};
    launch.seed = seed;
    EXPECT_EQ(kernel.run({argument(map), argument(out)}, launch).text(), "");
    std::vector<uint8_t> got = kernel.values<uint8_t>(out);
    for (int row = 0; row != 8; ++row)
      for (int byte = 0; byte != 128; ++byte) {
        bool inside = row + 2 < 6 && byte + 64 < 140;
        EXPECT_EQ(got[row * 128 + (byte ^ row << 4)], inside ? in[(row + 2) * 144 + byte + 64] : 0)
            << row << " " << byte;
      }
  }
}

TEST(Async, AssemblyWithPredicatesAndVectors) {
  Kernel kernel(R"(
    llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %t = nvvm.read.ptx.sreg.tid.x : i32
      %c1 = llvm.mlir.constant(1 : i32) : i32
      %odd = llvm.and %t, %c1 : i32
      %c0 = llvm.mlir.constant(0 : i32) : i32
      %p = llvm.icmp "ne" %odd, %c0 : i32
      %i = llvm.getelementptr %in[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<2xi32>
      %d = llvm.inline_asm has_side_effects asm_dialect = att
        "{ mov.b32 $0, 7; mov.b32 $1, 0; @$3 ld.global.nc.L1::no_allocate.v2.b32 {$0,$1}, [$2]; }", "=r,=r,l,b" %i, %p
        : (!llvm.ptr<1>, i1) -> !llvm.struct<(i32, i32)>
      %x = llvm.extractvalue %d[0] : !llvm.struct<(i32, i32)>
      %y = llvm.extractvalue %d[1] : !llvm.struct<(i32, i32)>
      %l = llvm.inline_asm asm_dialect = att
        "{ .reg .pred q; setp.lt.s32 q, $1, -3; selp.b32 $0, $2, $1, q; }", "=r,r,r" %x, %y : (i32, i32) -> i32
      %m = llvm.inline_asm asm_dialect = att "lop3.b32 $0, $1, $2, $3, 0xEA;", "=r,r,n,n" %l, %c1, %c0 : (i32, i32, i32) -> i32
      %s = llvm.add %l, %m : i32
      %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
      llvm.inline_asm has_side_effects asm_dialect = att "st.global.cs.b32 [$0], $1;", "l,r,~{memory}" %o, %s
        : (!llvm.ptr<1>, i32) -> ()
      llvm.return
    })");
  std::vector<int32_t> in(64);
  for (int i = 0; i != 64; ++i)
    in[i] = i % 4 == 2 ? i - 30 : 100 + i;
  uint64_t input = kernel.device.upload(in, "in"), out = kernel.device.allocate(128, "out");
  EXPECT_EQ(kernel.run({argument(input), argument(out)}, {}).text(), "");
  for (int t = 0; t != 32; ++t) {
    int x = t & 1 ? in[2 * t] : 7, y = t & 1 ? in[2 * t + 1] : 0, l = x < -3 ? y : x;
    EXPECT_EQ(kernel.values<int32_t>(out)[t], l + (l & 1)) << t;
  }
}

} // namespace
} // namespace qcc::simt
