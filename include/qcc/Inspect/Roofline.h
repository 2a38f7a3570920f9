// What the launches of a model take at least on a GPU: the longest of reading and writing memory,
// of multiplying, and of following another launch (Williams et al., "Roofline", CACM 2009).
#ifndef QCC_INSPECT_ROOFLINE_H
#define QCC_INSPECT_ROOFLINE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Target/Device.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace qcc {

/// Launches of one kind that read, write and multiply alike.
struct RooflineEntry {
  std::string kind, form; ///< "qlinear", "128 × 1536 × 384"
  int64_t launches = 0;
  double bytes = 0;       ///< of one launch: operands and results, each once
  double operations = 0;  ///< of one launch: two a multiply-add
  double seconds = 0;     ///< of one launch, at least
  const char *bound = ""; ///< "memory", "products" or "launch"
};

struct Roofline {
  const Device *device = nullptr;
  llvm::StringMap<int64_t> sizes;     ///< of the symbols
  std::vector<RooflineEntry> entries; ///< the longest first
  int64_t chain = 0;                  ///< launches that wait for one another, at most
  double seconds = 0;                 ///< of that chain, or of what all do to memory and products
};

/// Of a function that the pack stage left. Symbols have their least value, and 1 at least.
Roofline rooflineOf(mlir::func::FuncOp function, const Device &device);

void printRoofline(llvm::raw_ostream &os, const Roofline &roofline);
llvm::json::Object rooflineJson(const Roofline &roofline);

} // namespace qcc
#endif
