// The table of diagnostics and how one is printed.
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"

using namespace qcc;

char CodedError::ID = 0;

namespace {
struct Entry {
  int number, exitCode;
  const char *text;
};
constexpr Entry table[] = {
#define QCC_DIAG(number, name, exitCode, text) {number, exitCode, text},
#include "qcc/Support/Diagnostics.def"
#undef QCC_DIAG
};
constexpr int numbers[] = {
#define QCC_DIAG(number, name, exitCode, text) number,
#include "qcc/Support/Diagnostics.def"
#undef QCC_DIAG
};
const Entry *find(int number) {
  for (const Entry &entry : table)
    if (entry.number == number)
      return &entry;
  return nullptr;
}
} // namespace

std::string qcc::diagName(Diag code) { return "QCC" + std::to_string(static_cast<int>(code)); }

int qcc::diagExitCode(Diag code) { return find(static_cast<int>(code))->exitCode; }

llvm::StringRef qcc::explainDiag(int number) {
  const Entry *entry = find(number);
  return entry ? entry->text : "";
}

llvm::ArrayRef<int> qcc::allDiags() { return numbers; }

void CodedError::log(llvm::raw_ostream &os) const {
  if (!where.empty())
    os << where << ": ";
  os << "error " << diagName(code) << ": " << message;
  for (const std::string &note : notes)
    os << "\nnote: " << note;
  if (!help.empty())
    os << "\nhelp: " << help;
}
