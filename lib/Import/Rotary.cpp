// Rotary position embeddings, brought to qnt.rope (RoPE, Su et al. 2021).
#include "AttentionParts.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

Value qcc::import::rotate(NodeBuilder &n, Value x, Value cos, Value sin, bool interleaved) {
  if (!n.atLeast(x, 4) || !n.atLeast(cos, 1) || !n.atLeast(sin, 1))
    return {};
  if (n.rank(cos) == 3 && n.rank(sin) == 3) {
    cos = n.unsqueeze(cos, {1});
    sin = n.unsqueeze(sin, {1});
  }
  Dims full = n.dims(x), table = n.dims(cos);
  full.back() = table.back();
  Dims both[] = {table, full};
  auto fit = n.broadcastDims(both);
  if (!fit || fit->size() != full.size()) {
    n.fail(Diag::ShapeMismatch, "cosines " + text(table) + " do not fit " + text(full));
    return {};
  }
  if (n.dims(sin) != n.dims(cos)) {
    n.fail(Diag::ShapeMismatch,
           "cosines " + text(n.dims(cos)) + " and sines " + text(n.dims(sin)) + " differ");
    return {};
  }
  cos = n.conform(cos, *fit);
  sin = n.conform(sin, *fit);
  cos = n.cast(cos, n.element(x)), sin = n.cast(sin, n.element(x));
  if (!cos || !sin)
    return {};
  DimExpr turned = n.last(cos) * 2, rest = n.last(x) - turned;
  if (rest.constantValue().value_or(0) < 0) {
    n.fail(Diag::ShapeMismatch,
           "cosines " + text(table) + " are wider than half of " + n.last(x).str());
    return {};
  }
  if (rest.isNonNegative())
    return n.make<qnt::RopeOp>(x.getType(), x, cos, sin, interleaved);
  if (!turned.constantValue()) { // of two unknown sizes, the whole head turns
    n.equal(n.last(x), turned, "the head size and twice the width of the cosines");
    if (n.failed())
      return {};
    full = n.dims(x), full.back() = n.last(cos) * 2;
    x = n.conformExactly(x, full);
    return x ? n.make<qnt::RopeOp>(x.getType(), x, cos, sin, interleaved) : Value();
  }
  rest = n.natural(rest, "channels beside those that turn");
  auto parts = cut(n, x, {turned, rest});
  parts[0] = n.make<qnt::RopeOp>(parts[0].getType(), parts[0], cos, sin, interleaved);
  return n.concat(parts, static_cast<int64_t>(n.rank(x)) - 1);
}

namespace {

void rotaryEmbedding(NodeBuilder &n) {
  Value x = n.in(0), cos = n.in(1), sin = n.in(2);
  if (!x || !cos || !sin)
    return;
  bool joined = n.rank(x) == 3;
  Value heads = joined ? splitHeads(n, x, n.intAttr("num_heads", 0)) : x;
  if (n.has(3)) {
    Value positions = n.in(3);
    cos = n.gather(cos, positions, 0);
    sin = n.gather(sin, positions, 0);
  }
  int64_t width = n.intAttr("rotary_embedding_dim", 0);
  if (cos && sin && width > 0 && !n.last(cos).isConstant(width / 2)) {
    auto last = static_cast<int64_t>(n.rank(cos)) - 1;
    cos = n.slice(cos, last, n.dim(0), n.dim(width / 2));
    sin = n.slice(sin, last, n.dim(0), n.dim(width / 2));
  }
  Value out = rotate(n, heads, cos, sin, n.intAttr("interleaved", 0) != 0);
  n.out(0, joined ? joinHeads(n, out) : out);
}

/// [B, S, H * D] as [B, H, S, D]; without a number of heads their width is twice that of the
/// tables.
Value headsOf(NodeBuilder &n, Value x, Value cos) {
  if (!x || !cos || n.rank(x) != 3 || n.rank(cos) == 0)
    return x;
  int64_t count = n.intAttr("num_heads", 0);
  auto hidden = n.at(x, 2).constantValue(), half = n.last(cos).constantValue();
  if (count == 0 && hidden && half && *half > 0)
    count = *hidden / (2 * *half);
  return splitHeads(n, x, count);
}

/// com.microsoft: positions come second; one position is where the sequence starts.
void microsoftRotaryEmbedding(NodeBuilder &n) {
  Value x = n.in(0), positions = n.in(1), cos = n.in(2), sin = n.in(3);
  if (!x || !positions || !cos || !sin)
    return;
  Value heads = headsOf(n, x, cos);
  if (!heads)
    return;
  if (n.rank(positions) == 1) {
    DimExpr steps = n.at(heads, 2);
    positions = n.unsqueeze(
        n.add(positions, n.cast(n.iota({steps}, 0, n.dim(0), 1, n.i64()), n.element(positions))),
        {0});
  }
  Value out = rotate(n, heads, n.gather(cos, positions, 0), n.gather(sin, positions, 0),
                     n.intAttr("interleaved", 0) != 0);
  double scale = n.floatAttr("scale", 1);
  if (scale != 1)
    return n.unsupported("scales the rotated values", "multiply after the operator");
  n.out(0, n.rank(x) == 3 ? joinHeads(n, out) : out);
}

/// Which of the positions (time, height, width) each column of the tables belongs to: one run of
/// columns after the other, or (Qwen3-VL) taking turns while the last two have any left.
SmallVector<int64_t> streamsOf(ArrayRef<int64_t> sections, bool takeTurns) {
  SmallVector<int64_t> streams;
  if (!takeTurns) {
    for (auto [stream, count] : llvm::enumerate(sections))
      streams.append(count, static_cast<int64_t>(stream));
    return streams;
  }
  int64_t columns = sections[0] + sections[1] + sections[2];
  for (int64_t column = 0; column < columns; ++column) {
    int64_t stream = column % 3;
    streams.push_back(stream != 0 && column < 3 * sections[stream] ? stream : 0);
  }
  return streams;
}

/// com.microsoft: rotary embedding by three positions for each token (M-RoPE, Wang et al. 2024,
/// Qwen2-VL, section 2.1).
void multimodalRotaryEmbedding(NodeBuilder &n) {
  Value x = n.in(0), positions = n.in(1), cos = n.in(2), sin = n.in(3);
  if (!x || !positions || !cos || !sin || !n.atLeast(cos, 2) || !n.atLeast(sin, 2))
    return;
  auto sections = n.intsAttr("mrope_section");
  int64_t layout = n.intAttr("mrope_layout", 0), columns = 0;
  for (int64_t size : sections)
    columns += size >= 0 && size < (1 << 20) ? size : -(1 << 24);
  if (sections.size() != 3 || columns < 1 || !n.last(cos).isConstant(columns))
    return n.fail(Diag::BadNode,
                  "mrope_section does not add up to the tables' " + n.last(cos).str() + " columns");
  if (layout != 0 && layout != 1)
    return n.fail(Diag::BadNode, "mrope_layout is " + Twine(layout) + ", neither 0 nor 1");
  if (n.floatAttr("scale", 1) != 1)
    return n.unsupported("scales the rotated values", "multiply after the operator");
  if (n.intAttr("is_packed_batching", 0) != 0)
    return n.unsupported("packs the sequences of a batch", "export one sequence per row");
  Value heads = headsOf(n, x, cos);
  if (!n.atLeast(heads, 4))
    return;
  positions = n.fit(positions, {n.dim(3), n.at(heads, 0), n.at(heads, 2)}, "position_ids");
  Value stream = n.constant(streamsOf(sections, layout == 1));
  auto merged = [&](Value table) { // [B, S, columns]
    Value all = n.gather(table, positions, 0), result;
    for (int64_t i = 2; i >= 0 && all; --i) {
      Value one = n.squeeze(n.slice(all, 0, n.dim(i), n.dim(1)), {0});
      result = result ? n.select(n.compare(qnt::Predicate::eq, stream, static_cast<double>(i)), one,
                                 result)
                      : one;
    }
    return result;
  };
  Value out = rotate(n, heads, merged(cos), merged(sin), n.intAttr("interleaved", 0) != 0);
  n.out(0, n.rank(x) == 3 ? joinHeads(n, out) : out);
}

/// com.microsoft: queries and keys, whose rotated halves are given, turned by given angles.
void gemmaRotaryEmbedding(NodeBuilder &n) {
  Value angles = n.in(0);
  if (!angles || n.rank(angles) != 3)
    return n.fail(Diag::ShapeMismatch, "needs angles of rank 3");
  Value cos = n.unsqueeze(n.unary<qnt::CosOp>(angles), {1});
  Value sin = n.unsqueeze(n.unary<qnt::SinOp>(angles), {1});
  for (size_t i : {0, 1}) {
    Value x = n.in(2 * i + 1), turned = n.in(2 * i + 2);
    if (!x || !turned)
      return;
    Type element = n.element(x);
    n.out(i, n.add(n.mul(x, n.cast(cos, element)), n.mul(turned, n.cast(sin, element))));
  }
}

constexpr OpEntry table[] = {
    {"", "RotaryEmbedding", 23, rotaryEmbedding},
    {"com.microsoft", "RotaryEmbedding", 1, microsoftRotaryEmbedding},
    {"com.microsoft", "MRotaryEmbedding", 1, multimodalRotaryEmbedding},
    {"com.microsoft", "GemmaRotaryEmbedding", 1, gemmaRotaryEmbedding},
};

} // namespace

ArrayRef<OpEntry> qcc::import::rotaryOps() { return table; }
