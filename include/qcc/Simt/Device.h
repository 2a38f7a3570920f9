// The global memory that kernels of the tile interpreter read and write.
#ifndef QCC_SIMT_DEVICE_H
#define QCC_SIMT_DEVICE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace qcc::simt {

class Shadow;

/// How a box of a tensor is copied: what cuTensorMapEncodeTiled is told. A kernel gets it by value
/// in the 128 bytes of a tensor map.
struct TensorMap {
  enum Swizzle : uint32_t { none = 0, bytes32 = 1, bytes64 = 2, bytes128 = 3 };

  uint64_t magic = 0x7163'6374'656e'736f; // tells a map from other bytes
  uint64_t address = 0;
  uint32_t rank = 2;
  uint32_t elementBytes = 1;
  uint64_t dimensions[5] = {}; // the innermost first
  uint32_t strides[4] = {};    // in bytes, from the second dimension on
  uint16_t box[5] = {};
  uint16_t swizzle = none;
  uint8_t reserved[36] = {};
};
static_assert(sizeof(TensorMap) == 128);

/// Allocations of device memory. Between two of them lies a gap, so that an access past the end of
/// one is found and never hits another. One launch at a time.
class Device {
public:
  struct Allocation {
    std::string name;
    uint64_t address;
    std::vector<uint8_t> bytes;
    std::unique_ptr<Shadow> shadow;
  };

  Device();
  ~Device();

  /// Bytes whose contents are undefined until a kernel writes them. Addresses are aligned to 256.
  uint64_t allocate(size_t bytes, llvm::StringRef name);
  /// Bytes with contents.
  uint64_t upload(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name);
  template <typename T> uint64_t upload(const std::vector<T> &values, llvm::StringRef name) {
    return upload({reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)},
                  name);
  }
  void release(uint64_t address);
  /// Copies to and from the host. False, and nothing is done, unless all of the bytes lie in one
  /// allocation.
  bool write(uint64_t address, llvm::ArrayRef<uint8_t> bytes);
  bool read(uint64_t address, llvm::MutableArrayRef<uint8_t> bytes);

  /// The bytes of the allocation that begins at the address; empty if there is none.
  llvm::MutableArrayRef<uint8_t> view(uint64_t address);
  template <typename T> llvm::MutableArrayRef<T> view(uint64_t address) {
    llvm::MutableArrayRef<uint8_t> bytes = view(address);
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }

  /// The allocation in or behind which the address lies, or null.
  Allocation *find(uint64_t address);
  /// What the last launch accessed: ascending ranges, in words of four bytes.
  struct Touched {
    uint64_t begin, end;
    bool written;
  };
  std::vector<Touched> touched() const;
  /// Forgets who accessed what: a launch begins, and what earlier ones did is ordered before it.
  void beginLaunch();

private:
  Allocation &place(size_t bytes, llvm::StringRef name);
  Allocation *holding(uint64_t address, size_t bytes);

  std::vector<std::unique_ptr<Allocation>> allocations; // by ascending address
  uint64_t next;
};

} // namespace qcc::simt

#endif
