// The function's arguments: types, symbols, and what --shape and --inputs say about them.
#include "GraphImporter.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

/// Names longer than this are names, never expressions.
static constexpr size_t maxExpression = 256;

llvm::Expected<ShapeOption> qcc::parseShapeOption(StringRef text) {
  auto [name, dims] = text.rsplit('=');
  auto bad = [&](const Twine &why) {
    return makeError(Diag::BadShapeOption, "--shape " + text.str(), why.str(), {},
                     "write NAME=1x128 to fix, NAME=1..8x1..512 to bound, ? to leave a dimension");
  };
  ShapeOption option{name.str(), {}};
  if (name.empty() || name.size() == text.size())
    return bad("names no input");
  SmallVector<StringRef> parts;
  if (dims != "scalar")
    dims.split(parts, 'x');
  for (StringRef part : parts) {
    DimBound bound;
    auto [low, high] = part.split("..");
    bool ranged = part.contains("..");
    if (part != "?" && (low.getAsInteger(10, bound.min) || bound.min < 0))
      return bad("'" + part + "' is not a size");
    if (part != "?" && !ranged)
      bound.max = bound.min;
    if (ranged && (high.getAsInteger(10, bound.max) || bound.max < bound.min))
      return bad("'" + part + "' is not a range of sizes");
    option.dims.push_back(bound);
  }
  return option;
}

std::vector<onnx::ValueInfo> GraphImporter::signatureInputs() const {
  llvm::StringSet<> constants;
  for (const onnx::Tensor &tensor : model.graph.initializers)
    constants.insert(tensor.name);
  std::vector<onnx::ValueInfo> list;
  if (options.inputs.empty()) {
    for (const onnx::ValueInfo &info : model.graph.inputs)
      if (!constants.contains(info.name))
        list.push_back(info);
    return list;
  }
  for (const std::string &name : options.inputs) {
    onnx::ValueInfo found;
    for (const auto *infos : {&model.graph.inputs, &model.graph.valueInfos, &model.graph.outputs})
      for (const onnx::ValueInfo &info : *infos)
        if (info.name == name && found.name.empty())
          found = info;
    found.name = name;
    list.push_back(found);
  }
  return list;
}

DimExpr GraphImporter::inputDim(const onnx::ValueInfo &info, int64_t input, int64_t axis) {
  const onnx::Dim &dim = info.dims[axis];
  if (dim.value)
    return DimExpr::constant(context, *dim.value);
  std::string name = dim.param;
  if (name.empty() || name == "?" || name == "None")
    name = info.name + "_axis" + std::to_string(axis);
  else if (name.size() <= maxExpression) {
    auto parsed = DimExpr::parse(context, name);
    if (parsed && parsed->constantValue() && *parsed->constantValue() >= 0)
      return *parsed;
    if (parsed && parsed->isSymbol())
      name = parsed->symbolName().str();
    else if (parsed && !parsed->constantValue()) {
      bool bound = true;
      parsed->collectSymbols([&](StringRef symbol) { bound &= bareSymbols.contains(symbol); });
      if (bound)
        return *parsed;
    }
  }
  space.declare(name, input, axis);
  return DimExpr::symbol(context, name);
}

llvm::Expected<RankedTensorType> GraphImporter::inputType(const onnx::ValueInfo &info,
                                                          int64_t input) {
  std::string at = model.path + ": input '" + info.name + "'";
  if (info.kind == onnx::TypeKind::None)
    return makeError(Diag::UnsupportedType, at, "the model does not say the type of this value", {},
                     "run onnx.shape_inference on the model, or cut it elsewhere");
  Type element = info.kind == onnx::TypeKind::Tensor ? elementType(info.elemType) : Type();
  if (!element)
    return makeError(Diag::UnsupportedType, at,
                     info.kind == onnx::TypeKind::Tensor
                         ? "has element type " + onnx::dataTypeName(info.elemType) +
                               ", which qcc does not take"
                         : std::string("is not a dense tensor"));
  onnx::ValueInfo shaped = info;
  if (!info.hasShape) {
    auto given = llvm::find_if(options.shapes, [&](const auto &s) { return s.name == info.name; });
    if (given == options.shapes.end())
      return makeError(Diag::DynamicRank, at, "has no shape in the model, so its rank is unknown",
                       {}, "give it one with --shape " + info.name + "=...");
    shaped.dims.resize(given->dims.size());
  }
  SmallVector<DimExpr> dims;
  for (size_t axis = 0; axis < shaped.dims.size(); ++axis)
    dims.push_back(inputDim(shaped, input, static_cast<int64_t>(axis)));
  return qnt::makeTensorType(dims, element);
}

llvm::Error GraphImporter::fixDim(const ShapeOption &option, size_t axis, RankedTensorType type) {
  const DimBound &bound = option.dims[axis];
  DimExpr dim = space.resolve(qnt::dimsOf(type)[axis]);
  std::string at = "--shape " + option.name;
  auto contradiction = [&](const Twine &why) {
    return makeError(Diag::BadShapeOption, at, ("axis " + Twine(axis) + " " + why).str());
  };
  if (auto value = dim.constantValue()) {
    if (*value < bound.min || *value > bound.max)
      return contradiction("is " + Twine(*value) + " in the model");
    return llvm::Error::success();
  }
  if (bound.isFixed()) {
    auto outcome = space.equate(dim, DimExpr::constant(context, bound.min));
    if (outcome != DimSpace::Outcome::Equal && outcome != DimSpace::Outcome::Substituted)
      return contradiction("is " + dim.str() + " in the model and cannot be fixed at " +
                           Twine(bound.min) + "; fix the dimensions that it is made of");
    applySubstitutions();
    return llvm::Error::success();
  }
  if (!dim.isSymbol())
    return contradiction("is " + dim.str() + " in the model; bound the dimensions it is made of");
  DimSpace::Symbol *symbol = space.find(dim.symbolName());
  symbol->min = std::max(symbol->min, bound.min);
  symbol->max = std::min(symbol->max, bound.max);
  if (symbol->min > symbol->max)
    return contradiction("is given bounds that no size meets");
  return llvm::Error::success();
}

llvm::Error GraphImporter::applyShapeOptions() {
  for (const ShapeOption &option : options.shapes) {
    auto it = llvm::find_if(inputs, [&](const auto &info) { return info.name == option.name; });
    if (it == inputs.end())
      return makeError(Diag::BadShapeOption, "--shape " + option.name,
                       "the model has no input of this name");
    auto argument = func.getArgument(static_cast<unsigned>(it - inputs.begin()));
    auto type = cast<RankedTensorType>(argument.getType());
    if (static_cast<size_t>(type.getRank()) != option.dims.size())
      return makeError(Diag::BadShapeOption, "--shape " + option.name,
                       "gives " + std::to_string(option.dims.size()) +
                           " dimensions, but the input has " + std::to_string(type.getRank()));
    for (size_t axis = 0; axis < option.dims.size(); ++axis)
      if (!option.dims[axis].isFree())
        if (llvm::Error error = fixDim(option, axis, type))
          return error;
  }
  return llvm::Error::success();
}

llvm::Error GraphImporter::declareInputs() {
  for (const onnx::Tensor &tensor : model.graph.initializers)
    values[tensor.name].tensor = &tensor;
  inputs = signatureInputs();
  for (const onnx::ValueInfo &info : inputs)
    for (const onnx::Dim &dim : info.dims)
      if (dim.isSymbolic() && dim.param.size() <= maxExpression)
        if (auto parsed = DimExpr::parse(context, dim.param); parsed && parsed->isSymbol())
          bareSymbols.insert(parsed->symbolName());

  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  llvm::StringSet<> unusable;
  for (auto [i, info] : llvm::enumerate(inputs)) {
    auto type = inputType(info, static_cast<int64_t>(i));
    if (!type) {
      if (llvm::Error error = noteProblem(info.name, type.takeError()))
        return error;
      types.push_back(RankedTensorType::get({}, builder.getF32Type())); // stands for nothing
      unusable.insert(info.name);
    } else {
      types.push_back(*type);
    }
    attrs.push_back(builder.getDictionaryAttr(
        builder.getNamedAttr(qnt::nameAttrName, builder.getStringAttr(info.name))));
  }
  func = func::FuncOp::create(builder, builder.getUnknownLoc(), "main",
                              builder.getFunctionType(types, {}));
  func.setAllArgAttrs(attrs);
  Block *block = func.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  for (auto [info, argument] : llvm::zip_equal(inputs, block->getArguments())) {
    Entry entry;
    entry.poisoned = unusable.contains(info.name);
    if (!entry.poisoned)
      entry.value = argument;
    values[info.name] = entry;
  }
  return applyShapeOptions();
}
