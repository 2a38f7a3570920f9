// What `qcc inspect` says of an artifact's code for GPUs.
#include "GpuCode.h"
#include "qcc/Support/Print.h"
#include "qcc/Target/Device.h"
#include "qcc/Target/Ptxas.h"
#include "llvm/Support/FormatVariadic.h"

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;

namespace {

/// Registers that a thread of a block can have at most.
int64_t mostRegisters(const Device &device, int64_t threads) {
  constexpr int64_t ofThread = 255, unit = 8;
  return std::min(ofThread, device.registers / threads / unit * unit);
}

void countRegisters(GpuCode &code) {
  std::optional<std::string> ptxas = findPtxas();
  if (!ptxas)
    return;
  StringRef architecture = StringRef(code.info.name).split('-').second;
  auto counted = registersOf(*ptxas, {code.info.ptx, code.info.ptx_bytes}, architecture);
  if (!counted) {
    code.refusal = llvm::toString(counted.takeError());
    return;
  }
  code.counted = true;
  for (GpuKernel &kernel : code.kernels) {
    KernelRegisters found = counted->lookup(kernel.name);
    kernel.registers = found.registers, kernel.spilledBytes = found.spilledBytes;
  }
}

GpuCode codeAt(const qcc_model *model, uint32_t index, uint32_t kernels) {
  GpuCode code;
  code.info.struct_size = sizeof(code.info);
  if (qcc_model_gpu_code(model, index, &code.info, nullptr) != QCC_OK)
    return code;
  const Target *target = findTarget(code.info.name);
  const Device *device = target ? deviceOf(*target) : nullptr;
  if (!device) // a later qcc's
    return code;
  code.device = device->name;
  for (uint32_t k = 0; k < kernels; ++k) {
    qcc_gpu_kernel_info info = {};
    info.struct_size = sizeof(info);
    if (qcc_model_gpu_kernel(model, index, k, &info, nullptr) != QCC_OK)
      continue;
    GpuKernel &kernel = code.kernels.emplace_back();
    kernel.name = info.name;
    kernel.threads = info.block_threads, kernel.sharedBytes = info.shared_bytes;
    kernel.registers = mostRegisters(*device, kernel.threads);
  }
  countRegisters(code);
  for (GpuKernel &kernel : code.kernels) {
    Occupancy held = occupancyOf(*device, {kernel.threads, kernel.registers, kernel.sharedBytes});
    kernel.blocks = held.blocks, kernel.share = held.share, kernel.limit = held.limit;
  }
  return code;
}

} // namespace

std::vector<GpuCode> cli::gpuCodesOf(const qcc_model *model, uint32_t codes, uint32_t kernels) {
  std::vector<GpuCode> all;
  for (uint32_t i = 0; i < codes; ++i)
    all.push_back(codeAt(model, i, kernels));
  return all;
}

void cli::printGpuCodes(llvm::raw_ostream &out, const std::vector<GpuCode> &codes) {
  if (!codes.empty())
    out << "GPUs\n";
  for (const GpuCode &code : codes) {
    out << "  " << code.info.name << "  compute capability " << code.info.major << '.'
        << code.info.minor << (code.info.exact ? "" : " and later") << ", PTX "
        << formatBytes(code.info.ptx_bytes) << '\n';
    if (code.kernels.empty())
      continue;
    std::vector<std::vector<std::string>> rows = {
        {"    kernel", "threads", code.counted ? "registers" : "registers at most", "shared memory",
         code.counted ? "blocks at once" : "blocks at least", ""}};
    for (const GpuKernel &kernel : code.kernels)
      rows.push_back(
          {"    " + kernel.name, std::to_string(kernel.threads),
           std::to_string(kernel.registers) +
               (kernel.spilledBytes ? ", " + formatBytes(kernel.spilledBytes) + " spilled" : ""),
           formatBytes(kernel.sharedBytes), std::to_string(kernel.blocks),
           llvm::formatv("{0:P0} of threads, limited by {1}", kernel.share, kernel.limit)});
    printTable(out, rows);
    out << "    blocks that a multiprocessor of one " << code.device << " holds at once";
    if (!code.refusal.empty())
      out << "; ptxas does not count registers: " << code.refusal;
    else if (!code.counted)
      out << "; with ptxas in PATH registers are counted";
    out << '\n';
  }
}

llvm::json::Array cli::gpuCodesJson(const std::vector<GpuCode> &codes) {
  llvm::json::Array list;
  for (const GpuCode &code : codes) {
    llvm::json::Array kernels;
    for (const GpuKernel &kernel : code.kernels)
      kernels.push_back(llvm::json::Object{{"name", kernel.name},
                                           {"threads", kernel.threads},
                                           {"registers", kernel.registers},
                                           {"spilled_bytes", kernel.spilledBytes},
                                           {"shared_bytes", kernel.sharedBytes},
                                           {"blocks", kernel.blocks},
                                           {"occupancy", kernel.share},
                                           {"limit", kernel.limit}});
    list.push_back(llvm::json::Object{{"name", code.info.name},
                                      {"ptx_bytes", static_cast<int64_t>(code.info.ptx_bytes)},
                                      {"device", code.device},
                                      {"registers_counted", code.counted},
                                      {"kernels", std::move(kernels)}});
  }
  return list;
}
