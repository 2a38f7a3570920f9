// Registers, labels, variables and parameters of a program; layouts of types.
#include "Compiler.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace qcc::simt {

static std::optional<Scalar> scalarOf(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type); integer && integer.getWidth() <= 64)
    return Scalar{ScalarKind::Int, integer.getWidth()};
  if (isa<LLVM::LLVMPointerType>(type))
    return Scalar{ScalarKind::Int, 64};
  if (type.isF16())
    return Scalar{ScalarKind::F16, 16};
  if (type.isBF16())
    return Scalar{ScalarKind::BF16, 16};
  if (type.isF32())
    return Scalar{ScalarKind::F32, 32};
  if (type.isF64())
    return Scalar{ScalarKind::F64, 64};
  return std::nullopt;
}

/// Appends the leaves of a type at an offset, which moves behind it.
static LogicalResult appendLeaves(Type type, Layout &layout, uint32_t &offset) {
  if (auto scalar = scalarOf(type)) {
    uint32_t bytes = llvm::PowerOf2Ceil((scalar->bits + 7) / 8);
    offset = llvm::alignTo(offset, bytes);
    layout.leaves.push_back(
        {offset, static_cast<uint16_t>(bytes), static_cast<uint16_t>(scalar->bits)});
    layout.alignment = std::max(layout.alignment, bytes);
    offset += bytes;
    return success();
  }
  if (auto vector = dyn_cast<VectorType>(type)) {
    auto scalar = scalarOf(vector.getElementType());
    if (!scalar || scalar->bits % 8 != 0 || vector.getRank() != 1)
      return failure();
    uint32_t alignment = llvm::PowerOf2Ceil(scalar->bits / 8 * vector.getNumElements());
    offset = llvm::alignTo(offset, alignment);
    layout.alignment = std::max(layout.alignment, alignment);
    for (int64_t i = 0; i != vector.getNumElements(); ++i)
      if (failed(appendLeaves(vector.getElementType(), layout, offset)))
        return failure();
    return success();
  }
  auto whole = [&](Type part) {
    Layout inner;
    uint32_t size = 0;
    if (failed(appendLeaves(part, inner, size)))
      return failure();
    offset = llvm::alignTo(offset, inner.alignment);
    layout.alignment = std::max(layout.alignment, inner.alignment);
    for (Layout::Leaf leaf : inner.leaves)
      layout.leaves.push_back({offset + leaf.offset, leaf.bytes, leaf.bits});
    offset += llvm::alignTo(size, inner.alignment);
    return success();
  };
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type)) {
    for (unsigned i = 0; i != array.getNumElements(); ++i)
      if (failed(whole(array.getElementType())))
        return failure();
    return success();
  }
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type); structure && !structure.isPacked()) {
    for (Type part : structure.getBody())
      if (failed(whole(part)))
        return failure();
    return success();
  }
  return failure();
}

static LogicalResult appendScalars(Type type, SmallVector<Scalar> &scalars) {
  if (auto scalar = scalarOf(type)) {
    scalars.push_back(*scalar);
    return success();
  }
  auto repeat = [&](Type element, int64_t count) {
    for (int64_t i = 0; i != count; ++i)
      if (failed(appendScalars(element, scalars)))
        return failure();
    return success();
  };
  if (auto vector = dyn_cast<VectorType>(type);
      vector && vector.getRank() == 1 && !vector.isScalable())
    return repeat(vector.getElementType(), vector.getNumElements());
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type))
    return repeat(array.getElementType(), array.getNumElements());
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
    for (Type part : structure.getBody())
      if (failed(appendScalars(part, scalars)))
        return failure();
    return success();
  }
  return failure();
}

FailureOr<SmallVector<Scalar>> scalarsOf(Type type) {
  SmallVector<Scalar> scalars;
  if (failed(appendScalars(type, scalars)))
    return failure();
  return scalars;
}

unsigned registersOf(Type type) {
  FailureOr<SmallVector<Scalar>> scalars = scalarsOf(type);
  assert(succeeded(scalars) && "types are checked before their ops are compiled");
  return scalars->size();
}

FailureOr<Layout> layoutOf(Type type) {
  Layout layout;
  uint32_t size = 0;
  if (failed(appendLeaves(type, layout, size)))
    return failure();
  layout.size = isa<VectorType>(type) ? size : llvm::alignTo(size, layout.alignment);
  return layout;
}

FailureOr<uint64_t> strideOf(Type type) {
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type)) {
    // Arrays of dynamic shared memory have no elements, others too many to lay out one by one.
    FailureOr<uint64_t> element = strideOf(array.getElementType());
    return failed(element) ? element : FailureOr<uint64_t>(*element * array.getNumElements());
  }
  FailureOr<Layout> layout = layoutOf(type);
  if (failed(layout))
    return failure();
  return llvm::alignTo(layout->size, layout->alignment);
}

LogicalResult Compiler::unsupported(Operation *op, const Twine &why) {
  return op->emitError() << "the tile interpreter has no " << why.str();
}

uint32_t Compiler::newRegisters(unsigned count) {
  uint32_t first = program.registers;
  program.registers += count;
  return first;
}

uint32_t Compiler::define(Value result) {
  owned.insert(result);
  return registers[result] = newRegisters(registersOf(result.getType()));
}

uint32_t Compiler::constant(uint64_t value) {
  auto [found, fresh] = known.try_emplace(value, program.registers);
  if (fresh)
    program.constants.push_back({newRegisters(1), value});
  return found->second;
}

uint32_t Compiler::constants(ArrayRef<uint64_t> values) {
  if (values.size() == 1)
    return constant(values[0]);
  uint32_t first = newRegisters(values.size());
  for (auto [i, value] : llvm::enumerate(values))
    program.constants.push_back({static_cast<uint32_t>(first + i), value});
  return first;
}

Instruction &Compiler::emit(Op op) {
  locations.push_back(location);
  program.code.push_back({});
  program.code.back().op = op;
  return program.code.back();
}

uint32_t Compiler::newLabel() {
  labels.push_back(0);
  return labels.size() - 1;
}

void Compiler::emitJump(uint32_t label) { emit(Op::Jump).target = label; }

void Compiler::emitCopy(uint32_t dst, uint32_t src, unsigned count) {
  if (dst == src)
    return;
  Instruction &inst = emit(Op::Copy);
  inst.dst = dst;
  inst.a = src;
  inst.count = count;
}

/// Copies as if all at once.
void Compiler::emitCopies(Copies copies) {
  auto overlaps = [](uint32_t a, uint32_t b, uint32_t count, uint32_t countOfB) {
    return a < b + countOfB && b < a + count;
  };
  for (size_t i = 0; i != copies.size(); ++i)
    for (size_t j = i + 1; j != copies.size(); ++j) {
      auto &[dst, src, count] = copies[i];
      auto &[laterDst, laterSrc, laterCount] = copies[j];
      if (dst == src || !overlaps(dst, laterSrc, count, laterCount))
        continue;
      uint32_t saved = newRegisters(laterCount);
      emitCopy(saved, laterSrc, laterCount);
      laterSrc = saved;
    }
  for (auto [dst, src, count] : copies)
    emitCopy(dst, src, count);
}

void Compiler::resolveLabels() {
  for (Instruction &inst : program.code)
    if (inst.op == Op::Jump || inst.op == Op::Branch || inst.op == Op::Switch) {
      inst.target = labels.empty() ? 0 : labels[inst.target];
      inst.otherwise = labels.empty() ? 0 : labels[inst.otherwise];
    }
  for (size_t i : targetsInList)
    program.wideList[i] = labels[program.wideList[i]];
}

uint32_t Compiler::addLayout(Layout layout) {
  program.layouts.push_back(std::move(layout));
  return program.layouts.size() - 1;
}

/// Shared variables of the kernel and of what it calls; dynamic ones begin where static ones end.
LogicalResult Compiler::placeShared(LLVM::LLVMFuncOp kernel) {
  llvm::SetVector<Operation *> functions, variables;
  functions.insert(kernel);
  for (size_t i = 0; i != functions.size(); ++i)
    functions[i]->walk([&](Operation *op) {
      if (auto call = dyn_cast<LLVM::CallOp>(op); call && call.getCallee())
        if (Operation *callee = module.lookupSymbol(*call.getCallee()))
          functions.insert(callee);
      if (auto address = dyn_cast<LLVM::AddressOfOp>(op))
        if (auto global = module.lookupSymbol<LLVM::GlobalOp>(address.getGlobalName()))
          if (global.getAddrSpace() == 3)
            variables.insert(global);
    });
  uint32_t dynamicAlignment = 16;
  SmallVector<Operation *> dynamic;
  for (Operation *op : variables) {
    auto global = cast<LLVM::GlobalOp>(op);
    FailureOr<uint64_t> size = strideOf(global.getType());
    FailureOr<Layout> element = layoutOf(global.getType());
    if (failed(size) || failed(element))
      return unsupported(op, "shared variables of this type");
    uint32_t alignment = global.getAlignment().value_or(element->alignment);
    if (*size == 0) {
      dynamic.push_back(op);
      dynamicAlignment = std::max(dynamicAlignment, alignment);
      continue;
    }
    sharedVariables[op] = llvm::alignTo(program.staticSharedEnd, alignment);
    program.staticSharedEnd = sharedVariables[op] + *size;
  }
  if (!dynamic.empty())
    program.staticSharedEnd = llvm::alignTo(program.staticSharedEnd, dynamicAlignment);
  for (Operation *op : dynamic)
    sharedVariables[op] = program.staticSharedEnd;
  return success();
}

/// The initial bytes of a variable; nullopt for initialisers that are regions.
static std::optional<std::vector<uint8_t>> initialBytes(LLVM::GlobalOp global, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  if (global.getInitializerBlock())
    return std::nullopt;
  Attribute value = global.getValueOrNull();
  auto set = [&](const APInt &bits) {
    std::memcpy(bytes.data(), bits.getRawData(), std::min<size_t>(size, bits.getNumWords() * 8));
  };
  if (auto text = dyn_cast_or_null<StringAttr>(value))
    std::copy_n(text.getValue().begin(), std::min<size_t>(size, text.size()), bytes.begin());
  else if (auto number = dyn_cast_or_null<IntegerAttr>(value))
    set(number.getValue());
  else if (auto number = dyn_cast_or_null<FloatAttr>(value))
    set(number.getValue().bitcastToAPInt());
  else if (auto elements = dyn_cast_or_null<DenseElementsAttr>(value)) {
    ArrayRef<char> raw = elements.getRawData();
    for (size_t i = 0; i < size; i += raw.size())
      std::copy_n(raw.begin(), std::min(raw.size(), size - i), bytes.begin() + i);
  } else if (value)
    return std::nullopt;
  return bytes;
}

/// The register that holds a variable's address.
FailureOr<uint32_t> Compiler::addressOf(LLVM::GlobalOp global) {
  if (global.getAddrSpace() == 3)
    return constant(sharedVariables.lookup(global));
  if (auto found = globalVariables.find(global); found != globalVariables.end())
    return program.globals[found->second].registers[0];
  FailureOr<uint64_t> size = strideOf(global.getType());
  if (failed(size))
    return unsupported(global, "variables of this type");
  std::optional<std::vector<uint8_t>> bytes = initialBytes(global, *size);
  if (!bytes)
    return unsupported(global, "initialisers of this kind");
  globalVariables[global] = program.globals.size();
  program.globals.push_back({global.getSymName().str(), std::move(*bytes), {newRegisters(1)}});
  return program.globals.back().registers[0];
}

LogicalResult Compiler::addParameters(LLVM::LLVMFuncOp kernel) {
  for (auto [i, argument] : llvm::enumerate(kernel.getArguments())) {
    auto byValue = kernel.getArgAttrOfType<TypeAttr>(i, LLVM::LLVMDialect::getByValAttrName());
    FailureOr<Layout> layout = layoutOf(byValue ? byValue.getValue() : argument.getType());
    if (failed(layout))
      return unsupported(kernel, "parameters of type of argument " + Twine(i));
    program.parameters.push_back({define(argument), std::move(*layout), byValue != nullptr});
  }
  return success();
}

LogicalResult Compiler::compile(LLVM::LLVMFuncOp kernel) {
  if (failed(placeShared(kernel)) || failed(addParameters(kernel)))
    return failure();
  uint32_t end = newLabel();
  if (failed(compileBody(kernel, std::nullopt, end)))
    return failure();
  place(end);
  emit(Op::Exit);
  resolveLabels();
  return success();
}

} // namespace qcc::simt
