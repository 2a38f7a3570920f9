// com.microsoft.LinearAttention and GatedDeltaNet by their recurrence: a state [key, value] for
// each head that every token changes and reads, in a loop over the tokens. Rules: linear attention
// (Katharopoulos et al. 2020), its gated form (Yang et al. 2023), the delta rule (Schlag et al.
// 2021) and both (Yang et al. 2024).
#include "LoopBuilder.h"
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

class LinearAttention {
public:
  explicit LinearAttention(NodeBuilder &n) : n(n) {}
  void import();
  void importDeltaNet();

private:
  bool checkHeads();
  bool readSizes();
  bool readOperands();
  bool spreadQueries();
  bool readRule(size_t decayAt, size_t rateAt);
  bool readGates();
  bool readPacked();
  void readPackedGates();
  Value asBatch(Value x);
  Value normalised(Value x);
  Value readState();
  Value repeated(Value x, int64_t heads);
  Value ofStep(Value all, DimExpr step, ArrayRef<DimExpr> dims);
  void prepareRows();
  std::pair<Value, Value> step(Value state, DimExpr at);
  std::optional<LoopBuilder::Results> run(Value first);

  NodeBuilder &n;
  int64_t queries = 0, heads = 0, shared = 1; ///< heads; queries that share one state
  DimExpr batch, steps, keySize, valueSize;
  Value query, key, value; ///< [B, T, heads, size] in f32, a query for each that shares the state
  Value rows, overlap;     ///< see prepareRows()
  Value decay, rate;       ///< [B, T, heads, 1 or key size] and [B, T, heads or 1, 1], or null
  int64_t window = 0;
  bool gated = false, delta = false; ///< what the rule has
};

bool LinearAttention::checkHeads() {
  int64_t more = std::max(queries, heads), less = std::min(queries, heads);
  if (less < 1 || more > (1 << 20) || more % less != 0) {
    n.fail(Diag::BadNode, "q_num_heads " + Twine(queries) + " and kv_num_heads " + Twine(heads) +
                              " do not divide");
    return false;
  }
  return true;
}

bool LinearAttention::readSizes() {
  queries = n.intAttr("q_num_heads", 0), heads = n.intAttr("kv_num_heads", 0);
  window = n.intAttr("state_window", 0);
  for (Value operand : {n.in(0), n.in(1), n.in(2)})
    if (!operand || n.rank(operand) != 3) {
      n.fail(Diag::ShapeMismatch, "needs query, key and value of rank 3");
      return false;
    }
  if (!checkHeads())
    return false;
  if (window < 0 || window > 8) {
    n.fail(Diag::BadNode, "state_window is " + Twine(window) + ", not 0 to 8");
    return false;
  }
  keySize = n.divided(n.at(n.in(0), 2), queries, "channels", "heads");
  valueSize = n.divided(n.at(n.in(2), 2), heads, "channels", "heads");
  batch = n.at(n.in(0), 0), steps = n.at(n.in(0), 1);
  return !n.failed();
}

/// [B, T, H, D] with each head repeated until there are `count`.
Value LinearAttention::repeated(Value x, int64_t count) {
  DimExpr own = n.at(x, 2), size = n.at(x, 3);
  DimExpr times = n.divided(n.dim(count), own, "heads", "groups");
  if (n.failed() || times.isConstant(1))
    return x;
  Value wide = n.broadcast(n.unsqueeze(x, {3}), {batch, steps, own, times, size});
  return n.reshape(wide, {batch, steps, n.dim(count), size});
}

bool LinearAttention::readOperands() {
  DimExpr keys = n.divided(n.at(n.in(1), 2), keySize, "channels of the key", "of a head");
  if (n.failed())
    return false;
  auto read = [&](size_t i, DimExpr count, DimExpr size, const char *what) {
    Value x = n.fit(n.in(i), {batch, steps, count * size}, what);
    return n.reshape(n.cast(x, n.f32()), {batch, steps, count, size});
  };
  query = read(0, n.dim(queries), keySize, "the query");
  key = read(1, keys, keySize, "the key");
  value = read(2, n.dim(heads), valueSize, "the value");
  return spreadQueries();
}

/// Scales the queries and gives each state its own key and queries.
bool LinearAttention::spreadQueries() {
  if (n.failed() || !query || !key || !value)
    return false;
  double scale = n.floatAttr("scale", 0);
  if (scale == 0) {
    auto size = keySize.constantValue();
    if (!size || *size < 1) {
      n.unsupported("the head size is dynamic", "fix it with --shape");
      return false;
    }
    scale = 1.0 / std::sqrt(static_cast<double>(*size));
  }
  query = n.mul(query, scale);
  key = repeated(key, heads);
  shared = std::max<int64_t>(1, queries / heads);
  query = repeated(query, std::max(queries, heads));
  return !n.failed() && query && key;
}

/// Which gates the update rule has; they must be there.
bool LinearAttention::readRule(size_t decayAt, size_t rateAt) {
  std::string rule = n.stringAttr("update_rule", "gated_delta");
  gated = rule == "gated" || rule == "gated_delta";
  delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") {
    n.fail(Diag::BadNode, "update_rule '" + rule + "' is not linear, gated, delta or gated_delta");
    return false;
  }
  if ((gated && !n.has(decayAt)) || (delta && !n.has(rateAt))) {
    n.fail(Diag::BadNode,
           "update_rule '" + rule + "' needs " + (gated && !n.has(decayAt) ? "decay" : "beta"));
    return false;
  }
  return true;
}

/// exp(decay) and the update rate.
bool LinearAttention::readGates() {
  if (!readRule(4, 5))
    return false;
  DimExpr count = n.dim(heads);
  if (gated) {
    bool perHead = n.at(n.in(4), n.rank(n.in(4)) - 1) == count;
    DimExpr size = perHead ? n.dim(1) : keySize;
    decay = n.fit(n.in(4), {batch, steps, count * size}, "the decay");
    decay = n.reshape(n.unary<qnt::ExpOp>(n.cast(decay, n.f32())), {batch, steps, count, size});
  }
  if (delta) {
    bool one = n.rank(n.in(5)) > 0 && n.last(n.in(5)).isConstant(1);
    DimExpr rates = one ? n.dim(1) : count;
    rate = n.fit(n.in(5), {batch, steps, rates}, "beta");
    rate = n.reshape(n.cast(rate, n.f32()), {batch, steps, rates, n.dim(1)});
  }
  return !n.failed();
}

/// The state before the first token, [B, H, K, V].
Value LinearAttention::readState() {
  Dims dims = {batch, n.dim(heads), keySize, valueSize};
  if (!n.has(3))
    return n.broadcast(n.scalar(n.f32(), 0), dims);
  Value past = n.in(3);
  if (past && window > 0) { // the last of them counts
    Dims all = {n.dim(window)};
    llvm::append_range(all, dims);
    past = n.fit(past, all, "past_state");
    past = n.squeeze(n.slice(past, 0, n.dim(window - 1), n.dim(1)), {0});
  }
  return n.cast(n.fit(past, dims, "past_state"), n.f32());
}

/// What `all` [B, T, ..] has for one step, as [B, dims..].
Value LinearAttention::ofStep(Value all, DimExpr step, ArrayRef<DimExpr> dims) {
  Dims to = {batch};
  to.append(dims.begin(), dims.end());
  return n.reshape(n.slice(all, 1, step, n.dim(1)), to);
}

/// What the steps multiply with the state before them, for all steps: the key (where the rule asks
/// what it gives already) and the queries, decayed as the state will be. [B, T, H, rows, K].
void LinearAttention::prepareRows() {
  DimExpr count = n.dim(heads), one = n.dim(1);
  Value keys = n.reshape(key, {batch, steps, count, one, keySize});
  query = n.reshape(query, {batch, steps, count, n.dim(shared), keySize});
  // A query sees the new key as well: q (S + k u) = q S + (q k) u.
  overlap = n.matmul(query, keys, /*transposeY=*/true);
  rows = rate ? n.concat({keys, query}, 3) : query;
  if (decay)
    rows = n.mul(rows, n.reshape(decay, {batch, steps, count, one, n.at(decay, 3)}));
}

/// The state after a step and what its queries see, [B, H, shared, V]. The state is read twice: for
/// the product with all rows, and to be decayed and added to.
std::pair<Value, Value> LinearAttention::step(Value state, DimExpr at) {
  DimExpr count = n.dim(heads), one = n.dim(1), all = n.at(rows, 3);
  Value product = n.matmul(ofStep(rows, at, {count, all, keySize}), state);
  Value fresh = ofStep(value, at, {count, one, valueSize}), seen = product;
  if (rate) {
    Value known = n.slice(product, 2, n.dim(0), one);
    fresh = n.mul(n.sub(fresh, known), ofStep(rate, at, {n.at(rate, 2), one, one}));
    seen = n.slice(product, 2, one, n.dim(shared));
  }
  seen = n.add(seen, n.mul(ofStep(overlap, at, {count, n.dim(shared), one}), fresh));
  if (decay)
    state = n.mul(state, ofStep(decay, at, {count, n.at(decay, 3), one}));
  return {n.add(state, n.mul(ofStep(key, at, {count, keySize, one}), fresh)), seen};
}

/// The loop over the tokens; its last state is the one to store.
std::optional<LoopBuilder::Results> LinearAttention::run(Value first) {
  prepareRows();
  if (!first || !rows || !overlap || n.failed())
    return std::nullopt;
  LoopBuilder loop(n, steps);
  Value state = loop.state(first), slots;
  if (window > 0) {
    Dims all = {n.dim(window)};
    llvm::append_range(all, n.dims(first));
    slots = loop.state(n.broadcast(n.scalar(n.f32(), 0), all));
  }
  auto [following, seen] = step(state, loop.turn());
  Value row = n.reshape(seen, {batch, valueSize * (heads * shared)});
  SmallVector<Value> carried = {following};
  if (slots) {
    Value last = n.unsqueeze(carried[0], {0});
    carried.push_back(
        window == 1 ? last : n.concat({n.slice(slots, 0, n.dim(1), n.dim(window - 1)), last}, 0));
  }
  if (n.failed() || !carried[0] || !row || (slots && !carried[1]))
    return std::nullopt;
  auto results = loop.finish(carried, {row}, {false});
  if (!results)
    n.unsupported(loop.why());
  return results;
}

void LinearAttention::import() {
  if (!readSizes() || !readOperands() || !readGates())
    return;
  auto results = run(readState());
  if (!results)
    return;
  n.out(0, n.cast(n.swapAxes(results->stacks[0], 0, 1), n.element(n.in(0))));
  n.out(1, n.cast(results->states.back(), n.element(n.has(3) ? n.in(3) : n.in(0))));
}

//===-- com.microsoft.GatedDeltaNet --------------------------------------------------------------//

/// [tokens, ..] with its axes for batch and sequence.
Value LinearAttention::asBatch(Value x) {
  Dims to = {batch, steps}, all = n.dims(x);
  to.append(all.begin() + 1, all.end());
  return x ? n.reshape(x, to) : x;
}

/// Heads of length 1 (with the epsilon of Qwen3-Next).
Value LinearAttention::normalised(Value x) {
  if (n.intAttr("qk_l2_norm", 0) == 0 || !x)
    return x;
  Value square = n.reduce(qnt::ReduceKind::sum, n.mul(x, x), {3}, true);
  return n.div(x, n.unary<qnt::SqrtOp>(n.add(square, 1e-6f)));
}

bool LinearAttention::readPacked() {
  query = n.in(0), key = n.optional(1), value = n.optional(2);
  if (n.has(3))
    n.unsupported("packs sequences of different lengths", "give a batch sequences of one length");
  else if (n.intAttr("state_update_capacity", 0) != 0 || n.wants(2))
    n.unsupported("captures its transitions", "leave out the third output");
  else if (!key || !value)
    n.unsupported("packs query, key and value in one tensor", "export them apart");
  if (n.failed() || !query)
    return false;
  size_t rank = n.rank(query);
  if ((rank != 3 && rank != 4) || n.rank(key) != rank || n.rank(value) != rank) {
    n.fail(Diag::ShapeMismatch, "needs query, key and value of rank 3 or 4");
    return false;
  }
  batch = n.at(query, 0), steps = n.at(query, 1);
  if (rank == 3) { // the state says how many sequences there are
    if (!n.has(6) || !n.atLeast(n.in(6), 4)) {
      n.fail(Diag::BadNode, "needs initial_state to tell the sequences apart");
      return false;
    }
    batch = n.at(n.in(6), 0);
    auto each = n.at(query, 0).exactDiv(batch);
    if (!each) {
      n.unsupported("its tokens have no axis for the batch", "give it one");
      return false;
    }
    steps = *each;
    query = asBatch(query), key = asBatch(key), value = asBatch(value);
  }
  if (n.failed() || !query || !key || !value)
    return false;
  queries = n.at(query, 2).constantValue().value_or(0);
  heads = n.at(value, 2).constantValue().value_or(0);
  keySize = n.at(query, 3), valueSize = n.at(value, 3);
  if (!checkHeads())
    return false;
  auto read = [&](Value x, int64_t count, DimExpr size, const char *what) {
    return n.cast(n.fit(x, {batch, steps, n.dim(count), size}, what), n.f32());
  };
  query = normalised(read(query, queries, keySize, "the query"));
  key = normalised(read(key, queries, keySize, "the key"));
  value = read(value, heads, valueSize, "the value");
  return spreadQueries();
}

void LinearAttention::readPackedGates() {
  DimExpr count = n.dim(heads), one = n.dim(1);
  auto read = [&](size_t i, size_t rank) {
    Value x = n.cast(n.in(i), n.f32());
    return n.rank(n.in(0)) == 3 && n.rank(x) + 1 == rank ? asBatch(x) : x;
  };
  if (gated) {
    bool perHead = n.rank(n.in(4)) + 1 == n.rank(n.in(0));
    decay = read(4, perHead ? 3 : 4);
    decay = perHead ? n.unsqueeze(n.fit(decay, {batch, steps, count}, "the decay"), {3})
                    : n.fit(decay, {batch, steps, count, keySize}, "the decay");
    if (n.stringAttr("gate_activation", "none") == "qwen") {
      auto vector = [&](size_t i, const char *what) {
        return n.reshape(n.fit(n.cast(n.in(i), n.f32()), {count}, what), {count, one});
      };
      Value speed = n.unary<qnt::ExpOp>(vector(7, "a_log"));
      Value soft = n.unary<qnt::SoftplusOp>(n.add(decay, vector(8, "dt_bias")));
      decay = n.unary<qnt::NegOp>(n.mul(speed, soft));
    }
    decay = n.unary<qnt::ExpOp>(decay);
  }
  if (delta) {
    rate = n.unsqueeze(n.fit(read(5, 3), {batch, steps, count}, "beta"), {3});
    if (n.stringAttr("beta_activation", "none") == "sigmoid")
      rate = n.unary<qnt::SigmoidOp>(rate);
  }
}

/// Tokens first, states [B, H, V, K], and activations of the gates.
void LinearAttention::importDeltaNet() {
  if (!readPacked() || !readRule(4, 5))
    return;
  readPackedGates();
  Dims turned = {batch, n.dim(heads), valueSize, keySize};
  Value first = n.has(6) ? n.cast(n.fit(n.in(6), turned, "initial_state"), n.f32())
                         : n.broadcast(n.scalar(n.f32(), 0), turned);
  auto results = run(n.swapLast(first));
  if (!results)
    return;
  Dims to = {batch, steps, n.dim(heads * shared), valueSize};
  if (n.rank(n.in(0)) == 3)
    to.erase(to.begin()), to[0] = n.at(n.in(0), 0);
  Value y = n.swapAxes(results->stacks[0], 0, 1);
  n.out(0, n.cast(n.reshape(y, to), n.element(n.in(0))));
  n.out(1, n.swapLast(results->states[0]));
}

void gatedDeltaNet(NodeBuilder &n) { LinearAttention(n).importDeltaNet(); }

void linearAttention(NodeBuilder &n) { LinearAttention(n).import(); }

/// decay = scale * softplus(a + bias) and beta = sigmoid(b), in f32.
void linearAttentionGate(NodeBuilder &n) {
  Value a = n.in(0);
  if (!a || !n.atLeast(a, 1))
    return;
  DimExpr heads = n.last(a);
  auto perHead = [&](size_t i, const char *what) {
    return n.cast(n.fit(n.in(i), {heads}, what), n.f32());
  };
  Value bias = perHead(1, "dt_bias"), scale = perHead(2, "decay_scale");
  Value soft = n.unary<qnt::SoftplusOp>(n.add(n.cast(a, n.f32()), bias));
  n.out(0, n.cast(n.mul(soft, scale), n.element(a)));
  if (!n.wants(1))
    return;
  if (!n.has(3))
    return n.fail(Diag::BadNode, "beta is wanted, but b is missing");
  n.out(1, n.cast(n.unary<qnt::SigmoidOp>(n.cast(n.in(3), n.f32())), n.element(n.in(3))));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "LinearAttention", 1, linearAttention},
    {"com.microsoft", "GatedDeltaNet", 1, gatedDeltaNet},
    {"com.microsoft", "LinearAttentionGate", 1, linearAttentionGate},
};

} // namespace

ArrayRef<OpEntry> qcc::import::linearAttentionOps() { return table; }
