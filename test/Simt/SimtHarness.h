// Kernels from text, run in the tile interpreter.
#ifndef QCC_TEST_SIMT_SIMTHARNESS_H
#define QCC_TEST_SIMT_SIMTHARNESS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Simt/Simt.h"
#include <gtest/gtest.h>

namespace qcc::simt {

/// A module and the memory that its kernel @k is launched on.
class Kernel {
public:
  explicit Kernel(llvm::StringRef text) {
    context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text.str();
  }

  Report run(llvm::ArrayRef<Argument> arguments, const Launch &launch) {
    llvm::Expected<Report> report = simt::run(*module, "k", device, arguments, launch);
    if (report)
      return std::move(*report);
    ADD_FAILURE() << llvm::toString(report.takeError());
    return {};
  }

  template <typename T> std::vector<T> values(uint64_t address) {
    llvm::MutableArrayRef<T> view = device.view<T>(address);
    return {view.begin(), view.end()};
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Device device;
};

} // namespace qcc::simt

#endif
