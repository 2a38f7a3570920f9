// Device memory: allocations by address, with gaps between them.
#include "qcc/Simt/Device.h"
#include "Shadow.h"

namespace qcc::simt {

static constexpr uint64_t firstAddress = 0x10'0000'0000, gap = 4096, allocationAlignment = 256;

Device::Device() : next(firstAddress) {}
Device::~Device() = default;

Device::Allocation &Device::place(size_t bytes, llvm::StringRef name) {
  allocations.push_back(std::make_unique<Allocation>(
      Allocation{name.str(), next, std::vector<uint8_t>(bytes), nullptr}));
  next = (next + bytes + gap + allocationAlignment - 1) / allocationAlignment * allocationAlignment;
  return *allocations.back();
}

uint64_t Device::allocate(size_t bytes, llvm::StringRef name) {
  Allocation &made = place(bytes, name);
  made.shadow = std::make_unique<Shadow>(bytes, /*defined=*/false);
  return made.address;
}

uint64_t Device::upload(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name) {
  Allocation &made = place(bytes.size(), name);
  made.shadow = std::make_unique<Shadow>(bytes.size(), /*defined=*/true);
  std::copy(bytes.begin(), bytes.end(), made.bytes.begin());
  return made.address;
}

Device::Allocation *Device::find(uint64_t address) {
  auto behind = std::upper_bound(
      allocations.begin(), allocations.end(), address,
      [](uint64_t at, const auto &allocation) { return at < allocation->address; });
  return behind == allocations.begin() ? nullptr : std::prev(behind)->get();
}

void Device::release(uint64_t address) {
  std::erase_if(allocations, [&](const auto &a) { return a->address == address; });
}

Device::Allocation *Device::holding(uint64_t address, size_t bytes) {
  Allocation *found = find(address);
  return found && address - found->address + bytes <= found->bytes.size() ? found : nullptr;
}

bool Device::write(uint64_t address, llvm::ArrayRef<uint8_t> bytes) {
  Allocation *to = holding(address, bytes.size());
  if (!to)
    return false;
  std::copy(bytes.begin(), bytes.end(), to->bytes.begin() + (address - to->address));
  to->shadow->define(address - to->address, bytes.size());
  return true;
}

bool Device::read(uint64_t address, llvm::MutableArrayRef<uint8_t> bytes) {
  Allocation *from = holding(address, bytes.size());
  if (!from)
    return false;
  std::copy_n(from->bytes.begin() + (address - from->address), bytes.size(), bytes.begin());
  return true;
}

llvm::MutableArrayRef<uint8_t> Device::view(uint64_t address) {
  Allocation *found = find(address);
  return found && found->address == address ? llvm::MutableArrayRef<uint8_t>(found->bytes)
                                            : llvm::MutableArrayRef<uint8_t>();
}

std::vector<Device::Touched> Device::touched() const {
  std::vector<Touched> ranges;
  for (const auto &allocation : allocations)
    allocation->shadow->accessed([&](uint64_t word, bool written) {
      uint64_t begin = allocation->address + 4 * word;
      if (!ranges.empty() && ranges.back().end == begin && ranges.back().written == written)
        ranges.back().end += 4;
      else
        ranges.push_back({begin, begin + 4, written});
    });
  return ranges;
}

void Device::beginLaunch() {
  for (auto &allocation : allocations)
    allocation->shadow->forgetAccesses();
}

} // namespace qcc::simt
