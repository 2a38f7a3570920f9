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
  DimExpr size = n.divided(d[2], heads, "channels", "heads");
  if (n.failed())
    return {};
  return n.swapAxes(n.reshape(x, {d[0], d[1], n.dim(heads), size}), 1, 2);
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

namespace {

/// [B, G, T, D] with each head repeated for the query heads that share it.
Value repeatHeads(NodeBuilder &n, Value x, DimExpr heads) {
  Dims d = n.dims(x);
  DimExpr repeat = n.divided(heads, d[1], "query heads", "heads of the keys");
  if (n.failed() || repeat.isConstant(1))
    return x;
  Value wide = n.broadcast(n.unsqueeze(x, {2}), {d[0], d[1], repeat, d[2], d[3]});
  return n.reshape(wide, {d[0], heads, d[2], d[3]});
}

std::optional<double> defaultScale(DimExpr headSize) {
  auto known = headSize.constantValue();
  return known ? std::optional(1 / std::sqrt(static_cast<double>(*known))) : std::nullopt;
}

/// What the products of queries and keys are multiplied by.
Value scaleOf(NodeBuilder &n, const AttentionForm &f) {
  DimExpr size = n.at(f.query, 3);
  if (auto known = f.scale ? std::optional(f.scale) : defaultScale(size))
    return n.like(f.query, *known);
  Value root = n.unary<qnt::SqrtOp>(n.cast(n.dimTensor(size, n.i64()), n.element(f.query)));
  return n.div(n.like(f.query, 1), root);
}

} // namespace

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
  DimExpr heads = n.at(f.query, 1);
  if (!heads.exactDiv(n.at(f.key, 1))) { // how many share one is known at run time only
    f.key = repeatHeads(n, f.key, heads), f.value = repeatHeads(n, f.value, heads);
    if (n.failed())
      return {};
  }
  Dims q = n.dims(f.query), k = n.dims(f.key), v = n.dims(f.value);
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
  double scale = f.scale ? f.scale : defaultScale(n.at(f.query, 3)).value_or(0);
  if (scale == 0)
    f.query = n.mul(f.query, scaleOf(n, f)), scale = 1;
  q = n.dims(f.query), v = n.dims(f.value);
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

/// The scores [B, H, S, T] after each step of ONNX's operator, which adds a mask before it caps.
struct Scores {
  Value product, masked, capped, probabilities;
};

std::optional<Scores> spellScores(NodeBuilder &n, const AttentionForm &f) {
  if (!n.atLeast(f.query, 4) || !n.atLeast(f.key, 4))
    return std::nullopt;
  Dims q = n.dims(f.query), k = n.dims(f.key);
  Value key = repeatHeads(n, f.key, q[1]), mask = f.mask;
  if (!key)
    return std::nullopt;
  Type element = n.element(f.query);
  Scores scores;
  scores.product = n.mul(n.matmul(f.query, key, true), scaleOf(n, f));
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
  DimExpr have = n.last(mask), missing = keys - have;
  bool known = have.constantValue() && keys.constantValue();
  if (have.isConstant(1) || (known ? missing.constantValue() <= 0 : n.opset < 24 || have == keys))
    return mask;
  double hidden = n.element(mask).isInteger(1) ? 0 : -std::numeric_limits<double>::infinity();
  Dims low(n.rank(mask), n.dim(0)), high = low;
  high.back() = n.natural(missing, "keys without a mask");
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

/// One bias for all three; keys and values that are split into heads already have none.
void addBiases(NodeBuilder &n, Value bias, Value &query, Value &key, Value &value) {
  bool split = n.rank(key) == 4;
  Dims widths = {n.at(query, 2), split ? n.dim(0) : n.at(key, 2),
                 split ? n.dim(0) : n.at(value, 2)};
  auto parts = cut(n, bias, widths);
  query = n.add(query, parts[0]);
  key = split ? key : n.add(key, parts[1]);
  value = split ? value : n.add(value, parts[2]);
}

void multiHeadAttention(NodeBuilder &n) {
  int64_t heads = n.intAttr("num_heads", 0);
  Value query = n.in(0);
  if (!query || heads < 1)
    return n.fail(Diag::BadNode, "needs num_heads");
  if (n.rank(query) != 3 || !n.has(1) || !n.has(2))
    return n.unsupported("packs query, key and value in one tensor", "export them apart");
  Value key = n.in(1), value = n.in(2);
  if (n.has(3))
    addBiases(n, n.in(3), query, key, value);
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

/// A buffer [B, H, M, D] with the row of this step at position `length`.
Value written(NodeBuilder &n, Value buffer, Value fresh, Value length) {
  if (!n.atLeast(buffer, 4))
    return {};
  Value index = n.iota({n.at(buffer, 2), n.dim(1)}, 0, n.dim(0), 1, n.i64());
  return n.select(n.compare(qnt::Predicate::eq, index, length), fresh, buffer);
}

/// x with zeros behind its last axis up to `size`.
Value lengthened(NodeBuilder &n, Value x, DimExpr size) {
  if (!x || n.rank(x) == 0 || n.last(x) == size)
    return x;
  Dims low(n.rank(x), n.dim(0)), high = low;
  high.back() = size - n.last(x);
  return n.pad(x, n.like(x, 0), low, high, qnt::PadMode::constant);
}

/// Query, key and value of inputs 0 to 2, or of one product.
bool decoderOperands(NodeBuilder &n, Value &query, Value &key, Value &value) {
  query = n.in(0), key = n.optional(1), value = n.optional(2);
  if (n.failed() || n.rank(query) != 3 || (key && !value)) {
    n.fail(Diag::ShapeMismatch, "needs a query of rank 3, and keys with values");
    return false;
  }
  if (!key) {
    auto third = n.at(query, 2).exactDiv(n.dim(3));
    if (!third) {
      n.fail(Diag::ShapeMismatch, n.at(query, 2).str() + " channels are no three parts");
      return false;
    }
    auto parts = cut(n, query, {*third, *third, *third});
    query = parts[0], key = parts[1], value = parts[2];
  }
  if (n.has(10))
    addBiases(n, n.in(10), query, key, value);
  return query && key && value && !n.failed();
}

/// com.microsoft.DecoderMaskedMultiHeadAttention: one query per sequence, over a past that grows or
/// a buffer of which the first past_sequence_length rows count.
void decoderMaskedAttention(NodeBuilder &n) {
  int64_t heads = n.intAttr("num_heads", 0);
  if (heads < 1)
    return n.fail(Diag::BadNode, "needs num_heads");
  if (n.has(8) || n.has(9))
    return n.unsupported("decodes in beams", "export the model without beam search");
  if (n.wants(3))
    return n.unsupported("gives its scores", "leave out the fourth output");
  Value query, key, value;
  if (!decoderOperands(n, query, key, value))
    return;
  bool across = n.rank(key) == 4;
  auto split = [&](Value v) { return n.rank(v) == 3 ? splitHeads(n, v, heads) : v; };
  AttentionForm f{split(query), split(key), split(value), {}};
  Value mask = n.optional(3), bias = n.optional(4), seen;
  if (across) {
  } else if (n.intAttr("past_present_share_buffer", 0) != 0) {
    if (!n.has(5) || !n.has(6) || !n.has(7))
      return n.fail(Diag::BadNode, "shares a buffer, but a past or its length is missing");
    Value length = n.reshape(n.cast(n.in(7), n.i64()), {});
    f.key = written(n, n.in(5), f.key, length);
    f.value = written(n, n.in(6), f.value, length);
    DimExpr size = n.at(f.key, 2);
    Value index = n.iota({n.dim(1), n.dim(1), n.dim(1), size}, 3, n.dim(0), 1, n.i64());
    seen = n.compare(qnt::Predicate::le, index, length);
    mask = lengthened(n, mask, size), bias = lengthened(n, bias, size);
  } else {
    f.key = withPast(n, n.optional(5), f.key);
    f.value = withPast(n, n.optional(6), f.value);
  }
  if (!f.query || !f.key || !f.value || n.failed())
    return;
  if (mask && n.rank(mask) != 2)
    return n.fail(Diag::ShapeMismatch, "needs a mask of rank 2");
  Type element = n.element(f.query);
  f.scale = n.floatAttr("scale", 0);
  f.mask = filteredMask(n, keyMask(n, mask, n.at(f.key, 2)), element);
  f.mask = combineMasks(n, combineMasks(n, f.mask, bias, element), seen, element);
  n.out(0, joinHeads(n, attention(n, f)));
  n.out(1, f.key);
  n.out(2, f.value);
}

constexpr OpEntry table[] = {
    {"", "Attention", 23, attention23},
    {"com.microsoft", "Attention", 1, microsoftAttention},
    {"com.microsoft", "MultiHeadAttention", 1, multiHeadAttention},
    {"com.microsoft", "DecoderMaskedMultiHeadAttention", 1, decoderMaskedAttention},
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
