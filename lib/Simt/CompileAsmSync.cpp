// Inline assembly: PTX instructions on barriers, asynchronous copies and matrices.
#include "Compiler.h"
#include "MatrixValues.h"

using namespace mlir;

namespace qcc::simt {

bool Compiler::compileSyncPtx(const PtxStatement &statement) {
  StringRef opcode = statement.opcode;
  auto operand = [&](size_t i) {
    return i < statement.operands.size() ? asmRegister(statement.operands[i].names[0]) : noRegister;
  };
  auto address = [&](size_t i) { return asmAddress(statement.operands[i]); };
  size_t count = statement.operands.size();
  bool block = opcode.starts_with("bar.") || opcode.starts_with("barrier.");
  if (opcode == "bar.warp.sync") {
    emit(Op::WarpSync, operand(0));
  } else if (block && opcode.contains("sync") && !opcode.contains("cluster")) {
    emit(Op::BlockSync, operand(0), operand(1));
  } else if (block && opcode.contains("arrive") && !opcode.contains("cluster")) {
    emit(Op::BlockArrive, operand(0), operand(1));
  } else if (opcode.starts_with("mbarrier.init") && count == 2) {
    emit(Op::MBarrierInit, address(0), operand(1));
  } else if (opcode.starts_with("mbarrier.inval") && count == 1) {
    emit(Op::MBarrierInval, address(0));
  } else if (opcode.starts_with("mbarrier.expect_tx") && count == 2) {
    emit(Op::MBarrierArrive, address(0), noRegister, operand(1), /*imm=*/1);
  } else if (opcode.starts_with("mbarrier.arrive.expect_tx") && count == 3) {
    emit(Op::MBarrierArrive, address(1), noRegister, operand(2)).dst = operand(0);
  } else if (opcode.starts_with("mbarrier.arrive") && count >= 2) {
    emit(Op::MBarrierArrive, address(1), operand(2)).dst = operand(0);
  } else if ((opcode.starts_with("mbarrier.try_wait") ||
              opcode.starts_with("mbarrier.test_wait")) &&
             count >= 3) {
    Instruction &inst = emit(Op::MBarrierWait, address(1), operand(2));
    inst.dst = operand(0);
    inst.bits = opcode.contains(".parity") ? 32 : 64;
  } else if (opcode.starts_with("elect.sync") && count == 3) {
    emit(Op::Elect, operand(2)).dst = operand(1);
  } else {
    // Hints, and what only matters beside other kernels.
    return opcode.starts_with("griddepcontrol") || opcode.starts_with("setmaxnreg") ||
           opcode.starts_with("nanosleep");
  }
  return true;
}

bool Compiler::compileBulkPtx(const PtxStatement &statement) {
  StringRef opcode = statement.opcode;
  ArrayRef<PtxOperand> operands = statement.operands;
  auto operand = [&](size_t i) { return asmRegister(operands[i].names[0]); };
  auto number = [&](size_t i) {
    uint64_t value = 0;
    StringRef(operands[i].names[0]).getAsInteger(0, value);
    return value;
  };
  if (!opcode.starts_with("cp.async") || opcode.contains("multicast"))
    return false;
  bool bulk = opcode.starts_with("cp.async.bulk");
  bool loads = opcode.contains("shared") && opcode.contains("global.mbarrier");
  if (opcode.contains("prefetch"))
    return true;
  if (opcode.ends_with("commit_group")) {
    emit(Op::CommitCopies).imm = bulk;
  } else if (opcode.contains("wait_group")) {
    Instruction &inst = emit(Op::WaitForCopies);
    inst.imm = number(0);
    inst.kind = bulk;
  } else if (opcode.ends_with("wait_all")) {
    emit(Op::CommitCopies);
    emit(Op::WaitForCopies);
  } else if (opcode.starts_with("cp.async.mbarrier.arrive")) {
    emit(Op::ArriveAfterCopies, asmAddress(operands[0])).imm = opcode.contains("noinc");
  } else if (opcode.contains(".tensor.")) {
    bool tensorLoads = opcode.contains("complete_tx");
    const PtxOperand &tensor = operands[tensorLoads];
    SmallVector<uint32_t> coordinates;
    for (const std::string &name : ArrayRef(tensor.names).drop_front())
      coordinates.push_back(asmRegister(name));
    emitTensorCopy(!tensorLoads, operand(!tensorLoads), asmRegister(tensor.names[0]),
                   tensorLoads ? operand(2) : 0, coordinates);
  } else if (bulk && loads) {
    emit(Op::BulkLoad, asmAddress(operands[0]), asmAddress(operands[1]), operand(2),
         asmAddress(operands[3]));
  } else if (bulk) {
    emit(Op::BulkStore, asmAddress(operands[0]), asmAddress(operands[1]), operand(2));
  } else {
    bool partly = operands.size() > 3 && !opcode.contains("cache_hint");
    emit(Op::CopyAsync, asmAddress(operands[0]), asmAddress(operands[1]),
         partly ? operand(3) : noRegister, number(2));
  }
  return true;
}

/// The sizes in m64n128k32.
static bool parseShape(StringRef text, Product &product) {
  return text.consume_front("m") && !text.consumeInteger(10, product.m) &&
         text.consume_front("n") && !text.consumeInteger(10, product.n) &&
         text.consume_front("k") && !text.consumeInteger(10, product.k);
}

/// What m64n8k32.s32.s8.s8 or m16n8k32.row.col.f32.e4m3.e4m3.f32 says, the types of A and B being
/// words `types` and the next one.
static bool parseProduct(StringRef text, size_t types, Product &product) {
  SmallVector<StringRef> parts;
  text.split(parts, '.');
  auto a = parts.size() > types + 1 ? matrixElement(parts[types]) : std::nullopt;
  auto b = parts.size() > types + 1 ? matrixElement(parts[types + 1]) : std::nullopt;
  if (!a || !b || !parseShape(parts[0], product) || parts[types - 1] == "f16")
    return false;
  product.a = *a;
  product.b = *b;
  product.saturates = llvm::is_contained(parts, "satfinite");
  return true;
}

bool Compiler::compileMatrixIntrinsic(LLVM::CallIntrinsicOp op, StringRef name) {
  Product product{};
  if (!name.consume_front("mma.") || !parseProduct(name, 4, product) || product.m != 16)
    return false;
  unsigned bits = elementBits(product.a);
  size_t wordsOfA = product.k * bits / 64, wordsOfB = product.n * product.k * bits / 1024;
  SmallVector<uint32_t> words;
  for (Value word : op.getArgs())
    words.push_back(packed(word));
  if (words.size() != wordsOfA + wordsOfB + product.n / 2)
    return false;
  ArrayRef<uint32_t> left(words);
  product.registersA = left.take_front(wordsOfA).vec();
  product.registersB = left.slice(wordsOfA, wordsOfB).vec();
  product.c = gathered(left.drop_front(wordsOfA + wordsOfB));
  product.d = define(op.getResult(0));
  emitProduct(Op::Multiply, std::move(product));
  return true;
}

bool Compiler::compileMatrixPtx(const PtxStatement &statement) {
  StringRef opcode = statement.opcode;
  ArrayRef<PtxOperand> operands = statement.operands;
  auto registersAt = [&](size_t i) {
    std::vector<uint32_t> registers;
    for (const std::string &name : operands[i].names)
      registers.push_back(asmRegister(name));
    return registers;
  };
  if (opcode.starts_with("wgmma.fence") || opcode.starts_with("wgmma.commit_group")) {
    emit(opcode.starts_with("wgmma.fence") ? Op::WgmmaFence : Op::WgmmaCommit);
    return true;
  }
  if (opcode.starts_with("wgmma.wait_group")) {
    uint64_t left = 0;
    StringRef(operands[0].names[0]).getAsInteger(0, left);
    emit(Op::WgmmaWait).imm = left;
    return true;
  }
  bool isAsync = opcode.consume_front("wgmma.mma_async.sync.aligned.");
  if ((!isAsync && !opcode.consume_front("mma.sync.aligned.")) || operands.size() < 4)
    return false;
  Product product{};
  if (!parseProduct(opcode, isAsync ? 2 : 4, product))
    return false;
  std::vector<uint32_t> d = registersAt(0);
  if (!isAsync) {
    product.registersA = registersAt(1);
    product.registersB = registersAt(2);
    product.c = gathered(registersAt(3));
    product.d = newRegisters(d.size());
    uint32_t result = product.d;
    emitProduct(Op::Multiply, std::move(product));
    for (auto [i, each] : llvm::enumerate(d))
      emitCopy(each, result + i, 1);
    return true;
  }
  // The outputs of an assembly op lie one after another.
  product.c = product.d = d.front();
  if (operands[1].names.size() > 1)
    product.registersA = registersAt(1);
  else
    product.descriptorA = asmRegister(operands[1].names[0]);
  product.descriptorB = asmRegister(operands[2].names[0]);
  product.scaleD = asmRegister(operands[3].names[0]);
  auto flag = [&](size_t i) {
    return i < operands.size() ? StringRef(operands[i].names[0]) : StringRef("0");
  };
  product.negatedA = flag(4) == "-1";
  product.negatedB = flag(5) == "-1";
  product.transposedA = operands.size() == 8 && flag(6) == "1";
  product.transposedB = operands.size() >= 7 && flag(operands.size() - 1) == "1";
  emitProduct(Op::MultiplyAsync, std::move(product));
  return true;
}

} // namespace qcc::simt
