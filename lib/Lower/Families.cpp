// The table of kernel families.
#include "qcc/Lower/Families.h"

using namespace qcc;
using namespace qcc::lower;

static constexpr KernelFamily families[] = {
    {"map", mapShape, emitMap},
    {"row", rowShape, emitRow},
    {"linear", linearShape, emitLinear},
    {"qlinear", linearShape, emitLinear},
    {"attention", attentionShape, emitAttention},
    {"rope", ropeShape, emitRope},
    {"kv_begin", kvBeginShape, emitKvBegin},
    {"kv_append", kvAppendShape, emitKvAppend},
    {"encode_rows", encodeRowsShape, emitEncodeRows},
    {"decode_rows", decodeRowsShape, emitDecodeRows},
    {"matmul", matmulShape, emitMatmulKernel},
    {"conv", convShape, emitConv},
    {"concat", concatShape, emitConcat},
    {"choose", chooseShape, emitChoose},
    {"pad", padShape, emitPad},
    {"iota", iotaShape, emitIota},
    {"gather", gatherShape, emitGather},
    {"gather_elements", gatherElementsShape, emitGatherElements},
    {"gather_nd", gatherNdShape, emitGatherNd},
    {"qgather", qgatherShape, emitQGather},
    {"dequantize", dequantizeShape, emitDequantize},
    {"scatter_nd", scatterShape, emitScatterNd},
    {"scatter_elements", scatterShape, emitScatterElements},
    {"arg_reduce", argReduceShape, emitArgReduce},
    {"cum_sum", cumSumShape, emitCumSum},
    {"top_k", topKShape, emitTopK},
    {"resize", resizeShape, emitResize},
    {"hadamard", hadamardShape, emitHadamard},
    {"sparse_linear", sparseLinearShape, emitSparseLinear},
    {"non_zero", nonZeroShape, emitNonZero},
    {"non_zero_count", nonZeroShape, emitNonZeroCount},
};

const KernelFamily *lower::findFamily(llvm::StringRef kind) {
  for (const KernelFamily &family : families)
    if (family.kind == kind)
      return &family;
  return nullptr;
}
