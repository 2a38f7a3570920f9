// Reading files back as data, for the writer and for the reader of artifacts.
#ifndef QCC_LIB_EMIT_MAPFILE_H
#define QCC_LIB_EMIT_MAPFILE_H

#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <optional>

namespace qcc::emit {

/// Maps a file, or some bytes of it; gigabytes of weights are not read.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> mapFile(llvm::StringRef path, uint64_t from = 0,
                                                            std::optional<uint64_t> bytes = {});

} // namespace qcc::emit
#endif
