// The table of devices, and the arithmetic of blocks on a multiprocessor.
#include "qcc/Target/Device.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace qcc;

// NVIDIA's data sheets of A100 40GB SXM, L40S and H200 SXM: peaks of dense products, not sparse
// ones.
static constexpr Device kDevices[] = {
    {"nvptx-sm_80", "A100 40GB", 108, 1.555e12, 624e12, 312e12, 19.5e12, 65536, 2048, 32,
     164 << 10},
    {"nvptx-sm_89", "L40S", 142, 0.864e12, 733e12, 362e12, 91.6e12, 65536, 1536, 24, 100 << 10},
    {"nvptx-sm_90a", "H200", 132, 4.8e12, 1979e12, 989e12, 67e12, 65536, 2048, 32, 228 << 10},
};

const Device *qcc::deviceOf(const Target &target) {
  for (const Device &device : kDevices)
    if (llvm::StringRef(device.level) == target.name)
      return &device;
  return nullptr;
}

Occupancy qcc::occupancyOf(const Device &device, const BlockNeeds &needs) {
  constexpr int64_t warp = 32, registerUnit = 256, systemShared = 1 << 10;
  int64_t warps = static_cast<int64_t>(llvm::divideCeil(needs.threads, warp));
  int64_t registers = warps * static_cast<int64_t>(llvm::alignTo(
                                  std::max<int64_t>(needs.registers, 1) * warp, registerUnit));
  struct Limit {
    int64_t blocks;
    const char *what;
  };
  const Limit limits[] = {
      {device.threads / (warps * warp), "threads"},
      {device.registers / registers, "registers"},
      {device.sharedBytes / (needs.sharedBytes + systemShared), "shared memory"},
      {device.blocks, "blocks"}};
  const Limit &least =
      *std::min_element(std::begin(limits), std::end(limits),
                        [](const Limit &a, const Limit &b) { return a.blocks < b.blocks; });
  return {least.blocks,
          static_cast<double>(least.blocks * warps * warp) / static_cast<double>(device.threads),
          least.what};
}
