// The tile interpreter: executes GPU kernels in the LLVM and NVVM dialects on the CPU.
#ifndef QCC_SIMT_SIMT_H
#define QCC_SIMT_SIMT_H

#include "mlir/IR/BuiltinOps.h"
#include "qcc/Simt/Device.h"
#include "qcc/Simt/Launch.h"
#include "llvm/Support/Error.h"

namespace qcc::simt {

struct Finding {
  FindingKind kind;
  /// What happened, who did it, and where the other access was.
  std::string text;
  mlir::Location location;
  /// How often it was met; one finding stands for all of a kind between the same two ops.
  uint64_t count = 1;
};

/// Counters of one op that accesses memory.
struct AccessCounts {
  mlir::Location location;
  uint64_t warpAccesses = 0;
  uint64_t sectors = 0;      // 32-byte sectors of global memory
  uint64_t idealSectors = 0; // as few as the bytes fit into
  uint64_t extraPasses = 0;  // of shared memory, beyond the conflict-free ones
};

struct Report {
  std::vector<Finding> findings;
  Counts counts;
  std::vector<AccessCounts> accesses;

  bool clean() const { return findings.empty(); }
  bool has(FindingKind kind) const;
  /// Findings one a line, for messages of tests.
  std::string text() const;
};

/// Executes the kernel on every block of the grid in an order that the seed decides.
///
/// Order between threads is judged by happens-before, not by what happened to come first: what
/// bar.sync, bar.warp.sync, mbarriers, fences with atomics and waits for asynchronous copies order
/// is ordered, anything else is a race, lanes of one warp included. atomicrmw orders nothing by
/// itself, whatever it says, because LLVM 22 prints it as a relaxed `atom` without a fence.
/// Arithmetic is exact IEEE; `.approx` instructions are computed in double and rounded. Floats in
/// matrix products are multiplied exactly and added in f32 in the order of k, which is not what
/// hardware does to the last bits.
///
/// An error names an op that the interpreter does not know or arguments that do not fit.
llvm::Expected<Report> run(mlir::ModuleOp module, llvm::StringRef kernel, Device &device,
                           llvm::ArrayRef<Argument> arguments, const Launch &launch);

} // namespace qcc::simt

#endif
