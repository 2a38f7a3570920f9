// Ops that only touch registers: arithmetic, conversions, constants, parts of aggregates.
#include "Compiler.h"

using namespace mlir;

namespace qcc::simt {

void Compiler::emitMap(LaneFunction fn, uint32_t dst, ArrayRef<uint32_t> operands, unsigned count,
                       uint64_t imm) {
  Instruction &inst = emit(Op::Map);
  inst.fn = fn;
  inst.dst = dst;
  inst.count = count;
  inst.imm = imm;
  uint32_t *slots[] = {&inst.a, &inst.b, &inst.c};
  for (auto [slot, operand] : llvm::zip(slots, operands))
    *slot = operand;
}

/// The op's name without dialect, with the predicate of a comparison behind it.
static std::string functionName(Operation *op, StringRef name) {
  if (auto compare = dyn_cast<LLVM::ICmpOp>(op))
    return ("icmp." + LLVM::stringifyICmpPredicate(compare.getPredicate())).str();
  if (auto compare = dyn_cast<LLVM::FCmpOp>(op))
    return ("fcmp." + LLVM::stringifyFCmpPredicate(compare.getPredicate()).ltrim('_')).str();
  return name.str();
}

bool Compiler::compileElementwise(Operation *op, StringRef name) {
  if (op->getNumOperands() == 0 || op->getNumOperands() > 3 || op->getNumResults() != 1)
    return false;
  FailureOr<SmallVector<Scalar>> scalars = scalarsOf(op->getOperand(0).getType());
  if (failed(scalars) || scalars->empty())
    return false;
  Scalar scalar = scalars->front();
  std::string function = functionName(op, name);
  LaneFunction fn = scalar.kind == ScalarKind::Int ? integerFunction(function)
                                                   : floatFunction(function, scalar.kind);
  if (!fn)
    return false;
  SmallVector<uint32_t> operands;
  for (Value operand : op->getOperands())
    operands.push_back(reg(operand));
  unsigned count = registersOf(op->getResult(0).getType());
  // The condition of a select says nothing about the width of what it chooses.
  bool select = isa<LLVM::SelectOp>(op);
  uint32_t dst = define(op->getResult(0));
  emitMap(fn, dst, operands, count, widths(select ? 64 : scalar.bits));
  program.code.back().broadcastA = select && scalars->size() == 1;
  return true;
}

bool Compiler::compileConversion(Operation *op, StringRef name) {
  if (op->getNumOperands() != 1 || op->getNumResults() != 1)
    return false;
  FailureOr<SmallVector<Scalar>> from = scalarsOf(op->getOperand(0).getType());
  FailureOr<SmallVector<Scalar>> to = scalarsOf(op->getResult(0).getType());
  if (failed(from) || failed(to) || from->empty() || from->size() != to->size())
    return false;
  LaneFunction fn = convertFunction(name, from->front().kind, to->front().kind);
  if (!fn)
    return false;
  uint32_t operand = reg(op->getOperand(0)), dst = define(op->getResult(0));
  emitMap(fn, dst, operand, to->size(), widths(from->front().bits, to->front().bits));
  return true;
}

/// A PTX instruction on registers of 32 bits; vectors are packed into one and unpacked from one.
bool Compiler::compilePtx(Operation *op, StringRef name, uint64_t imm) {
  LaneFunction fn = ptxFunction(name);
  if (!fn || op->getNumResults() != 1)
    return false;
  SmallVector<uint32_t> operands;
  for (Value operand : op->getOperands())
    operands.push_back(packed(operand));
  uint32_t dst = define(op->getResult(0));
  SmallVector<Scalar> scalars = *scalarsOf(op->getResult(0).getType());
  uint32_t word = scalars.size() == 1 ? dst : newRegisters(1);
  emitMap(fn, word, operands, 1, imm);
  if (word != dst) {
    Instruction &unpack = emit(Op::Bitcast);
    unpack.dst = dst;
    unpack.a = word;
    unpack.count = 1;
    unpack.listCount = scalars.size();
    unpack.imm = widths(32, scalars.front().bits);
  }
  return true;
}

/// The bits of each scalar of a constant.
static std::optional<SmallVector<uint64_t>> bitsOf(Attribute value, unsigned count) {
  SmallVector<uint64_t> bits;
  if (auto number = dyn_cast<IntegerAttr>(value))
    bits.push_back(number.getValue().getZExtValue());
  else if (auto number = dyn_cast<FloatAttr>(value))
    bits.push_back(number.getValue().bitcastToAPInt().getZExtValue());
  else if (auto elements = dyn_cast<DenseIntElementsAttr>(value))
    for (const APInt &element : elements.getValues<APInt>())
      bits.push_back(element.getZExtValue());
  else if (auto elements = dyn_cast<DenseFPElementsAttr>(value))
    for (const APFloat &element : elements.getValues<APFloat>())
      bits.push_back(element.bitcastToAPInt().getZExtValue());
  if (bits.size() != count)
    return std::nullopt;
  return bits;
}

bool Compiler::compileConstant(Operation *op) {
  if (op->getNumResults() != 1)
    return false;
  Value result = op->getResult(0);
  unsigned count = registersOf(result.getType());
  if (auto constant = dyn_cast<LLVM::ConstantOp>(op)) {
    std::optional<SmallVector<uint64_t>> bits = bitsOf(constant.getValue(), count);
    if (bits)
      alias(result, constants(*bits));
    return bits.has_value();
  }
  if (!isa<LLVM::ZeroOp, LLVM::UndefOp, LLVM::PoisonOp>(op))
    return false;
  alias(result, constants(SmallVector<uint64_t>(count, 0)));
  return true;
}

/// Writes the part over a copy of the aggregate, or over the aggregate itself if nothing else can
/// see it: long chains of insertions would be quadratic otherwise.
void Compiler::insertInto(Operation *op, Value aggregate, Value part, unsigned offset) {
  Operation *producer = aggregate.getDefiningOp();
  bool inPlace = owned.contains(aggregate) && aggregate.hasOneUse() && producer &&
                 producer->getBlock() == op->getBlock();
  uint32_t dst;
  if (inPlace) {
    dst = reg(aggregate);
    alias(op->getResult(0), dst);
    owned.insert(op->getResult(0));
  } else {
    dst = define(op->getResult(0));
    emitCopy(dst, reg(aggregate), registersOf(aggregate.getType()));
  }
  emitCopy(dst + offset, reg(part), registersOf(part.getType()));
}

/// Which register of an aggregate a position begins at.
static unsigned offsetOf(Type type, ArrayRef<int64_t> position) {
  unsigned offset = 0;
  for (int64_t index : position) {
    if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
      for (Type before : structure.getBody().take_front(index))
        offset += registersOf(before);
      type = structure.getBody()[index];
    } else {
      type = cast<LLVM::LLVMArrayType>(type).getElementType();
      offset += index * registersOf(type);
    }
  }
  return offset;
}

bool Compiler::compileAggregate(Operation *op) {
  if (auto extract = dyn_cast<LLVM::ExtractValueOp>(op)) {
    Value container = extract.getContainer();
    alias(extract.getResult(),
          reg(container) + offsetOf(container.getType(), extract.getPosition()));
    return true;
  }
  if (auto insert = dyn_cast<LLVM::InsertValueOp>(op)) {
    Value container = insert.getContainer();
    insertInto(op, container, insert.getValue(),
               offsetOf(container.getType(), insert.getPosition()));
    return true;
  }
  return false;
}

static std::optional<int64_t> constantIndex(Value value, unsigned count) {
  auto constant = value.getDefiningOp<LLVM::ConstantOp>();
  auto index = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return index && index.getInt() >= 0 && index.getInt() < count ? std::optional(index.getInt())
                                                                : std::nullopt;
}

bool Compiler::compileVector(Operation *op) {
  if (auto extract = dyn_cast<LLVM::ExtractElementOp>(op)) {
    unsigned count = registersOf(extract.getVector().getType());
    if (auto index = constantIndex(extract.getPosition(), count)) {
      alias(extract.getResult(), reg(extract.getVector()) + *index);
      return true;
    }
    uint32_t dst = define(extract.getResult());
    Instruction &inst = emit(Op::Element);
    inst.dst = dst;
    inst.a = reg(extract.getVector());
    inst.b = reg(extract.getPosition());
    inst.count = count;
    return true;
  }
  if (auto insert = dyn_cast<LLVM::InsertElementOp>(op)) {
    unsigned count = registersOf(insert.getVector().getType());
    if (auto index = constantIndex(insert.getPosition(), count)) {
      insertInto(op, insert.getVector(), insert.getValue(), *index);
      return true;
    }
    uint32_t dst = define(insert.getResult());
    Instruction &inst = emit(Op::SetElement);
    inst.dst = dst;
    inst.a = reg(insert.getVector());
    inst.b = reg(insert.getPosition());
    inst.c = reg(insert.getValue());
    inst.count = count;
    return true;
  }
  if (auto shuffle = dyn_cast<LLVM::ShuffleVectorOp>(op)) {
    int32_t half = registersOf(shuffle.getV1().getType());
    uint32_t dst = define(shuffle.getResult());
    for (auto [i, from] : llvm::enumerate(shuffle.getMask()))
      if (from >= 0)
        emitCopy(dst + i,
                 from < half ? reg(shuffle.getV1()) + from : reg(shuffle.getV2()) + (from - half),
                 1);
    return true;
  }
  return false;
}

void Compiler::bitcast(Operation *op) {
  SmallVector<Scalar> from = *scalarsOf(op->getOperand(0).getType()),
                      to = *scalarsOf(op->getResult(0).getType());
  if (from.front().bits == to.front().bits) {
    alias(op->getResult(0), reg(op->getOperand(0)));
    return;
  }
  uint32_t dst = define(op->getResult(0));
  Instruction &inst = emit(Op::Bitcast);
  inst.dst = dst;
  inst.a = reg(op->getOperand(0));
  inst.count = from.size();
  inst.listCount = to.size();
  inst.imm = widths(from.front().bits, to.front().bits);
}

/// Address spaces begin where their windows do in the generic space.
static uint64_t windowOf(unsigned space) {
  return space == 3 || space == 7 ? sharedWindow : space == 5 ? localWindow : 0;
}

FailureOr<bool> Compiler::compileArithmetic(Operation *op) {
  StringRef name = op->getName().getStringRef();
  if (!name.consume_front("llvm."))
    return false;
  name.consume_front("intr.");
  if (isa<LLVM::BitcastOp>(op)) {
    bitcast(op);
    return true;
  }
  if (isa<LLVM::FreezeOp>(op)) {
    alias(op->getResult(0), reg(op->getOperand(0)));
    return true;
  }
  if (isa<LLVM::PtrToIntOp, LLVM::IntToPtrOp>(op)) {
    unsigned from = scalarsOf(op->getOperand(0).getType())->front().bits;
    unsigned to = scalarsOf(op->getResult(0).getType())->front().bits;
    uint32_t operand = reg(op->getOperand(0)), dst = define(op->getResult(0));
    emitMap(convertFunction("zext", ScalarKind::Int, ScalarKind::Int), dst, operand, 1,
            widths(from, to));
    return true;
  }
  if (auto cast = dyn_cast<LLVM::AddrSpaceCastOp>(op)) {
    auto space = [](Value value) {
      return mlir::cast<LLVM::LLVMPointerType>(value.getType()).getAddressSpace();
    };
    uint64_t moved = windowOf(space(cast.getArg())) - windowOf(space(cast.getRes()));
    bool toGeneric = space(cast.getRes()) == 0, fromGeneric = space(cast.getArg()) == 0;
    uint32_t operand = reg(cast.getArg());
    if (!moved || (!toGeneric && !fromGeneric)) {
      alias(cast.getRes(), operand);
      return true;
    }
    emitMap(integerFunction("add"), define(cast.getRes()), {operand, constant(moved)}, 1,
            widths(64));
    return true;
  }
  return compileConstant(op) || compileAggregate(op) || compileVector(op) ||
         compileConversion(op, name) || compileElementwise(op, name);
}

/// The PTX instruction that an intrinsic of NVPTX prints, where it is one on registers.
static std::string instructionOf(StringRef intrinsic) {
  std::string name = intrinsic.str();
  if (name == "prmt")
    return "prmt.b32";
  if (name == "e4m3x2.to.f16x2.rn")
    return "cvt.rn.f16x2.e4m3x2";
  if (intrinsic.contains(".approx") || intrinsic.starts_with("div.full")) {
    if (intrinsic.ends_with(".f"))
      name.pop_back(), name.pop_back();
    return StringRef(name).ends_with(".f32") ? name : name + ".f32";
  }
  return name;
}

LogicalResult Compiler::compileIntrinsic(LLVM::CallIntrinsicOp op) {
  StringRef name = op.getIntrin();
  if (!name.consume_front("llvm."))
    return unsupported(op, "such intrinsic");
  if (name.consume_front("nvvm.")) {
    if (compileMatrixIntrinsic(op, name) || compilePtx(op, instructionOf(name)))
      return success();
    // add.rn.f, fma.rn.bf16x2: the op of LLVM with the rounding that it has anyway.
    auto [operation, suffix] = name.split(".rn.");
    std::string plain = operation == "fma" ? "fma" : ("f" + operation).str();
    if (!suffix.empty() && compileElementwise(op, plain))
      return success();
    return unsupported(op, "such intrinsic");
  }
  // The types that an intrinsic is overloaded with follow its name.
  for (StringRef stem = name; !stem.empty(); stem = stem.rsplit('.').first) {
    if (compileConversion(op, stem) || compileElementwise(op, stem))
      return success();
    if (!stem.contains('.'))
      break;
  }
  return unsupported(op, "such intrinsic");
}

} // namespace qcc::simt
