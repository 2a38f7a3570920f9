// What the attention operators are put together from.
#ifndef QCC_LIB_IMPORT_ATTENTIONPARTS_H
#define QCC_LIB_IMPORT_ATTENTIONPARTS_H

#include "NodeBuilder.h"

namespace qcc::import {

struct AttentionForm {
  Value query, key, value, mask; ///< heads split; the mask float or boolean, or absent
  Value sink = {};               ///< [H], or absent: a score of the softmax without a value
  double scale = 0;              ///< 0: 1 / sqrt(D)
  double softcap = 0;
  bool causal = false;
  DimExpr past = {}; ///< keys before the first query's own, for `causal`
  int64_t window = 0;
  bool safe = false;
};

/// [B, S, H * D] to [B, H, S, D].
Value splitHeads(NodeBuilder &n, Value x, int64_t heads);
/// [B, H, S, D] to [B, S, H * D].
Value joinHeads(NodeBuilder &n, Value x);
/// True where key t may be seen by query s: t <= s + past, as [S, T].
Value causalMask(NodeBuilder &n, DimExpr s, DimExpr t, DimExpr past);
/// Both conditions on a mask, whichever of them is float.
Value combineMasks(NodeBuilder &n, Value a, Value b, Type element);
/// Makes the operands' dimensions agree and builds qnt.attention; S and T come from the operands.
Value attention(NodeBuilder &n, AttentionForm f);
/// Keys or values of the past before the new ones; both [B, G, *, D].
Value withPast(NodeBuilder &n, Value past, Value fresh);
/// Rotates x [B, H, S, D] by tables [.., S, W], which get an axis for the heads.
Value rotate(NodeBuilder &n, Value x, Value cos, Value sin, bool interleaved);
/// Cuts `x` [.., widths...] along its last axis.
SmallVector<Value> cut(NodeBuilder &n, Value x, ArrayRef<DimExpr> widths);
/// True where a key counts: [B, T] of 0 and 1, or [B] of lengths; as [B, 1, 1, T] or larger.
Value keyMask(NodeBuilder &n, Value mask, DimExpr keys);

} // namespace qcc::import
#endif
