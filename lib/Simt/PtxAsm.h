// PTX text in inline assembly, as statements.
#ifndef QCC_SIMT_PTXASM_H
#define QCC_SIMT_PTXASM_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace qcc::simt {

/// One operand: names and numbers as they are written. {a, b} and [a, {x, y}] are the names inside,
/// an address offset as in [a+16] is apart.
struct PtxOperand {
  llvm::SmallVector<std::string, 4> names;
  bool isAddress = false;
  int64_t offset = 0;
};

struct PtxStatement {
  std::string label;     // if it is one
  std::string predicate; // without @ and !
  bool negated = false;
  std::string opcode;
  llvm::SmallVector<PtxOperand, 4> operands;
};

/// The statements of the text, or nullopt if it is not of the form that code generators write.
std::optional<llvm::SmallVector<PtxStatement, 0>> parsePtx(llvm::StringRef text);

} // namespace qcc::simt

#endif
