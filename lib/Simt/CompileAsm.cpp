// Inline assembly: operands, and PTX instructions on registers and memory.
#include "Compiler.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace qcc::simt {

/// The register of a name, or of a constant where a number is written.
uint32_t Compiler::asmRegister(StringRef name) {
  if (auto found = asmNames.find(name); found != asmNames.end())
    return found->second;
  uint64_t bits;
  if (name.consume_front("0f") || name.consume_front("0F"))
    return name.getAsInteger(16, bits) ? noRegister : constant(bits);
  int64_t number;
  if (!name.getAsInteger(0, number))
    return constant(static_cast<uint64_t>(number));
  return noRegister;
}

uint32_t Compiler::asmAddress(const PtxOperand &operand) {
  uint32_t base = asmRegister(operand.names[0]);
  if (!operand.offset)
    return base;
  uint32_t sum = newRegisters(1);
  emitMap(integerFunction("add"), sum, {base, constant(operand.offset)}, 1, widths(64));
  return sum;
}

static bool isDeclaration(StringRef opcode) { return opcode == ".reg"; }

LogicalResult Compiler::compileAsm(LLVM::InlineAsmOp op) {
  auto statements = parsePtx(op.getAsmString());
  if (!statements)
    return unsupported(op, "such assembly");
  asmNames.clear();
  asmLabels.clear();
  SmallVector<StringRef> constraints;
  op.getConstraints().split(constraints, ',');
  unsigned outputs =
      llvm::count_if(constraints, [](StringRef each) { return each.starts_with("="); });
  uint32_t first = op.getNumResults() ? define(op.getResult(0)) : 0;
  for (unsigned i = 0; i != outputs; ++i)
    asmNames["$" + std::to_string(i)] = first + i;
  for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
    unsigned tied;
    bool isTied = !constraints[outputs + i].getAsInteger(10, tied);
    uint32_t source = registersOf(operand.getType()) == 1 ? reg(operand) : packed(operand);
    if (isTied)
      emitCopy(first + tied, source, 1);
    asmNames["$" + std::to_string(outputs + i)] = isTied ? first + tied : source;
  }
  for (const PtxStatement &statement : *statements) {
    if (!statement.label.empty())
      asmLabels[statement.label] = newLabel();
    if (isDeclaration(statement.opcode))
      for (const PtxOperand &operand : statement.operands)
        asmNames[StringRef(operand.names[0]).rsplit(' ').second.empty()
                     ? StringRef(operand.names[0])
                     : StringRef(operand.names[0]).rsplit(' ').second] = newRegisters(1);
  }
  for (const PtxStatement &statement : *statements)
    if (!compileStatement(statement))
      return unsupported(op, "assembly '" + Twine(statement.opcode) + "' of this form");
  return success();
}

bool Compiler::compileStatement(const PtxStatement &statement) {
  if (!statement.label.empty()) {
    place(asmLabels[statement.label]);
    return true;
  }
  if (isDeclaration(statement.opcode))
    return true;
  for (const PtxOperand &operand : statement.operands)
    for (const std::string &name : operand.names)
      if (name != "_" && asmRegister(name) == noRegister && !asmLabels.contains(name) &&
          name != "1.0")
        return false;
  bool known = false;
  uint32_t predicate = statement.predicate.empty() ? noRegister : asmRegister(statement.predicate);
  emitPredicated(predicate, statement.negated, [&] {
    if (StringRef(statement.opcode).starts_with("bra")) {
      emitJump(asmLabels[statement.operands[0].names[0]]);
      known = true;
      return;
    }
    known = compileRegisterPtx(statement) || compileMemoryPtx(statement) ||
            compileSyncPtx(statement) || compileBulkPtx(statement) || compileMatrixPtx(statement);
  });
  return known;
}

/// The function of LLVM that a PTX instruction without approximation is.
static LaneFunction arithmeticFunction(StringRef operation, StringRef type, unsigned &width) {
  if (type.drop_front().getAsInteger(10, width))
    return nullptr;
  if (type.front() == 'f') {
    StringRef name = llvm::StringSwitch<StringRef>(operation)
                         .Case("add", "fadd")
                         .Case("sub", "fsub")
                         .Case("mul", "fmul")
                         .Case("div", "fdiv")
                         .Case("fma", "fma")
                         .Case("min", "minnum")
                         .Case("max", "maxnum")
                         .Case("neg", "fneg")
                         .Case("abs", "fabs")
                         .Case("sqrt", "sqrt")
                         .Default("");
    return floatFunction(name, width == 64 ? ScalarKind::F64 : ScalarKind::F32);
  }
  bool isSigned = type.front() == 's';
  StringRef name = llvm::StringSwitch<StringRef>(operation)
                       .Cases({"add", "sub", "mul", "and", "or", "xor", "shl"}, operation)
                       .Case("shr", isSigned ? "ashr" : "lshr")
                       .Case("min", isSigned ? "smin" : "umin")
                       .Case("max", isSigned ? "smax" : "umax")
                       .Default("");
  return integerFunction(name);
}

static LaneFunction comparison(StringRef how, StringRef type, unsigned &width) {
  if (type.drop_front().getAsInteger(10, width))
    return nullptr;
  if (type.front() == 'f') {
    bool unordered = how.size() == 3 && how.consume_back("u");
    return floatFunction(("fcmp." + Twine(unordered ? "u" : "o") + how).str(), ScalarKind::F32);
  }
  bool equality = how == "eq" || how == "ne";
  return integerFunction(("icmp." +
                          Twine(equality              ? ""
                                : type.front() == 's' ? "s"
                                                      : "u") +
                          how)
                             .str());
}

bool Compiler::compileRegisterPtx(const PtxStatement &statement) {
  StringRef opcode = statement.opcode;
  SmallVector<StringRef> parts;
  opcode.split(parts, '.');
  SmallVector<uint32_t> operands;
  for (const PtxOperand &operand : statement.operands) {
    if (operand.isAddress || operand.names.size() != 1)
      return false;
    operands.push_back(asmRegister(operand.names[0]));
  }
  if (operands.empty())
    return false;
  uint32_t dst = operands.front();
  ArrayRef<uint32_t> sources = ArrayRef(operands).drop_front();
  if (LaneFunction fn = ptxFunction(opcode)) {
    int64_t table = 0;
    if (parts[0] == "lop3") {
      StringRef(statement.operands.back().names[0]).getAsInteger(0, table);
      sources = sources.drop_back();
    }
    emitMap(fn, dst, sources, 1, table);
    return true;
  }
  unsigned width = 0;
  if (parts[0] == "mov") {
    emitCopy(dst, sources[0], 1);
  } else if (parts[0] == "createpolicy") {
    emitCopy(dst, constant(0), 1);
  } else if (parts[0] == "selp" && sources.size() == 3) {
    emitMap(integerFunction("select"), dst, {sources[2], sources[0], sources[1]}, 1, widths(64));
  } else if (parts[0] == "setp" && parts.size() == 3 && sources.size() == 2) {
    LaneFunction fn = comparison(parts[1], parts[2], width);
    if (!fn)
      return false;
    // Numbers are written without a width.
    uint32_t keep = constant(lowBits(width));
    uint32_t cut[2] = {newRegisters(1), newRegisters(1)};
    for (unsigned i = 0; i != 2; ++i)
      emitMap(integerFunction("and"), cut[i], {sources[i], keep}, 1, widths(64));
    emitMap(fn, dst, cut, 1, widths(width));
  } else if (LaneFunction fn = opcode.contains(".approx")
                                   ? nullptr
                                   : arithmeticFunction(parts[0], parts.back(), width)) {
    emitMap(fn, dst, sources, 1, widths(width));
  } else {
    return false;
  }
  return true;
}

namespace {

/// What the parts of an opcode say about an access.
struct AccessParts {
  explicit AccessParts(ArrayRef<StringRef> parts) {
    for (StringRef part : parts.drop_front()) {
      if (part.starts_with("shared"))
        space = Space::Shared;
      else if (part == "global" || part == "local")
        space = part == "global" ? Space::Global : Space::Local;
      else if (part == "v2" || part == "v4" || part == "v8")
        count = part[1] - '0';
      else if (part == "volatile" || part == "relaxed")
        flags |= volatileAccess;
      else if (part == "acquire" || part == "acq_rel")
        flags |= atomicAccess | acquireOrder;
      if (part == "release" || part == "acq_rel")
        flags |= atomicAccess | releaseOrder;
    }
    type = parts.back();
    known = type.size() > 1 && !type.drop_front().getAsInteger(10, bits) && bits % 8 == 0;
  }

  Layout layout() const {
    Layout layout{bits / 8 * count, bits / 8 * count, {}};
    for (unsigned i = 0; i != count; ++i)
      layout.leaves.push_back(
          {i * bits / 8, static_cast<uint16_t>(bits / 8), static_cast<uint16_t>(bits)});
    return layout;
  }

  Space space = Space::Generic;
  unsigned count = 1, bits = 0;
  uint8_t flags = 0;
  StringRef type;
  bool known;
};

} // namespace

static std::optional<Combine> combineOf(StringRef operation, char type) {
  return llvm::StringSwitch<std::optional<Combine>>(operation)
      .Case("add", type == 'f' ? Combine::FAdd : Combine::Add)
      .Case("min", type == 's' ? Combine::Min : Combine::UMin)
      .Case("max", type == 's' ? Combine::Max : Combine::UMax)
      .Case("and", Combine::And)
      .Case("or", Combine::Or)
      .Case("xor", Combine::Xor)
      .Case("exch", Combine::Xchg)
      .Case("inc", Combine::UIncWrap)
      .Case("dec", Combine::UDecWrap)
      .Default(std::nullopt);
}

bool Compiler::compileMemoryPtx(const PtxStatement &statement) {
  StringRef opcode = statement.opcode;
  SmallVector<StringRef> parts;
  opcode.split(parts, '.');
  if (parts[0] == "membar" ||
      (parts[0] == "fence" && (parts[1] == "acq_rel" || parts[1] == "sc"))) {
    emit(Op::Fence).flags = acquireOrder | releaseOrder;
    return true;
  }
  if (opcode.starts_with("fence.proxy.async") || opcode.starts_with("fence.mbarrier_init")) {
    emit(Op::ProxyFence);
    return true;
  }
  if (parts[0] == "prefetch" || parts[0] == "prefetchu")
    return true;
  AccessParts access(parts);
  if (!access.known)
    return false;
  if (parts[0] == "ld" && statement.operands.size() >= 2) {
    uint32_t values = newRegisters(access.count), address = asmAddress(statement.operands[1]);
    uint32_t layout = addLayout(access.layout());
    Instruction &inst = emit(Op::Load, address);
    inst.dst = values;
    inst.kind = static_cast<uint8_t>(access.space);
    inst.flags = access.flags;
    inst.layout = layout;
    for (auto [i, name] : llvm::enumerate(statement.operands[0].names))
      emitCopy(asmRegister(name), values + i, 1);
    return true;
  }
  SmallVector<uint32_t> values;
  bool isStore = parts[0] == "st", isAtom = parts[0] == "atom";
  if (!isStore && !isAtom && parts[0] != "red")
    return false;
  for (const std::string &name : statement.operands[isAtom ? 2 : 1].names)
    values.push_back(asmRegister(name));
  uint32_t address = asmAddress(statement.operands[isAtom]);
  if (isStore) {
    uint32_t value = gathered(values), layout = addLayout(access.layout());
    Instruction &inst = emit(Op::Store, address, value);
    inst.kind = static_cast<uint8_t>(access.space);
    inst.flags = access.flags;
    inst.layout = layout;
    return true;
  }
  for (auto [i, value] : llvm::enumerate(values)) {
    uint32_t at = i ? newRegisters(1) : address;
    if (i)
      emitMap(integerFunction("add"), at, {address, constant(i * access.bits / 8)}, 1, widths(64));
    std::optional<Combine> how;
    for (StringRef part : parts)
      how = how ? how : combineOf(part, access.type.front());
    if (!how)
      return false;
    Instruction &inst =
        emit(Op::AtomicRmw, at, value, noRegister, static_cast<uint64_t>(access.space));
    inst.kind = static_cast<uint8_t>(*how);
    inst.flags = access.flags | atomicAccess;
    inst.bits = access.bits;
    inst.scalar = access.type.front() != 'f' ? ScalarKind::Int
                  : access.bits == 64        ? ScalarKind::F64
                                             : ScalarKind::F32;
    if (isAtom)
      inst.dst = asmRegister(statement.operands[0].names[0]);
  }
  return true;
}

} // namespace qcc::simt
