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

/// `dim` with `atom`, wherever it occurs, replaced.
static DimExpr replaceAtom(DimExpr dim, DimExpr atom, DimExpr value) {
  if (dim == atom)
    return value;
  MLIRContext *context = dim.getContext();
  auto each = [&](size_t i) { return replaceAtom(dim.operands()[i], atom, value); };
  switch (dim.kind()) {
  case qnt::DimKind::Const:
  case qnt::DimKind::Symbol:
    return dim;
  case qnt::DimKind::Sum:
  case qnt::DimKind::Product: {
    bool sum = dim.kind() == qnt::DimKind::Sum;
    DimExpr result = DimExpr::constant(context, dim.value());
    for (size_t i = 0; i < dim.operands().size(); ++i)
      result = sum ? result + each(i) : result * each(i);
    return result;
  }
  case qnt::DimKind::FloorDiv:
    return each(0).floorDiv(each(1));
  case qnt::DimKind::CeilDiv:
    return each(0).ceilDiv(each(1));
  case qnt::DimKind::Mod:
    return each(0).mod(each(1));
  case qnt::DimKind::Min:
    return each(0).min(each(1));
  case qnt::DimKind::Max:
    return each(0).max(each(1));
  }
  return dim;
}

/// The ways to read `dim` in which every minimum and maximum is one of its operands. Sizes are
/// clamped by slicing; what is meant is nearly always one fixed side.
static SmallVector<DimExpr> withoutClamps(DimExpr dim) {
  SmallVector<DimExpr> work = {dim}, done;
  while (!work.empty() && work.size() + done.size() < 32) {
    DimExpr next = work.pop_back_val();
    DimExpr clamp;
    std::function<void(DimExpr)> search = [&](DimExpr e) {
      if (e.kind() == qnt::DimKind::Min || e.kind() == qnt::DimKind::Max)
        clamp = e;
      else
        for (Attribute operand : e.operands())
          search(operand);
    };
    search(next);
    if (!clamp) {
      done.push_back(next);
      continue;
    }
    for (Attribute operand : clamp.operands())
      work.push_back(replaceAtom(next, clamp, operand));
  }
  return done;
}

std::pair<DimSpace::Outcome, DimSpace::Solution> DimSpace::solve(DimExpr a, DimExpr b) {
  a = resolve(a), b = resolve(b);
  if (a == b)
    return {Outcome::Equal, {}};
  DimExpr difference = a - b;
  if (difference.isConstant(0))
    return {Outcome::Equal, {}};
  if ((difference - 1).isNonNegative() || (difference * -1 - 1).isNonNegative())
    return {Outcome::Different, {}};
  bool hasProduced = false;
  difference.collectSymbols([&](StringRef name) {
    Symbol *symbol = find(name);
    hasProduced |= !symbol || symbol->input < 0;
  });
  if (hasProduced) // inputs cannot depend on what ops compute
    return {Outcome::Unproved, {}};

  std::optional<Symbol> best;
  DimExpr bestValue;
  for (DimExpr form : withoutClamps(difference)) {
    form.collectSymbols([&](StringRef name) {
      DimExpr self = DimExpr::symbol(a.getContext(), name);
      for (DimExpr value : {self - form, self + form}) {
        Symbol *symbol = find(name);
        auto constant = value.constantValue();
        // The value must be a size for all sizes of the rest, and solve the equation as it stands.
        // A clamp's bound is no size that anyone means.
        if (mentions(value, name) || !value.isNonNegative() || (constant && form != difference) ||
            (constant && (*constant < symbol->min || *constant > symbol->max)))
          continue;
        llvm::StringMap<DimExpr> step;
        step[name] = value;
        if (a.substitute(step) != b.substitute(step))
          continue;
        if (!best || std::pair(symbol->input, symbol->axis) > std::pair(best->input, best->axis))
          best = *symbol, bestValue = value;
      }
    });
  }
  if (!best)
    return {Outcome::Unproved, {}};
  return {Outcome::Substituted, {best->name, bestValue}};
}

DimSpace::Outcome DimSpace::equate(DimExpr a, DimExpr b) {
  auto [outcome, solution] = solve(a, b);
  if (outcome == Outcome::Substituted)
    substitute(solution.name, solution.value);
  return outcome;
}
