// The schemes that are measured, and their kernels; see Products.h.
#include "Products.h"

using namespace qcc;
using namespace qcc::bench;
using Value = mlir::Value;

namespace {

enum Slot {
  M,
  N,
  K,
  A,
  AStride,
  AScale,
  ASum,
  ASumStride,
  ALow,
  B,
  BScale,
  BCorrection,
  Out,
  Bias,
  Slots
};

Value gelu(KernelBuilder &k, Value v) {
  Value erf = k.erf(k.mul(v, k.cf32(0.70710678f)));
  return k.mul(k.mul(v, k.cf32(0.5f)), k.add(erf, k.cf32(1)));
}

void emitProduct(KernelBuilder &k, const Scheme &scheme) {
  MatmulOperands o;
  o.m = k.argI64(M), o.n = k.argI64(N), o.k = k.argI64(K);
  o.a = k.argPtr(A), o.aStride = k.argI64(AStride), o.b = k.argPtr(B);
  o.aScale = k.argPtr(AScale), o.aSum = k.argPtr(ASum), o.aSumStride = k.argI64(ASumStride);
  o.aLow = k.argI64(ALow), o.bScale = k.argPtr(BScale), o.bCorrection = k.argPtr(BCorrection);
  emitMatmul(k, scheme.spec, o, [&](const MatmulResult &r) {
    Value v = k.add(r.acc, k.vload(Elem::F32, k.argPtr(Bias), r.col, r.lanes));
    k.vstore(Elem::F32, scheme.gelu ? gelu(k, v) : v, k.argPtr(Out),
             k.add(k.mul(r.row, o.n), r.col), r.lanes);
  });
}

/// What products read and write besides the weights.
struct Operands {
  Buffer a, out, columns, rows, sums;
  std::vector<Buffer> scratch; ///< of each thread
  std::vector<int64_t> slots;

  Operands(const MatmulSpec &spec, bool integer, const Shape &s, int64_t steps, int threads)
      : a(s.m * s.k * (integer ? 2 : 4)), out(s.m * s.n * 4), columns(s.n * 4), rows(s.m * 4),
        sums(s.m * steps * 4), slots(Slots) {
    auto address = [](const Buffer &buffer) { return reinterpret_cast<int64_t>(buffer.data()); };
    bool split = spec.kind == MatmulKind::Block && spec.block.core == BlockCore::Int16;
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k;
    slots[A] = address(a), slots[AStride] = split ? 2 * s.k : s.k, slots[ALow] = s.k;
    slots[AScale] = address(rows), slots[ASum] = address(sums), slots[ASumStride] = steps;
    for (int i = 0; i < threads; ++i)
      scratch.emplace_back(matmulScratchBytes(spec, s.k));
    slots[BScale] = slots[BCorrection] = slots[Bias] = address(columns), slots[Out] = address(out);
  }
};

/// Codes of `bits` bits with a scale for 32 inputs.
BlockProduct block(int bits, BlockCore core) {
  BlockProduct product;
  product.layout.bits = bits, product.layout.zeros = BlockZeros::None;
  product.core = core, product.bias = 1 << (bits - 1);
  return product;
}

BlockProduct withZeros(BlockProduct product) {
  product.layout.zeros = BlockZeros::Packed, product.bias = 0;
  return product;
}

BlockProduct floats(CodeValue value, int bits) {
  BlockProduct product = block(bits, BlockCore::Float);
  product.value = value;
  product.layout.tableEntries = value == CodeValue::Table ? 1 << bits : 0;
  return product;
}

} // namespace

bool Scheme::integer() const {
  return spec.kind == MatmulKind::W8A8 ||
         (spec.kind == MatmulKind::Block && spec.block.core != BlockCore::Float);
}

int64_t Scheme::weightBytes(int64_t n, int64_t k) const {
  switch (spec.kind) {
  case MatmulKind::Block:
    return spec.block.layout.bytes(n, k);
  case MatmulKind::W8A8:
    return packedW8Bytes(n, k);
  default:
    return spec.b == Elem::BF16 ? packedPairBytes(n, k) : packedFloatBytes(n, k, elemBytes(spec.b));
  }
}

std::vector<Scheme> bench::allSchemes() {
  MatmulSpec single, half, pairs, eight;
  half.b = Elem::F16;
  pairs.b = Elem::BF16, pairs.pairs = true;
  eight.kind = MatmulKind::W8A8;
  std::vector<Scheme> all = {{"f32", single, false, true},
                             {"w8a8", eight, false, true},
                             {"w8a8-gelu", eight, true},
                             {"f16", half},
                             {"bf16", pairs, false, true}};
  auto add = [&](const std::string &name, const BlockProduct &product, bool common = false) {
    MatmulSpec spec;
    spec.kind = MatmulKind::Block, spec.block = product;
    all.push_back({name, spec, false, common});
  };
  add("w4a8:g32", withZeros(block(4, BlockCore::Int8)), true);
  add("w4:g32", withZeros(block(4, BlockCore::Float)));
  add("nf4:g32", floats(CodeValue::Table, 4));
  add("mxfp4", floats(CodeValue::Float4E2M1, 4));
  add("fp8", floats(CodeValue::Float8E4M3, 8));
  for (int bits = 1; bits <= 8; ++bits) {
    std::string name = "w" + std::to_string(bits);
    add(name + "a8:g32:sym", block(bits, BlockCore::Int8), bits == 4);
    add(name + "a16:g32:sym", block(bits, BlockCore::Int16));
    add(name + ":g32:sym", block(bits, BlockCore::Float));
  }
  BlockProduct channel = block(8, BlockCore::Float);
  channel.layout.group = 0, channel.layout.scaleBytes = 4;
  channel.scale = ScaleForm::F32, channel.inputs = 0;
  add("w8:channel", channel);
  return all;
}

Product::Product(const Target &target, const Scheme &scheme)
    : scheme(scheme), kernel(target, [scheme](KernelBuilder &k) { emitProduct(k, scheme); }) {}

Product::Call Product::prepare(const Shape &shape, int threads) {
  const MatmulSpec &spec = scheme.spec;
  int64_t inputs = spec.kind == MatmulKind::Block ? spec.block.inputs : 0;
  auto operands = std::make_shared<Operands>(spec, scheme.integer(), shape,
                                             inputs ? ceilDiv(shape.k, inputs) : 1, threads);
  int64_t tasks = matmulTasks(shape.m, shape.n);
  return [=, function = kernel.function()](const void *weights, int thread) {
    int64_t slots[Slots];
    std::copy(operands->slots.begin(), operands->slots.end(), slots);
    slots[B] = reinterpret_cast<int64_t>(weights);
    auto [begin, end] = part(tasks, thread, threads);
    function(slots, begin, end, thread, operands->scratch[thread].data());
  };
}
