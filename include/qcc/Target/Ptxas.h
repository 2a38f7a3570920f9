// What the assembler of NVIDIA's GPUs says of PTX.
#ifndef QCC_TARGET_PTXAS_H
#define QCC_TARGET_PTXAS_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>

namespace qcc {

struct KernelRegisters {
  int64_t registers = 0;    ///< of a thread
  int64_t spilledBytes = 0; ///< stored to and loaded from local memory, for want of registers
};

/// The path of `ptxas`, if PATH has one.
std::optional<std::string> findPtxas();

/// Assembles PTX for `architecture`, as "sm_90a", and gives what it says of each entry point. The
/// error is what it says first when it refuses.
llvm::Expected<llvm::StringMap<KernelRegisters>>
registersOf(llvm::StringRef ptxas, llvm::StringRef ptx, llvm::StringRef architecture);

/// The same of its output with -v.
llvm::StringMap<KernelRegisters> parsePtxasReport(llvm::StringRef text);

} // namespace qcc
#endif
