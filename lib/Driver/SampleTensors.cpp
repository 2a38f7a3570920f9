// Tensors of samples in unlinked files.
#include "qcc/Driver/SampleTensors.h"
#include "qcc/Support/Diagnostics.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace qcc;
using llvm::Error;
using llvm::Expected;

static Error failure(llvm::StringRef folder) {
  return makeError(Diag::CannotWrite, folder.str(), std::strerror(errno));
}

Expected<std::unique_ptr<SampleTensors>> SampleTensors::create(llvm::StringRef folder) {
  std::string pattern = folder.str() + "/samples-XXXXXX";
  int file = mkostemp(pattern.data(), O_CLOEXEC);
  if (file < 0)
    return failure(folder);
  unlink(pattern.c_str());
  return std::unique_ptr<SampleTensors>(new SampleTensors(file, folder.str()));
}

SampleTensors::~SampleTensors() {
  unmap();
  close(file);
}

void SampleTensors::unmap() {
  if (mapped)
    munmap(mapped, mappedBytes);
  mapped = nullptr;
}

Error SampleTensors::append(const qcc_tensor &tensor) {
  Entry entry{tensor.dtype, std::vector<int64_t>(tensor.dims, tensor.dims + tensor.rank), end,
              tensor.bytes};
  const auto *bytes = static_cast<const char *>(tensor.data);
  for (uint64_t done = 0; done < entry.bytes;) {
    ssize_t written = pwrite(file, bytes + done, entry.bytes - done, end + done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failure(folder);
    done += written;
  }
  end += (entry.bytes + 63) / 64 * 64;
  entries.push_back(std::move(entry));
  unmap();
  return Error::success();
}

/// Maps one tensor: what was mapped before leaves memory, so that a run over a large set holds one
/// sample of it.
Error SampleTensors::map(size_t sample) {
  if (mapped && mappedSample == sample)
    return Error::success();
  unmap();
  const Entry &entry = entries[sample];
  if (entry.bytes == 0)
    return Error::success();
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  mappedOffset = entry.offset / page * page;
  mappedBytes = entry.offset + entry.bytes - mappedOffset;
  void *memory = mmap(nullptr, mappedBytes, PROT_READ, MAP_SHARED, file, mappedOffset);
  if (memory == MAP_FAILED)
    return failure(folder);
  mapped = memory;
  mappedSample = sample;
  return Error::success();
}

Expected<qcc_tensor> SampleTensors::view(size_t sample) {
  if (Error failed = map(sample))
    return std::move(failed);
  Entry &entry = entries[sample];
  alignas(64) static char nothing[64];
  char *data = entry.bytes ? static_cast<char *>(mapped) + (entry.offset - mappedOffset) : nothing;
  return qcc_tensor{data, entry.dtype, static_cast<uint32_t>(entry.dims.size()), entry.dims.data(),
                    entry.bytes};
}
