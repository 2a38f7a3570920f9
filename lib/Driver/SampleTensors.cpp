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

Error SampleTensors::map() {
  if (mapped || end == 0)
    return Error::success();
  // The last tensor may end within its 64 bytes.
  if (ftruncate(file, end) != 0)
    return failure(folder);
  mapped = mmap(nullptr, end, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) {
    mapped = nullptr;
    return failure(folder);
  }
  mappedBytes = end;
  return Error::success();
}

Expected<qcc_tensor> SampleTensors::view(size_t sample) {
  if (Error failed = map())
    return std::move(failed);
  Entry &entry = entries[sample];
  return qcc_tensor{static_cast<char *>(mapped) + entry.offset, entry.dtype,
                    static_cast<uint32_t>(entry.dims.size()), entry.dims.data(), entry.bytes};
}
