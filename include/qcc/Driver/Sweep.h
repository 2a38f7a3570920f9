// `qcc sweep`: one model under many schemes.
#ifndef QCC_DRIVER_SWEEP_H
#define QCC_DRIVER_SWEEP_H

#include "qcc/Cli/Commands.h"

namespace qcc {

/// Backend::sweep: builds each scheme for this machine and measures it. The first row is the model
/// as it is, which the others are held against. Errors: those of this row and of the data; what
/// fails in another row is told in it.
llvm::Expected<quality::SweepTable> sweepSchemes(const SweepRequest &request,
                                                 llvm::raw_ostream &err);

} // namespace qcc
#endif
