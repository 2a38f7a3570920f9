// Attention and rotary embedding in ONNX's and com.microsoft's forms, brought to qnt.attention.
#include "AttentionParts.h"
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

Value qcc::import::splitHeads(NodeBuilder &n, Value x, int64_t heads) {
  if (!n.atLeast(x, 3))
    return {};
  Dims d = n.dims(x);
  auto size = heads > 0 ? d[2].exactDiv(n.dim(heads)) : std::nullopt;
  if (!size) {
    n.fail(Diag::ShapeMismatch,
           d[2].str() + " channels do not divide into " + Twine(heads) + " heads");
    return {};
  }
  return n.swapAxes(n.reshape(x, {d[0], d[1], n.dim(heads), *size}), 1, 2);
}

Value qcc::import::joinHeads(NodeBuilder &n, Value x) {
  x = n.swapAxes(x, 1, 2);
  Dims d = n.dims(x);
  return x ? n.reshape(x, {d[0], d[1], d[2] * d[3]}) : x;
}

Value qcc::import::causalMask(NodeBuilder &n, DimExpr s, DimExpr t, DimExpr past) {
  Value row = n.iota({s, n.dim(1)}, 0, past, 1, n.i64());
  Value column = n.iota({n.dim(1), t}, 1, n.dim(0), 1, n.i64());
  return n.compare(qnt::Predicate::le, column, row);
}

Value qcc::import::combineMasks(NodeBuilder &n, Value a, Value b, Type element) {
  if (!a || !b)
    return a ? a : b;
  bool boolA = n.element(a).isInteger(1), boolB = n.element(b).isInteger(1);
  if (boolA && boolB)
    return n.binary<qnt::AndOp>(a, b);
  if (boolA)
    std::swap(a, b), std::swap(boolA, boolB);
  Value added = n.cast(a, element);
  if (!boolB)
    return n.add(added, n.cast(b, element));
  return n.select(b, added, n.scalar(element, -std::numeric_limits<double>::infinity()));
}

Value qcc::import::attention(NodeBuilder &n, AttentionForm f) {
  if (!f.query || !f.key || !f.value || n.failed())
    return {};
  for (Value operand : {f.query, f.key, f.value})
    if (n.rank(operand) != 4) {
      n.fail(Diag::ShapeMismatch, "attention operands have ranks other than 4");
      return {};
    }
  if (!n.sameElement(f.query, f.key) || !n.sameElement(f.query, f.value))
    return {};
  auto at = [&](Value v, size_t i) { return n.at(v, i); };
  n.equal(at(f.query, 0), at(f.key, 0), "batches");
  n.equal(at(f.query, 0), at(f.value, 0), "batches");
  n.equal(at(f.key, 1), at(f.value, 1), "heads");
  n.equal(at(f.key, 2), at(f.value, 2), "keys and values");
  n.equal(at(f.query, 3), at(f.key, 3), "head sizes");
  if (n.failed())
    return {};
  Dims q = n.dims(f.query), k = n.dims(f.key), v = n.dims(f.value);
  if (!q[1].exactDiv(k[1])) {
    n.fail(Diag::ShapeMismatch, q[1].str() + " query heads do not divide into " + k[1].str());
    return {};
  }
  k[0] = q[0], k[3] = q[3];
  v[0] = q[0], v[1] = k[1], v[2] = k[2];
  f.key = n.conformExactly(f.key, k);
  f.value = n.conformExactly(f.value, v);
  if (!f.key || !f.value)
    return {};
  Type element = n.element(f.query);
  bool aligned = !f.causal || k[2] - q[2] == n.importer.space.resolve(f.past);
  if (f.causal && !aligned)
    f.mask = combineMasks(n, f.mask, causalMask(n, q[2], k[2], f.past), element);
  if (f.mask) {
    Dims both[] = {n.dims(f.mask), {q[0], q[1], q[2], k[2]}};
    auto full = n.broadcastDims(both);
    if (!full || full->size() != 4)
      return {};
    f.mask = n.conform(f.mask, *full);
    if (!f.mask)
      return {};
  }
  q = n.dims(f.query), v = n.dims(f.value);
  double scale = f.scale;
  if (scale == 0) {
    auto size = q[3].constantValue();
    if (!size) {
      n.unsupported("the head size is dynamic", "fix it with --shape");
      return {};
    }
    scale = 1.0 / std::sqrt(static_cast<double>(*size));
  }
  return n.make<qnt::AttentionOp>(n.type({q[0], q[1], q[2], v[3]}, element), f.query, f.key,
                                  f.value, f.mask, f.sink, llvm::APFloat(scale),
                                  llvm::APFloat(f.softcap), f.causal && aligned, f.window, f.safe);
}

Value qcc::import::withPast(NodeBuilder &n, Value past, Value fresh) {
  if (!past)
    return fresh;
  if (n.rank(past) != 4) {
    n.fail(Diag::ShapeMismatch, "the past has rank " + Twine(n.rank(past)) + " instead of 4");
    return {};
  }
  if (n.at(past, 2).isConstant(0))
    return fresh;
  return n.concat({past, fresh}, 2);
}

namespace {

/// [B, G, T, D] with each head repeated for the query heads that share it.
Value repeatHeads(NodeBuilder &n, Value x, DimExpr heads) {
  Dims d = n.dims(x);
  auto repeat = heads.exactDiv(d[1]);
  if (!repeat) {
    n.unsupported("its scores are of dynamic heads");
    return {};
  }
  if (repeat->isConstant(1))
    return x;
  Value wide = n.broadcast(n.unsqueeze(x, {2}), {d[0], d[1], *repeat, d[2], d[3]});
  return n.reshape(wide, {d[0], heads, d[2], d[3]});
}

/// The scores [B, H, S, T] after each step of ONNX's operator, which adds a mask before it caps.
struct Scores {
  Value product, masked, capped, probabilities;
};

std::optional<Scores> spellScores(NodeBuilder &n, const AttentionForm &f) {
  if (!n.atLeast(f.query, 4) || !n.atLeast(f.key, 4))
    return std::nullopt;
  Dims q = n.dims(f.query), k = n.dims(f.key);
  auto size = q[3].constantValue();
  if (!size) {
    n.unsupported("the head size is dynamic", "fix it with --shape");
    return std::nullopt;
  }
  Value key = repeatHeads(n, f.key, q[1]), mask = f.mask;
  if (!key)
    return std::nullopt;
  Type element = n.element(f.query);
  double scale = f.scale ? f.scale : 1.0 / std::sqrt(static_cast<double>(*size));
  Scores scores;
  scores.product = n.mul(n.matmul(f.query, key, true), scale);
  // What a float mask adds is capped with the rest; what may not be seen stays so.
  Value allowed = mask && n.element(mask).isInteger(1) ? mask : Value();
  Value added = allowed ? Value() : mask;
  if (f.causal)
    allowed = combineMasks(n, allowed, causalMask(n, q[2], k[2], f.past), element);
  auto admit = [&](Value x) { return allowed ? combineMasks(n, x, allowed, element) : x; };
  Value biased = added ? n.add(scores.product, n.cast(added, element)) : scores.product;
  Value capped = biased;
  if (f.softcap > 0)
    capped = n.mul(n.unary<qnt::TanhOp>(n.div(biased, f.softcap)), f.softcap);
  scores.masked = admit(biased);
  scores.capped = admit(capped);
  scores.probabilities = n.softmax(scores.capped, 3);
  return scores;
}

/// The fourth output.
void scoresOutput(NodeBuilder &n, const Scores &scores) {
  switch (n.intAttr("qk_matmul_output_mode", 0)) {
  case 0:
    return n.out(3, scores.product);
  case 1:
    return n.out(3, scores.masked);
  case 2:
    return n.out(3, scores.capped);
  case 3:
    return n.out(3, scores.probabilities);
  }
  n.fail(Diag::BadNode, "qk_matmul_output_mode is not 0, 1, 2 or 3");
}

/// A mask shorter than the keys hides the rest.
Value lengthenMask(NodeBuilder &n, Value mask, DimExpr keys) {
  if (!mask || n.rank(mask) == 0)
    return mask;
  auto have = n.last(mask).constantValue(), want = keys.constantValue();
  if (!have || !want || *have >= *want || *have == 1)
    return mask;
  double hidden = n.element(mask).isInteger(1) ? 0 : -std::numeric_limits<double>::infinity();
  Dims low(n.rank(mask), n.dim(0)), high = low;
  high.back() = n.dim(*want - *have);
  return n.pad(mask, n.like(mask, hidden), low, high, qnt::PadMode::constant);
}

void attention23(NodeBuilder &n) {
  AttentionForm f{n.in(0), n.in(1), n.in(2), n.optional(3)};
  if (!f.query || !f.key || !f.value)
    return;
  bool joined = n.rank(f.query) == 3;
  if (joined) {
    int64_t heads = n.intAttr("q_num_heads", 0), groups = n.intAttr("kv_num_heads", 0);
    f.query = splitHeads(n, f.query, heads);
    f.key = n.rank(f.key) == 3 ? splitHeads(n, f.key, groups) : f.key;
    f.value = n.rank(f.value) == 3 ? splitHeads(n, f.value, groups) : f.value;
  }
  f.scale = n.floatAttr("scale", 0);
  f.softcap = n.floatAttr("softcap", 0);
  f.causal = n.intAttr("is_causal", 0) != 0;
  Value past = n.optional(4);
  f.past = past ? n.at(past, 2) : n.dim(0);
  f.key = withPast(n, past, f.key);
  f.value = withPast(n, n.optional(5), f.value);
  if (!f.key || !f.value || n.failed())
    return;
  f.mask = lengthenMask(n, f.mask, n.at(f.key, 2));
  if (n.has(6)) { // from opset 24: keys from there on are padding
    Value length = n.reshape(n.in(6), {n.at(n.in(6), 0), n.dim(1), n.dim(1), n.dim(1)});
    DimExpr t = n.at(f.key, 2);
    Value index = n.iota({n.dim(1), n.dim(1), n.dim(1), t}, 3, n.dim(0), 1, n.i64());
    Value valid = n.compare(qnt::Predicate::lt, index, n.cast(length, n.i64()));
    f.mask = combineMasks(n, f.mask, valid, n.element(f.query));
  }
  // qnt.attention caps before it adds a mask.
  bool capsMask = f.softcap > 0 && f.mask && !n.element(f.mask).isInteger(1);
  std::optional<Scores> scores;
  if (n.wants(3) || capsMask)
    if (scores = spellScores(n, f); !scores)
      return;
  Value out = capsMask ? n.matmul(scores->probabilities, repeatHeads(n, f.value, n.at(f.query, 1)))
                       : attention(n, f);
  n.out(0, joined ? joinHeads(n, out) : out);
  n.out(1, f.key);
  n.out(2, f.value);
  if (n.wants(3))
    scoresOutput(n, *scores);
}

//===-- Rotary embedding -------------------------------------------------------------------------//

} // namespace

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
  if (!(n.last(x) - n.last(cos) * 2).isNonNegative()) {
    n.fail(Diag::ShapeMismatch,
           "cosines " + text(table) + " are wider than half of " + n.last(x).str());
    return {};
  }
  return n.make<qnt::RopeOp>(x.getType(), x, cos, sin, interleaved);
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

/// com.microsoft: positions come second; one position is where the sequence starts.
void microsoftRotaryEmbedding(NodeBuilder &n) {
  Value x = n.in(0), positions = n.in(1), cos = n.in(2), sin = n.in(3);
  if (!x || !positions || !cos || !sin)
    return;
  bool joined = n.rank(x) == 3;
  Value heads = x;
  if (joined) {
    int64_t count = n.intAttr("num_heads", 0);
    auto hidden = n.at(x, 2).constantValue(), half = n.last(cos).constantValue();
    if (count == 0 && hidden && half && *half > 0)
      count = *hidden / (2 * *half);
    heads = splitHeads(n, x, count);
  }
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
  n.out(0, joined ? joinHeads(n, out) : out);
}

//===-- com.microsoft attention ------------------------------------------------------------------//

} // namespace

SmallVector<Value> qcc::import::cut(NodeBuilder &n, Value x, ArrayRef<DimExpr> widths) {
  SmallVector<Value> parts;
  DimExpr start = n.dim(0);
  for (DimExpr width : widths) {
    parts.push_back(n.slice(x, static_cast<int64_t>(n.rank(x)) - 1, start, width));
    start = start + width;
  }
  return parts;
}

Value qcc::import::keyMask(NodeBuilder &n, Value mask, DimExpr keys) {
  if (!mask)
    return {};
  size_t rank = n.rank(mask);
  if (rank == 1) {
    Value length = n.reshape(mask, {n.at(mask, 0), n.dim(1), n.dim(1), n.dim(1)});
    Value index = n.iota({n.dim(1), n.dim(1), n.dim(1), keys}, 3, n.dim(0), 1, n.i64());
    return n.compare(qnt::Predicate::lt, index, n.cast(length, n.i64()));
  }
  Value truth = n.compare(qnt::Predicate::ne, mask, 0);
  if (rank == 2)
    return n.unsqueeze(truth, {1, 2});
  return rank == 3 ? n.unsqueeze(truth, {1}) : truth;
}

namespace {

/// What com.microsoft masks gets a large negative score, not minus infinity.
Value filteredMask(NodeBuilder &n, Value mask, Type element) {
  if (!mask)
    return {};
  double filter = n.floatAttr("mask_filter_value", -10000);
  return n.select(mask, n.scalar(element, 0), n.scalar(element, filter));
}

/// com.microsoft.Attention: one product makes query, key and value.
void microsoftAttention(NodeBuilder &n) {
  Value x = n.in(0), weight = n.in(1), bias = n.optional(2);
  if (!x || !weight || n.rank(x) != 3 || n.rank(weight) != 2)
    return n.fail(Diag::BadNode, "needs an input of rank 3 and a weight of rank 2");
  bool constant = n.importer.isConstant(weight);
  Value product = constant ? n.linear(x, n.swapLast(weight), bias) : n.matmul(x, weight);
  if (bias && !constant)
    product = n.add(product, bias);
  attentionOfProduct(n, product, /*maskAt=*/3, /*pastAt=*/4, /*biasAt=*/5);
}

void multiHeadAttention(NodeBuilder &n) {
  int64_t heads = n.intAttr("num_heads", 0);
  Value query = n.in(0);
  if (!query || heads < 1)
    return n.fail(Diag::BadNode, "needs num_heads");
  if (n.rank(query) != 3 || !n.has(1) || !n.has(2))
    return n.unsupported("packs query, key and value in one tensor", "export them apart");
  Value key = n.in(1), value = n.in(2);
  if (n.has(3)) { // one bias for all three
    Value bias = n.in(3);
    bool split = n.rank(key) == 4;
    Dims widths = {n.at(query, 2), split ? n.dim(0) : n.at(key, 2),
                   split ? n.dim(0) : n.at(value, 2)};
    auto parts = cut(n, bias, widths);
    query = n.add(query, parts[0]);
    key = split ? key : n.add(key, parts[1]);
    value = split ? value : n.add(value, parts[2]);
  }
  auto split = [&](Value v) { return v && n.rank(v) == 3 ? splitHeads(n, v, heads) : v; };
  AttentionForm f{split(query), split(key), split(value), {}};
  f.scale = n.floatAttr("scale", 0);
  f.causal = n.intAttr("unidirectional", 0) != 0;
  Value past = n.optional(6);
  f.past = past ? n.at(past, 2) : n.dim(0);
  f.key = withPast(n, past, f.key);
  f.value = withPast(n, n.optional(7), f.value);
  if (!f.key || !f.value || n.failed())
    return;
  Type element = n.element(f.query);
  f.mask = filteredMask(n, keyMask(n, n.optional(4), n.at(f.key, 2)), element);
  if (n.has(5))
    f.mask = combineMasks(n, f.mask, n.in(5), element);
  n.out(0, joinHeads(n, attention(n, f)));
  n.out(1, f.key);
  n.out(2, f.value);
}

constexpr OpEntry table[] = {
    {"", "Attention", 23, attention23},
    {"", "RotaryEmbedding", 23, rotaryEmbedding},
    {"com.microsoft", "RotaryEmbedding", 1, microsoftRotaryEmbedding},
    {"com.microsoft", "Attention", 1, microsoftAttention},
    {"com.microsoft", "MultiHeadAttention", 1, multiHeadAttention},
};

} // namespace

void qcc::import::attentionOfProduct(NodeBuilder &n, Value product, size_t maskAt, size_t pastAt,
                                     size_t biasAt) {
  int64_t heads = n.intAttr("num_heads", 0);
  if (!product || heads < 1)
    return n.fail(Diag::BadNode, "needs num_heads");
  if (n.intAttr("do_rotary", 0) != 0)
    return n.unsupported("rotates inside the attention", "export with RotaryEmbedding nodes");
  DimExpr width = n.at(product, 2);
  auto sizes = n.intsAttr("qkv_hidden_sizes");
  auto third = width.exactDiv(n.dim(3));
  Dims widths;
  if (sizes.size() == 3)
    widths = n.dims(sizes);
  else if (third)
    widths.assign(3, *third);
  else
    return n.fail(Diag::ShapeMismatch,
                  "the weight's " + width.str() + " columns are no three parts");
  auto parts = cut(n, product, widths);
  AttentionForm f{splitHeads(n, parts[0], heads),
                  splitHeads(n, parts[1], heads),
                  splitHeads(n, parts[2], heads),
                  {}};
  if (n.failed())
    return;
  f.scale = n.floatAttr("scale", 0);
  f.causal = n.intAttr("unidirectional", 0) != 0;
  f.past = n.dim(0);
  if (n.has(pastAt)) { // [2, B, H, P, D]
    Value past = n.in(pastAt);
    if (n.rank(past) != 5)
      return n.fail(Diag::ShapeMismatch, "the past has rank " + Twine(n.rank(past)) + ", not 5");
    f.past = n.at(past, 3);
    f.key = withPast(n, n.squeeze(n.slice(past, 0, n.dim(0), n.dim(1)), {0}), f.key);
    f.value = withPast(n, n.squeeze(n.slice(past, 0, n.dim(1), n.dim(1)), {0}), f.value);
  }
  if (!f.key || !f.value)
    return;
  Type element = n.element(product);
  f.mask = filteredMask(n, keyMask(n, n.optional(maskAt), n.at(f.key, 2)), element);
  if (biasAt && n.has(biasAt))
    f.mask = combineMasks(n, f.mask, n.in(biasAt), element);
  n.out(0, joinHeads(n, attention(n, f)));
  if (n.wants(1))
    n.out(1, n.concat({n.unsqueeze(f.key, {0}), n.unsqueeze(f.value, {0})}, 0));
}

ArrayRef<OpEntry> qcc::import::attentionOps() { return table; }
