// Launches in the tile interpreter; see GpuLaunch.h.
#include "GpuLaunch.h"
#include "Jit.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Simt/Simt.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace qcc;
using namespace qcc::lower::test;

GpuKernels::GpuKernels(const Target &target, const std::function<void(ModuleOp)> &build) {
  DialectRegistry registry;
  ptx::registerGpuDialects(registry);
  testContext().appendDialectRegistry(registry);
  testContext().loadAllAvailableDialects();
  module = ModuleOp::create(UnknownLoc::get(&testContext()));
  build(*module);
  PassManager pm(&testContext());
  ptx::populateKernelToNvvm(pm, target);
  if (failed(pm.run(*module))) {
    ADD_FAILURE() << "the kernel does not lower to NVVM";
    return;
  }
  auto entry = module->lookupSymbol<LLVM::LLVMFuncOp>("kernel");
  frameBytes = entry->getAttrOfType<IntegerAttr>("qcc.frame_bytes").getInt();
  if (auto shared = entry->getAttrOfType<IntegerAttr>("qcc.shared_bytes"))
    sharedBytes = shared.getInt();
  if (auto threads = entry->getAttrOfType<IntegerAttr>("qcc.block_threads"))
    blockThreads = threads.getInt();
}

int64_t GpuKernels::launch(ArrayRef<int64_t> slots, ArrayRef<HostBytes> buffers, int64_t tasks,
                           int64_t grain, int64_t scratchBytes, int64_t blocks, uint64_t seed) {
  int64_t groups = blocks * blockThreads / ptx::kGroupThreads;
  simt::Device device;
  std::map<int64_t, uint64_t> copies;
  for (HostBytes bytes : buffers)
    copies[reinterpret_cast<int64_t>(bytes.data)] =
        device.upload({reinterpret_cast<uint8_t *>(bytes.data), size_t(bytes.size)}, "buffer");
  qcc_gpu_launch record = {};
  record.tasks = tasks;
  record.grain = grain;
  record.stride = llvm::alignTo(frameBytes + scratchBytes, 128);
  record.workers =
      device.upload(std::vector<uint8_t>(groups * record.stride, 0xff), "frames and scratch");
  record.fault = device.upload(std::vector<uint64_t>{UINT64_MAX}, "fault");
  record.counters = device.upload(std::vector<uint32_t>(QCC_GPU_COUNTERS), "counters");
  std::vector<uint8_t> bytes(sizeof record + slots.size() * 8);
  std::memcpy(bytes.data(), &record, sizeof record);
  for (auto [i, slot] : llvm::enumerate(slots)) {
    auto copy = copies.find(slot);
    int64_t value = copy == copies.end() ? slot : static_cast<int64_t>(copy->second);
    std::memcpy(bytes.data() + sizeof record + 8 * i, &value, 8);
  }
  simt::Launch launch;
  launch.seed = seed;
  launch.grid[0] = blocks;
  launch.block[0] = blockThreads;
  launch.dynamicSharedBytes = sharedBytes;
  uint64_t at = device.upload(bytes, "launch");
  auto report = simt::run(*module, "kernel", device, {simt::argument(at)}, launch);
  if (!report) {
    ADD_FAILURE() << llvm::toString(report.takeError());
    return 0;
  }
  EXPECT_TRUE(report->clean()) << report->text();
  passes = report->counts.extraPasses;
  for (HostBytes host : buffers) {
    auto view = device.view(copies[reinterpret_cast<int64_t>(host.data)]);
    std::memcpy(host.data, view.data(), view.size());
  }
  auto counters = device.view<uint32_t>(record.counters);
  EXPECT_TRUE(llvm::all_of(counters, [](uint32_t counter) { return counter == 0; }));
  uint64_t fault = device.view<uint64_t>(record.fault)[0];
  return fault == UINT64_MAX ? 0 : static_cast<int64_t>(fault & 0xff);
}
