// Matrix products. A product with a constant matrix is a linear layer, whose weight is [N, K].
#include "CodeProducts.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

bool isWeight(NodeBuilder &n, Value y) {
  return y && n.rank(y) == 2 && n.isFloat(y) && n.importer.isConstant(y);
}

/// x times the constant matrix y [K, N].
Value linearOf(NodeBuilder &n, Value x, Value y, Value bias = {}) {
  if (n.rank(x) > 1)
    return n.linear(x, n.swapLast(y), bias);
  return n.squeeze(n.linear(n.unsqueeze(x, {0}), n.swapLast(y), bias), {0});
}

void matmul(NodeBuilder &n) {
  Value x = n.in(0), y = n.in(1);
  if (!x || !y)
    return;
  if (Value product = productOfCodes(n, x, y))
    return n.out(0, product);
  if (isWeight(n, y) && n.rank(x) > 0 && n.sameElement(x, y))
    return n.out(0, linearOf(n, x, y));
  n.out(0, n.matmul(x, y));
}

/// alpha * A' B' + beta * C.
Value gemmOf(NodeBuilder &n) {
  Value a = n.in(0), b = n.in(1), c = n.optional(2);
  if (!a || !b || !n.sameElement(a, b))
    return {};
  if (n.rank(a) != 2 || n.rank(b) != 2) {
    n.fail(Diag::ShapeMismatch,
           "needs matrices, but has ranks " + Twine(n.rank(a)) + " and " + Twine(n.rank(b)));
    return {};
  }
  bool transB = n.intAttr("transB", 0) != 0;
  double alpha = n.floatAttr("alpha", 1), beta = n.floatAttr("beta", 1);
  if (n.intAttr("transA", 0) != 0)
    a = n.swapLast(a);
  Value out = productOfCodes(n, a, transB ? n.swapLast(b) : b);
  if (!out && isWeight(n, b)) {
    Value weight = transB ? b : n.swapLast(b);
    bool isBias = c && alpha == 1 && beta == 1 && n.rank(c) == 1 && n.importer.isConstant(c) &&
                  n.at(c, 0) == n.at(weight, 0);
    out = n.linear(a, weight, isBias ? c : Value());
    if (isBias)
      c = {};
  } else if (!out) {
    out = n.matmul(a, b, transB);
  }
  if (alpha != 1)
    out = n.mul(out, alpha);
  if (c)
    out = n.add(out, beta == 1 ? c : n.mul(c, beta));
  return out;
}

void gemm(NodeBuilder &n) { n.out(0, gemmOf(n)); }

/// com.microsoft: what attribute activation makes of y.
void outActivated(NodeBuilder &n, Value y) {
  std::string kind = n.stringAttr("activation", "");
  auto parameter = [&](StringRef name) {
    return n.hasAttr(name) ? std::optional<double>(n.floatAttr(name, 0)) : std::nullopt;
  };
  if (kind.empty() || !y)
    return n.out(0, y);
  Activation function =
      activationNamed(n, kind, parameter("activation_alpha"), parameter("activation_beta"));
  if (!function)
    return n.unsupported("applies '" + kind + "' to the sum", "export it as a node of its own");
  n.out(0, function(y));
}

void fusedGemm(NodeBuilder &n) { outActivated(n, gemmOf(n)); }

/// com.microsoft: matrix product with transposed operands (also of the batch axes) and a factor.
Value fusedProduct(NodeBuilder &n) {
  Value x = n.in(0), y = n.in(1);
  if (!x || !y)
    return {};
  // With transBatch the first axis moves behind the other batch axes.
  auto batchLast = [&](Value v) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(v))));
    if (order.size() > 2)
      std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
    return n.transpose(v, order);
  };
  if (n.intAttr("transBatchA", 0) != 0)
    x = batchLast(x);
  if (n.intAttr("transBatchB", 0) != 0)
    y = batchLast(y);
  if (n.intAttr("transA", 0) != 0 && n.rank(x) > 1)
    x = n.swapLast(x);
  bool transB = n.intAttr("transB", 0) != 0 && n.rank(y) > 1;
  Value out;
  if (isWeight(n, y))
    out = n.rank(x) > 0 ? linearOf(n, x, transB ? n.swapLast(y) : y) : Value();
  else
    out = n.matmul(x, y, transB);
  double alpha = n.floatAttr("alpha", 1);
  return alpha == 1 ? out : n.mul(out, alpha);
}

void fusedMatmul(NodeBuilder &n) { n.out(0, fusedProduct(n)); }
void fusedMatmulActivation(NodeBuilder &n) { outActivated(n, fusedProduct(n)); }

/// com.microsoft: gelu, in its tanh form, of a product with a bias.
void gemmFastGelu(NodeBuilder &n) {
  Value x = n.in(0), y = n.in(1), bias = n.optional(2);
  if (!x || !y)
    return;
  bool constant = isWeight(n, y) && n.rank(x) > 0 && n.sameElement(x, y);
  Value sum = constant ? linearOf(n, x, y, bias) : n.matmul(x, y);
  if (bias && !constant)
    sum = n.add(sum, bias);
  n.out(0, n.gelu(sum, qnt::GeluKind::tanh));
}

/// com.microsoft: integers of 16 bits, summed in 32.
void matmulInteger16(NodeBuilder &n) {
  Type wide = n.builder.getI32Type();
  Value x = n.in(0), y = n.in(1);
  if (!x || !y)
    return;
  bool both = n.element(x).isSignlessInteger(16) && n.element(y).isSignlessInteger(16);
  n.out(0, both ? n.matmul(x, y) : n.matmul(n.cast(x, wide), n.cast(y, wide)));
}

//===-- Einsum -----------------------------------------------------------------------------------//

/// An operand and the label of each of its axes. Ellipsis axes are labelled by digits from the end.
struct Term {
  Value value;
  std::string labels;
};

/// Labels of one operand in the equation, with "..." spelled out for its rank.
std::optional<std::string> expandLabels(NodeBuilder &n, StringRef text, size_t rank) {
  std::string labels;
  size_t dots = text.find("...");
  size_t letters = text.size() - (dots == StringRef::npos ? 0 : 3);
  if (letters > rank || (dots == StringRef::npos && letters != rank) || rank - letters > 9) {
    n.fail(Diag::BadNode, "equation part '" + text + "' does not fit rank " + Twine(rank));
    return std::nullopt;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == dots) {
      for (size_t e = rank - letters; e-- > 0;)
        labels += static_cast<char>('0' + e);
      i += 2;
    } else if (llvm::isAlpha(text[i])) {
      labels += text[i];
    } else {
      n.fail(Diag::BadNode, "equation part '" + text + "' holds '" + text.substr(i, 1) + "'");
      return std::nullopt;
    }
  }
  return labels;
}

/// Takes the diagonal where a label occurs twice in one operand.
void takeDiagonals(NodeBuilder &n, Term &term) {
  for (size_t i = 0; i < term.labels.size(); ++i) {
    size_t j = term.labels.find(term.labels[i], i + 1);
    if (j == std::string::npos)
      continue;
    // Mask by row == column, then sum the second axis away.
    Dims all = n.dims(term.value), row(all.size(), n.dim(1)), column = row;
    DimExpr size = n.equal(all[i], all[j], "equation dimensions");
    row[i] = size, column[j] = size;
    Value same =
        n.compare(qnt::Predicate::eq, n.iota(row, static_cast<int64_t>(i), n.dim(0), 1, n.i64()),
                  n.iota(column, static_cast<int64_t>(j), n.dim(0), 1, n.i64()));
    Value masked = n.select(same, term.value, n.like(term.value, 0));
    term.value = n.reduce(qnt::ReduceKind::sum, masked, {static_cast<int64_t>(j)}, false);
    term.labels.erase(j, 1);
    --i;
  }
}

/// Sums axes away whose labels nobody needs any more.
void sumUnused(NodeBuilder &n, Term &term, StringRef needed) {
  SmallVector<int64_t> axes;
  std::string rest;
  for (auto [i, label] : llvm::enumerate(term.labels))
    if (needed.contains(label))
      rest += label;
    else
      axes.push_back(static_cast<int64_t>(i));
  if (!axes.empty())
    term.value = n.reduce(qnt::ReduceKind::sum, term.value, axes, false);
  term.labels = rest;
}

Value permuteTo(NodeBuilder &n, const Term &term, StringRef labels) {
  SmallVector<int64_t> order;
  for (char label : labels)
    order.push_back(static_cast<int64_t>(term.labels.find(label)));
  return n.transpose(term.value, order);
}

/// Contracts two terms: batch labels stay, shared labels that nobody needs are summed by a matmul.
Term contract(NodeBuilder &n, Term x, Term y, StringRef needed) {
  std::string batch, rows, columns, summed;
  for (char label : x.labels)
    if (StringRef(y.labels).contains(label))
      (needed.contains(label) ? batch : summed) += label;
    else
      rows += label;
  for (char label : y.labels)
    if (!StringRef(x.labels).contains(label))
      columns += label;
  Value a = permuteTo(n, x, batch + rows + summed), b = permuteTo(n, y, batch + columns + summed);
  if (!a || !b)
    return {};
  auto sizes = [&](Value value, size_t from, size_t count) {
    Dims all = n.dims(value);
    return Dims(all.begin() + from, all.begin() + from + count);
  };
  Dims rowDims = sizes(a, batch.size(), rows.size());
  Dims columnDims = sizes(b, batch.size(), columns.size());
  // Sizes of 1 broadcast, also along summed labels.
  Dims batches[] = {sizes(a, 0, batch.size()), sizes(b, 0, batch.size())};
  Dims sums[] = {sizes(a, batch.size() + rows.size(), summed.size()),
                 sizes(b, batch.size() + columns.size(), summed.size())};
  auto batchDims = n.broadcastDims(batches);
  auto sumDims = n.broadcastDims(sums);
  if (!batchDims || !sumDims)
    return {};
  auto matrix = [&](Value value, const Dims &own, const Dims &batchOwn) {
    Dims full = batchOwn;
    llvm::append_range(full, own);
    llvm::append_range(full, *sumDims);
    value = n.broadcast(value, full);
    Dims three = batchOwn;
    three.push_back(qnt::elementCount(n.context(), own));
    three.push_back(qnt::elementCount(n.context(), *sumDims));
    return n.reshape(value, three);
  };
  Value product = n.matmul(matrix(a, rowDims, batches[0]), matrix(b, columnDims, batches[1]), true);
  Dims to = *batchDims;
  llvm::append_range(to, rowDims);
  llvm::append_range(to, columnDims);
  return {n.reshape(product, to), batch + rows + columns};
}

void einsum(NodeBuilder &n) {
  std::string equation = n.stringAttr("equation", "");
  llvm::erase(equation, ' ');
  auto [left, right] = StringRef(equation).split("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  if (parts.size() != n.numInputs() || parts.empty())
    return n.fail(Diag::BadNode, "equation '" + equation + "' does not have " +
                                     Twine(n.numInputs()) + " operands");
  SmallVector<Term> terms;
  std::string all, digits;
  for (auto [i, part] : llvm::enumerate(parts)) {
    Value value = n.in(i);
    auto labels = value ? expandLabels(n, part, n.rank(value)) : std::nullopt;
    if (!labels)
      return;
    all += *labels;
    terms.push_back({value, *labels});
  }
  for (char d = '9'; d >= '0'; --d)
    if (StringRef(all).contains(d))
      digits += d;
  std::string result;
  if (StringRef(equation).contains("->")) {
    auto labels = expandLabels(n, right,
                               right.size() - (right.contains("...") ? 3 : 0) +
                                   (right.contains("...") ? digits.size() : 0));
    if (!labels)
      return;
    result = *labels;
  } else {
    result = digits;
    std::string sorted = all;
    llvm::sort(sorted);
    for (char label : sorted)
      if (llvm::isAlpha(label) && llvm::count(all, label) == 1)
        result += label;
  }
  for (char label : result)
    if (!StringRef(all).contains(label) || llvm::count(result, label) != 1)
      return n.fail(Diag::BadNode, "equation '" + equation + "' has a wrong result");
  for (Term &term : terms)
    takeDiagonals(n, term);
  while (!n.failed()) {
    std::string others = result;
    for (size_t i = 1; i < terms.size(); ++i)
      others += terms[i].labels;
    sumUnused(n, terms[0], others);
    if (terms.size() == 1 || !terms[0].value)
      break;
    others = result;
    for (size_t i = 2; i < terms.size(); ++i)
      others += terms[i].labels;
    Term second = terms[1];
    sumUnused(n, second, others + terms[0].labels);
    terms[0] = contract(n, terms[0], second, others);
    terms.erase(terms.begin() + 1);
  }
  if (!n.failed())
    n.out(0, permuteTo(n, terms[0], result));
}

constexpr OpEntry table[] = {
    {"", "MatMul", 7, matmul},
    {"", "Gemm", 7, gemm},
    {"", "Einsum", 12, einsum},
    {"com.microsoft", "FusedGemm", 1, fusedGemm},
    {"com.microsoft", "FusedMatMul", 1, fusedMatmul},
    {"com.microsoft", "FusedMatMulActivation", 1, fusedMatmulActivation},
    {"com.microsoft", "GemmFastGelu", 1, gemmFastGelu},
    {"com.microsoft", "MatMulInteger16", 1, matmulInteger16},
    {"com.microsoft", "TransposeMatMul", 1, fusedMatmul},
};

} // namespace

ArrayRef<OpEntry> qcc::import::contractionOps() { return table; }
