// Operations on strips as code for one thread of a warp.
//
// In terms of g = lane / 4 and t = lane % 4 a thread has, of sums, columns 2 t and 2 t + 1 of rows
// g and g + 8 in each eight columns, and of operands words t and t + 4 of these rows in each
// sixteen (PTX ISA, "Matrix Fragments for mma.m16n8k16"): two vectors of weights, each number
// rounded, are one of operands. ldmatrix gives the words of eight rows of 16 bytes: of dot products
// these are the columns of B, of weighted sums its rows, which `.trans` turns around. Lines are an
// odd number of times 16 bytes apart, so that eight of them are in different banks.
#include "StripBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {
constexpr int64_t kRows = 16, kStepBytes = 32; ///< of a strip; of 16 numbers
} // namespace

//===-- Values --------------------------------------------------------------------------------===//

StripBuilder::Strip StripBuilder::strip(int64_t slices) {
  int64_t strips = tile::kBlockWarps / slices;
  Value number = warp();
  return {NVVM::LaneIdOp::create(b, loc, b.getI32Type()), and_(number, strips - 1),
          shr(number, llvm::Log2_64(strips))};
}

Value StripBuilder::element(Value vector, int64_t index) {
  return vector::ExtractOp::create(b, loc, vector, index);
}

/// Two numbers in a word.
Value StripBuilder::packed(Value low, Value high, bool half) {
  using Rounding = NVVM::FPRoundingMode;
  Value pair;
  if (half)
    pair = NVVM::ConvertF32x2ToF16x2Op::create(
        b, loc, VectorType::get(2, b.getF16Type()), high, low, Value(),
        NVVM::FPRoundingModeAttr::get(b.getContext(), Rounding::RN));
  else
    pair = NVVM::ConvertF32x2ToBF16x2Op::create(
        b, loc, VectorType::get(2, b.getBF16Type()), high, low, Value(),
        NVVM::FPRoundingModeAttr::get(b.getContext(), Rounding::RN));
  return LLVM::BitcastOp::create(b, loc, b.getI32Type(), pair);
}

/// 16 rows with 8 columns and 16 numbers of K.
Value StripBuilder::product(ValueRange a, ValueRange columns, Value sum, bool half) {
  Type f32 = b.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  auto operands = [&](ValueRange words) {
    Values all;
    for (Value word : words)
      all.push_back(half ? LLVM::BitcastOp::create(b, loc, VectorType::get(2, b.getF16Type()), word)
                         : word);
    return all;
  };
  Values sums, results;
  for (int64_t i = 0; i < 4; ++i)
    sums.push_back(element(sum, i));
  NVVM::MMATypes kind = half ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Value made = NVVM::MmaOp::create(
      b, loc, type, operands(a), operands(columns), sums, ArrayRef<int64_t>{16, 8, 16},
      std::nullopt, std::nullopt, std::array<NVVM::MMATypes, 2>{kind, kind},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (int64_t i = 0; i < 4; ++i)
    results.push_back(LLVM::ExtractValueOp::create(b, loc, made, i));
  return vector::FromElementsOp::create(b, loc, sum.getType(), results);
}

//===-- Operands and sums ---------------------------------------------------------------------===//

StripBuilder::Values StripBuilder::places(tile::PlacesOp op) {
  Strip s = strip(static_cast<int64_t>(op.getSlices()));
  auto columns = static_cast<int64_t>(op.getColumns());
  Value row = add(mul(s.rows, kRows), shr(s.lane, 2)), lower = add(row, 8);
  Value column = add(mul(s.slice, columns), mul(and_(s.lane, 3), 2)), next = add(column, 1);
  auto type = VectorType::get(4, b.getI32Type());
  return {vector::FromElementsOp::create(b, loc, type, ValueRange{row, row, lower, lower}),
          vector::FromElementsOp::create(b, loc, type, ValueRange{column, next, column, next})};
}

StripBuilder::Values StripBuilder::loadRows(tile::LoadRowsOp op) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // both groups go on together
  Strip s = strip(static_cast<int64_t>(op.getSlices()));
  auto stride = static_cast<int64_t>(op.getStride());
  Value row = add(mul(s.rows, kRows), and_(s.lane, 15));
  Value from = at(sharedPtr(in(op.getFrom())), add(mul(row, stride), mul(shr(s.lane, 4), 16)));
  Values results;
  for (size_t i = 0; i < op.getResults().size(); ++i) {
    Values words = loadMatrices(at(from, static_cast<int64_t>(i) * kStepBytes));
    results.push_back(
        vector::FromElementsOp::create(b, loc, VectorType::get(4, b.getI32Type()), words));
  }
  return results;
}

StripBuilder::Values StripBuilder::dotLines(tile::DotLinesOp op) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1));
  Strip s = strip(static_cast<int64_t>(op.getSlices()));
  auto stride = static_cast<int64_t>(op.getStride());
  Values sums = llvm::map_to_vector(op.getSums(), [&](Value v) { return in(v); });
  auto columns = static_cast<int64_t>(sums.size()) * 8;
  // Matrices are of 8 lines and 8 numbers: the numbers of eight lines, then those of the next.
  Value line = add(mul(s.slice, columns), add(mul(shr(s.lane, 4), 8), and_(s.lane, 7)));
  Value byte = mul(and_(shr(s.lane, 3), 1), 16);
  Value from = at(sharedPtr(in(op.getB())), add(mul(line, stride), byte));
  for (auto [i, row] : llvm::enumerate(op.getNumbers())) {
    Values a;
    for (int64_t word = 0; word < 4; ++word)
      a.push_back(element(in(row), word));
    for (int64_t c = 0; c < columns; c += 16) {
      Values two = loadMatrices(at(from, c * stride + static_cast<int64_t>(i) * kStepBytes));
      for (int64_t half = 0; half < 2; ++half) {
        Value &sum = sums[c / 8 + half];
        sum = product(a, ArrayRef(two).slice(2 * half, 2), sum, op.getHalf());
      }
    }
  }
  return sums;
}

/// The weights of sixteen lines.
StripBuilder::Values StripBuilder::weightsAsOperand(tile::WeighLinesOp op, int64_t line) {
  Values words;
  for (int64_t word = 0; word < 4; ++word) {
    Value weights = in(op.getWeights()[line / 8 + word / 2]);
    words.push_back(
        packed(element(weights, word % 2 * 2), element(weights, word % 2 * 2 + 1), op.getHalf()));
  }
  return words;
}

StripBuilder::Values StripBuilder::weighLines(tile::WeighLinesOp op) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1));
  Strip s = strip(static_cast<int64_t>(op.getSlices()));
  auto stride = static_cast<int64_t>(op.getStride());
  Values sums = llvm::map_to_vector(op.getSums(), [&](Value v) { return in(v); });
  auto lines = static_cast<int64_t>(op.getWeights().size()) * 8;
  // Matrices are of 8 lines and 8 numbers: sixteen lines, then those of the next numbers.
  Value line = add(mul(s.slice, lines), and_(s.lane, 15));
  Value from = at(sharedPtr(in(op.getB())), add(mul(line, stride), mul(shr(s.lane, 4), 16)));
  for (int64_t l = 0; l < lines; l += 16) {
    Values a = weightsAsOperand(op, l);
    for (size_t e = 0; e < sums.size(); e += 2) {
      Values two = loadMatrices(at(from, l * stride + static_cast<int64_t>(e) * 16), true);
      for (size_t half = 0; half < 2; ++half)
        sums[e + half] = product(a, ArrayRef(two).slice(2 * half, 2), sums[e + half], op.getHalf());
    }
  }
  return sums;
}

/// Four threads have numbers of a row.
Value StripBuilder::reduceRows(tile::ReduceRowsOp op) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1));
  Value v = in(op.getValue());
  auto combine = [&](Value x, Value y) -> Value {
    if (op.getLargest())
      return arith::MaxNumFOp::create(b, loc, x, y);
    return arith::AddFOp::create(b, loc, x, y);
  };
  auto row = [&](int64_t first) {
    Value all = combine(element(v, first), element(v, first + 1));
    for (int64_t apart : {1, 2})
      all = combine(all, NVVM::ShflOp::create(b, loc, b.getF32Type(), ci(-1), all, ci(apart),
                                              ci(31), NVVM::ShflKind::bfly, UnitAttr()));
    return all;
  };
  Value upper = row(0), lower = row(2);
  return vector::FromElementsOp::create(b, loc, v.getType(),
                                        ValueRange{upper, upper, lower, lower});
}

void StripBuilder::storeRows(tile::StoreRowsOp op) {
  Strip s = strip(1);
  auto stride = static_cast<int64_t>(op.getStride());
  Value row = add(mul(s.rows, kRows), shr(s.lane, 2));
  Value to = at(sharedPtr(in(op.getTo())), add(mul(row, stride), mul(and_(s.lane, 3), 8)));
  for (auto [i, sum] : llvm::enumerate(op.getSums()))
    for (int64_t lower : {0, 1}) {
      Values two = {element(in(sum), 2 * lower), element(in(sum), 2 * lower + 1)};
      Value pair = vector::FromElementsOp::create(b, loc, VectorType::get(2, b.getF32Type()), two);
      Value place = at(to, 8 * lower * stride + static_cast<int64_t>(i) * 32);
      LLVM::StoreOp::create(b, loc, pair, place, 8)->setAttr(kBlockStore, b.getUnitAttr());
    }
}

//===-- Lines and elements --------------------------------------------------------------------===//

/// Neighbouring pieces by neighbouring threads.
void StripBuilder::narrowLines(tile::NarrowLinesOp op) {
  int64_t pieces = static_cast<int64_t>(op.getWidth()) / kPiece;
  int64_t all = static_cast<int64_t>(op.getLines()) * pieces;
  Value from = sharedPtr(in(op.getFrom())), to = sharedPtr(in(op.getTo())), first = threadHere();
  LineFormat format{op.getNumbers(), static_cast<int64_t>(op.getScales()), /*aligned=*/true};
  auto narrow = [&](Value piece) {
    Value line = arith::DivUIOp::create(b, loc, piece, ci(pieces));
    Value within = arith::SubIOp::create(b, loc, piece, mul(line, pieces));
    Value source = at(from, mul(line, static_cast<int64_t>(op.getFromStride())));
    Value target =
        at(to, add(mul(line, static_cast<int64_t>(op.getToStride())), mul(within, kPiece * 2)));
    Value made = vector::FromElementsOp::create(b, loc, VectorType::get(4, b.getI32Type()),
                                                pieceOf(format, source, within));
    LLVM::StoreOp::create(b, loc, made, target, 16)->setAttr(kBlockStore, b.getUnitAttr());
  };
  for (int64_t i = 0; i < all; i += kBlockThreads) {
    OpBuilder::InsertionGuard guard(b);
    Value piece = add(first, i);
    if (all - i < kBlockThreads) {
      Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, piece, ci(all));
      auto choice = scf::IfOp::create(b, loc, some, /*withElseRegion=*/false);
      b.setInsertionPointToStart(choice.thenBlock());
    }
    narrow(piece);
  }
}

Value StripBuilder::gather(tile::GatherOp op) {
  Type type = cast<VectorType>(op.getType()).getElementType();
  Value base = in(op.getPtr()), indices = in(op.getIndices());
  auto share = cast<VectorType>(indices.getType());
  Values elements;
  for (int64_t i = 0; i < share.getNumElements(); ++i) {
    Value from = LLVM::GEPOp::create(b, loc, base.getType(), type, base,
                                     ValueRange{element(indices, i)}, LLVM::GEPNoWrapFlags::none);
    elements.push_back(LLVM::LoadOp::create(b, loc, type, from, type.getIntOrFloatBitWidth() / 8));
  }
  return vector::FromElementsOp::create(b, loc, VectorType::get(share.getShape(), type), elements);
}

Value StripBuilder::exp2(tile::Exp2Op op) {
  Value v = in(op.getValue());
  auto power = [&](Value x) -> Value {
    return LLVM::CallIntrinsicOp::create(b, loc, b.getF32Type(),
                                         b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f"), x)
        .getResult(0);
  };
  auto type = dyn_cast<VectorType>(v.getType());
  if (!type)
    return power(v);
  Values elements;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    elements.push_back(power(element(v, i)));
  return vector::FromElementsOp::create(b, loc, type, elements);
}

std::optional<StripBuilder::Values> StripBuilder::rewrite(Operation *op) {
  using Result = std::optional<Values>;
  findWarpgroups(op);
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](tile::PlacesOp o) { return places(o); })
      .Case([&](tile::LoadRowsOp o) { return loadRows(o); })
      .Case([&](tile::DotLinesOp o) { return o.getSwizzled() ? dotTogether(o) : dotLines(o); })
      .Case(
          [&](tile::WeighLinesOp o) { return o.getSwizzled() ? weighTogether(o) : weighLines(o); })
      .Case([&](tile::FetchLinesOp o) {
        fetchLines(o);
        return Values();
      })
      .Case([&](tile::ReduceRowsOp o) { return Values{reduceRows(o)}; })
      .Case([&](tile::StoreRowsOp o) {
        storeRows(o);
        return Values();
      })
      .Case([&](tile::NarrowLinesOp o) {
        narrowLines(o);
        return Values();
      })
      .Case([&](tile::GatherOp o) { return Values{gather(o)}; })
      .Case([&](tile::Exp2Op o) { return Values{exp2(o)}; })
      .Default([](Operation *) { return std::nullopt; });
}
