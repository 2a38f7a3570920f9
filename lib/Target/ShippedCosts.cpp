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

/// The file of a level, or of its base, which shares the kernels that tables are about.
const ShippedFile *fileOf(const Target *level) {
  for (; level; level = level->base ? findTarget(level->base) : nullptr)
    for (const ShippedFile &file : kFiles)
      if (file.level == llvm::StringRef(level->name))
        return &file;
  return nullptr;
}

std::vector<CostTable> readAll() {
  std::vector<CostTable> tables;
  for (const Target &level : allTargets()) {
    const ShippedFile *file = fileOf(&level);
    assert((file || level.isGpu()) && "every processor has a file in costs/");
    tables.push_back(file ? llvm::cantFail(CostTable::fromJson(file->json, file->level))
                          : CostTable());
    tables.back().target = level.name;
  }
  return tables;
}

} // namespace

const CostTable &qcc::shippedCosts(const Target &level) {
  static const std::vector<CostTable> tables = readAll();
  return *llvm::find_if(tables, [&](const CostTable &t) { return t.target == level.name; });
}
