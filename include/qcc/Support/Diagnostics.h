// Diagnostics with stable codes. Code without MLIR returns llvm::Error made by makeError();
// passes use emitError(). Both print as `WHERE: error QCC1042: MESSAGE`, then notes and a help
// line.
#ifndef QCC_SUPPORT_DIAGNOSTICS_H
#define QCC_SUPPORT_DIAGNOSTICS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace qcc {

enum class Diag : int {
#define QCC_DIAG(number, name, exitCode, text) name = number,
#include "qcc/Support/Diagnostics.def"
#undef QCC_DIAG
};

/// "QCC1042".
std::string diagName(Diag code);
/// The process exit code that a diagnostic leads to.
int diagExitCode(Diag code);
/// The long text behind `qcc explain`, or an empty string for an unknown number.
llvm::StringRef explainDiag(int number);
/// All numbers in ascending order.
llvm::ArrayRef<int> allDiags();

/// An error with a code. `where` names file and node ("m.onnx: node 'a/MatMul' (MatMul, opset
/// 17)").
class CodedError : public llvm::ErrorInfo<CodedError> {
public:
  static char ID;
  CodedError(Diag code, std::string where, std::string message, std::vector<std::string> notes = {},
             std::string help = {})
      : code(code), where(std::move(where)), message(std::move(message)), notes(std::move(notes)),
        help(std::move(help)) {}
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

  Diag code;
  std::string where, message;
  std::vector<std::string> notes;
  std::string help;
};

inline llvm::Error makeError(Diag code, std::string where, std::string message,
                             std::vector<std::string> notes = {}, std::string help = {}) {
  return llvm::make_error<CodedError>(code, std::move(where), std::move(message), std::move(notes),
                                      std::move(help));
}

} // namespace qcc
#endif
