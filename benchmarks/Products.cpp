// The schemes that are measured, and their kernels; see Products.h.
#include "Products.h"

using namespace qcc;
using namespace qcc::bench;
using Value = mlir::Value;

namespace {

Value gelu(KernelBuilder &k, Value v) {
  Value erf = k.erf(k.mul(v, k.cf32(0.70710678f)));
  return k.mul(k.mul(v, k.cf32(0.5f)), k.add(erf, k.cf32(1)));
}

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
    : scheme(scheme), kernel(target, [scheme](KernelBuilder &k) {
        emitProductTrial(k, scheme.spec, scheme.gelu ? ProductEpilogue(gelu) : ProductEpilogue());
      }) {}

Product::Call Product::prepare(const Shape &shape, int threads) {
  auto operands = std::make_shared<ProductOperands>(scheme.spec, shape);
  int64_t tasks = matmulTasks(shape.m, shape.n), bytes = matmulScratchBytes(scheme.spec, shape.k);
  auto scratch = std::make_shared<NumberBuffer>(std::max<int64_t>(64, threads * bytes));
  return [=, function = kernel.function()](const void *weights, int thread) {
    auto [begin, end] = part(tasks, thread, threads);
    function(operands->slots(weights).data(), begin, end, thread,
             static_cast<char *>(scratch->data()) + thread * bytes);
  };
}
