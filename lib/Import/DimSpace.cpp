// Solving equalities between dimensions by replacing input symbols.
#include "DimSpace.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

DimSpace::Symbol &DimSpace::declare(StringRef name, int64_t input, int64_t axis) {
  auto [it, isNew] = index.try_emplace(name, list.size());
  if (isNew)
    list.push_back({name.str(), input, axis});
  return list[it->second];
}

DimSpace::Symbol *DimSpace::find(StringRef name) {
  auto it = index.find(name);
  return it == index.end() ? nullptr : &list[it->second];
}

std::string DimSpace::declareProduced(StringRef hint) {
  std::string name = hint.str();
  for (int n = 1; has(name); ++n)
    name = (hint + "_" + Twine(n)).str();
  declare(name, -1, produced++);
  return name;
}

DimExpr DimSpace::resolve(DimExpr dim) const {
  return values.empty() ? dim : dim.substitute(values);
}

void DimSpace::substitute(StringRef name, DimExpr value) {
  Symbol *old = find(name);
  if (value.isSymbol()) { // bounds hold for the survivor too
    Symbol *other = find(value.symbolName());
    if (other) {
      other->min = std::max(other->min, old->min);
      other->max = std::min(other->max, old->max);
    }
  }
  old->eliminated = true;
  llvm::StringMap<DimExpr> step;
  step[name] = value;
  for (auto &entry : values)
    entry.second = entry.second.substitute(step);
  values[name] = value;
}

static bool mentions(DimExpr dim, StringRef name) {
  bool found = false;
  dim.collectSymbols([&](StringRef symbol) { found |= symbol == name; });
  return found;
}

DimSpace::Outcome DimSpace::equate(DimExpr a, DimExpr b) {
  a = resolve(a), b = resolve(b);
  if (a == b)
    return Outcome::Equal;
  DimExpr difference = a - b;
  if ((difference - 1).isNonNegative() || (difference * -1 - 1).isNonNegative())
    return Outcome::Different;

  // Every symbol that the equation determines, of which the one of the latest input goes. The
  // value must be a size for all sizes of the rest, and inputs cannot depend on produced symbols.
  std::optional<Symbol> best;
  DimExpr bestValue;
  bool hasProduced = false;
  difference.collectSymbols([&](StringRef name) {
    Symbol *symbol = find(name);
    hasProduced |= !symbol || symbol->input < 0;
  });
  if (hasProduced)
    return Outcome::Unproved;
  difference.collectSymbols([&](StringRef name) {
    DimExpr self = DimExpr::symbol(a.getContext(), name);
    for (DimExpr value : {self - difference, self + difference}) {
      if (mentions(value, name) || !value.isNonNegative())
        continue;
      Symbol *symbol = find(name);
      bool later = !best || std::pair(symbol->input, symbol->axis) > std::pair(best->input, best->axis);
      if (auto constant = value.constantValue();
          constant && (*constant < symbol->min || *constant > symbol->max))
        continue;
      if (later)
        best = *symbol, bestValue = value;
    }
  });
  if (!best)
    return Outcome::Unproved;
  substitute(best->name, bestValue);
  return Outcome::Substituted;
}
