// Names that follow from file names.
#ifndef QCC_CLI_NAMES_H
#define QCC_CLI_NAMES_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace qcc::cli {

/// The stem of an output for this input: its own, or the folder's when it is just "model".
std::string outputStem(llvm::StringRef input);
/// `text` as a C identifier.
std::string identifierOf(llvm::StringRef text);

} // namespace qcc::cli
#endif
