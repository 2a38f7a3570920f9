// Shuffles between the threads of a group.
#include "LaneBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <map>

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

Type ptx::shareOf(VectorType type) {
  int64_t count = type.getRank() == 1 ? type.getNumElements() : 0;
  if (count < 1 || (count & (count - 1)) != 0)
    return {};
  int64_t own = elementsPerThread(type);
  return own == 1 ? type.getElementType() : VectorType::get(own, type.getElementType());
}

Value LaneBuilder::constant(int32_t value) {
  return arith::ConstantIntOp::create(b, loc, value, 32);
}

Value LaneBuilder::lane() {
  Value thread = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  return arith::AndIOp::create(b, loc, thread, constant(kGroupThreads - 1));
}

Value LaneBuilder::groupMask() {
  Value thread = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  Value first = arith::AndIOp::create(b, loc, thread, constant(kGroupThreads));
  return arith::ShLIOp::create(b, loc, constant((1 << kGroupThreads) - 1), first);
}

void LaneBuilder::sync() { NVVM::SyncWarpOp::create(b, loc, groupMask()); }

Value LaneBuilder::shuffle(Value held, Value from) {
  Type type = held.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  auto word = [&](Value v) -> Value {
    // Threads 0 to 15 of each half: the segment mask keeps bit 4 of the own number.
    Value clamp = constant(kGroupThreads << 8 | (kGroupThreads - 1));
    return NVVM::ShflOp::create(b, loc, i32, groupMask(), v, from, clamp, NVVM::ShflKind::idx,
                                UnitAttr());
  };
  if (isa<LLVM::LLVMPointerType>(type)) {
    Value address = LLVM::PtrToIntOp::create(b, loc, i64, held);
    return LLVM::IntToPtrOp::create(b, loc, type, shuffle(address, from));
  }
  if (type.isIndex()) {
    Value number = arith::IndexCastOp::create(b, loc, i64, held);
    return arith::IndexCastOp::create(b, loc, type, shuffle(number, from));
  }
  unsigned width = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(width);
  if (type != integer) {
    Value number = arith::BitcastOp::create(b, loc, integer, held);
    return arith::BitcastOp::create(b, loc, type, shuffle(number, from));
  }
  if (width == 32)
    return word(held);
  if (width < 32) {
    Value wide = arith::ExtUIOp::create(b, loc, i32, held);
    return arith::TruncIOp::create(b, loc, integer, word(wide));
  }
  Value low = word(arith::TruncIOp::create(b, loc, i32, held));
  Value shift = arith::ConstantIntOp::create(b, loc, 32, 64);
  Value high = arith::ShRUIOp::create(b, loc, held, shift);
  high = word(arith::TruncIOp::create(b, loc, i32, high));
  low = arith::ExtUIOp::create(b, loc, i64, low);
  high = arith::ShLIOp::create(b, loc, arith::ExtUIOp::create(b, loc, i64, high), shift);
  return arith::OrIOp::create(b, loc, low, high);
}

Value LaneBuilder::element(Value share, int64_t index) {
  if (!isa<VectorType>(share.getType()))
    return share;
  return vector::ExtractOp::create(b, loc, share, index);
}

Value LaneBuilder::share(ArrayRef<Value> elements) {
  if (elements.size() == 1)
    return elements[0];
  auto type = VectorType::get(static_cast<int64_t>(elements.size()), elements[0].getType());
  return vector::FromElementsOp::create(b, loc, type, elements);
}

Value LaneBuilder::pairOfBf16(Value low, Value high) {
  auto type = VectorType::get(2, b.getBF16Type());
  return NVVM::ConvertF32x2ToBF16x2Op::create(b, loc, type, high, low, Value(),
                                              NVVM::FPRoundingMode::RN);
}

/// Whether the own bit of a mask of sixteen is set.
Value LaneBuilder::whoHas(int64_t mask) {
  Value own = arith::ShRUIOp::create(b, loc, constant(static_cast<int32_t>(mask)), lane());
  return arith::TruncIOp::create(b, loc, b.getI1Type(), own);
}

Value LaneBuilder::byLane(ArrayRef<Value> values) {
  // One choice for each distinct value.
  std::map<void *, int64_t> owners;
  for (int64_t l = 0; l < kGroupThreads; ++l)
    owners[values[l % values.size()].getAsOpaquePointer()] |= INT64_C(1) << l;
  Value result;
  for (Value value : values) {
    auto own = owners.find(value.getAsOpaquePointer());
    if (own == owners.end())
      continue; // chosen already
    result = result ? arith::SelectOp::create(b, loc, whoHas(own->second), value, result) : value;
    owners.erase(own);
  }
  return result;
}

Value LaneBuilder::gather(ValueRange shares, ArrayRef<VectorType> types,
                          ArrayRef<int64_t> positions) {
  auto count = static_cast<int64_t>(positions.size());
  int64_t own = std::max<int64_t>(1, count / kGroupThreads);
  SmallVector<Value> elements;
  for (int64_t sub = 0; sub < own; ++sub) {
    // Which thread each one reads from, and in which (share, element) it looks there.
    uint64_t sources = 0;
    std::map<std::pair<size_t, int64_t>, int64_t> readers;
    bool linear = true, inPlace = true;
    int64_t first = 0;
    for (int64_t l = 0; l < kGroupThreads; ++l) {
      int64_t position = positions[own == 1 ? l % count : l * own + sub];
      size_t vector = 0;
      for (; position >= types[vector].getNumElements(); ++vector)
        position -= types[vector].getNumElements();
      int64_t held = elementsPerThread(types[vector]), source = position / held;
      readers[{vector, position % held}] |= INT64_C(1) << l;
      sources |= static_cast<uint64_t>(source) << 4 * l;
      first = l ? first : source;
      linear &= source == (first + l) % kGroupThreads;
      inPlace &= source == l % std::min(kGroupThreads, types[vector].getNumElements());
    }
    Value from;
    if (!inPlace && linear) {
      from = arith::AddIOp::create(b, loc, lane(), constant(static_cast<int32_t>(first)));
    } else if (!inPlace) { // sixteen numbers of four bits
      Value all = arith::ConstantIntOp::create(b, loc, static_cast<int64_t>(sources), 64);
      Value shift = arith::ShLIOp::create(b, loc, lane(), constant(2));
      shift = arith::ExtUIOp::create(b, loc, b.getI64Type(), shift);
      from = arith::TruncIOp::create(b, loc, b.getI32Type(),
                                     arith::ShRUIOp::create(b, loc, all, shift));
    }
    Value result;
    for (auto [where, mask] : readers) {
      Value held = element(shares[where.first], where.second);
      Value got = inPlace ? held : shuffle(held, from);
      result = result ? arith::SelectOp::create(b, loc, whoHas(mask), got, result) : got;
    }
    elements.push_back(result);
  }
  return share(elements);
}
