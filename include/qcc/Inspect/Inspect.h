// `qcc inspect` and `qcc check` on what needs the compiler.
#ifndef QCC_INSPECT_INSPECT_H
#define QCC_INSPECT_INSPECT_H

#include "qcc/Cli/Commands.h"

namespace qcc {

/// Signature, weights, structures found, and what was left as it was with the reason.
llvm::Error inspectModel(const LookRequest &request, llvm::raw_ostream &out);

/// Every node of a model that qcc cannot compile, and the way round.
llvm::Error checkModel(const LookRequest &request, llvm::raw_ostream &out);

} // namespace qcc
#endif
