// Code for GPUs in an artifact: what blocks of its kernels take, and how many a GPU holds of them.
#ifndef QCC_LIB_CLI_GPUCODE_H
#define QCC_LIB_CLI_GPUCODE_H

#include "qcc/runtime.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <string>
#include <vector>

namespace qcc::cli {

struct GpuKernel {
  std::string name;
  int64_t threads = 0, sharedBytes = 0; ///< of a block
  int64_t registers = 0;                ///< of a thread; at most, where nobody counted them
  int64_t spilledBytes = 0;
  int64_t blocks = 0; ///< that a multiprocessor holds at once
  double share = 0;   ///< of the threads that it could hold
  std::string limit;  ///< what there is too little of for one more
};

struct GpuCode {
  qcc_gpu_code_info info = {};
  std::string device;   ///< that stands for all that the code is for
  bool counted = false; ///< registers, by ptxas
  std::string refusal;  ///< why not, if ptxas is there
  std::vector<GpuKernel> kernels;
};

/// All code for GPUs of a model of `kernels` kernels. Registers are counted by the ptxas in PATH;
/// without one they are the most that the block may have.
std::vector<GpuCode> gpuCodesOf(const qcc_model *model, uint32_t codes, uint32_t kernels);

void printGpuCodes(llvm::raw_ostream &out, const std::vector<GpuCode> &codes);
llvm::json::Array gpuCodesJson(const std::vector<GpuCode> &codes);

} // namespace qcc::cli
#endif
