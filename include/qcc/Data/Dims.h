// Dimensions as texts over symbols ("s", "s + p", "2 * n floordiv 3", "64"), and finding the
// symbols' values from shapes.
#ifndef QCC_DATA_DIMS_H
#define QCC_DATA_DIMS_H

#include "qcc/Data/Model.h"
#include "llvm/Support/Error.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace qcc::data {

/// Values of symbols. Dimensions that are not understood count as symbols of their own text.
using Symbols = std::map<std::string, int64_t>;

/// The value of a dimension's text, or nothing while a symbol in it is open.
std::optional<int64_t> evaluateDim(llvm::StringRef text, const Symbols &symbols);
/// Symbols that appear in `text`, in order.
std::vector<std::string> symbolsOf(llvm::StringRef text);

/// Collects equations "dimension text = value" and solves those that are linear in one open symbol.
class DimSolver {
public:
  /// Remembers that `text`, an axis that `where` names, has this size.
  void add(std::string text, int64_t value, std::string where);
  /// Solves what can be solved. Contradictions are QCC1009 and name both values.
  llvm::Error solve();
  Symbols symbols;

private:
  struct Equation {
    std::string text, where;
    int64_t value;
    bool done = false;
  };
  std::vector<Equation> equations;
};

/// Shapes of all inputs of a model, some of them given. What is not given is solved through shared
/// symbols; open symbols of past inputs become 0 and masks, positions and types follow the ids.
/// `given` holds dims per input, empty optional = open. Errors: QCC1008 lists all inputs that stay
/// open, QCC1009 names a contradiction.
llvm::Expected<std::vector<std::vector<int64_t>>>
solveShapes(const Model &model, const std::vector<std::optional<std::vector<int64_t>>> &given,
            Symbols *symbols = nullptr);

} // namespace qcc::data
#endif
