// The dimension symbols of the function under construction, and what is known to be equal.
#ifndef QCC_LIB_IMPORT_DIMSPACE_H
#define QCC_LIB_IMPORT_DIMSPACE_H

#include "Qnt/Qnt.h"
#include "llvm/ADT/StringMap.h"
#include <string>
#include <vector>

namespace qcc::import {

using qnt::DimExpr;

class DimSpace {
public:
  struct Symbol {
    std::string name;
    int64_t input = -1, axis = 0; ///< input -1: produced by an op
    int64_t min = 0, max = INT64_MAX;
    bool eliminated = false;
  };
  enum class Outcome {
    Equal,       ///< they are equal as they stand
    Substituted, ///< now equal: a symbol was replaced everywhere
    Different,   ///< they can never be equal
    Unproved     ///< a check at run time has to decide
  };

  bool has(llvm::StringRef name) const { return index.count(name); }
  Symbol &declare(llvm::StringRef name, int64_t input, int64_t axis);
  Symbol *find(llvm::StringRef name);
  /// A symbol that an op computes, named after `hint`.
  std::string declareProduced(llvm::StringRef hint);

  /// `dim` without the symbols that turned out to equal something else.
  DimExpr resolve(DimExpr dim) const;
  bool anySubstitution() const { return !values.empty(); }
  /// A symbol, and what it has to be for two dimensions to be equal.
  struct Solution {
    std::string name;
    DimExpr value;
  };
  /// Decides whether a and b are equal; Substituted means that the solution would make them so. Of
  /// several symbols that could go, it is the one of the latest input.
  std::pair<Outcome, Solution> solve(DimExpr a, DimExpr b);
  /// Makes two dimensions equal if it can.
  Outcome equate(DimExpr a, DimExpr b);
  /// Fixes a symbol, or any dimension that can be solved for one.
  void substitute(llvm::StringRef name, DimExpr value);

  const std::vector<Symbol> &symbols() const { return list; }

private:
  std::vector<Symbol> list;
  llvm::StringMap<size_t> index;
  llvm::StringMap<DimExpr> values; ///< closed: no value names a replaced symbol
  int64_t produced = 0;
};

} // namespace qcc::import
#endif
