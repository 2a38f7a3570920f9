// Dimension expressions as arithmetic on sizes of inputs.
#include "GraphExporter.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

/// Operators on i64 [1]. Division of ONNX truncates; dimensions round down.
std::string GraphExporter::combine(DimExpr dim) {
  Names parts;
  for (mlir::Attribute operand : dim.operands())
    parts.push_back(dimension(DimExpr(operand)));
  auto fold = [&](StringRef op, std::string total) {
    for (const std::string &part : parts)
      total = total.empty() ? part : add(op, {total, part});
    return total;
  };
  auto floorDiv = [&](const std::string &a, const std::string &b) {
    return add("Div", {add("Sub", {a, add("Mod", {a, b})}), b});
  };
  switch (dim.kind()) {
  case DimKind::Const:
    return integers({*dim.constantValue()});
  case DimKind::Symbol:
    return symbolValues.lookup(dim.symbolName());
  case DimKind::Sum: {
    std::string total = fold("Add", "");
    return dim.value() == 0 ? total : add("Add", {total, integers({dim.value()})});
  }
  case DimKind::Product:
    return fold("Mul", dim.value() == 1 ? "" : integers({dim.value()}));
  case DimKind::FloorDiv:
    return floorDiv(parts[0], parts[1]);
  case DimKind::CeilDiv:
    return add("Neg", {floorDiv(add("Neg", {parts[0]}), parts[1])});
  case DimKind::Mod:
    return add("Mod", parts);
  case DimKind::Min:
    return add("Min", parts);
  case DimKind::Max:
    return add("Max", parts);
  }
  return {};
}

std::string GraphExporter::dimension(DimExpr dim) {
  if (auto found = dims.find(dim.getAttr()); found != dims.end())
    return found->second;
  std::string made = combine(dim);
  return dims[dim.getAttr()] = made;
}

std::string GraphExporter::scalar(DimExpr dim) {
  if (auto found = scalars.find(dim.getAttr()); found != scalars.end())
    return found->second;
  std::string made;
  if (auto value = dim.constantValue())
    made = number(IntegerType::get(dim.getContext(), 64), static_cast<double>(*value));
  else
    made = add("Squeeze", {dimension(dim), integers({0})});
  return scalars[dim.getAttr()] = made;
}

std::string GraphExporter::shape(ArrayRef<DimExpr> all) {
  SmallVector<int64_t> known;
  std::string key;
  for (DimExpr dim : all) {
    if (auto value = dim.constantValue())
      known.push_back(*value);
    key += dim.str() + ",";
  }
  if (known.size() == all.size())
    return integers(known);
  if (all.size() == 1)
    return dimension(all[0]);
  std::string &found = shapes[key];
  if (!found.empty())
    return found;
  Names parts;
  for (DimExpr dim : all)
    parts.push_back(dimension(dim));
  std::string made = add("Concat", parts, {attr("axis", int64_t(0))});
  return shapes[key] = made;
}

std::string GraphExporter::range(DimExpr size) {
  if (auto found = ranges.find(size.getAttr()); found != ranges.end())
    return found->second;
  Type i64 = IntegerType::get(size.getContext(), 64);
  std::string made = add("Range", {number(i64, 0), scalar(size), number(i64, 1)});
  return ranges[size.getAttr()] = made;
}

/// Sizes that stay are 0 ("as the input has it"), one that is not known is -1; only what is left
/// needs arithmetic.
std::string GraphExporter::reshape(const std::string &x, ArrayRef<DimExpr> from,
                                   ArrayRef<DimExpr> to) {
  if (from == to)
    return x;
  SmallVector<int64_t> sizes;
  int open = 0;
  for (auto [i, dim] : llvm::enumerate(to)) {
    auto value = dim.constantValue();
    bool stays = !value && i < from.size() && from[i] == dim;
    open += !value && !stays ? 1 : value && *value == 0 ? 2 : 0;
    sizes.push_back(value ? *value : stays ? 0 : -1);
  }
  if (open <= 1)
    return add("Reshape", {x, integers(sizes)});
  return add("Reshape", {x, shape(to)}, {attr("allowzero", int64_t(1))});
}
