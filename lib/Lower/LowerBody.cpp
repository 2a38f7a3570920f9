// The model as two functions: plan (symbols, checks, sizes) and run (launches). The structs they
// read and write are those of runtime/include/qcc/model.h.
#include "BodyBuilder.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "qcc/Lower/Families.h"
#include "qcc/Lower/Passes.h"
#include "qcc/model.h"
#include <map>

namespace qcc::lower {
#define GEN_PASS_DEF_LOWERBODY
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// How the launches of the model are shaped, in the model's symbols.
FailureOr<LaunchShape> shapeOf(LaunchOp launch, KernelOp kernel) {
  const KernelFamily *family = findFamily(kernel.getKind());
  if (!family)
    return emitError(launch.getLoc()) << "QCC1650: no kernel for '" << kernel.getKind() << "'";
  auto shape = family->shape(kernel);
  if (failed(shape))
    return emitError(launch.getLoc()) << "QCC1650: no kernel for this '" << kernel.getKind() << "'";
  llvm::StringMap<DimExpr> values;
  for (auto [i, dim] : llvm::enumerate(dimsOf(launch.getDims())))
    values["d" + std::to_string(i)] = dim;
  auto rename = [&](DimExpr expr) { return expr.substitute(values); };
  return LaunchShape{rename(shape->tasks), rename(shape->grain), rename(shape->scratchBytes)};
}

class BodyWriter {
public:
  BodyWriter(Model &model, ModuleOp body) : model(model), body(body) {}
  LogicalResult write(StringRef planName, StringRef runName);
  EntryOp describe(OpBuilder &builder, StringRef planName, StringRef runName);

private:
  func::FuncOp makeFunction(StringRef name, ArrayRef<Type> inputs);
  LogicalResult writePlan(StringRef name);
  LogicalResult writeRun(StringRef name);
  void addCheck(BodyBuilder &k, Value plan, Value lhs, Value rhs, std::string lhsText,
                std::string rhsText, StringRef site, Value skip = {});
  void writeSegment(BodyBuilder &k, size_t segment, Value call, Value args);
  void writeLaunch(BodyBuilder &k, LaunchOp launch, const LaunchShape &shape, Value call,
                   ArrayRef<Value> slots, Value args, size_t site, size_t segment);
  void addressSlots(BodyBuilder &k, Value value, Value call, ArrayRef<Value> slots,
                    SmallVectorImpl<Value> &out);
  void writeHostCall(BodyBuilder &k, HostCallOp op, Value call, ArrayRef<Value> slots, Value args,
                     size_t number, size_t segment);
  void writeDimTensor(BodyBuilder &k, DimTensorOp op, Value call, ArrayRef<Value> slots,
                      Value args);
  Value addressOf(BodyBuilder &k, Value value, Value call, ArrayRef<Value> slots);
  void beginLoop(BodyBuilder &k, LoopOp loop, Value call, ArrayRef<Value> slots, Value args,
                 size_t segment);
  void endLoop(BodyBuilder &k, LoopOp loop, Value call, ArrayRef<Value> slots, Value args);
  DictionaryAttr describeHostCall(Builder b, HostCallOp op);
  ArrayAttr describeAccesses(Builder b);

  Model &model;
  ModuleOp body;
  SmallVector<LaunchShape> shapes; ///< of the launches, in order
  SmallVector<Attribute> checkAttrs, siteAttrs, hostAttrs;

  /// A loop whose body is being written.
  struct OpenLoop {
    Value turn, turns;
    Block *head, *exit;
    llvm::DenseMap<Attribute, Value> dims; ///< sizes computed before it
  };
  SmallVector<OpenLoop> openLoops;
};

func::FuncOp BodyWriter::makeFunction(StringRef name, ArrayRef<Type> inputs) {
  OpBuilder builder = OpBuilder::atBlockEnd(body.getBody());
  auto type = builder.getFunctionType(inputs, builder.getI64Type());
  auto function = func::FuncOp::create(builder, model.function.getLoc(), name, type);
  function.addEntryBlock();
  return function;
}

/// Fails the plan, as check number `checkAttrs.size()`, unless lhs == rhs.
void BodyWriter::addCheck(BodyBuilder &k, Value plan, Value lhs, Value rhs, std::string lhsText,
                          std::string rhsText, StringRef site, Value skip) {
  OpBuilder &b = k.builder();
  checkAttrs.push_back(b.getDictionaryAttr({b.getNamedAttr("lhs", b.getStringAttr(lhsText)),
                                            b.getNamedAttr("rhs", b.getStringAttr(rhsText)),
                                            b.getNamedAttr("site", b.getStringAttr(site))}));
  k.store(lhs, plan, offsetof(qcc_plan, lhs));
  k.store(rhs, plan, offsetof(qcc_plan, rhs));
  Value holds = k.eq(lhs, rhs);
  k.require(skip ? k.or_(holds, skip) : holds, k.ci64(checkAttrs.size()));
}

LogicalResult BodyWriter::writePlan(StringRef name) {
  MLIRContext *context = body.getContext();
  auto ptr = LLVM::LLVMPointerType::get(context);
  func::FuncOp function = makeFunction(name, {ptr, IntegerType::get(context, 64), ptr});
  BodyBuilder k(OpBuilder::atBlockEnd(&function.getBody().front()), function.getLoc(), model);
  Value inputDims = function.getArgument(0), segment = function.getArgument(1);
  Value plan = function.getArgument(2);
  Value symbolsOut = k.load(ptr, plan, offsetof(qcc_plan, symbols));

  // Sizes of the inputs; bound symbols first, so that expressions can be checked against them.
  SmallVector<SmallVector<Value>> sizes;
  int64_t position = 0;
  for (BlockArgument argument : model.function.getArguments()) {
    sizes.emplace_back();
    for (size_t i = 0; i < dimsOf(argument.getType()).size(); ++i)
      sizes.back().push_back(k.load(k.i64(), inputDims, 8 * position++));
  }
  auto symbols = model.function->getAttrOfType<ArrayAttr>(symbolsAttrName);
  for (auto [i, attr] : llvm::enumerate(symbols)) {
    auto symbol = cast<SymbolAttr>(attr);
    Value value = symbol.isBound() ? sizes[symbol.getInput()][symbol.getAxis()]
                                   : k.load(k.i64(), symbolsOut, 8 * i);
    if (symbol.isAsked()) {
      auto most = cast<SymbolAttr>(symbols[symbol.getAxis()]);
      Value all = k.symbolValues.lookup(most.getName());
      Value fewer = k.and_(k.lt(k.ci64(0), value), k.lt(value, all));
      value = k.select(fewer, value, all);
    }
    k.symbolValues[symbol.getName()] = value;
    k.store(value, symbolsOut, 8 * i);
  }
  for (BlockArgument argument : model.function.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto inputName = model.function.getArgAttrOfType<StringAttr>(number, nameAttrName);
    for (auto [axis, dim] : llvm::enumerate(dimsOf(argument.getType()))) {
      Value size = sizes[number][axis];
      if (dim.isSymbol() && k.symbolValues.lookup(dim.symbolName()) == size)
        continue;
      std::string where = (inputName ? inputName.str() : "input " + std::to_string(number)) +
                          " axis " + std::to_string(axis);
      addCheck(k, plan, size, k.dim(dim), where, dim.str(), "");
    }
  }
  for (RequireEqualOp check : model.checks) {
    SmallVector<DimExpr> pair = dimsOf(check.getDims());
    size_t known = std::max(model.segmentOf(pair[0]), model.segmentOf(pair[1]));
    Value skip = known ? k.lt(segment, k.ci64(known)) : Value();
    addCheck(k, plan, k.dim(pair[0]), k.dim(pair[1]), pair[0].str(), pair[1].str(),
             nodeName(check.getLoc()), skip);
  }
  Value outputDims = k.load(ptr, plan, offsetof(qcc_plan, output_dims));
  position = 0;
  for (Type type : model.function.getResultTypes())
    for (DimExpr dim : dimsOf(type))
      k.store(k.dim(dim), outputDims, 8 * position++);
  // The slots of a segment follow those of the segments before it.
  SmallVector<Value> offsets = k.slotOffsets();
  Value bytes = offsets.back();
  for (size_t slot = model.slotSegments.size(); slot-- > 0;)
    if (model.slotSegments[slot] > 0)
      bytes = k.select(k.lt(segment, k.ci64(model.slotSegments[slot])), offsets[slot], bytes);
  k.store(bytes, plan, offsetof(qcc_plan, arena_bytes));
  llvm::SetVector<Attribute> scratch;
  for (const LaunchShape &shape : shapes)
    scratch.insert(shape.scratchBytes.getAttr());
  SmallVector<DimExpr> scratchExprs(scratch.begin(), scratch.end());
  k.store(k.maximum(scratchExprs), plan, offsetof(qcc_plan, scratch_bytes));
  func::ReturnOp::create(k.builder(), k.loc(), k.ci64(0));
  return success();
}

/// Address of a value, and strides for a cache.
void BodyWriter::addressSlots(BodyBuilder &k, Value value, Value call, ArrayRef<Value> slots,
                              SmallVectorImpl<Value> &out) {
  Place place = model.places.lookup(model.base(value));
  auto ptr = k.ptrType();
  switch (place.kind) {
  case Place::Input:
    out.push_back(k.load(ptr, k.load(ptr, call, offsetof(qcc_call, inputs)), 8 * place.index));
    break;
  case Place::Output:
    out.push_back(k.load(ptr, k.load(ptr, call, offsetof(qcc_call, outputs)), 8 * place.index));
    break;
  case Place::Weights:
    out.push_back(k.at(k.load(ptr, call, offsetof(qcc_call, weights)), k.ci64(place.offset)));
    break;
  case Place::Arena:
    out.push_back(k.at(k.load(ptr, call, offsetof(qcc_call, arena)),
                       slots[model.lifetimes[place.index].slot]));
    break;
  case Place::Cache: {
    Value view = k.at(k.load(ptr, call, offsetof(qcc_call, kv)),
                      static_cast<int64_t>(sizeof(qcc_kv_view) * place.index));
    out.push_back(k.load(ptr, view, offsetof(qcc_kv_view, base)));
    out.push_back(k.load(k.i64(), view, offsetof(qcc_kv_view, batch_stride)));
    out.push_back(k.load(k.i64(), view, offsetof(qcc_kv_view, head_stride)));
    break;
  }
  }
}

void BodyWriter::writeLaunch(BodyBuilder &k, LaunchOp launch, const LaunchShape &shape, Value call,
                             ArrayRef<Value> slots, Value args, size_t site, size_t segment) {
  auto ptr = k.ptrType();
  SmallVector<Value> values;
  for (Value operand : launch.getInputs())
    addressSlots(k, operand, call, slots, values);
  for (Value result : launch.getOutputs())
    addressSlots(k, result, call, slots, values);
  for (DimExpr dim : dimsOf(launch.getDims()))
    values.push_back(k.dim(dim));
  for (auto [i, value] : llvm::enumerate(values))
    k.store(value, args, 8 * i);
  Value tasks = k.dim(shape.tasks);
  if (DimExpr need = model.needOf(launch, segment))
    tasks = k.select(k.eq(k.dim(need), k.ci64(0)), k.ci64(0), tasks);
  auto kernel = model.symbols.lookup<KernelOp>(launch.getKernel());
  if (kernel.getKind() == "kv_begin") {
    // The past lies in place already: nothing to copy.
    Value flags = k.load(k.i64(), call, offsetof(qcc_call, flags));
    Value inPlace = k.ne(k.and_(flags, k.ci64(QCC_CALL_KV_IN_PLACE)), k.ci64(0));
    tasks = k.select(inPlace, k.ci64(0), tasks);
  }
  Value table = k.load(ptr, call, offsetof(qcc_call, kernels));
  Value code = k.load(ptr, table, 8 * model.kernelNumbers.lookup(launch.getKernel()));
  if (model.hasGpuCode)
    k.store(k.ci64(static_cast<int64_t>(site)), call, offsetof(qcc_call, site));
  Value grain = k.max(k.dim(shape.grain), k.ci64(1));
  Value fault = k.callService(call, offsetof(qcc_services, launch),
                              {code, args, tasks, grain, k.dim(shape.scratchBytes)});
  k.require(k.eq(fault, k.ci64(0)), k.or_(fault, k.ci64(static_cast<int64_t>(site) << 8)));
}

/// The service finds the application's function by the call's number. Slots are the addresses of
/// operands and results, then all their dimensions.
void BodyWriter::writeHostCall(BodyBuilder &k, HostCallOp op, Value call, ArrayRef<Value> slots,
                               Value args, size_t number, size_t segment) {
  SmallVector<Value> tensors(op.getInputs());
  llvm::append_range(tensors, op.getOutputs());
  SmallVector<Value> values;
  for (Value tensor : tensors)
    addressSlots(k, tensor, call, slots, values);
  for (Value tensor : tensors)
    for (DimExpr dim : dimsOf(tensor.getType()))
      values.push_back(k.dim(dim));
  for (auto [i, value] : llvm::enumerate(values))
    k.store(value, args, 8 * i);
  auto emit = [&] {
    return k.callService(call, offsetof(qcc_services, host_call), {k.ci64(number), args});
  };
  DimExpr need = model.needOf(op, segment);
  Value fault = need ? k.unless(k.eq(k.dim(need), k.ci64(0)), emit) : emit();
  int64_t site = static_cast<int64_t>(shapes.size() + number);
  k.require(k.eq(fault, k.ci64(0)), k.or_(fault, k.ci64(site << 8)));
}

/// {domain, callee, node, attributes, inputs, outputs}
DictionaryAttr BodyWriter::describeHostCall(Builder b, HostCallOp op) {
  SmallVector<Attribute> inputs, outputs;
  for (int64_t position : op.getPositions())
    inputs.push_back(position < 0 ? Attribute(b.getUnitAttr())
                                  : TypeAttr::get(op.getInputs()[position].getType()));
  for (Type type : op.getResultTypes())
    outputs.push_back(TypeAttr::get(type));
  return b.getDictionaryAttr({b.getNamedAttr("domain", op.getDomainAttr()),
                              b.getNamedAttr("callee", op.getCalleeAttr()),
                              b.getNamedAttr("node", b.getStringAttr(nodeName(op.getLoc()))),
                              b.getNamedAttr("attributes", op.getSettingsAttr()),
                              b.getNamedAttr("inputs", b.getArrayAttr(inputs)),
                              b.getNamedAttr("outputs", b.getArrayAttr(outputs))});
}

/// What each launch reads and writes of what launches write: slots of the arena, caches, outputs.
ArrayAttr BodyWriter::describeAccesses(Builder b) {
  size_t slots = model.arena.slots.size(), caches = model.caches.size();
  auto numberOf = [&](Value value) -> std::optional<size_t> {
    Place place = model.places.lookup(model.base(value));
    switch (place.kind) {
    case Place::Arena:
      return model.lifetimes[place.index].slot;
    case Place::Cache:
      return slots + place.index;
    case Place::Output:
      return slots + caches + place.index;
    case Place::Input:
    case Place::Weights:
      return std::nullopt;
    }
    llvm_unreachable("a place of another kind");
  };
  SmallVector<Attribute> all;
  for (Operation *step : model.steps) {
    auto launch = dyn_cast<LaunchOp>(step);
    if (!launch)
      continue;
    std::map<size_t, bool> written;
    for (Value operand : launch.getInputs())
      if (auto number = numberOf(operand))
        written.try_emplace(*number, false);
    for (Value result : launch.getOutputs())
      if (auto number = numberOf(result))
        written[*number] = true;
    SmallVector<int32_t> accesses;
    for (auto [number, writes] : written)
      accesses.push_back(static_cast<int32_t>(2 * number + writes));
    all.push_back(b.getDenseI32ArrayAttr(accesses));
  }
  return b.getArrayAttr(all);
}

void BodyWriter::writeDimTensor(BodyBuilder &k, DimTensorOp op, Value call, ArrayRef<Value> slots,
                                Value args) {
  bool narrow = elementTypeOf(op.getType()).isInteger(32);
  SmallVector<Value> values;
  for (DimExpr dim : dimsOf(op.getDims()))
    values.push_back(narrow ? k.toI32(k.dim(dim)) : k.dim(dim));
  k.storeTensor(values, call, addressOf(k, op, call, slots), args);
}

/// The address of a value that is no cache.
Value BodyWriter::addressOf(BodyBuilder &k, Value value, Value call, ArrayRef<Value> slots) {
  SmallVector<Value> address;
  addressSlots(k, value, call, slots, address);
  return address[0];
}

/// The states begin as their inits; then the head, where the number of the turn is compared.
void BodyWriter::beginLoop(BodyBuilder &k, LoopOp loop, Value call, ArrayRef<Value> slots,
                           Value args, size_t segment) {
  OpBuilder &b = k.builder();
  Value turns = k.dim(dimsOf(loop.getTurns())[0]);
  if (DimExpr need = model.needOf(loop, segment))
    turns = k.select(k.eq(k.dim(need), k.ci64(0)), k.ci64(0), turns);
  for (auto [init, state] : llvm::zip(loop.getInits(), loop.getStates()))
    k.copyTensor(call, addressOf(k, state, call, slots), addressOf(k, init, call, slots),
                 k.dim(bufferBytes(state.getType())));
  OpenLoop open{{}, turns, k.startBlock({k.i64()}), k.startBlock(), k.dims};
  Block *body = k.startBlock();
  open.turn = open.head->getArgument(0);
  cf::BranchOp::create(b, k.loc(), open.head, ValueRange{k.ci64(0)});
  b.setInsertionPointToStart(open.head);
  if (loop.getTaken())
    k.storeTensor(open.turn, call, addressOf(k, loop.getTaken(), call, slots), args);
  cf::CondBranchOp::create(b, k.loc(), k.lt(open.turn, turns), body, open.exit);
  b.setInsertionPointToStart(body);
  k.symbolValues[loop.getSymbol()] = open.turn;
  openLoops.push_back(std::move(open));
}

/// Rows, then the next states, then the next turn or, where the condition does not hold, the end.
void BodyWriter::endLoop(BodyBuilder &k, LoopOp loop, Value call, ArrayRef<Value> slots,
                         Value args) {
  OpBuilder &b = k.builder();
  OpenLoop open = openLoops.pop_back_val();
  for (auto [row, value, stack] :
       llvm::zip(dimsOf(loop.getRows()), loop.getStackedValues(), loop.getStacks())) {
    Value bytes = k.dim(bufferBytes(value.getType()));
    Value at = k.at(addressOf(k, stack, call, slots), k.mul(k.dim(row), bytes));
    k.copyTensor(call, at, addressOf(k, value, call, slots), bytes);
  }
  Value goesOn;
  if (Value condition = loop.getCondition()) {
    Value from = addressOf(k, condition, call, slots);
    Value byte = k.loadTensor(b.getI8Type(), call, from, args);
    Value zero = LLVM::ConstantOp::create(b, k.loc(), b.getI8Type(), 0);
    goesOn = LLVM::ICmpOp::create(b, k.loc(), LLVM::ICmpPredicate::ne, byte, zero);
  }
  for (auto [next, state] : llvm::zip(loop.getNextStates(), loop.getStates()))
    if (model.base(next) != state)
      k.copyTensor(call, addressOf(k, state, call, slots), addressOf(k, next, call, slots),
                   k.dim(bufferBytes(state.getType())));
  Value following = k.add(open.turn, k.ci64(1));
  k.dims = std::move(open.dims);
  if (goesOn) {
    Block *stop = k.startBlock();
    cf::CondBranchOp::create(b, k.loc(), goesOn, open.head, ValueRange{following}, stop,
                             ValueRange{});
    b.setInsertionPointToStart(stop);
    k.storeTensor(following, call, addressOf(k, loop.getTaken(), call, slots), args);
    cf::BranchOp::create(b, k.loc(), open.exit);
  } else {
    cf::BranchOp::create(b, k.loc(), open.head, ValueRange{following});
  }
  b.setInsertionPointToStart(open.exit);
}

/// The steps of one segment, from symbols that are known by then.
void BodyWriter::writeSegment(BodyBuilder &k, size_t segment, Value call, Value args) {
  k.dims.clear();
  k.symbolValues.clear();
  Value symbolsIn = k.load(k.ptrType(), call, offsetof(qcc_call, symbols));
  llvm::StringMap<size_t> numbers;
  for (auto [i, attr] :
       llvm::enumerate(model.function->getAttrOfType<ArrayAttr>(symbolsAttrName))) {
    StringRef name = cast<SymbolAttr>(attr).getName();
    numbers[name] = i;
    k.symbolValues[name] = k.load(k.i64(), symbolsIn, 8 * i);
  }
  SmallVector<Value> slots = k.slotOffsets();
  size_t at = 0, site = 0, hostCalls = 0;
  for (Operation *step : model.steps) {
    auto launch = dyn_cast<LaunchOp>(step);
    auto binding = dyn_cast<BindDimOp>(step);
    if (at == segment && launch)
      writeLaunch(k, launch, shapes[site], call, slots, args, site, segment);
    else if (auto host = dyn_cast<HostCallOp>(step)) {
      if (at == segment)
        writeHostCall(k, host, call, slots, args, hostCalls, segment);
      ++hostCalls;
    } else if (at == segment && binding) {
      Value size = k.loadTensor(k.i64(), call, addressOf(k, binding.getSize(), call, slots), args);
      if (DimExpr need = model.needOf(binding, segment))
        size = k.select(k.eq(k.dim(need), k.ci64(0)), k.ci64(0), size);
      k.store(size, symbolsIn, 8 * numbers.lookup(binding.getSymbol()));
    } else if (auto loop = dyn_cast<LoopOp>(step)) {
      if (at == segment)
        beginLoop(k, loop, call, slots, args, segment);
    } else if (isa<YieldOp>(step)) {
      if (at == segment)
        endLoop(k, cast<LoopOp>(step->getParentOp()), call, slots, args);
    } else if (at == segment) {
      writeDimTensor(k, cast<DimTensorOp>(step), call, slots, args);
    }
    site += launch ? 1 : 0;
    at += binding ? 1 : 0;
  }
  func::ReturnOp::create(k.builder(), k.loc(), k.ci64(0));
}

LogicalResult BodyWriter::writeRun(StringRef name) {
  MLIRContext *context = body.getContext();
  auto ptr = LLVM::LLVMPointerType::get(context);
  func::FuncOp function = makeFunction(name, {ptr, IntegerType::get(context, 64)});
  BodyBuilder k(OpBuilder::atBlockEnd(&function.getBody().front()), function.getLoc(), model);
  int64_t most = 1;
  for (Operation *step : model.steps)
    if (auto launch = dyn_cast<LaunchOp>(step)) {
      siteAttrs.push_back(StringAttr::get(context, nodeName(launch.getLoc())));
      most = std::max<int64_t>(most, 3 * (launch->getNumOperands() + launch->getNumResults()) +
                                         launch.getDims().getDims().size());
    }
  for (Operation *step : model.steps) {
    if (auto sizes = dyn_cast<DimTensorOp>(step); sizes && model.hasGpuCode)
      most = std::max<int64_t>(most, sizes.getDims().getDims().size());
    if (auto host = dyn_cast<HostCallOp>(step)) {
      hostAttrs.push_back(describeHostCall(Builder(context), host));
      siteAttrs.push_back(StringAttr::get(context, nodeName(host.getLoc())));
      int64_t slots = 0;
      for (TypeRange types : {TypeRange(host.getInputs()), TypeRange(host.getOutputs())})
        for (Type type : types)
          slots += 1 + static_cast<int64_t>(dimsOf(type).size());
      most = std::max(most, slots);
    }
  }
  Value call = function.getArgument(0), segment = function.getArgument(1);
  Value args = LLVM::AllocaOp::create(k.builder(), k.loc(), ptr, k.i64(), k.ci64(most), 64);
  for (size_t i = 0; i + 1 < model.segments; ++i) {
    Block *own = new Block, *others = new Block;
    function.getBody().push_back(own);
    function.getBody().push_back(others);
    cf::CondBranchOp::create(k.builder(), k.loc(), k.eq(segment, k.ci64(i)), own, others);
    k.builder().setInsertionPointToStart(own);
    writeSegment(k, i, call, args);
    k.builder().setInsertionPointToStart(others);
  }
  writeSegment(k, model.segments - 1, call, args);
  return success();
}

LogicalResult BodyWriter::write(StringRef planName, StringRef runName) {
  for (Operation *step : model.steps)
    if (auto launch = dyn_cast<LaunchOp>(step)) {
      auto shape = shapeOf(launch, model.symbols.lookup<KernelOp>(launch.getKernel()));
      if (failed(shape))
        return failure();
      shapes.push_back(*shape);
    }
  return success(succeeded(writePlan(planName)) && succeeded(writeRun(runName)));
}

EntryOp BodyWriter::describe(OpBuilder &b, StringRef planName, StringRef runName) {
  func::FuncOp function = model.function;
  auto describeValue = [&](Type type, DictionaryAttr attrs) -> Attribute {
    auto get = [&](StringRef key) -> Attribute {
      Attribute value = attrs ? attrs.get(key) : Attribute();
      return value ? value : b.getStringAttr("");
    };
    return b.getDictionaryAttr({b.getNamedAttr("name", get(nameAttrName)),
                                b.getNamedAttr("role", get(roleAttrName)),
                                b.getNamedAttr("type", TypeAttr::get(type))});
  };
  SmallVector<Attribute> inputs, outputs, caches;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    inputs.push_back(describeValue(type, function.getArgAttrDict(i)));
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    outputs.push_back(describeValue(type, function.getResultAttrDict(i)));
  for (auto [past, present] : model.caches)
    caches.push_back(b.getDictionaryAttr({b.getNamedAttr("input", b.getI64IntegerAttr(past)),
                                          b.getNamedAttr("output", b.getI64IntegerAttr(present))}));
  return EntryOp::create(b, function.getLoc(), function.getSymNameAttr(),
                         FlatSymbolRefAttr::get(b.getContext(), planName),
                         FlatSymbolRefAttr::get(b.getContext(), runName), b.getArrayAttr(inputs),
                         b.getArrayAttr(outputs),
                         function->getAttrOfType<ArrayAttr>(symbolsAttrName),
                         b.getArrayAttr(caches), b.getArrayAttr(checkAttrs),
                         b.getArrayAttr(siteAttrs), b.getI64IntegerAttr(model.segments),
                         hostAttrs.empty() ? ArrayAttr() : b.getArrayAttr(hostAttrs),
                         function->getAttrOfType<StringAttr>(slicesAttrName),
                         model.hasGpuCode ? describeAccesses(b) : ArrayAttr(), StringAttr());
}

struct LowerBody : qcc::lower::impl::LowerBodyBase<LowerBody> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto sections = module.getOps<SectionOp>();
    if (sections.empty()) {
      module.emitError("has no weight section; run qcc-place-weights first");
      return signalPassFailure();
    }
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto body = ModuleOp::create(builder, module.getLoc(), StringRef("body"));
    bool hasGpuCode = llvm::any_of(module.getOps<ModuleOp>(), [](ModuleOp level) {
      const Target *target = level.getName() ? findTarget(*level.getName()) : nullptr;
      return target && target->isGpu();
    });
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      SymbolTable symbols(module);
      Model model(function, symbols, hasGpuCode);
      std::string plan = function.getSymName().str() + "_plan";
      std::string run = function.getSymName().str() + "_run";
      BodyWriter writer(model, body);
      if (failed(model.analyse(*sections.begin())) || failed(writer.write(plan, run)))
        return signalPassFailure();
      builder.setInsertionPoint(function);
      EntryOp entry = writer.describe(builder, plan, run);
      (void)entry;
      function.erase();
    }
    // The levels hold their code now.
    for (KernelOp kernel : llvm::make_early_inc_range(module.getOps<KernelOp>()))
      kernel.erase();
  }
};

} // namespace
