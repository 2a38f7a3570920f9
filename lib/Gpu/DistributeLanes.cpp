// qcc-distribute-lanes: sixteen threads for the sixteen lanes of a kernel.
//
// Needs:   kernels in scf, arith, math, vector, tile and LLVM memory operations, as KernelBuilder
//          writes them. Sizes of vectors are powers of two.
// Leaves:  no vector of more than a thread's share (LaneBuilder.h) and no tile operation. Scalars
//          are the same in all threads of a group; one of them stores. Stack buffers lie in front
//          of the scratch memory, and functions have the sizes of theirs as `qcc.frame_bytes`, and
//          of shared memory, if they use some, as `qcc.shared_bytes`.
// Refuses: vectors whose bits would have to move between threads to be read as another type.
// Example: test/Gpu/distribute-lanes.mlir
#include "LaneBuilder.h"
#include "StripBuilder.h"
#include "Tile/Tile.h"
#include "WarpgroupBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

/// Stores of shares, each by its thread, in contrast to stores of scalars; and branches that a part
/// of the threads take for one.
constexpr const char *kOwnStore = "qcc.own";

int64_t bytesOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * bytesOf(vector.getElementType());
  return isa<LLVM::LLVMPointerType>(type) ? 8 : type.getIntOrFloatBitWidth() / 8;
}

uint64_t alignmentOf(std::optional<uint64_t> whole, VectorType type) {
  uint64_t own = bytesOf(shareOf(type)), given = std::max<uint64_t>(whole.value_or(1), 1);
  while (own % given)
    given /= 2;
  return given;
}

/// Writes a kernel's body once more, for one thread.
class Distributor {
public:
  explicit Distributor(MLIRContext *context) : b(context) {}
  /// `to` has the arguments of `from`, as shares.
  LogicalResult blocks(Region &from, Region &to);
  void mapArguments(Block &from, Block &to) {
    for (auto [old, made] : llvm::zip_equal(from.getArguments(), to.getArguments()))
      map.map(old, made);
  }

private:
  LogicalResult rewrite(Operation *op);
  LogicalResult likeBefore(Operation *op);
  Value constant(arith::ConstantOp op);
  Value series(DenseElementsAttr all, VectorType type, int64_t sub);
  Value extract(vector::ExtractOp op);
  Value insert(vector::InsertOp op);
  Value slice(vector::ExtractStridedSliceOp op);
  Value paste(vector::InsertStridedSliceOp op);
  Value load(LLVM::LoadOp op, VectorType type);
  void store(LLVM::StoreOp op, VectorType type);
  Value tileLoad(tile::LoadOp op);
  void tileStore(tile::StoreOp op);
  Value dot2(tile::Dot2Op op);
  Value dotBf16(tile::DotBf16Op op);
  Value lookup(tile::LookupOp op);
  Value roundEven(tile::RoundEvenToI32Op op);

  Value in(Value v) { return map.lookup(v); }
  LaneBuilder lanes() { return {b, loc}; }
  Value number(int32_t value) { return lanes().constant(value); }
  Value firstElement(VectorType type);
  Value addressOf(Value base, Value element, Type type) {
    return LLVM::GEPOp::create(b, loc, base.getType(), type, base, ValueRange{element},
                               LLVM::GEPNoWrapFlags::inbounds);
  }
  void storeOwn(Value share, Value at, uint64_t alignment) {
    LLVM::StoreOp::create(b, loc, share, at, alignment)->setAttr(kOwnStore, b.getUnitAttr());
  }
  void enterOwn(Value condition) {
    auto choice = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
    choice->setAttr(kOwnStore, b.getUnitAttr());
    b.setInsertionPointToStart(choice.thenBlock());
  }
  /// An element's number and whether it is below `limit`.
  std::pair<Value, Value> elementBelow(Value first, int64_t sub, Value limit) {
    Value element =
        arith::AddIOp::create(b, loc, first, arith::ConstantIntOp::create(b, loc, sub, 64));
    return {element, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, element, limit)};
  }
  Value compare(arith::CmpIPredicate how, Value x, Value y) {
    return arith::CmpIOp::create(b, loc, how, x, y);
  }

  OpBuilder b;
  Location loc = b.getUnknownLoc();
  IRMapping map;
};

Type shareOrSame(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? shareOf(vector) : type;
}

LogicalResult Distributor::blocks(Region &from, Region &to) {
  for (auto [old, made] : llvm::zip_equal(from, to)) {
    mapArguments(old, made);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&made);
    for (Operation &op : old) {
      loc = op.getLoc();
      if (failed(rewrite(&op)))
        return failure();
    }
  }
  return success();
}

/// An operation that works lane by lane, or that holds such: the same on shares.
LogicalResult Distributor::likeBefore(Operation *op) {
  if (isa<vector::VectorDialect, tile::TileDialect>(op->getDialect()))
    return op->emitOpError("has no form for threads");
  OperationState state(loc, op->getName());
  for (Value operand : op->getOperands())
    state.operands.push_back(in(operand));
  for (Type type : op->getResultTypes()) {
    state.types.push_back(shareOrSame(type));
    if (!state.types.back())
      return op->emitOpError("gives a vector that threads cannot share");
  }
  state.propertiesAttr = op->getPropertiesAsAttribute();
  state.addAttributes(llvm::to_vector(op->getDiscardableAttrs()));
  for (Region &region : op->getRegions()) {
    Region *made = state.addRegion();
    for (Block &block : region) {
      auto *copy = new Block;
      made->push_back(copy);
      for (BlockArgument argument : block.getArguments())
        copy->addArgument(shareOrSame(argument.getType()), argument.getLoc());
    }
  }
  Operation *made = b.create(state);
  map.map(op->getResults(), made->getResults());
  for (auto [old, fresh] : llvm::zip_equal(op->getRegions(), made->getRegions()))
    if (failed(blocks(old, fresh)))
      return failure();
  return success();
}

//===-- Constants -----------------------------------------------------------------------------===//

Value Distributor::constant(arith::ConstantOp op) {
  auto type = cast<VectorType>(op.getType());
  auto all = cast<DenseElementsAttr>(op.getValue());
  int64_t own = elementsPerThread(type), threads = std::min(kGroupThreads, type.getNumElements());
  auto values = llvm::to_vector(all.getValues<Attribute>());
  DenseMap<Attribute, Value> made;
  SmallVector<Value> elements;
  for (int64_t sub = 0; sub < own; ++sub) {
    Value element = series(all, type, sub);
    SmallVector<Value> perLane;
    for (int64_t l = 0; l < threads && !element; ++l) {
      Value &value = made[values[l * own + sub]];
      if (!value)
        value = arith::ConstantOp::create(b, loc, cast<TypedAttr>(values[l * own + sub]));
      perLane.push_back(value);
    }
    elements.push_back(element ? element : lanes().byLane(perLane));
  }
  return lanes().share(elements);
}

/// Elements that grow from thread to thread by the same number; null for others.
Value Distributor::series(DenseElementsAttr all, VectorType type, int64_t sub) {
  auto element = dyn_cast<IntegerType>(type.getElementType());
  if (!element || element.getWidth() < 8 || type.getNumElements() < kGroupThreads)
    return {};
  auto values = llvm::to_vector(all.getValues<APInt>());
  int64_t own = elementsPerThread(type);
  APInt first = values[sub], step = values[own + sub] - first;
  for (int64_t l = 0; l < kGroupThreads; ++l)
    if (step.isZero() || values[l * own + sub] != first + step * l)
      return {};
  Value lane = lanes().lane();
  if (element.getWidth() > 32)
    lane = arith::ExtUIOp::create(b, loc, element, lane);
  else if (element.getWidth() < 32)
    lane = arith::TruncIOp::create(b, loc, element, lane);
  Value factor = arith::ConstantOp::create(b, loc, IntegerAttr::get(element, step));
  Value start = arith::ConstantOp::create(b, loc, IntegerAttr::get(element, first));
  return arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, lane, factor), start);
}

//===-- vector --------------------------------------------------------------------------------===//

Value Distributor::extract(vector::ExtractOp op) {
  int64_t own = elementsPerThread(op.getSourceVectorType());
  Value source = in(op.getSource());
  if (op.hasDynamicPosition()) {
    if (own != 1)
      return {};
    Value position = in(op.getDynamicPosition()[0]);
    return lanes().shuffle(source, arith::IndexCastOp::create(b, loc, b.getI32Type(), position));
  }
  int64_t position = op.getStaticPosition()[0];
  return lanes().shuffle(lanes().element(source, position % own),
                         number(static_cast<int32_t>(position / own)));
}

Value Distributor::insert(vector::InsertOp op) {
  VectorType type = op.getDestVectorType();
  if (op.hasDynamicPosition())
    return {};
  int64_t own = elementsPerThread(type), position = op.getStaticPosition()[0];
  Value lane = lanes().lane();
  if (type.getNumElements() < kGroupThreads)
    lane = arith::AndIOp::create(b, loc, lane,
                                 number(static_cast<int32_t>(type.getNumElements() - 1)));
  Value mine =
      compare(arith::CmpIPredicate::eq, lane, number(static_cast<int32_t>(position / own)));
  SmallVector<Value> elements;
  for (int64_t sub = 0; sub < own; ++sub) {
    Value element = lanes().element(in(op.getDest()), sub);
    if (sub == position % own)
      element = arith::SelectOp::create(b, loc, mine, in(op.getValueToStore()), element);
    elements.push_back(element);
  }
  return lanes().share(elements);
}

Value Distributor::slice(vector::ExtractStridedSliceOp op) {
  int64_t first = cast<IntegerAttr>(op.getOffsets()[0]).getInt();
  SmallVector<int64_t> positions;
  for (int64_t i = 0; i < cast<VectorType>(op.getType()).getNumElements(); ++i)
    positions.push_back(first + i);
  return lanes().gather({in(op.getSource())}, {op.getSourceVectorType()}, positions);
}

Value Distributor::paste(vector::InsertStridedSliceOp op) {
  VectorType part = op.getSourceVectorType(), whole = op.getDestVectorType();
  int64_t first = cast<IntegerAttr>(op.getOffsets()[0]).getInt();
  SmallVector<int64_t> positions;
  for (int64_t i = 0; i < whole.getNumElements(); ++i) {
    bool pasted = i >= first && i < first + part.getNumElements();
    positions.push_back(pasted ? whole.getNumElements() + i - first : i);
  }
  return lanes().gather({in(op.getDest()), in(op.getValueToStore())}, {whole, part}, positions);
}

//===-- Memory --------------------------------------------------------------------------------===//

/// Number of the thread's first element.
Value Distributor::firstElement(VectorType type) {
  Value lane = lanes().lane();
  if (type.getNumElements() < kGroupThreads)
    lane = arith::AndIOp::create(b, loc, lane,
                                 number(static_cast<int32_t>(type.getNumElements() - 1)));
  lane = arith::ExtUIOp::create(b, loc, b.getI64Type(), lane);
  Value own = arith::ConstantIntOp::create(b, loc, elementsPerThread(type), 64);
  return arith::MulIOp::create(b, loc, lane, own);
}

Value Distributor::load(LLVM::LoadOp op, VectorType type) {
  Value at = addressOf(in(op.getAddr()), firstElement(type), type.getElementType());
  return LLVM::LoadOp::create(b, loc, shareOf(type), at, alignmentOf(op.getAlignment(), type));
}

void Distributor::store(LLVM::StoreOp op, VectorType type) {
  Value at = addressOf(in(op.getAddr()), firstElement(type), type.getElementType());
  OpBuilder::InsertionGuard guard(b);
  if (type.getNumElements() < kGroupThreads) { // the other threads have the same elements
    Value has = compare(arith::CmpIPredicate::ult, lanes().lane(),
                        number(static_cast<int32_t>(type.getNumElements())));
    enterOwn(has);
  }
  storeOwn(in(op.getValue()), at, alignmentOf(op.getAlignment(), type));
}

/// Elements below `lanes`, one after the other.
Value Distributor::tileLoad(tile::LoadOp op) {
  auto type = cast<VectorType>(op.getType());
  Type element = type.getElementType();
  Value first = firstElement(type);
  SmallVector<Value> elements;
  for (int64_t sub = 0; sub < elementsPerThread(type); ++sub) {
    auto [at, exists] = elementBelow(first, sub, in(op.getLanes()));
    auto choice = scf::IfOp::create(b, loc, TypeRange{element}, exists, true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    Value address = addressOf(in(op.getPtr()), at, element);
    Value loaded = LLVM::LoadOp::create(b, loc, element, address, bytesOf(element));
    scf::YieldOp::create(b, loc, loaded);
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, loc, lanes().element(in(op.getFill()), sub));
    elements.push_back(choice.getResult(0));
  }
  return lanes().share(elements);
}

void Distributor::tileStore(tile::StoreOp op) {
  auto type = cast<VectorType>(op.getValue().getType());
  Type element = type.getElementType();
  Value first = firstElement(type);
  for (int64_t sub = 0; sub < elementsPerThread(type); ++sub) {
    auto [at, exists] = elementBelow(first, sub, in(op.getLanes()));
    OpBuilder::InsertionGuard guard(b);
    enterOwn(exists);
    Value address = addressOf(in(op.getPtr()), at, element);
    storeOwn(lanes().element(in(op.getValue()), sub), address, bytesOf(element));
  }
}

//===-- tile ----------------------------------------------------------------------------------===//

Value Distributor::dot2(tile::Dot2Op op) {
  Value sum = in(op.getAcc());
  for (int64_t i : {0, 1}) {
    auto wide = [&](Value share) {
      return arith::ExtSIOp::create(b, loc, b.getI32Type(), lanes().element(in(share), i));
    };
    Value product = arith::MulIOp::create(b, loc, wide(op.getA()), wide(op.getB()));
    sum = arith::AddIOp::create(b, loc, sum, product);
  }
  return sum;
}

/// The second of a pair first.
Value Distributor::dotBf16(tile::DotBf16Op op) {
  Value sum = in(op.getAcc());
  for (int64_t i : {1, 0}) {
    auto wide = [&](Value share) {
      return arith::ExtFOp::create(b, loc, b.getF32Type(), lanes().element(in(share), i));
    };
    sum = math::FmaOp::create(b, loc, wide(op.getA()), wide(op.getB()), sum);
  }
  return sum;
}

/// Shuffles look at four bits of an index.
Value Distributor::lookup(tile::LookupOp op) {
  SmallVector<Value> elements;
  for (int64_t i = 0; i < elementsPerThread(cast<VectorType>(op.getType())); ++i) {
    Value index = lanes().element(in(op.getIndices()), i);
    if (!index.getType().isInteger(32))
      index = arith::ExtUIOp::create(b, loc, b.getI32Type(), index);
    elements.push_back(lanes().shuffle(in(op.getTable()), index));
  }
  return lanes().share(elements);
}

Value Distributor::roundEven(tile::RoundEvenToI32Op op) {
  SmallVector<Value> elements;
  auto constant = [&](float v) -> Value {
    return arith::ConstantFloatOp::create(b, loc, b.getF32Type(), llvm::APFloat(v));
  };
  for (int64_t i = 0; i < elementsPerThread(cast<VectorType>(op.getType())); ++i) {
    Value x = lanes().element(in(op.getValue()), i);
    auto limit = [&](arith::CmpFPredicate how, float bound) {
      return arith::CmpFOp::create(b, loc, how, x, constant(bound));
    };
    Value inRange = arith::AndIOp::create(b, loc, limit(arith::CmpFPredicate::OGE, -0x1p31f),
                                          limit(arith::CmpFPredicate::OLT, 0x1p31f));
    Value safe = arith::SelectOp::create(b, loc, inRange, x, constant(0));
    safe = math::RoundEvenOp::create(b, loc, safe);
    Value rounded = arith::FPToSIOp::create(b, loc, b.getI32Type(), safe);
    elements.push_back(arith::SelectOp::create(b, loc, inRange, rounded, number(INT32_MIN)));
  }
  return lanes().share(elements);
}

LogicalResult Distributor::rewrite(Operation *op) {
  auto give = [&](Value made) {
    if (!made)
      return LogicalResult(op->emitOpError("has no form for threads"));
    map.map(op->getResult(0), made);
    return success();
  };
  using LLVM::LoadOp, LLVM::StoreOp;
  auto results = WarpgroupBuilder(b, loc, map).rewrite(op);
  if (!results)
    results = StripBuilder(b, loc, map).rewrite(op);
  if (results) {
    map.map(op->getResults(), ValueRange(*results));
    return success();
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::ConstantOp o) {
        return isa<VectorType>(o.getType()) ? give(constant(o)) : likeBefore(op);
      })
      .Case([&](vector::BroadcastOp o) {
        SmallVector<Value> all(elementsPerThread(o.getResultVectorType()), in(o.getSource()));
        return give(isa<VectorType>(o.getSource().getType()) ? Value() : lanes().share(all));
      })
      .Case([&](vector::ExtractOp o) { return give(extract(o)); })
      .Case([&](vector::InsertOp o) { return give(insert(o)); })
      .Case([&](vector::ShuffleOp o) {
        return give(lanes().gather({in(o.getV1()), in(o.getV2())},
                                   {o.getV1VectorType(), o.getV2VectorType()}, o.getMask()));
      })
      .Case([&](vector::ExtractStridedSliceOp o) { return give(slice(o)); })
      .Case([&](vector::InsertStridedSliceOp o) { return give(paste(o)); })
      .Case([&](vector::BitCastOp o) {
        VectorType from = o.getSourceVectorType(), to = o.getResultVectorType();
        int64_t fewer = std::min(from.getNumElements(), to.getNumElements());
        bool moves = from.getNumElements() != to.getNumElements() && fewer < kGroupThreads;
        return give(moves ? Value()
                          : LLVM::BitcastOp::create(b, loc, shareOf(to), in(o.getSource())));
      })
      .Case([&](LoadOp o) {
        auto type = dyn_cast<VectorType>(o.getType());
        return type && shareOf(type) ? give(load(o, type)) : likeBefore(op);
      })
      .Case([&](StoreOp o) {
        auto type = dyn_cast<VectorType>(o.getValue().getType());
        if (!type || !shareOf(type))
          return likeBefore(op);
        store(o, type);
        return success();
      })
      .Case([&](tile::LoadOp o) { return give(tileLoad(o)); })
      .Case([&](tile::StoreOp o) {
        tileStore(o);
        return success();
      })
      .Case([&](tile::PrefetchOp) { return success(); }) // others run while a warp waits
      .Case([&](tile::Dot4Op o) {
        using Kind = NVVM::DotAccumulateType;
        return give(NVVM::DotAccumulate4WayOp::create(
            b, loc, b.getI32Type(), in(o.getA()), o.getIsSigned() ? Kind::SIGNED : Kind::UNSIGNED,
            in(o.getB()), Kind::SIGNED, in(o.getAcc())));
      })
      .Case([&](tile::Dot2Op o) { return give(dot2(o)); })
      .Case([&](tile::DotBf16Op o) { return give(dotBf16(o)); })
      .Case([&](tile::ToBf16Op o) {
        auto type = cast<VectorType>(o.getType());
        Value share = in(o.getValue());
        if (elementsPerThread(type) != 2)
          return give(arith::TruncFOp::create(b, loc, shareOf(type), share));
        return give(lanes().pairOfBf16(lanes().element(share, 0), lanes().element(share, 1)));
      })
      .Case([&](tile::LookupOp o) { return give(lookup(o)); })
      .Case([&](tile::RoundEvenToI32Op o) { return give(roundEven(o)); })
      .Default([&](Operation *) { return likeBefore(op); });
}

//===-- Frames and stores ---------------------------------------------------------------------===//

constexpr int64_t kFrameAlignment = 64;

/// Stack buffers become parts of one frame for the group, at the address `frame`. Gives its size.
int64_t placeBuffers(func::FuncOp function, Value frame) {
  SmallVector<LLVM::AllocaOp> buffers;
  function.walk([&](LLVM::AllocaOp op) { buffers.push_back(op); });
  int64_t bytes = 0;
  for (LLVM::AllocaOp op : buffers) {
    OpBuilder b(op);
    int64_t size = 0;
    if (auto constant = op.getArraySize().getDefiningOp<arith::ConstantIntOp>())
      size = constant.value();
    Value at = LLVM::GEPOp::create(b, op.getLoc(), frame.getType(), b.getI8Type(), frame,
                                   ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)},
                                   LLVM::GEPNoWrapFlags::inbounds);
    op.replaceAllUsesWith(at);
    op.erase();
    bytes += llvm::alignTo(size * bytesOf(op.getElemType()), kFrameAlignment);
  }
  return bytes;
}

/// Frames of a module: every part of a kernel has one of its own behind the kernel's, since a
/// kernel calls few of them, and never itself.
void placeFrames(ModuleOp module) {
  auto ptr = LLVM::LLVMPointerType::get(module.getContext());
  OpBuilder b(module.getContext());
  int64_t parts = 0; // where the next part's frame begins, before the scratch memory
  for (func::FuncOp part : module.getOps<func::FuncOp>()) {
    if (part.isPublic() || part.isExternal())
      continue;
    (void)part.insertArgument(part.getNumArguments(), ptr, {}, part.getLoc());
    Value frame = part.getArguments().back();
    OpBuilder entry = OpBuilder::atBlockBegin(&part.front());
    Value own = LLVM::GEPOp::create(entry, part.getLoc(), ptr, entry.getI8Type(), frame,
                                    ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(parts)},
                                    LLVM::GEPNoWrapFlags::inbounds);
    parts += placeBuffers(part, own);
  }
  for (func::FuncOp kernel : module.getOps<func::FuncOp>()) {
    if (!kernel.isPublic() || kernel.isExternal())
      continue;
    b.setInsertionPointToStart(&kernel.front());
    Value start = arith::ConstantIntOp::create(b, kernel.getLoc(), 0, 64);
    Operation *offset = start.getDefiningOp();
    Value frame = LLVM::GEPOp::create(b, kernel.getLoc(), ptr, b.getI8Type(), kernel.getArgument(4),
                                      ValueRange{start}, LLVM::GEPNoWrapFlags::none);
    Value own = LLVM::GEPOp::create(b, kernel.getLoc(), ptr, b.getI8Type(), frame,
                                    ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(parts)},
                                    LLVM::GEPNoWrapFlags::inbounds);
    int64_t bytes = parts + placeBuffers(kernel, own);
    offset->setAttr("value", b.getI64IntegerAttr(-bytes));
    kernel->setAttr("qcc.frame_bytes", b.getI64IntegerAttr(bytes));
    kernel.walk([&](func::CallOp call) { call->insertOperands(call->getNumOperands(), frame); });
  }
  // Parts that call parts.
  for (func::FuncOp part : module.getOps<func::FuncOp>())
    if (!part.isPublic() && !part.isExternal())
      part.walk([&](func::CallOp call) {
        call->insertOperands(call->getNumOperands(), part.getArguments().back());
      });
}

/// Memory is read by all threads of a group and written by one or by each: between those, they
/// wait for each other. Scalars are stored by the first thread.
void orderStores(Operation *root) {
  SmallVector<LLVM::StoreOp> stores;
  root->walk([&](LLVM::StoreOp op) { stores.push_back(op); });
  for (LLVM::StoreOp op : stores) {
    if (op->removeAttr(kBlockStore))
      continue;
    OpBuilder b(op);
    Location loc = op.getLoc();
    Operation *whole = op;
    if (op->removeAttr(kOwnStore)) {
      if (op->getParentOp()->removeAttr(kOwnStore))
        whole = op->getParentOp();
    } else {
      LaneBuilder lanes(b, loc);
      Value first =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lanes.lane(), lanes.constant(0));
      auto choice = scf::IfOp::create(b, loc, first, /*withElseRegion=*/false);
      op->moveBefore(choice.thenBlock()->getTerminator());
      whole = choice;
    }
    b.setInsertionPoint(whole);
    LaneBuilder(b, loc).sync();
    b.setInsertionPointAfter(whole);
    LaneBuilder(b, loc).sync();
  }
}

struct DistributeLanes : PassWrapper<DistributeLanes, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DistributeLanes)
  StringRef getArgument() const override { return "qcc-distribute-lanes"; }
  StringRef getDescription() const override { return "Sixteen threads for sixteen lanes"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect,
                    scf::SCFDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    placeFrames(getOperation());
    placeShared(getOperation());
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      if (failed(distribute(function)))
        return signalPassFailure();
      orderStores(function);
    }
  }

  LogicalResult distribute(func::FuncOp function) {
    if (function.isExternal())
      return success();
    Region body; // of one block: kernels have structured control flow
    auto *entry = new Block;
    body.push_back(entry);
    for (BlockArgument argument : function.getArguments())
      entry->addArgument(argument.getType(), argument.getLoc());
    Distributor distributor(&getContext());
    if (failed(distributor.blocks(function.getBody(), body)))
      return failure();
    function.getBody().takeBody(body);
    return success();
  }
};

} // namespace

std::unique_ptr<Pass> ptx::createDistributeLanesPass() {
  return std::make_unique<DistributeLanes>();
}
