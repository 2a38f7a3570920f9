// Kernels and operands of lone products; see ProductTrial.h.
#include "qcc/Kernels/ProductTrial.h"
#include <cstdlib>
#include <cstring>

using namespace qcc;
using mlir::Value;

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

/// Inputs that share a sum of A's codes.
int64_t stepsOf(const MatmulSpec &spec, int64_t k) {
  int64_t inputs = spec.kind == MatmulKind::Block ? spec.block.inputs : 0;
  return inputs ? ceilDiv(k, inputs) : 1;
}

} // namespace

void qcc::fillWithNumbers(void *data, int64_t bytes) {
  // Bytes 0x30 to 0x3f: of f32, f16, bf16 and f8 neither tiny nor infinite.
  uint64_t state = 1;
  for (int64_t i = 0; i < bytes; i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u; // Knuth, MMIX
    uint64_t word = (state >> 16 & 0x0f0f0f0f0f0f) | 0x3030303030303030;
    std::memcpy(static_cast<char *>(data) + i, &word, std::min<int64_t>(8, bytes - i));
  }
}

NumberBuffer::NumberBuffer(int64_t bytes)
    : memory(std::aligned_alloc(4096, roundUp(bytes + 4096, 4096)), std::free) {
  fillWithNumbers(memory.get(), bytes + 4096); // kernels may read a little behind the end
}

bool qcc::takesCodes(const MatmulSpec &spec) {
  return spec.kind == MatmulKind::W8A8 ||
         (spec.kind == MatmulKind::Block && spec.block.core != BlockCore::Float);
}

int64_t qcc::weightBytes(const MatmulSpec &spec, int64_t n, int64_t k) {
  switch (spec.kind) {
  case MatmulKind::Block:
    return spec.block.layout.bytes(n, k);
  case MatmulKind::W8A8:
    return packedW8Bytes(n, k);
  default:
    return spec.b == Elem::BF16 ? packedPairBytes(n, k) : packedFloatBytes(n, k, elemBytes(spec.b));
  }
}

void qcc::emitProductTrial(KernelBuilder &k, const MatmulSpec &spec, ProductEpilogue epilogue) {
  MatmulOperands o;
  o.m = k.argI64(M), o.n = k.argI64(N), o.k = k.argI64(K);
  o.a = k.argPtr(A), o.aStride = k.argI64(AStride), o.b = k.argPtr(B);
  o.aScale = k.argPtr(AScale), o.aSum = k.argPtr(ASum), o.aSumStride = k.argI64(ASumStride);
  o.aLow = k.argI64(ALow), o.bScale = k.argPtr(BScale), o.bCorrection = k.argPtr(BCorrection);
  emitMatmul(k, spec, o, [&](const MatmulResult &r) {
    Value v = k.add(r.acc, k.vload(Elem::F32, k.argPtr(Bias), r.col, r.lanes));
    k.vstore(Elem::F32, epilogue ? epilogue(k, v) : v, k.argPtr(Out),
             k.add(k.mul(r.row, o.n), r.col), r.lanes);
  });
}

/// Elements from a row of A to the next: bytes, or floats.
static int64_t rowStride(const MatmulSpec &spec, int64_t k) {
  bool split = spec.kind == MatmulKind::Block && spec.block.core == BlockCore::Int16;
  return takesCodes(spec) ? tokenRowStride(split ? 2 * k : k) : k;
}

ProductOperands::ProductOperands(const MatmulSpec &spec, const ProductShape &s)
    : a(s.m * rowStride(spec, s.k) * (takesCodes(spec) ? 1 : 4)), out(s.m * s.n * 4),
      columns(s.n * 4), rows(s.m * 4), sums(s.m * stepsOf(spec, s.k) * 4), values(Slots) {
  auto address = [](const NumberBuffer &buffer) {
    return reinterpret_cast<int64_t>(buffer.data());
  };
  values[M] = s.m, values[N] = s.n, values[K] = s.k;
  values[A] = address(a), values[AStride] = rowStride(spec, s.k), values[ALow] = s.k;
  values[AScale] = address(rows), values[ASum] = address(sums);
  values[ASumStride] = stepsOf(spec, s.k);
  values[BScale] = values[BCorrection] = values[Bias] = address(columns);
  values[Out] = address(out);
}

std::vector<int64_t> ProductOperands::slots(const void *weights) const {
  std::vector<int64_t> slots = values;
  slots[B] = reinterpret_cast<int64_t>(weights);
  return slots;
}
