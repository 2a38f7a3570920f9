// com.microsoft.GroupQueryAttention: groups of heads over a cache, in floats or in codes.
#include "AttentionParts.h"
#include "FewBits.h"
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// The cache in int8, or in 4 bits (two codes from 0 to 15 in a byte, 8 for zero, the first one
/// low), with a constant scale per tensor or channel: new rows are quantized like the old ones, and
/// attention reads what the cache holds.
Value quantizedCache(NodeBuilder &n, Value past, Value &present, Value fresh, Value scale,
                     bool nibbles) {
  if (!scale || !fresh)
    return {};
  Type codes = past      ? n.element(past)
               : nibbles ? Type(n.builder.getIntegerType(8, /*isSigned=*/false))
                         : Type(n.builder.getIntegerType(8));
  Type element = n.element(fresh);
  scale = n.cast(scale, element);
  if (n.rank(scale) == 1 && !n.at(scale, 0).isConstant(1)) // [G * D]
    scale = n.reshape(scale, {n.dim(1), n.at(fresh, 1), n.dim(1), n.at(fresh, 3)});
  else if (n.rank(scale) == 1)
    scale = n.reshape(scale, {});
  Value steps = n.unary<qnt::RoundOp>(n.div(fresh, scale));
  if (nibbles) {
    DimExpr half = n.divided(n.last(fresh), 2, "elements of a head", "nibbles of each byte");
    if (n.failed())
      return {};
    Value biased = n.cast(n.add(n.minimum(n.maximum(steps, -8), 7), 8), codes);
    Dims pairs = n.dims(fresh), bytes = pairs;
    pairs.back() = bytes.back() = half;
    pairs.push_back(n.dim(2));
    biased = n.reshape(biased, pairs);
    Value high =
        n.binary<qnt::ShlOp>(n.slice(biased, 4, n.dim(1), n.dim(1)), n.scalarInteger(codes, 4));
    Value low = n.slice(biased, 4, n.dim(0), n.dim(1));
    present = withPast(n, past, n.reshape(n.binary<qnt::OrOp>(low, high), bytes));
    Value all = n.sub(n.cast(unpack(n, present, 4), element), 8);
    return n.mul(all, scale);
  }
  Value fit = n.cast(n.minimum(n.maximum(steps, -128), 127), codes);
  present = withPast(n, past, fit);
  return n.mul(n.cast(present, element), scale);
}

void groupQueryAttention(NodeBuilder &n) {
  int64_t heads = n.intAttr("num_heads", 0), groups = n.intAttr("kv_num_heads", 0);
  Value query = n.in(0), lengths = n.in(5);
  if (!query || !lengths || n.rank(query) != 3 || heads < 1 || groups < 1)
    return n.fail(Diag::BadNode, "needs a query of rank 3, seqlens_k, num_heads and kv_num_heads");
  bool smooth = n.intAttr("smooth_softmax", 0) == 1 || n.has(11);
  bool quantized = n.stringAttr("k_quant_type", "NONE") != "NONE";
  int64_t bits = n.intAttr("kv_cache_bit_width", 8);
  if (quantized && bits != 8 && bits != 4)
    return n.unsupported("keeps a cache of " + Twine(bits) + " bits",
                         "export with 4 or 8 bits, or a float cache");
  Value key = n.optional(1), value = n.optional(2);
  if (!key) {
    DimExpr size = n.divided(n.at(query, 2), heads + 2 * groups, "channels", "heads");
    if (n.failed())
      return;
    auto parts = cut(n, query, {size * heads, size * groups, size * groups});
    query = parts[0], key = parts[1], value = parts[2];
  }
  AttentionForm f{
      splitHeads(n, query, heads), splitHeads(n, key, groups), splitHeads(n, value, groups), {}};
  if (n.failed() || !f.query || !f.key || !f.value)
    return;
  Value past = n.optional(3);
  f.past = past ? n.at(past, 2) : n.dim(0);
  DimExpr steps = n.at(f.query, 2);
  if (n.intAttr("do_rotary", 0) != 0) {
    Value positions = n.optional(9);
    if (!positions) // all rows of a batch are equally long
      positions = n.iota({n.dim(1), steps}, 1, f.past, 1, n.i64());
    Value cos = n.gather(n.in(7), positions, 0), sin = n.gather(n.in(8), positions, 0);
    bool interleaved = n.intAttr("rotary_interleaved", 0) != 0;
    f.query = rotate(n, f.query, cos, sin, interleaved);
    f.key = rotate(n, f.key, cos, sin, interleaved);
  }
  Value presentKey, presentValue;
  if (quantized) {
    f.key = quantizedCache(n, past, presentKey, f.key, n.in(12), bits == 4);
    f.value = quantizedCache(n, n.optional(4), presentValue, f.value, n.in(13), bits == 4);
  } else {
    f.key = presentKey = withPast(n, past, f.key);
    f.value = presentValue = withPast(n, n.optional(4), f.value);
  }
  if (!f.key || !f.value || n.failed())
    return;
  f.scale = n.floatAttr("scale", 0);
  f.softcap = n.floatAttr("softcap", 0);
  f.causal = true;
  int64_t window = n.intAttr("local_window_size", -1);
  f.window = window > 0 ? window : 0;
  // Keys from seqlens_k + 1 on are padding.
  Value count = n.add(n.cast(n.reshape(lengths, {n.at(f.query, 0)}), n.i64()), 1);
  f.mask = keyMask(n, count, n.at(f.key, 2));
  if (n.has(10))
    f.mask = combineMasks(n, f.mask, n.in(10), n.element(f.query));
  f.safe = true;
  if (smooth) // a sink per head, or 0 for all
    f.sink = n.has(11) ? n.reshape(n.cast(n.in(11), n.element(f.query)), {n.dim(heads)})
                       : n.broadcast(n.scalar(n.element(f.query), 0), {n.dim(heads)});
  n.out(0, joinHeads(n, attention(n, f)));
  n.out(1, presentKey);
  n.out(2, presentValue);
}

constexpr OpEntry table[] = {
    {"com.microsoft", "GroupQueryAttention", 1, groupQueryAttention},
};

} // namespace

ArrayRef<OpEntry> qcc::import::groupedAttentionOps() { return table; }
