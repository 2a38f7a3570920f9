// Reading dimension texts and solving them for their symbols.
#include "qcc/Data/Dims.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;

namespace {
int64_t floorDiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/// constant + sum of coefficient * symbol, over symbols whose values are open. `nonlinear` when the
/// text is not of that form.
struct Linear {
  bool nonlinear = false;
  int64_t constant = 0;
  std::map<std::string, int64_t> terms;

  bool known() const { return !nonlinear && terms.empty(); }
};

Linear opaque() { return {true, 0, {}}; }

Linear add(const Linear &a, const Linear &b, int64_t factor) {
  if (a.nonlinear || b.nonlinear)
    return opaque();
  Linear sum = a;
  sum.constant += factor * b.constant;
  for (auto &[name, coefficient] : b.terms)
    if ((sum.terms[name] += factor * coefficient) == 0)
      sum.terms.erase(name);
  return sum;
}

Linear multiply(const Linear &a, const Linear &b) {
  if (!a.known() && !b.known())
    return opaque();
  const Linear &scale = a.known() ? a : b, &other = a.known() ? b : a;
  return add({}, other, scale.constant);
}

/// Recursive descent over + - * floordiv ceildiv / mod % min() max() and parentheses. A text that
/// does not parse is one opaque symbol: exporters write anything into dim_param.
class DimParser {
public:
  DimParser(StringRef text, const Symbols &symbols)
      : text(text), whole(text.trim()), symbols(symbols) {}

  Linear parse() {
    Linear value = sum(0);
    skip();
    if (failed || !text.empty()) {
      names = {whole.str()};
      return symbol(whole);
    }
    return value;
  }
  std::vector<std::string> names;

private:
  Linear sum(int depth) {
    Linear value = product(depth);
    while (!failed) {
      if (take("+"))
        value = add(value, product(depth), 1);
      else if (take("-"))
        value = add(value, product(depth), -1);
      else
        break;
    }
    return value;
  }

  Linear product(int depth) {
    Linear value = factor(depth);
    while (!failed) {
      if (take("*"))
        value = multiply(value, factor(depth));
      else if (word("floordiv") || take("//") || take("/"))
        value = divide(value, factor(depth), [](int64_t a, int64_t b) { return floorDiv(a, b); });
      else if (word("ceildiv"))
        value = divide(value, factor(depth), [](int64_t a, int64_t b) { return -floorDiv(-a, b); });
      else if (word("mod") || take("%"))
        value = divide(value, factor(depth),
                       [](int64_t a, int64_t b) { return a - floorDiv(a, b) * b; });
      else
        break;
    }
    return value;
  }

  template <typename F> Linear divide(const Linear &a, const Linear &b, F operation) {
    if (!a.known() || !b.known() || b.constant == 0)
      return opaque();
    return {false, operation(a.constant, b.constant), {}};
  }

  Linear factor(int depth) {
    skip();
    if (depth > 32 || text.empty())
      return failed = true, opaque();
    if (take("("))
      return closed(sum(depth + 1));
    if (take("-"))
      return add({}, factor(depth + 1), -1);
    for (bool isMin : {true, false})
      if (StringRef save = text; word(isMin ? "min" : "max")) {
        if (take("("))
          return extreme(isMin, depth + 1);
        text = save;
        break;
      }
    if (llvm::isDigit(text[0]))
      return number();
    size_t length = 0;
    while (length < text.size() &&
           (llvm::isAlnum(text[length]) || StringRef("_.$:").contains(text[length])))
      ++length;
    if (length == 0)
      return failed = true, opaque();
    StringRef name = text.take_front(length);
    text = text.drop_front(length);
    names.push_back(name.str());
    return symbol(name);
  }

  Linear number() {
    int64_t value = 0;
    if (text.consumeInteger(10, value))
      failed = true;
    return {false, value, {}};
  }

  Linear extreme(bool isMin, int depth) {
    Linear a = sum(depth);
    if (!take(","))
      return failed = true, opaque();
    Linear b = closed(sum(depth));
    if (!a.known() || !b.known())
      return opaque();
    return {false, isMin ? std::min(a.constant, b.constant) : std::max(a.constant, b.constant), {}};
  }

  Linear closed(Linear value) {
    if (!take(")"))
      failed = true;
    return value;
  }

  Linear symbol(StringRef name) {
    auto it = symbols.find(name.str());
    if (it != symbols.end())
      return {false, it->second, {}};
    return {false, 0, {{name.str(), 1}}};
  }

  void skip() { text = text.ltrim(); }
  bool take(StringRef token) { return skip(), text.consume_front(token); }
  bool word(StringRef token) {
    skip();
    if (!text.starts_with(token) ||
        (text.size() > token.size() &&
         (llvm::isAlnum(text[token.size()]) || text[token.size()] == '_')))
      return false;
    text = text.drop_front(token.size());
    return true;
  }

  StringRef text, whole;
  const Symbols &symbols;
  bool failed = false;
};
} // namespace

std::optional<int64_t> data::evaluateDim(StringRef text, const Symbols &symbols) {
  Linear value = DimParser(text, symbols).parse();
  return value.known() ? std::optional<int64_t>(value.constant) : std::nullopt;
}

std::vector<std::string> data::symbolsOf(StringRef text) {
  Symbols none;
  DimParser parser(text, none);
  parser.parse();
  return parser.names;
}

void DimSolver::add(std::string text, int64_t value, std::string where) {
  equations.push_back({std::move(text), std::move(where), value});
}

llvm::Error DimSolver::solve() {
  for (bool changed = true; changed;) {
    changed = false;
    for (Equation &equation : equations) {
      if (equation.done)
        continue;
      Linear form = DimParser(equation.text, symbols).parse();
      if (form.nonlinear || form.terms.size() > 1)
        continue;
      int64_t rest = equation.value - form.constant;
      std::string sizes = equation.where + " is '" + equation.text + "'";
      if (form.terms.empty() && rest != 0)
        return makeError(Diag::BadShape, "",
                         sizes + " = " + std::to_string(form.constant) + " in this model, but " +
                             std::to_string(equation.value) + " is given");
      if (!form.terms.empty()) {
        auto &[name, coefficient] = *form.terms.begin();
        if (rest % coefficient != 0 || rest / coefficient < 0)
          return makeError(Diag::BadShape, "",
                           sizes + ", which cannot be " + std::to_string(equation.value));
        symbols[name] = rest / coefficient;
      }
      equation.done = changed = true;
    }
  }
  return llvm::Error::success();
}

namespace {
/// Guesses for inputs that the user need not give: the cache is empty, and masks, positions and
/// types have the shape of the ids.
class ShapeCompletion {
public:
  ShapeCompletion(const Model &model, DimSolver &solver) : model(model), solver(solver) {}

  llvm::Error run() {
    if (llvm::Error error = solver.solve())
      return error;
    int ids = findInputRole(model, "ids");
    if (llvm::Error error = emptyPast())
      return error;
    if (ids < 0 || model.inputs[ids].dims.size() != 2)
      return llvm::Error::success();
    std::optional<int64_t> length = evaluateDim(model.inputs[ids].dims[1], solver.symbols);
    std::optional<int64_t> batch = evaluateDim(model.inputs[ids].dims[0], solver.symbols);
    for (const TensorInfo &info : model.inputs) {
      bool follows = info.role == "mask" || info.role == "positions" || info.role == "types";
      if (!follows || info.dims.size() != 2)
        continue;
      std::optional<int64_t> total = length;
      if (length && info.role == "mask")
        total = *length + pastLength();
      for (auto [axis, size] : {std::pair(0, batch), std::pair(1, total)})
        if (size && !evaluateDim(info.dims[axis], solver.symbols))
          solver.add(info.dims[axis], *size, info.name + " axis " + std::to_string(axis));
    }
    return solver.solve();
  }

private:
  /// A cache [batch, heads, past, width]: open symbols of axis 2 are 0, in a batch of the ids.
  llvm::Error emptyPast() {
    for (const TensorInfo &info : model.inputs) {
      if (!isPastRole(info.role))
        continue;
      for (size_t axis = 1; axis < info.dims.size(); ++axis)
        for (const std::string &name : symbolsOf(info.dims[axis]))
          if (!solver.symbols.count(name))
            solver.symbols[name] = 0;
      if (llvm::Error error = solver.solve())
        return error;
    }
    int ids = findInputRole(model, "ids");
    if (ids >= 0 && !model.inputs[ids].dims.empty())
      if (auto batch = evaluateDim(model.inputs[ids].dims[0], solver.symbols))
        for (const TensorInfo &info : model.inputs)
          if (isPastRole(info.role) && !info.dims.empty() &&
              !evaluateDim(info.dims[0], solver.symbols))
            solver.add(info.dims[0], *batch, info.name + " axis 0");
    return solver.solve();
  }

  int64_t pastLength() {
    for (const TensorInfo &info : model.inputs)
      if (isPastRole(info.role) && info.dims.size() >= 3)
        if (auto length = evaluateDim(info.dims[info.dims.size() - 2], solver.symbols))
          return *length;
    return 0;
  }

  const Model &model;
  DimSolver &solver;
};
} // namespace

llvm::Expected<std::vector<std::vector<int64_t>>>
data::solveShapes(const Model &model, const std::vector<std::optional<std::vector<int64_t>>> &given,
                  Symbols *symbols) {
  DimSolver solver;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const TensorInfo &info = model.inputs[i];
    if (!given[i])
      continue;
    if (given[i]->size() != info.dims.size())
      return makeError(Diag::BadShape, model.path,
                       "input " + describe(info) + " has rank " + std::to_string(info.dims.size()) +
                           ", shape " + dimsToString(*given[i]) + " has rank " +
                           std::to_string(given[i]->size()));
    for (size_t axis = 0; axis < info.dims.size(); ++axis)
      solver.add(info.dims[axis], (*given[i])[axis], info.name + " axis " + std::to_string(axis));
  }
  if (llvm::Error error = ShapeCompletion(model, solver).run())
    return error;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<std::string> open;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    std::vector<int64_t> dims;
    for (const std::string &text : model.inputs[i].dims)
      if (auto value = evaluateDim(text, solver.symbols))
        dims.push_back(*value);
    if (given[i])
      dims = *given[i];
    if (dims.size() != model.inputs[i].dims.size())
      open.push_back("no shape for " + describe(model.inputs[i]));
    shapes.push_back(std::move(dims));
  }
  if (!open.empty())
    return makeError(Diag::InputsMissing, model.path,
                     std::to_string(open.size()) + " input(s) have open dimensions", open,
                     "give --shape NAME=1x128 for them");
  if (symbols)
    *symbols = solver.symbols;
  return shapes;
}
