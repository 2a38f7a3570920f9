// Strips of a warpgroup, multiplied together (wgmma), for one of its threads.
//
// Of operands and sums of 64 rows each warp has sixteen, and its threads hold of them what they
// hold of a strip (PTX ISA, "Register Fragments for wgmma.mma_async.m64nNk16"), so that all else is
// as with strips of one warp. Lines are the other operand, in shared memory: 64 numbers of each,
// swizzled, then the next 64. In dot products lines are its columns, in weighted sums its rows,
// which are turned on their way. A product with all its steps is one statement of assembly,
// which waits for the result, so that nothing comes between; meanwhile the other warpgroups of the
// block have exponentials to do.
#include "StripBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {
constexpr int64_t kStep = 16;                       ///< numbers of K of a product
constexpr int64_t kLine = 128, kInLine = kLine / 2; ///< bytes and numbers of a swizzled line
} // namespace

//===-- Products ------------------------------------------------------------------------------===//

/// PTX ISA, "Matrix Descriptor Format": the next eight lines are 1024 bytes on.
Value BlockBuilder::descriptor(Value shared, int64_t chunk) {
  uint64_t fields = uint64_t(1) << 62 | uint64_t(1024 >> 4) << 32 | uint64_t(chunk >> 4) << 16;
  Value address = LLVM::PtrToIntOp::create(b, loc, b.getI32Type(), shared);
  address = arith::ExtUIOp::create(b, loc, b.getI64Type(), and_(shr(address, 4), 0x3fff));
  Value constant = arith::ConstantIntOp::create(b, loc, static_cast<int64_t>(fields), 64);
  return arith::OrIOp::create(b, loc, address, constant);
}

Value BlockBuilder::descriptorAt(Value descriptor, int64_t bytes) {
  Value offset = arith::ConstantIntOp::create(b, loc, bytes >> 4, 64);
  return arith::AddIOp::create(b, loc, descriptor, offset);
}

static std::string operandList(size_t first, size_t count) {
  std::string text = "{";
  for (size_t i = first; i < first + count; ++i)
    text += (i == first ? "$" : ",$") + std::to_string(i);
  return text + "}";
}

/// Adds products of 64 rows to `sums`: four `words` of the rows and one of the `lines` for each
/// step.
StripBuilder::Values StripBuilder::products(ValueRange sums, ValueRange words, ValueRange lines,
                                            bool half, bool turned) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // both groups go on together
  Values operands;
  for (Value sum : sums)
    for (int64_t i = 0; i < 4; ++i)
      operands.push_back(element(sum, i));
  size_t count = operands.size(), firstWord = 2 * count, firstLine = firstWord + words.size();
  llvm::append_range(operands, words);
  llvm::append_range(operands, lines);
  std::string shape = "m64n" + std::to_string(count * 2) + "k16.f32";
  std::string how = shape + (half ? ".f16.f16 " : ".bf16.bf16 ");
  std::string text = "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.fence.sync.aligned; ";
  for (size_t step = 0; step < lines.size(); ++step)
    text += "wgmma.mma_async.sync.aligned." + how + operandList(0, count) + ", " +
            operandList(firstWord + 4 * step, 4) + ", $" + std::to_string(firstLine + step) +
            (turned ? ", p, 1, 1, 1; " : ", p, 1, 1, 0; ");
  text += "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }";
  std::string constraints;
  for (size_t i = 0; i < count; ++i)
    constraints += "=f,";
  for (size_t i = 0; i < count; ++i)
    constraints += std::to_string(i) + ",";
  for (size_t i = 0; i < words.size(); ++i)
    constraints += "r,";
  for (size_t i = 0; i < lines.size(); ++i)
    constraints += "l,";
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(count, b.getF32Type()));
  Value made =
      LLVM::InlineAsmOp::create(
          b, loc, type, operands, text, constraints + "~{memory}", /*has_side_effects=*/true,
          /*is_align_stack=*/false, LLVM::TailCallKind::None,
          LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
          .getRes();
  Values results;
  for (size_t i = 0; i < count; i += 4) {
    Values four;
    for (size_t e = i; e < i + 4; ++e)
      four.push_back(LLVM::ExtractValueOp::create(b, loc, made, static_cast<int64_t>(e)));
    results.push_back(vector::FromElementsOp::create(b, loc, sums[0].getType(), four));
  }
  return results;
}

StripBuilder::Values StripBuilder::dotTogether(tile::DotLinesOp op) {
  Values sums = llvm::map_to_vector(op.getSums(), [&](Value v) { return in(v); }), words, lines;
  Value first = descriptor(sharedPtr(in(op.getB())));
  for (auto [i, row] : llvm::enumerate(op.getNumbers())) {
    for (int64_t word = 0; word < 4; ++word)
      words.push_back(element(in(row), word));
    int64_t number = static_cast<int64_t>(i) * kStep;
    lines.push_back(descriptorAt(first, number / kInLine * static_cast<int64_t>(op.getStride()) +
                                            number % kInLine * 2));
  }
  return products(sums, words, lines, op.getHalf(), /*turned=*/false);
}

StripBuilder::Values StripBuilder::weighTogether(tile::WeighLinesOp op) {
  Values sums = llvm::map_to_vector(op.getSums(), [&](Value v) { return in(v); }), words, lines;
  Value first = descriptor(sharedPtr(in(op.getB())), static_cast<int64_t>(op.getStride()));
  auto count = static_cast<int64_t>(op.getWeights().size()) * 8;
  for (int64_t line = 0; line < count; line += kStep) {
    llvm::append_range(words, weightsAsOperand(op, line));
    lines.push_back(descriptorAt(first, line * kLine));
  }
  return products(sums, words, lines, op.getHalf(), /*turned=*/true);
}

//===-- Lines ---------------------------------------------------------------------------------===//

/// Neighbouring pieces by neighbouring threads, some at a time, so that their loads are under way
/// together.
void StripBuilder::fetchLines(tile::FetchLinesOp op) {
  int64_t pieces = static_cast<int64_t>(op.getWidth()) / kPiece;
  int64_t rounds = static_cast<int64_t>(op.getMaxLines()) * pieces / kBlockThreads;
  LineFormat format{op.getNumbers(), static_cast<int64_t>(op.getScales()), op.getAligned()};
  bool few = !op.getAligned() || !llvm::isPowerOf2_64(pieces);
  int64_t atOnce = rounds % 4 == 0 ? few ? 2 : 4 : 1;
  Value from = in(op.getFrom()), to = sharedPtr(in(op.getTo())), stride = in(op.getStride());
  Value lines = toI32(in(op.getLines())), last = arith::SubIOp::create(b, loc, lines, ci(1));
  auto words = VectorType::get(4, b.getI32Type());
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(words));
  auto loop =
      scf::ForOp::create(b, loc, ci(0), ci(rounds * kBlockThreads), ci(atOnce * kBlockThreads));
  keepRolled(loop);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value first = add(threadHere(), loop.getInductionVar());
  Values fetched, places;
  for (int64_t i = 0; i < atOnce; ++i) {
    Value piece = add(first, i * kBlockThreads);
    Value line = arith::DivUIOp::create(b, loc, piece, ci(pieces));
    Value within = arith::SubIOp::create(b, loc, piece, mul(line, pieces));
    Value exists = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, line, lines);
    Value read = arith::MinSIOp::create(b, loc, line, last);
    Value offset =
        arith::MulIOp::create(b, loc, arith::ExtSIOp::create(b, loc, b.getI64Type(), read), stride);
    Value made =
        vector::FromElementsOp::create(b, loc, words, pieceOf(format, at(from, offset), within));
    fetched.push_back(arith::SelectOp::create(b, loc, exists, made, zero));
    Value swizzled = arith::XOrIOp::create(b, loc, and_(within, 7), and_(line, 7));
    Value chunk = mul(shr(within, 3), static_cast<int64_t>(op.getChunk()));
    places.push_back(at(to, add(add(chunk, mul(line, kLine)), mul(swizzled, 16))));
  }
  for (auto [made, place] : llvm::zip_equal(fetched, places))
    LLVM::StoreOp::create(b, loc, made, place, 16)->setAttr(kBlockStore, b.getUnitAttr());
}
