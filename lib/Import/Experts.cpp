// Mixtures of experts (com.microsoft MoE and QMoE): each expert computes the tokens that are routed
// to it, and each token adds up what its experts made of it.
#include "FewBits.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// One matrix per expert, with what belongs to it.
struct ExpertMatrices {
  Value weight, scale, bias, zero; ///< without a scale the weight is real
  int64_t rows = 0, columns = 0;
  bool given() const { return weight != nullptr; }
};

struct Experts {
  int64_t count = 0, chosen = 0; ///< experts, and how many of them a token has
  int64_t bits = 0, block = 0;   ///< of codes; block 0: one scale per row
  ExpertMatrices up, down, gate;
};

/// Which experts the tokens have.
struct Routing {
  Value experts;  ///< [tokens, chosen], i64
  Value shares;   ///< [tokens, chosen]
  Value marks;    ///< [tokens, count], 1 where the token has the expert, i64
  Value position; ///< [tokens, chosen]: rows of the experts' results, one expert after the other
};

/// The largest logits. Their shares are the softmax among themselves or (MoE only) among all.
Routing route(NodeBuilder &n, Value logits, const Experts &e, bool amongChosen) {
  DimExpr tokens = n.at(logits, 0);
  Dims chosen = {tokens, n.dim(e.chosen)};
  Routing r;
  auto top = qnt::TopKOp::create(n.builder, n.current, n.type(chosen, n.element(logits)),
                                 n.type(chosen, n.i64()), logits, 1, true);
  r.experts = top.getIndices();
  r.shares = amongChosen ? n.softmax(top.getValues(), 1)
                         : n.make<qnt::GatherElementsOp>(n.type(chosen, n.element(logits)),
                                                         n.softmax(logits, 1), r.experts, 1);
  Value numbers = n.iota({n.dim(1), n.dim(1), n.dim(e.count)}, 2, n.dim(0), 1, n.i64());
  Value hot = n.compare(qnt::Predicate::eq, n.unsqueeze(r.experts, {2}), numbers);
  r.marks = n.reduce(qnt::ReduceKind::sum, n.cast(hot, n.i64()), {1}, false);
  if (!r.marks)
    return r;
  // A token's row with an expert comes after those of all earlier experts and of earlier tokens.
  Value earlier = n.make<qnt::CumSumOp>(r.marks.getType(), r.marks, 0, true, false);
  Value loads = n.reduce(qnt::ReduceKind::sum, r.marks, {0}, false);
  Value first = n.make<qnt::CumSumOp>(loads.getType(), loads, 0, true, false);
  r.position =
      n.make<qnt::GatherElementsOp>(n.type(chosen, n.i64()), n.add(earlier, first), r.experts, 1);
  return r;
}

/// Part `i` along the first axis, without that axis.
Value part(NodeBuilder &n, Value all, int64_t i) {
  return all ? n.squeeze(n.slice(all, 0, n.dim(i), n.dim(1)), {0}) : Value();
}

/// The matrix of expert `i` on rows x.
Value product(NodeBuilder &n, Value x, const ExpertMatrices &m, const Experts &e, int64_t i) {
  Value weight = part(n, m.weight, i);
  if (m.scale) {
    BlockMatrix matrix{weight, part(n, m.scale, i), part(n, m.zero, i),
                       m.rows, m.columns,           e.block ? e.block : m.columns,
                       e.bits};
    if (matrix.zero && !e.block) // one per row, packed along the rows
      matrix.zero = n.slice(unpack(n, matrix.zero, e.bits), 0, n.dim(0), n.dim(m.rows));
    if (!checkBlocks(n, matrix))
      return {};
    weight = n.cast(dequantized(n, matrix), n.element(x));
  }
  return n.linear(x, weight, part(n, m.bias, i));
}

/// Clamped gate and linear parts: g * sigmoid(alpha g) * (l + beta).
Value swiglu(NodeBuilder &n, Value gate, Value line) {
  double alpha = n.floatAttr("activation_alpha", 1), beta = n.floatAttr("activation_beta", 0);
  if (n.hasAttr("swiglu_limit")) {
    double limit = n.floatAttr("swiglu_limit", 0);
    gate = n.minimum(gate, limit);
    line = n.minimum(n.maximum(line, -limit), limit);
  }
  Value open = alpha == 1 ? n.unary<qnt::SiluOp>(gate)
                          : n.mul(gate, n.unary<qnt::SigmoidOp>(n.mul(gate, alpha)));
  return n.mul(open, beta == 0 ? line : n.add(line, beta));
}

Value activate(NodeBuilder &n, Value x, StringRef kind) {
  if (kind == "relu")
    return n.unary<qnt::ReluOp>(x);
  if (kind == "gelu") // onnxruntime computes it so (measured)
    return n.gelu(x, qnt::GeluKind::tanh);
  if (kind == "silu")
    return n.unary<qnt::SiluOp>(x);
  return x;
}

/// What expert `i` makes of rows x.
Value feedForward(NodeBuilder &n, Value x, const Experts &e, int64_t i) {
  std::string kind = n.stringAttr("activation_type", "relu");
  Value hidden = product(n, x, e.up, e, i);
  if (!hidden)
    return {};
  int64_t fusion = n.intAttr("swiglu_fusion", 0);
  if (kind == "swiglu" && fusion) {
    // Gate and linear part side by side: pairs, or halves.
    DimExpr half = n.dim(e.down.columns);
    Value gate = n.slice(hidden, 1, n.dim(0), half, fusion == 1 ? 2 : 1);
    Value line = n.slice(hidden, 1, fusion == 1 ? n.dim(1) : half, half, fusion == 1 ? 2 : 1);
    hidden = swiglu(n, gate, line);
  } else if (kind == "swiglu") {
    hidden = swiglu(n, hidden, product(n, x, e.gate, e, i));
  } else {
    hidden = activate(n, hidden, kind);
    if (e.gate.given())
      hidden = n.mul(hidden, product(n, x, e.gate, e, i));
  }
  return product(n, hidden, e.down, e, i);
}

void mixture(NodeBuilder &n, Value x, Value logits, const Experts &e, bool amongChosen,
             Value given) {
  Dims outer = n.dims(x);
  DimExpr width = outer.back();
  Value rows = n.reshape(x, {qnt::elementCount(n.context(), ArrayRef(outer).drop_back()), width});
  logits = n.reshape(logits, {n.at(rows, 0), n.dim(e.count)});
  if (n.failed())
    return;
  Routing r = route(n, logits, e, amongChosen);
  if (given) { // the shares come from elsewhere
    given = n.reshape(given, {n.at(rows, 0), n.dim(e.count)});
    r.shares = n.make<qnt::GatherElementsOp>(r.shares.getType(), given, r.experts, 1);
    if (n.intAttr("normalize_routing_weights", 0) != 0)
      r.shares = n.div(r.shares, n.reduce(qnt::ReduceKind::sum, r.shares, {1}, true));
  }
  SmallVector<Value> results;
  for (int64_t i = 0; i < e.count && !n.failed(); ++i) {
    Value mine = n.reshape(n.slice(r.marks, 1, n.dim(i), n.dim(1)), {n.at(rows, 0)});
    std::string symbol = n.importer.space.declareProduced("routed");
    DimExpr count = DimExpr::symbol(n.context(), symbol);
    Value tokens = n.make<qnt::NonZeroOp>(n.type({n.dim(1), count}, n.i64()), mine, symbol);
    Value taken = n.gather(rows, n.reshape(tokens, {count}), 0);
    results.push_back(feedForward(n, taken, e, i));
  }
  if (n.failed())
    return;
  Value all = n.gather(n.concat(results, 0), r.position, 0); // [tokens, chosen, width]
  Value sum = n.reduce(qnt::ReduceKind::sum, n.mul(all, n.unsqueeze(r.shares, {2})), {1}, false);
  n.out(0, n.reshape(sum, outer));
}

/// Sizes of a [experts, rows, columns] tensor whose last axis holds `perByte` elements each.
bool readSizes(NodeBuilder &n, ExpertMatrices &m, const Experts &e, int64_t perElement) {
  if (!m.given())
    return true;
  auto rows = n.rank(m.weight) == 3 ? n.at(m.weight, 1).constantValue() : std::nullopt;
  auto columns = rows ? n.at(m.weight, 2).constantValue() : std::nullopt;
  if (!columns || !n.at(m.weight, 0).isConstant(e.count) || *columns > (1 << 28)) {
    n.fail(Diag::ShapeMismatch, "weights " + text(n.dims(m.weight)) +
                                    " are not one matrix for each of " + Twine(e.count) +
                                    " experts");
    return false;
  }
  m.rows = *rows;
  m.columns = *columns * perElement;
  return true;
}

/// Checks what both operators have in common and fills in the sizes.
bool prepare(NodeBuilder &n, Experts &e, Value x, Value logits) {
  if (!x || !logits || n.failed() || !n.atLeast(x, 2) || !n.atLeast(logits, 2))
    return false;
  auto count = n.last(logits).constantValue();
  e.chosen = n.intAttr("k", 1);
  if (!count || *count < 1 || e.chosen < 1 || e.chosen > *count) {
    n.fail(Diag::BadNode,
           "chooses " + Twine(e.chosen) + " of " + n.last(logits).str() + " experts");
    return false;
  }
  e.count = *count;
  if (n.intAttr("use_sparse_mixer", 0) != 0)
    n.unsupported("routes by sparse mixer", "route by softmax");
  std::string kind = n.stringAttr("activation_type", "relu");
  if (!llvm::is_contained({"relu", "gelu", "silu", "swiglu", "identity"}, kind))
    n.fail(Diag::BadNode,
           "activation_type '" + kind + "' is not relu, gelu, silu, swiglu or identity");
  int64_t fusion = n.intAttr("swiglu_fusion", 0);
  bool fused = kind == "swiglu" && fusion != 0;
  if (fusion < 0 || fusion > 2 || (kind == "swiglu" && !fused && !e.gate.given()))
    n.fail(Diag::BadNode, "swiglu lacks its linear part: swiglu_fusion is " + Twine(fusion));
  int64_t perElement = e.bits ? 8 / e.bits : 1;
  if (n.failed())
    return false;
  for (ExpertMatrices *m : {&e.up, &e.down, &e.gate})
    if (!readSizes(n, *m, e, perElement))
      return false;
  auto width = n.last(x).constantValue();
  if (!width || *width != e.up.columns || e.down.rows != *width ||
      e.up.rows != e.down.columns * (fused ? 2 : 1)) {
    n.fail(Diag::ShapeMismatch, "weights " + text(n.dims(e.up.weight)) + " and " +
                                    text(n.dims(e.down.weight)) + " do not fit inputs " +
                                    text(n.dims(x)));
    return false;
  }
  return true;
}

void moe(NodeBuilder &n) {
  Value x = n.in(0), logits = n.in(1);
  Experts e;
  e.up = {n.in(2), {}, n.optional(3), {}};
  e.down = {n.in(4), {}, n.optional(5), {}};
  e.gate = {n.optional(6), {}, n.optional(7), {}};
  if (prepare(n, e, x, logits))
    mixture(n, x, logits, e, n.intAttr("normalize_routing_weights", 0) != 0, {});
}

void qmoe(NodeBuilder &n) {
  Value x = n.in(0), logits = n.in(1);
  Experts e;
  e.bits = n.intAttr("expert_weight_bits", 4);
  e.block = n.intAttr("block_size", 0);
  if (!checkBits(n, e.bits))
    return;
  std::string type = n.stringAttr("quant_type", "int");
  if (type != "int")
    return n.unsupported("stores weights as '" + type + "'", "quantize experts to integers");
  e.up = {n.in(2), n.in(3), n.optional(4), n.optional(11)};
  e.down = {n.in(5), n.in(6), n.optional(7), n.optional(12)};
  e.gate = {n.optional(8), n.optional(9), n.optional(10), n.optional(13)};
  if (e.gate.given() && !e.gate.scale)
    return n.fail(Diag::BadNode, "the third matrix of the experts has no scales");
  // Without a say of their own the shares are always those among the chosen (measured).
  if (prepare(n, e, x, logits))
    mixture(n, x, logits, e, /*amongChosen=*/true, n.optional(14));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "MoE", 1, moe},
    {"com.microsoft", "QMoE", 1, qmoe},
};

} // namespace

ArrayRef<OpEntry> qcc::import::expertOps() { return table; }
