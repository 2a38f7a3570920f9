// Dispatch of ops, weights and recipes, fused groups and kernels, and functions with their symbols.
#include "Detail.h"
#include "Qnt/Needs.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

std::string reference::describe(Operation *op) {
  std::string text;
  if (StringRef name = nodeName(op->getLoc()); !name.empty())
    text = "node '" + name.str() + "' ";
  return text + "(" + op->getName().getStringRef().str() + ")";
}

llvm::Error Call::fail(Diag code, std::string message, std::string help) const {
  return makeError(code, describe(op), std::move(message), {}, std::move(help));
}

//===-- Dimensions -------------------------------------------------------------------------------//

llvm::Expected<int64_t> Environment::size(DimExpr dim, Operation *op) const {
  if (auto value = dim.evaluate(symbols))
    return *value;
  std::string missing;
  dim.collectSymbols([&](StringRef name) {
    if (!symbols.contains(name))
      missing = name.str();
  });
  if (missing.empty())
    return makeError(Diag::DivisionByZero, describe(op),
                     "dimension " + dim.str() + " divides by zero");
  return makeError(Diag::SymbolWithoutValue, describe(op),
                   "dimension " + dim.str() + " needs the symbol '" + missing +
                       "', which has no value");
}

llvm::Expected<SmallVector<int64_t>> Environment::sizes(Type type, Operation *op) const {
  SmallVector<int64_t> values;
  for (DimExpr dim : dimsOf(type)) {
    auto value = size(dim, op);
    if (!value)
      return value.takeError();
    if (*value < 0)
      return makeError(Diag::SizesUnfit, describe(op),
                       "dimension " + dim.str() + " is " + std::to_string(*value));
    values.push_back(*value);
  }
  return values;
}

//===-- Weights ----------------------------------------------------------------------------------//

llvm::Expected<WeightSource::Bytes> FolderWeights::read(Attribute source) {
  SmallString<128> path;
  uint64_t offset = 0, length = 0;
  if (auto file = dyn_cast<FileAttr>(source)) {
    path = modelDir;
    llvm::sys::path::append(path, file.getPath());
    offset = file.getOffset();
    length = file.getLength();
  } else {
    auto blob = cast<qnt::BlobAttr>(source);
    path = blobDir;
    llvm::sys::path::append(path, blob.getSha256());
    length = blob.getLength();
  }
  // Slices beyond the end would read as zeros.
  uint64_t size = 0;
  std::error_code failed = llvm::sys::fs::file_size(path, size);
  if (!failed && (size < offset || size - offset < length))
    return makeError(Diag::WeightBytesMissing, path.str().str(),
                     "has " + std::to_string(size) + " bytes, but a weight lies at " +
                         std::to_string(offset) + " and has " + std::to_string(length));
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, length, offset);
  if (!buffer)
    return makeError(Diag::WeightBytesMissing, path.str().str(),
                     "cannot be read: " + buffer.getError().message());
  std::shared_ptr<const llvm::MemoryBuffer> owner = std::move(*buffer);
  return Bytes{owner->getBufferStart(), owner->getBufferSize(), owner};
}

namespace {

/// Values of SSA names while a block runs.
using Values = DenseMap<Value, RtValue>;

Results runBlock(Block &block, ArrayRef<RtValue> arguments, Environment &environment);

/// Elements below a byte are stored packed, low bits first; a Tensor holds one per byte.
Tensor unpackElements(RankedTensorType type, const char *bytes) {
  unsigned bits = type.getElementTypeBitWidth();
  if (isa<FloatType>(type.getElementType())) { // the bits, not what they would count
    Tensor tensor(type.getElementType(), type.getShape());
    for (int64_t i = 0; i < tensor.size(); ++i)
      tensor.mutableData()[i] =
          static_cast<char>(uint8_t(bytes[i * bits / 8]) >> (i * bits % 8) & ((1u << bits) - 1));
    return tensor;
  }
  std::vector<int64_t> values(type.getNumElements());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = uint8_t(bytes[i * bits / 8]) >> (i * bits % 8);
  return store<int64_t>(type.getElementType(), type.getShape(), values);
}

int64_t upTo64(int64_t bytes) { return int64_t(llvm::alignTo(bytes, 64)); }

/// Reads the parts of a buffer in order; each starts at a multiple of 64 bytes.
class PartReader {
public:
  explicit PartReader(const WeightSource::Bytes &bytes) : bytes(bytes) {}
  /// The next part of `size` bytes, or null where the buffer ends before.
  const char *next(int64_t size) {
    const char *part = bytes.data + at;
    at += upTo64(size);
    return at <= int64_t(bytes.size) ? part : nullptr;
  }
  bool isAtEnd() const { return at == int64_t(bytes.size); }

private:
  const WeightSource::Bytes &bytes;
  int64_t at = 0;
};

std::vector<float> floatsAt(Type element, const char *bytes, int64_t count) {
  Numbers<float> numbers = load<float>(Tensor::borrow(element, {count}, bytes));
  return std::vector<float>(numbers.data, numbers.data + count);
}

/// Scales, of one level or two.
bool readScales(QTensor &q, PartReader &parts, const char *scales) {
  int64_t groups = q.groupCount(), rows = q.dims[0];
  if (!q.type.getSuper()) {
    q.scales = floatsAt(q.type.getScale(), scales, groups);
    return true;
  }
  const char *supers = parts.next(rows * 4);
  if (!supers)
    return false;
  q.supers = floatsAt(q.type.getSuper(), supers, rows);
  q.scaleCodes.assign(scales, scales + groups);
  std::vector<float> first = floatsAt(q.type.getScale(), scales, groups);
  for (int64_t i = 0; i < groups; ++i)
    q.scales.push_back(first[i] * q.supers[i / (groups / rows)]);
  return true;
}

/// A matrix of codes in its logical layout: rows that start on bytes, scales by rows, zero points
/// (integers one byte each), super scales, the table of a codebook.
std::optional<QTensor> storedCodes(QType type, const WeightSource::Bytes &bytes) {
  unsigned bits = type.getBits();
  if (!type.isByRows() || bits > 8 || type.getLayout() != Layout::logical)
    return std::nullopt;
  QTensor q;
  q.type = type;
  for (DimExpr dim : dimsOf(type))
    q.dims.push_back(*dim.constantValue());
  int64_t rowBytes = llvm::divideCeil(q.dims[1] * bits, 8), groups = q.groupCount();
  PartReader parts(bytes);
  const char *codes = parts.next(q.dims[0] * rowBytes);
  const char *scales = parts.next(groups * (type.getScale().getIntOrFloatBitWidth() / 8));
  bool realZero = isa_and_nonnull<FloatType>(type.getZero());
  int64_t zeroBytes = realZero ? type.getZero().getIntOrFloatBitWidth() / 8 : 1;
  const char *zeros = parts.next(type.getZero() ? groups * zeroBytes : 0);
  if (!codes || !scales || !zeros || !readScales(q, parts, scales))
    return std::nullopt;
  if (type.getCodebook()) {
    const char *table = parts.next(int64_t(4) << bits);
    if (!table)
      return std::nullopt;
    q.table = floatsAt(Float32Type::get(type.getContext()), table, int64_t(1) << bits);
  }
  if (!parts.isAtEnd())
    return std::nullopt;
  for (int64_t i = 0; i < q.dims[0] * q.dims[1]; ++i)
    q.codes.push_back(codeAt(codes + i / q.dims[1] * rowBytes, i % q.dims[1], type.getStorage()));
  if (realZero)
    q.zeros = floatsAt(type.getZero(), zeros, groups);
  else if (type.getZero())
    for (int64_t i = 0; i < groups; ++i)
      q.zeros.push_back(float(codeAt(zeros + i, 0, type.getStorage())));
  return q;
}

Results evaluateUse(const Call &call, UseOp op) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, op.getWeightAttr());
  if (!weight)
    return call.fail(Diag::WeightBytesMissing, "no weight is named '" + op.getWeight().str() + "'");
  auto value = evaluateWeight(weight, call.environment);
  if (!value)
    return value.takeError();
  return SmallVector<RtValue>{std::move(*value)};
}

Results evaluateLaunch(const Call &call, LaunchOp op) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(op, op.getKernelAttr());
  if (!kernel)
    return call.fail(Diag::NoReference, "no kernel is named '" + op.getKernel().str() + "'");
  llvm::StringMap<int64_t> inner;
  for (auto [i, dim] : llvm::enumerate(dimsOf(op.getDims()))) {
    auto value = call.environment.size(dim, op);
    if (!value)
      return value.takeError();
    inner["d" + std::to_string(i)] = *value;
  }
  std::swap(call.environment.symbols, inner);
  Results results = runBlock(kernel.getBody().front(), call.operands, call.environment);
  std::swap(call.environment.symbols, inner);
  return results;
}

/// The stacks of a loop whose every row is still zero.
llvm::Expected<std::vector<Tensor>> emptyStacks(const Call &call, LoopOp op) {
  std::vector<Tensor> stacks;
  for (Value stack : op.getStacks()) {
    auto sizes = call.environment.sizes(stack.getType(), op);
    if (!sizes)
      return sizes.takeError();
    stacks.emplace_back(elementTypeOf(stack.getType()), *sizes);
  }
  return stacks;
}

/// Puts what a turn yielded for the stacks into their rows.
llvm::Error storeRows(const Call &call, LoopOp op, ArrayRef<RtValue> values,
                      MutableArrayRef<Tensor> stacks) {
  for (auto [row, value, stack] : llvm::zip(dimsOf(op.getRows()), values, stacks)) {
    auto at = call.environment.size(row, op);
    if (!at)
      return at.takeError();
    const Tensor &tensor = std::get<Tensor>(value);
    int64_t bytes = tensor.size() * tensor.bytesPerElement();
    if (*at < 0 || *at >= stack.dims()[0] ||
        bytes * stack.dims()[0] != stack.size() * stack.bytesPerElement())
      return call.fail(Diag::SizesUnfit, "row " + std::to_string(*at) +
                                             " does not fit a stack of " +
                                             std::to_string(stack.dims()[0]));
    std::memcpy(stack.mutableData() + *at * bytes, tensor.data(), bytes);
  }
  return llvm::Error::success();
}

Results evaluateLoop(const Call &call, LoopOp op) {
  auto turns = call.environment.size(dimsOf(op.getTurns())[0], op);
  auto stacks = emptyStacks(call, op);
  if (!turns || !stacks)
    return llvm::joinErrors(turns.takeError(), stacks.takeError());
  SmallVector<RtValue> arguments(call.operands);
  size_t captured = op.getCaptures().size(), states = op.getInits().size();
  int64_t turn = 0;
  for (bool goesOn = true; goesOn && turn < *turns; ++turn) {
    call.environment.symbols[op.getSymbol()] = turn;
    Results yielded = runBlock(op.getBody().front(), arguments, call.environment);
    if (!yielded)
      return yielded.takeError();
    llvm::copy(ArrayRef(*yielded).take_front(states), arguments.begin() + captured);
    if (llvm::Error error = storeRows(call, op, ArrayRef(*yielded).drop_front(states), *stacks))
      return std::move(error);
    if (op.getConditional())
      goesOn = *std::get<Tensor>(yielded->back()).data() != 0;
  }
  call.environment.symbols.erase(op.getSymbol());
  SmallVector<RtValue> results(ArrayRef(arguments).drop_front(captured));
  llvm::append_range(results, *stacks);
  if (op.getTaken())
    results.push_back(store<int64_t>(elementTypeOf(op.getTaken().getType()), {}, ArrayRef(turn)));
  return results;
}

/// A value loses its bytes after its last use in the block, so that a model needs the memory of a
/// layer and not of all.
class LastUses {
public:
  explicit LastUses(Block &block) {
    for (Operation &op : block)
      for (Value operand : op.getOperands())
        last[operand] = &op;
  }
  void drop(Operation *op, Values &values) {
    for (Value operand : op->getOperands())
      if (last.lookup(operand) == op)
        values.erase(operand);
    for (Value result : op->getResults())
      if (!last.contains(result))
        values.erase(result);
  }

private:
  DenseMap<Value, Operation *> last;
};

/// Whether the results of `op` are needed, as far as that can be told by now.
bool isNeeded(const Needs &needs, Operation *op, Environment &environment) {
  DimExpr need = needs.of(op);
  if (!need)
    return true;
  auto value = environment.size(need, op);
  if (value)
    return *value != 0;
  llvm::consumeError(value.takeError()); // depends on a size that comes later
  return true;
}

/// Nothing is computed: results have no elements, produced symbols are 0, checks hold.
void skip(Operation *op, Values &values, Environment &environment) {
  if (auto binding = dyn_cast<BindDimOp>(op))
    environment.symbols[binding.getSymbol()] = 0;
  if (auto nonZero = dyn_cast<NonZeroOp>(op))
    environment.symbols[nonZero.getSymbol()] = 0;
  for (Value result : op->getResults())
    values[result] = Tensor(elementTypeOf(result.getType()), {0});
}

Results runBlock(Block &block, ArrayRef<RtValue> arguments, Environment &environment) {
  Values values;
  LastUses uses(block);
  Needs needs(block);
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  for (Operation &op : block) {
    SmallVector<RtValue> operands;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    if (op.hasTrait<OpTrait::IsTerminator>())
      return operands;
    if (needs.any() && !isNeeded(needs, &op, environment)) {
      skip(&op, values, environment);
      uses.drop(&op, values);
      continue;
    }
    Results results = evaluateOp(&op, operands, environment);
    if (!results)
      return results.takeError();
    if (environment.observe)
      environment.observe(&op, *results);
    for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
      values[result] = std::move(value);
    uses.drop(&op, values);
  }
  return SmallVector<RtValue>{};
}

} // namespace

llvm::Expected<RtValue> reference::evaluateWeight(WeightOp weight, Environment &environment) {
  if (auto found = environment.weightCache.find(weight); found != environment.weightCache.end())
    return found->second;
  std::string where = "weight '" + weight.getSymName().str() + "'";
  if (!weight.getRecipe().empty()) {
    Results results = runBlock(weight.getRecipe().front(), {}, environment);
    if (!results)
      return results.takeError();
    return environment.weightCache[weight] = (*results)[0];
  }
  if (!environment.weights)
    return makeError(Diag::WeightBytesMissing, where, "no source of weights was given");
  auto bytes = environment.weights->read(*weight.getSource());
  if (!bytes)
    return bytes.takeError();
  if (auto codes = dyn_cast<QType>(weight.getType())) {
    auto value = storedCodes(codes, *bytes);
    if (!value)
      return makeError(Diag::QuantizedPartsUnfit, where, "its bytes are no codes by rows");
    return environment.weightCache[weight] = std::make_shared<const QTensor>(std::move(*value));
  }
  auto type = cast<RankedTensorType>(weight.getType());
  Tensor tensor;
  if (type.getElementTypeBitWidth() < 8 && !type.getElementType().isInteger(1))
    tensor = unpackElements(type, bytes->data);
  else
    tensor = Tensor::borrow(type.getElementType(), type.getShape(), bytes->data, bytes->owner);
  return environment.weightCache[weight] = tensor;
}

//===-- Ops --------------------------------------------------------------------------------------//

Results reference::evaluateOp(Operation *op, ArrayRef<RtValue> operands, Environment &environment) {
  Call call{op, operands, environment};
  for (auto family : {evaluateElementwise, evaluateShape, evaluateIndexing, evaluateReduce,
                      evaluateModel, evaluateCache, evaluateQuantize, evaluateTransform})
    if (std::optional<Results> results = family(call))
      return std::move(*results);
  return llvm::TypeSwitch<Operation *, Results>(op)
      .Case<UseOp>([&](UseOp use) { return evaluateUse(call, use); })
      .Case<FusedOp>(
          [&](FusedOp fused) { return runBlock(fused.getBody().front(), operands, environment); })
      .Case<HostCallOp>([&](HostCallOp host) -> Results {
        return call.fail(Diag::NoReference,
                         "is computed by the application (" + host.getDomain().str() +
                             "::" + host.getCallee().str() + "); the interpreter cannot call it");
      })
      .Case<LaunchOp>([&](LaunchOp launch) { return evaluateLaunch(call, launch); })
      .Case<LoopOp>([&](LoopOp loop) { return evaluateLoop(call, loop); })
      .Default([&](Operation *) -> Results {
        return call.fail(Diag::NoReference, "has no meaning in the qnt dialect");
      });
}

//===-- Functions --------------------------------------------------------------------------------//

namespace {

std::string argumentName(func::FuncOp function, unsigned i) {
  auto name = function.getArgAttrOfType<StringAttr>(i, nameAttrName);
  return "input " + (name ? "'" + name.str() + "'" : std::to_string(i));
}

llvm::Error bindSymbol(SymbolAttr symbol, func::FuncOp function, ArrayRef<RtValue> inputs,
                       Environment &environment) {
  if (symbol.isAsked()) {
    auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName);
    auto all = cast<SymbolAttr>(symbols[symbol.getAxis()]);
    environment.symbols[symbol.getName()] = environment.symbols.lookup(all.getName());
    return llvm::Error::success();
  }
  if (!symbol.isBound())
    return llvm::Error::success(); // an op of the body produces it
  const auto *tensor = symbol.getInput() < int64_t(inputs.size())
                           ? std::get_if<Tensor>(&inputs[symbol.getInput()])
                           : nullptr;
  if (!tensor || symbol.getAxis() >= tensor->rank())
    return makeError(Diag::InputMismatch, function.getName().str(),
                     "symbol '" + symbol.getName().str() + "' is bound to axis " +
                         std::to_string(symbol.getAxis()) + " of input " +
                         std::to_string(symbol.getInput()) + ", which does not exist");
  int64_t value = tensor->dims()[symbol.getAxis()];
  if (value < symbol.getMin() || value > symbol.getMax() ||
      (symbol.getDivisor() > 1 && value % symbol.getDivisor() != 0))
    return makeError(Diag::SymbolOutsideRange, argumentName(function, symbol.getInput()),
                     "symbol '" + symbol.getName().str() + "' is " + std::to_string(value) +
                         ", outside " + std::to_string(symbol.getMin()) + " to " +
                         std::to_string(symbol.getMax()) + " in steps of " +
                         std::to_string(symbol.getDivisor()));
  environment.symbols[symbol.getName()] = value;
  return llvm::Error::success();
}

llvm::Error checkInput(func::FuncOp function, unsigned i, const RtValue &input,
                       Environment &environment) {
  Type type = function.getArgumentTypes()[i]; // a tensor or a cache
  const auto *tensor = std::get_if<Tensor>(&input);
  std::string where = argumentName(function, i), text;
  if (!tensor || isa<QType>(type))
    return makeError(Diag::InputMismatch, where, "is quantized; functions take tensors");
  SmallVector<DimExpr> dims = dimsOf(type);
  if (tensor->elementType() != elementTypeOf(type) || tensor->rank() != int64_t(dims.size())) {
    llvm::raw_string_ostream(text)
        << "has rank " << tensor->rank() << " and type " << tensor->elementType()
        << " instead of rank " << dims.size() << " and " << elementTypeOf(type);
    return makeError(Diag::InputMismatch, where, text);
  }
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    auto want = environment.size(dim, function);
    if (!want)
      return want.takeError();
    if (*want != tensor->dims()[axis])
      return makeError(Diag::InputSizeMismatch, where,
                       "axis " + std::to_string(axis) + " is " +
                           std::to_string(tensor->dims()[axis]) + ", but " + dim.str() + " is " +
                           std::to_string(*want));
  }
  return llvm::Error::success();
}

} // namespace

Results reference::evaluateFunction(func::FuncOp function, ArrayRef<RtValue> inputs,
                                    Environment &environment) {
  if (inputs.size() != function.getNumArguments())
    return makeError(Diag::InputMismatch, function.getName().str(),
                     "takes " + std::to_string(function.getNumArguments()) + " inputs, but got " +
                         std::to_string(inputs.size()));
  if (auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName))
    for (auto symbol : symbols.getAsRange<SymbolAttr>())
      if (auto error = bindSymbol(symbol, function, inputs, environment))
        return std::move(error);
  for (unsigned i = 0; i < inputs.size(); ++i)
    if (auto error = checkInput(function, i, inputs[i], environment))
      return std::move(error);
  return runBlock(function.getBody().front(), inputs, environment);
}

Results reference::evaluateFunction(func::FuncOp function, ArrayRef<RtValue> inputs,
                                    WeightSource &weights) {
  Environment environment;
  environment.weights = &weights;
  return evaluateFunction(function, inputs, environment);
}
