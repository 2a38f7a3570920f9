// Analysis of a model's function for its body.
#include "BodyModel.h"
#include "qcc/Lower/Families.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

/// Behind reshapes, cache views and what loops capture lies the value that has storage; that of a
/// state of a loop is the loop's result.
Value Model::base(Value value) {
  while (true) {
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<ReshapeOp, KvResultOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    auto argument = dyn_cast<BlockArgument>(value);
    auto loop = argument ? dyn_cast<LoopOp>(argument.getOwner()->getParentOp()) : LoopOp();
    if (!loop)
      return value;
    size_t number = argument.getArgNumber(), captured = loop.getCaptures().size();
    if (number >= captured)
      return loop.getStates()[number - captured];
    value = loop.getCaptures()[number];
  }
}

void Model::placeOutputs() {
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, operand] : llvm::enumerate(terminator->getOperands())) {
    Value value = base(operand);
    if (!isa<KvType>(value.getType()))
      places[value] = {Place::Output, i, 0};
  }
  for (Operation *step : steps) {
    auto launch = dyn_cast<LaunchOp>(step);
    if (!launch)
      continue;
    for (Value result : launch.getOutputs()) {
      if (!isa<KvType>(result.getType()))
        continue;
      // A cache begins from its past argument and keeps its storage when rows are appended.
      auto inputs = launch.getInputs();
      auto grown = llvm::find_if(inputs, [](Value v) { return isa<KvType>(v.getType()); });
      Value source = grown == inputs.end() ? inputs[0] : *grown;
      if (grown != inputs.end()) {
        Place past = places.lookup(source); // a copy: inserting moves what the map holds
        places[result] = past;
        continue;
      }
      auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
      auto begin = *kernel.getBody().getOps<KvBeginOp>().begin();
      places[result] = {Place::Cache, caches.size(), 0};
      caches.emplace_back(cast<BlockArgument>(base(source)).getArgNumber(), begin.getOutput());
    }
  }
}

/// Steps of one level need nothing of each other. Where there is no code for GPUs each has its own:
/// they are done one by one. So are steps that are no launches.
std::vector<size_t> Model::stepLevels() {
  std::vector<size_t> levels;
  llvm::DenseMap<Value, size_t> made; // the level of the step that a value comes from
  size_t atLeast = 0, deepest = 0;
  for (Operation *step : steps) {
    size_t level = atLeast;
    if (hasGpuCode && isa<LaunchOp>(step))
      for (Value operand : step->getOperands())
        level = std::max(level, made.lookup(base(operand)));
    else
      atLeast = level = deepest + 1;
    ++level;
    deepest = std::max(deepest, level);
    for (Value result : step->getResults())
      made[result] = level;
    levels.push_back(level);
  }
  return levels;
}

/// What a loop reads or keeps lives until it ends.
llvm::DenseMap<Value, Model::LastUse> Model::lastUses(llvm::ArrayRef<size_t> levels) {
  llvm::DenseMap<Value, LastUse> last;
  for (auto [i, step] : llvm::enumerate(steps)) {
    auto use = [&, i = i](Value value) {
      LastUse &known = last[value];
      known = {i, std::max(known.level, levels[i])};
    };
    for (Value operand : step->getOperands())
      use(base(operand));
    auto loop = isa<YieldOp>(step) ? cast<LoopOp>(step->getParentOp()) : LoopOp();
    if (!loop)
      continue;
    for (Value captured : loop.getCaptures())
      use(base(captured));
    for (Value result : loop.getResults())
      use(result);
  }
  return last;
}

void Model::placeArena() {
  std::vector<size_t> levels = stepLevels();
  llvm::DenseMap<Value, LastUse> lastUse = lastUses(levels);
  // Segments share no slots: a slot keeps its offset when later sizes become known.
  size_t segment = 0, planned = 0;
  for (Operation *step : steps)
    if (auto binding = dyn_cast<BindDimOp>(step))
      knownFrom[binding.getSymbol()] = ++segment;
  segment = 0;
  auto planSegment = [&] {
    ArenaPlan part = ArenaPlan::build(llvm::MutableArrayRef(lifetimes).drop_front(planned));
    for (Lifetime &buffer : llvm::MutableArrayRef(lifetimes).drop_front(planned))
      buffer.slot += arena.slots.size();
    llvm::append_range(arena.slots, part.slots);
    slotSegments.resize(arena.slots.size(), segment);
    planned = lifetimes.size();
  };
  for (auto [i, step] : llvm::enumerate(steps)) {
    if (auto binding = dyn_cast<BindDimOp>(step)) {
      planSegment();
      ++segment;
      continue;
    }
    DimExpr need = needOf(step, segment);
    for (Value result : step->getResults()) {
      if (places.count(result))
        continue;
      places[result] = {Place::Arena, lifetimes.size(), 0};
      auto use = lastUse.find(result);
      LastUse last = use == lastUse.end() ? LastUse{i, levels[i]} : use->second;
      DimExpr bytes = bufferBytes(result.getType());
      lifetimes.push_back({need ? bytes * need : bytes, i, last.step, levels[i], last.level});
    }
  }
  planSegment();
  segments = segment + 1;
}

/// Every symbol in use is declared, every declaration points at an axis that there is: a model in
/// MLIR text may say anything.
LogicalResult Model::checkSymbols() {
  MLIRContext *context = function.getContext();
  auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName);
  if (!symbols) // fixed sizes need no declarations
    function->setAttr(symbolsAttrName, symbols = ArrayAttr::get(context, {}));
  llvm::StringSet<> declared;
  for (Attribute attr : symbols) {
    auto symbol = dyn_cast<SymbolAttr>(attr);
    if (!symbol)
      return emitError(function.getLoc()) << "QCC1225: " << attr << " declares no symbol";
    int64_t input = symbol.getInput(), axis = symbol.getAxis();
    auto within = [&](size_t count) { return axis >= 0 && axis < static_cast<int64_t>(count); };
    if (symbol.isAsked() && !within(declared.size()))
      return emitError(function.getLoc())
             << "QCC1225: symbol '" << symbol.getName() << "' is at most symbol " << axis
             << ", which is not declared before it";
    if (input >= function.getNumArguments() ||
        (symbol.isBound() && !within(dimsOf(function.getArgument(input).getType()).size())))
      return emitError(function.getLoc())
             << "QCC1225: symbol '" << symbol.getName() << "' is axis " << axis << " of input "
             << input << ", which is not there";
    declared.insert(symbol.getName());
  }
  std::string missing;
  auto check = [&](ArrayRef<DimExpr> dims) {
    for (DimExpr dim : dims)
      dim.collectSymbols([&](StringRef name) {
        if (!declared.contains(name))
          missing = name.str();
      });
  };
  for (Type type : function.getArgumentTypes())
    check(dimsOf(type));
  forEachBlock(function.getBody().front(), [&](Block &block) {
    for (Operation &op : block) {
      for (Type type : op.getResultTypes())
        check(dimsOf(type));
      for (NamedAttribute attr : op.getAttrs())
        if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
          check(dimsOf(dims));
    }
  });
  if (!missing.empty())
    return emitError(function.getLoc())
           << "QCC1225: symbol '" << missing << "' is declared nowhere";
  return success();
}

LogicalResult Model::collectSteps(Block &block, const llvm::StringMap<int64_t> &offsets) {
  for (Operation &op : block) {
    if (auto use = dyn_cast<UseOp>(op))
      places[use] = {Place::Weights, 0, offsets.lookup(use.getWeight())};
    else if (isa<LaunchOp, HostCallOp, DimTensorOp, BindDimOp, YieldOp>(op))
      steps.push_back(&op);
    else if (auto check = dyn_cast<RequireEqualOp>(op))
      checks.push_back(check);
    else if (auto loop = dyn_cast<LoopOp>(op)) {
      steps.push_back(&op);
      if (failed(collectSteps(loop.getBody().front(), offsets)))
        return failure();
    } else if (!isa<ReshapeOp, KvResultOp>(op) && !op.hasTrait<OpTrait::IsTerminator>())
      return op.emitOpError("has no kernel and no storage: the fuse stage left it over");
  }
  return success();
}

LogicalResult Model::analyse(SectionOp section) {
  if (failed(checkSymbols()))
    return failure();
  llvm::StringMap<int64_t> offsets;
  for (auto [reference, offset] : llvm::zip(section.getWeights(), section.getOffsets()))
    offsets[cast<FlatSymbolRefAttr>(reference).getValue()] = offset;
  for (BlockArgument argument : function.getArguments())
    places[argument] = {Place::Input, argument.getArgNumber(), 0};
  if (failed(collectSteps(function.getBody().front(), offsets)))
    return failure();
  for (auto [i, kernel] : llvm::enumerate(function->getParentOfType<ModuleOp>().getOps<KernelOp>()))
    kernelNumbers[kernel.getSymName()] = i;
  needs = std::make_unique<Needs>(function.getBody().front());
  placeOutputs();
  placeArena();
  return success();
}

size_t Model::segmentOf(DimExpr expr) const {
  size_t segment = 0;
  expr.collectSymbols([&](StringRef name) { segment = std::max(segment, knownFrom.lookup(name)); });
  return segment;
}

DimExpr Model::needOf(Operation *step, size_t segment) const {
  DimExpr need = needs->of(step);
  return need && segmentOf(need) <= segment ? need : DimExpr();
}
