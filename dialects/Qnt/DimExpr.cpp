// Canonical arithmetic on dimension expressions.
#include "Qnt/DimExpr.h"
#include "Qnt/Qnt.h"

using namespace mlir;
using namespace qcc::qnt;

namespace {

/// Sorted atoms of a monomial, with the text that orders them.
using Monomial = std::vector<std::pair<std::string, Attribute>>;
/// Monomial text -> (atoms, coefficient). The empty monomial is the constant term.
struct Polynomial {
  std::map<std::string, std::pair<Monomial, int64_t>> terms;

  /// Saturates: sizes beyond 64 bits stay beyond every bound that readers check.
  void add(const Monomial &atoms, int64_t coefficient) {
    std::string key;
    for (const auto &[text, atom] : atoms)
      key += text + '*';
    auto &term = terms[key];
    term.first = atoms;
    if (llvm::AddOverflow(term.second, coefficient, term.second))
      term.second = coefficient < 0 ? INT64_MIN : INT64_MAX;
    if (term.second == 0)
      terms.erase(key);
  }
};

DimAttr make(MLIRContext *context, DimKind kind, int64_t value, StringRef name,
             ArrayRef<Attribute> operands) {
  return DimAttr::get(context, static_cast<unsigned>(kind), value, name, operands);
}

Polynomial toPolynomial(DimExpr expr) {
  Polynomial result;
  switch (expr.kind()) {
  case DimKind::Const:
    result.add({}, expr.value());
    break;
  case DimKind::Sum:
    result.add({}, expr.value());
    for (Attribute term : expr.operands())
      for (auto &[key, entry] : toPolynomial(term).terms)
        result.add(entry.first, entry.second);
    break;
  case DimKind::Product: {
    Monomial atoms;
    for (Attribute atom : expr.operands())
      atoms.emplace_back(DimExpr(atom).str(), atom);
    result.add(atoms, expr.value());
    break;
  }
  default:
    result.add({{expr.str(), expr.getAttr()}}, 1);
  }
  return result;
}

DimExpr fromPolynomial(MLIRContext *context, const Polynomial &polynomial) {
  int64_t constant = 0;
  SmallVector<Attribute> terms;
  for (const auto &[key, entry] : polynomial.terms) {
    const auto &[atoms, coefficient] = entry;
    if (atoms.empty()) {
      constant = coefficient;
      continue;
    }
    if (atoms.size() == 1 && coefficient == 1) {
      terms.push_back(atoms[0].second);
      continue;
    }
    SmallVector<Attribute> operands;
    for (const auto &[text, atom] : atoms)
      operands.push_back(atom);
    terms.push_back(make(context, DimKind::Product, coefficient, "", operands));
  }
  if (terms.empty())
    return DimExpr::constant(context, constant);
  if (terms.size() == 1 && constant == 0)
    return terms[0];
  return make(context, DimKind::Sum, constant, "", terms);
}

Monomial multiply(const Monomial &a, const Monomial &b) {
  Monomial result = a;
  result.insert(result.end(), b.begin(), b.end());
  std::stable_sort(result.begin(), result.end(),
                   [](const auto &x, const auto &y) { return x.first < y.first; });
  return result;
}

/// a / b when every atom of b occurs in a.
std::optional<Monomial> divide(const Monomial &a, const Monomial &b) {
  Monomial rest = a;
  for (const auto &atom : b) {
    auto it = std::find_if(rest.begin(), rest.end(),
                           [&](const auto &other) { return other.second == atom.second; });
    if (it == rest.end())
      return std::nullopt;
    rest.erase(it);
  }
  return rest;
}

/// A name between quotes, as MLIR's strings are written.
void printQuoted(raw_ostream &os, StringRef name) {
  os << '"';
  for (unsigned char c : name.bytes())
    if (c == '"' || c == '\\')
      os << '\\' << c;
    else if (c < ' ')
      os << '\\' << llvm::hexdigit(c >> 4) << llvm::hexdigit(c & 15);
    else
      os << c;
  os << '"';
}

int64_t saturatingProduct(int64_t a, int64_t b) {
  int64_t product;
  if (!llvm::MulOverflow(a, b, product))
    return product;
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

int64_t floorDivide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

} // namespace

DimExpr DimExpr::constant(MLIRContext *context, int64_t value) {
  return make(context, DimKind::Const, value, "", {});
}
DimExpr DimExpr::symbol(MLIRContext *context, StringRef name) {
  return make(context, DimKind::Symbol, 0, name, {});
}
DimKind DimExpr::kind() const { return static_cast<DimKind>(cast<DimAttr>(attr).getKind()); }
int64_t DimExpr::value() const { return cast<DimAttr>(attr).getValue(); }
StringRef DimExpr::symbolName() const { return cast<DimAttr>(attr).getName(); }
ArrayRef<Attribute> DimExpr::operands() const { return cast<DimAttr>(attr).getOperands(); }
std::optional<int64_t> DimExpr::constantValue() const {
  if (kind() != DimKind::Const)
    return std::nullopt;
  return value();
}
bool DimExpr::isConstant(int64_t value) const { return constantValue() == value; }

DimExpr DimExpr::operator+(DimExpr other) const {
  Polynomial sum = toPolynomial(*this);
  for (auto &[key, entry] : toPolynomial(other).terms)
    sum.add(entry.first, entry.second);
  return fromPolynomial(getContext(), sum);
}
DimExpr DimExpr::operator-(DimExpr other) const { return *this + other * -1; }
DimExpr DimExpr::operator*(DimExpr other) const {
  Polynomial product, a = toPolynomial(*this), b = toPolynomial(other);
  for (auto &[ka, ta] : a.terms)
    for (auto &[kb, tb] : b.terms)
      product.add(multiply(ta.first, tb.first), saturatingProduct(ta.second, tb.second));
  return fromPolynomial(getContext(), product);
}

std::optional<DimExpr> DimExpr::exactDiv(DimExpr other) const {
  // Long division by the divisor's leading (last in order) term; exact when nothing remains.
  Polynomial rest = toPolynomial(*this), divisor = toPolynomial(other), quotient;
  if (divisor.terms.empty())
    return std::nullopt;
  auto degree = [](const Monomial &m) { return m.size(); };
  auto leading = [&](const Polynomial &p) {
    auto best = p.terms.begin();
    for (auto it = p.terms.begin(); it != p.terms.end(); ++it)
      if (degree(it->second.first) > degree(best->second.first))
        best = it;
    return best->second;
  };
  auto lead = leading(divisor);
  for (int steps = 0; !rest.terms.empty(); ++steps) {
    // Any term of the rest that the leading term divides will do.
    bool found = false;
    for (auto &[key, term] : rest.terms) {
      auto monomial = divide(term.first, lead.first);
      if (!monomial || term.second % lead.second != 0)
        continue;
      int64_t coefficient = term.second / lead.second;
      quotient.add(*monomial, coefficient);
      Polynomial next = rest;
      for (auto &[k, d] : divisor.terms)
        next.add(multiply(d.first, *monomial), -d.second * coefficient);
      rest = next;
      found = true;
      break;
    }
    if (!found || steps > 64)
      return std::nullopt;
  }
  return fromPolynomial(getContext(), quotient);
}

DimExpr DimExpr::floorDiv(DimExpr other) const {
  if (auto quotient = exactDiv(other))
    return *quotient;
  auto divisor = other.constantValue();
  if (divisor && *divisor > 0) {
    // (c * x + r) floordiv c == x + r floordiv c.
    Polynomial whole, rest;
    for (auto &[key, term] : toPolynomial(*this).terms) {
      int64_t q = floorDivide(term.second, *divisor);
      bool isConstantTerm = term.first.empty();
      if (isConstantTerm || term.second % *divisor == 0) {
        whole.add(term.first, q);
        rest.add(term.first, term.second - q * *divisor);
      } else {
        rest.add(term.first, term.second);
      }
    }
    DimExpr restExpr = fromPolynomial(getContext(), rest);
    DimExpr wholeExpr = fromPolynomial(getContext(), whole);
    if (auto value = restExpr.constantValue())
      return wholeExpr + floorDivide(*value, *divisor);
    return wholeExpr + make(getContext(), DimKind::FloorDiv, 0, "", {restExpr.attr, other.attr});
  }
  return make(getContext(), DimKind::FloorDiv, 0, "", {attr, other.attr});
}

DimExpr DimExpr::ceilDiv(DimExpr other) const {
  if (auto quotient = exactDiv(other))
    return *quotient;
  if (auto divisor = other.constantValue(); divisor && *divisor > 0) {
    if (auto value = constantValue())
      return constant(getContext(), floorDivide(*value, *divisor) + (*value % *divisor != 0));
  }
  return make(getContext(), DimKind::CeilDiv, 0, "", {attr, other.attr});
}

DimExpr DimExpr::mod(DimExpr other) const {
  if (exactDiv(other))
    return constant(getContext(), 0);
  auto a = constantValue(), b = other.constantValue();
  if (a && b && *b > 0)
    return constant(getContext(), *a - floorDivide(*a, *b) * *b);
  return make(getContext(), DimKind::Mod, 0, "", {attr, other.attr});
}

bool DimExpr::isNonNegative() const {
  switch (kind()) {
  case DimKind::Const:
    return value() >= 0;
  case DimKind::Symbol:
    return true;
  case DimKind::Sum:
  case DimKind::Product:
    for (auto &[key, term] : toPolynomial(*this).terms) {
      if (term.second < 0)
        return false;
      for (const auto &[text, atom] : term.first)
        if (!DimExpr(atom).isNonNegative())
          return false;
    }
    return true;
  case DimKind::FloorDiv:
  case DimKind::CeilDiv:
  case DimKind::Min:
    return DimExpr(operands()[0]).isNonNegative() && DimExpr(operands()[1]).isNonNegative();
  case DimKind::Mod:
    return DimExpr(operands()[1]).isNonNegative();
  case DimKind::Max:
    return DimExpr(operands()[0]).isNonNegative() || DimExpr(operands()[1]).isNonNegative();
  }
  return false;
}

/// Of a sum of products: terms below zero add at most nothing.
static std::optional<int64_t> boundOf(const Polynomial &polynomial) {
  int64_t sum = 0;
  for (const auto &[key, term] : polynomial.terms) {
    int64_t product = term.second;
    bool counted = llvm::all_of(
        term.first, [](const auto &atom) { return DimExpr(atom.second).isNonNegative(); });
    if (!counted)
      return std::nullopt;
    if (product < 0 && !term.first.empty())
      continue;
    for (const auto &[text, atom] : term.first) {
      std::optional<int64_t> most = DimExpr(atom).upperBound();
      if (!most || llvm::MulOverflow(product, *most, product))
        return std::nullopt;
    }
    if (llvm::AddOverflow(sum, product, sum))
      return std::nullopt;
  }
  return sum;
}

std::optional<int64_t> DimExpr::upperBound() const {
  switch (kind()) {
  case DimKind::Const:
    return value();
  case DimKind::Symbol:
    return std::nullopt;
  case DimKind::Sum:
  case DimKind::Product:
    return boundOf(toPolynomial(*this));
  default:
    break;
  }
  std::optional<int64_t> a = DimExpr(operands()[0]).upperBound(),
                         b = DimExpr(operands()[1]).upperBound();
  switch (kind()) {
  case DimKind::FloorDiv:
  case DimKind::CeilDiv: {
    if (!a || *a < 0 || !isNonNegative())
      return std::nullopt;
    // A divisor is at least 1.
    int64_t by = std::max<int64_t>(1, DimExpr(operands()[1]).constantValue().value_or(1));
    return kind() == DimKind::FloorDiv ? *a / by : *a / by + (*a % by != 0);
  }
  case DimKind::Mod:
    return b ? std::optional(std::max<int64_t>(0, *b - 1)) : std::nullopt;
  case DimKind::Min:
    return a && b ? std::min(*a, *b) : a ? a : b;
  default:
    return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
  }
}

DimExpr DimExpr::min(DimExpr other) const {
  if ((other - *this).isNonNegative())
    return *this;
  if ((*this - other).isNonNegative())
    return other;
  auto [a, b] = std::minmax(*this, other, [](DimExpr x, DimExpr y) { return x.str() < y.str(); });
  return make(getContext(), DimKind::Min, 0, "", {a.attr, b.attr});
}
DimExpr DimExpr::max(DimExpr other) const {
  if ((other - *this).isNonNegative())
    return other;
  if ((*this - other).isNonNegative())
    return *this;
  auto [a, b] = std::minmax(*this, other, [](DimExpr x, DimExpr y) { return x.str() < y.str(); });
  return make(getContext(), DimKind::Max, 0, "", {a.attr, b.attr});
}

DimExpr DimExpr::substitute(const llvm::StringMap<DimExpr> &values) const {
  switch (kind()) {
  case DimKind::Const:
    return *this;
  case DimKind::Symbol: {
    auto it = values.find(symbolName());
    return it == values.end() ? *this : it->second;
  }
  case DimKind::Sum: {
    DimExpr sum = constant(getContext(), value());
    for (Attribute term : operands())
      sum = sum + DimExpr(term).substitute(values);
    return sum;
  }
  case DimKind::Product: {
    DimExpr product = constant(getContext(), value());
    for (Attribute atom : operands())
      product = product * DimExpr(atom).substitute(values);
    return product;
  }
  default:
    break;
  }
  DimExpr a = DimExpr(operands()[0]).substitute(values),
          b = DimExpr(operands()[1]).substitute(values);
  switch (kind()) {
  case DimKind::FloorDiv:
    return a.floorDiv(b);
  case DimKind::CeilDiv:
    return a.ceilDiv(b);
  case DimKind::Mod:
    return a.mod(b);
  case DimKind::Min:
    return a.min(b);
  default:
    return a.max(b);
  }
}

std::optional<int64_t> DimExpr::evaluate(const llvm::StringMap<int64_t> &values) const {
  if (kind() == DimKind::Const)
    return value();
  if (kind() == DimKind::Symbol) {
    auto it = values.find(symbolName());
    if (it == values.end())
      return std::nullopt;
    return it->second;
  }
  bool isSum = kind() == DimKind::Sum, isProduct = kind() == DimKind::Product;
  if (isSum || isProduct) {
    int64_t result = value();
    for (Attribute operand : operands()) {
      auto term = DimExpr(operand).evaluate(values);
      if (!term)
        return std::nullopt;
      result = isSum ? result + *term : result * *term;
    }
    return result;
  }
  auto a = DimExpr(operands()[0]).evaluate(values), b = DimExpr(operands()[1]).evaluate(values);
  if (!a || !b)
    return std::nullopt;
  switch (kind()) {
  case DimKind::Min:
    return std::min(*a, *b);
  case DimKind::Max:
    return std::max(*a, *b);
  default:
    break;
  }
  if (*b == 0)
    return std::nullopt;
  int64_t floor = floorDivide(*a, *b);
  if (kind() == DimKind::FloorDiv)
    return floor;
  if (kind() == DimKind::Mod)
    return *a - floor * *b;
  return floor + (floor * *b != *a);
}

void DimExpr::collectSymbols(llvm::function_ref<void(StringRef)> visit) const {
  if (kind() == DimKind::Symbol)
    visit(symbolName());
  for (Attribute operand : operands())
    DimExpr(operand).collectSymbols(visit);
}

void DimExpr::print(raw_ostream &os) const {
  auto call = [&](StringRef name) {
    os << name << '(' << DimExpr(operands()[0]).str() << ", " << DimExpr(operands()[1]).str()
       << ')';
  };
  switch (kind()) {
  case DimKind::Const:
    os << value();
    return;
  case DimKind::Symbol: {
    // Any dim_param is a name; only plain words print bare.
    StringRef name = symbolName();
    bool plain = !name.empty() && (isalpha(name[0]) || name[0] == '_') &&
                 llvm::all_of(name, [](char c) { return isalnum(c) || c == '_' || c == '.'; });
    if (plain)
      os << name;
    else
      printQuoted(os, name);
    return;
  }
  case DimKind::Sum: {
    bool first = true;
    for (Attribute operand : operands()) {
      std::string text = DimExpr(operand).str();
      if (!first)
        os << (text[0] == '-' ? " - " : " + ");
      os << (first || text[0] != '-' ? text : text.substr(1));
      first = false;
    }
    if (value() != 0)
      os << (value() < 0 ? " - " : " + ")
         << (value() < 0 ? 0 - static_cast<uint64_t>(value()) : static_cast<uint64_t>(value()));
    return;
  }
  case DimKind::Product:
    if (value() == -1)
      os << '-';
    else if (value() != 1)
      os << value() << " * ";
    llvm::interleave(operands(), os, [&](Attribute a) { os << DimExpr(a).str(); }, " * ");
    return;
  case DimKind::FloorDiv:
    return call("floordiv");
  case DimKind::CeilDiv:
    return call("ceildiv");
  case DimKind::Mod:
    return call("mod");
  case DimKind::Min:
    return call("min");
  case DimKind::Max:
    return call("max");
  }
}

std::string DimExpr::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(os);
  return text;
}

//===-- Parsing ----------------------------------------------------------------------------------//

namespace {
/// Recursive descent over "a + b * min(c, 2) - floordiv(d, e)"; bounded depth.
struct Parser {
  MLIRContext *context;
  StringRef text;
  int depth = 0;

  void skip() { text = text.ltrim(); }
  bool eat(StringRef token) {
    skip();
    return text.consume_front(token);
  }
  std::optional<DimExpr> sum() {
    if (++depth > 64)
      return std::nullopt;
    auto left = product();
    while (left) {
      bool plus = eat("+");
      if (!plus && !eat("-"))
        break;
      auto right = product();
      if (!right)
        return std::nullopt;
      left = plus ? *left + *right : *left - *right;
    }
    --depth;
    return left;
  }
  std::optional<DimExpr> product() {
    auto left = unary();
    while (left) {
      skip();
      bool times = false;
      if (text.starts_with("//"))
        text = text.drop_front(2);
      else if (eat("*"))
        times = true;
      else
        break;
      auto right = unary();
      if (!right)
        return std::nullopt;
      left = times ? *left * *right : left->floorDiv(*right);
    }
    return left;
  }
  std::optional<DimExpr> unary() {
    bool negative = false;
    while (eat("-"))
      negative = !negative;
    auto operand = atom();
    return operand && negative ? *operand * -1 : operand;
  }
  /// The rest of a name behind its first quote; what printQuoted() wrote.
  std::optional<DimExpr> quoted() {
    std::string name;
    while (!text.empty() && text[0] != '"') {
      size_t length = 1;
      char c = text[0];
      if (c == '\\') {
        uint8_t code;
        if (text.size() > 1 && (text[1] == '"' || text[1] == '\\'))
          c = text[1], length = 2;
        else if (llvm::to_integer(text.substr(1, 2), code, 16))
          c = static_cast<char>(code), length = 3;
        else
          return std::nullopt;
      }
      name += c;
      text = text.drop_front(length);
    }
    if (!text.consume_front("\""))
      return std::nullopt;
    return DimExpr::symbol(context, name);
  }
  std::optional<DimExpr> atom() {
    skip();
    if (eat("(")) {
      auto inner = sum();
      return inner && eat(")") ? inner : std::nullopt;
    }
    if (eat("\""))
      return quoted();
    StringRef word = text.take_while([](char c) { return isalnum(c) || c == '_' || c == '.'; });
    if (word.empty())
      return std::nullopt;
    text = text.drop_front(word.size());
    if (isdigit(word[0])) {
      int64_t value;
      if (word.getAsInteger(10, value))
        return std::nullopt;
      return DimExpr::constant(context, value);
    }
    skip();
    if (!text.starts_with("("))
      return DimExpr::symbol(context, word);
    eat("(");
    auto a = sum();
    if (!a || !eat(","))
      return std::nullopt;
    auto b = sum();
    if (!b || !eat(")"))
      return std::nullopt;
    std::string lower = word.lower();
    if (lower == "floordiv")
      return a->floorDiv(*b);
    if (lower == "ceildiv")
      return a->ceilDiv(*b);
    if (lower == "mod")
      return a->mod(*b);
    if (lower == "min")
      return a->min(*b);
    if (lower == "max")
      return a->max(*b);
    return std::nullopt;
  }
};
} // namespace

std::optional<DimExpr> DimExpr::parse(MLIRContext *context, StringRef text) {
  Parser parser{context, text};
  auto result = parser.sum();
  parser.skip();
  if (!parser.text.empty())
    return std::nullopt;
  return result;
}
