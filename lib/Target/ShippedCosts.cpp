// The tables of costs/, which the build copies into this library.
#include "qcc/Target/Costs.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"

using namespace qcc;

namespace {

struct ShippedFile {
  const char *level, *json;
};

constexpr ShippedFile kFiles[] = {
#include "ShippedCosts.inc"
};

std::vector<CostTable> readAll() {
  std::vector<CostTable> tables;
  for (const Target &level : allTargets()) {
    const ShippedFile *file = llvm::find_if(
        kFiles, [&](const ShippedFile &f) { return f.level == llvm::StringRef(level.name); });
    assert((file != std::end(kFiles) || level.isGpu()) && "every processor has a file in costs/");
    if (file == std::end(kFiles)) {
      tables.emplace_back().target = level.name;
      continue;
    }
    tables.push_back(llvm::cantFail(CostTable::fromJson(file->json, file->level)));
  }
  return tables;
}

} // namespace

const CostTable &qcc::shippedCosts(const Target &level) {
  static const std::vector<CostTable> tables = readAll();
  return *llvm::find_if(tables, [&](const CostTable &t) { return t.target == level.name; });
}
