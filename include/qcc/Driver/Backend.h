// The compiler as the command line sees it.
#ifndef QCC_DRIVER_BACKEND_H
#define QCC_DRIVER_BACKEND_H

#include "qcc/Cli/Commands.h"

namespace qcc {

/// Everything that `qcc` needs from the compiler.
Backend makeBackend();

} // namespace qcc
#endif
