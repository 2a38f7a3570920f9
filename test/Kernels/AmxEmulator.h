// Executes the AMX instructions of compiled kernels on CPUs that have none.
#ifndef QCC_TEST_KERNELS_AMXEMULATOR_H
#define QCC_TEST_KERNELS_AMXEMULATOR_H

#include "qcc/Target/Target.h"
#include <vector>

namespace qcc {

/// The levels of this machine and, where it has AVX-512 with VNNI but no AMX, x86-amx: from then on
/// AMX instructions of this process are computed by a handler of SIGILL. With AMX the process gets
/// the permission to use it.
std::vector<const Target *> levelsWithAmx();

} // namespace qcc
#endif
