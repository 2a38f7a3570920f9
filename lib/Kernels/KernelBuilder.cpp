// The kernel builder: functions, loops, memory access with tails. See KernelBuilder.h.
#include "qcc/Kernels/KernelBuilder.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace qcc {

//===-- Function, constants, types ------------------------------------------------------------===//

KernelBuilder::KernelBuilder(ModuleOp module, StringRef name, const Target &target,
                             const CostTable *costs)
    : ValueBuilder(OpBuilder(module.getContext()), module.getLoc()), level(target), table(costs) {
  b.getContext()
      ->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                    scf::SCFDialect, tile::TileDialect, vector::VectorDialect>();
  b.setInsertionPointToEnd(module.getBody());
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  fn = func::FuncOp::create(b, where, name, b.getFunctionType({ptr, i64, i64, i64, ptr}, {i64}));
  b.setInsertionPointToStart(fn.addEntryBlock());
}

func::FuncOp KernelBuilder::finish() {
  assert(b.getInsertionBlock() == &fn.front() && "finish() inside a loop");
  Value result = faultCell ? LLVM::LoadOp::create(b, where, i64(), faultCell).getResult() : ci64(0);
  func::ReturnOp::create(b, where, result);
  return fn;
}

/// Runs `make` with the insertion point in the entry block, before all loops.
template <typename Fn> auto KernelBuilder::atEntry(Fn make) {
  OpBuilder::InsertionGuard guard(b);
  if (entryEnd)
    b.setInsertionPointAfter(entryEnd);
  else
    b.setInsertionPointToStart(&fn.front());
  auto value = make();
  entryEnd = value.getDefiningOp();
  return value;
}

KernelBuilder::Value KernelBuilder::slot(int n, Type type) {
  Value &value = slots[{n, type.getAsOpaquePointer()}];
  if (!value)
    value = atEntry([&]() -> Value {
      auto at = LLVM::GEPOp::create(b, where, ptrType(), i64(), args(), ArrayRef<LLVM::GEPArg>{n},
                                    LLVM::GEPNoWrapFlags::inbounds);
      return LLVM::LoadOp::create(b, where, type, at);
    });
  return value;
}
Value KernelBuilder::argI64(int n) { return slot(n, i64()); }
Value KernelBuilder::argPtr(int n) { return slot(n, ptrType()); }
Value KernelBuilder::argF32(int n) { return slot(n, f32()); }

//===-- Structure -----------------------------------------------------------------------------===//

void KernelBuilder::forLoop(Value lb, Value ub, Value step, function_ref<void(Value)> body) {
  forLoop(lb, ub, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return Values{};
  });
}

KernelBuilder::Values KernelBuilder::forLoop(Value lb, Value ub, Value step, ValueRange init,
                                             function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, where, lb, ub, step, init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(b, where, next); // without carried values the loop has its terminator
  return Values(loop.getResults());
}

void KernelBuilder::forRange(Value n, function_ref<void(Value)> body) {
  forLoop(ci64(0), n, ci64(1), body);
}
KernelBuilder::Values KernelBuilder::forRange(Value n, ValueRange init,
                                              function_ref<Values(Value, ValueRange)> body) {
  return forLoop(ci64(0), n, ci64(1), init, body);
}
void KernelBuilder::forTasks(function_ref<void(Value)> body) {
  forLoop(begin(), end(), ci64(1), body);
}

void KernelBuilder::forLanes(Value n, function_ref<void(Value, Value)> body) {
  forLanes(n, {}, [&](Value i, Value lanes, ValueRange) {
    body(i, lanes);
    return Values{};
  });
}

KernelBuilder::Values KernelBuilder::forLanes(Value n, ValueRange init,
                                              function_ref<Values(Value, Value, ValueRange)> body) {
  Value full = and_(n, ci64(-kLanes));
  Values carried = forLoop(ci64(0), full, ci64(kLanes), init,
                           [&](Value i, ValueRange c) { return body(i, Value(), c); });
  Value lanes = sub(n, full);
  return ifElse(
      gt(lanes, ci64(0)), ValueRange(carried).getTypes(),
      [&] { return body(full, lanes, carried); }, [&] { return carried; });
}

KernelBuilder::Values KernelBuilder::whileLoop(ValueRange init,
                                               function_ref<Value(ValueRange)> cond,
                                               function_ref<Values(ValueRange)> body) {
  auto loop = scf::WhileOp::create(
      b, where, init.getTypes(), init,
      [&](OpBuilder &, Location, ValueRange c) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(c.empty() ? b.getInsertionBlock()
                                           : cast<BlockArgument>(c[0]).getOwner());
        scf::ConditionOp::create(b, where, cond(c), c);
      },
      [&](OpBuilder &, Location, ValueRange c) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(c.empty() ? b.getInsertionBlock()
                                           : cast<BlockArgument>(c[0]).getOwner());
        scf::YieldOp::create(b, where, body(c));
      });
  return Values(loop.getResults());
}

void KernelBuilder::ifThen(Value cond, function_ref<void()> then) {
  auto op = scf::IfOp::create(b, where, cond, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
}

void KernelBuilder::ifElse(Value cond, function_ref<void()> then, function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, where, cond, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
  b.setInsertionPointToStart(op.elseBlock());
  otherwise();
}

KernelBuilder::Values KernelBuilder::ifElse(Value cond, TypeRange types,
                                            function_ref<Values()> then,
                                            function_ref<Values()> otherwise) {
  auto op = scf::IfOp::create(b, where, types, cond, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  // Without results the branches come with their terminators.
  for (auto [block, make] :
       {std::pair(op.thenBlock(), then), std::pair(op.elseBlock(), otherwise)}) {
    b.setInsertionPointToStart(block);
    Values yielded = make();
    if (!types.empty())
      scf::YieldOp::create(b, where, yielded);
  }
  return Values(op.getResults());
}

void KernelBuilder::outlined(StringRef suffix, ValueRange captured,
                             function_ref<void(ValueRange)> body) {
  std::string name = (fn.getName() + "." + suffix).str();
  auto callee = fn->getParentOfType<ModuleOp>().lookupSymbol<func::FuncOp>(name);
  if (!callee) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(fn);
    callee = func::FuncOp::create(b, where, name, b.getFunctionType(captured.getTypes(), {}));
    callee.setPrivate();
    callee->setAttr("llvm.linkage",
                    LLVM::LinkageAttr::get(b.getContext(), LLVM::Linkage::Internal));
    callee->setAttr("passthrough", b.getStrArrayAttr({"noinline"}));
    func::FuncOp outerFn = std::exchange(fn, callee);
    Operation *outerEnd = std::exchange(entryEnd, nullptr);
    b.setInsertionPointToStart(callee.addEntryBlock());
    body(callee.getArguments());
    func::ReturnOp::create(b, where);
    fn = outerFn;
    entryEnd = outerEnd;
  }
  func::CallOp::create(b, where, callee, captured);
}

void KernelBuilder::fault(int code) { faultIf(ci1(true), code); }

void KernelBuilder::faultIf(Value cond, int code) {
  if (!faultCell) {
    faultCell = stackBuffer(8);
    Operation *cell = faultCell.getDefiningOp();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(cell);
    entryEnd = LLVM::StoreOp::create(b, where, ci64(0), faultCell);
  }
  Value old = LLVM::LoadOp::create(b, where, i64(), faultCell);
  Value now = select(and_(eq(old, ci64(0)), cond), ci64(code), old);
  LLVM::StoreOp::create(b, where, now, faultCell);
}

//===-- Memory --------------------------------------------------------------------------------===//

Value KernelBuilder::elemPtr(Elem e, Value ptr, Value index) {
  if (!index)
    return ptr;
  return LLVM::GEPOp::create(b, where, ptrType(), storageType(e), ptr, ValueRange{index},
                             LLVM::GEPNoWrapFlags::inbounds);
}
Value KernelBuilder::bytePtr(Value ptr, Value bytes) {
  return LLVM::GEPOp::create(b, where, ptrType(), b.getI8Type(), ptr, ValueRange{bytes},
                             LLVM::GEPNoWrapFlags::inbounds);
}
Value KernelBuilder::stackBuffer(int64_t bytes) {
  Value count = atEntry([&] { return ci64(bytes); });
  return atEntry([&]() -> Value {
    return LLVM::AllocaOp::create(b, where, ptrType(), b.getI8Type(), count, /*alignment=*/64);
  });
}
void KernelBuilder::prefetch(Value ptr, int locality) {
  tile::PrefetchOp::create(b, where, ptr, locality);
}

Value KernelBuilder::rawLoad(Type type, Value ptr, int64_t align) {
  return LLVM::LoadOp::create(b, where, type, ptr, align);
}
void KernelBuilder::rawStore(Value value, Value ptr, int64_t align) {
  LLVM::StoreOp::create(b, where, value, ptr, align);
}

Value KernelBuilder::load(Elem e, Value ptr, Value index) {
  return widen(e, rawLoad(storageType(e), elemPtr(e, ptr, index), elemBytes(e)));
}
void KernelBuilder::store(Elem e, Value value, Value ptr, Value index) {
  assert(value.getType() == computeType(e) && "store of another type than loads give");
  rawStore(narrow(e, value), elemPtr(e, ptr, index), elemBytes(e));
}

Value KernelBuilder::vload(Elem e, Value ptr, Value index, Value lanes, Value fill) {
  Value at = elemPtr(e, ptr, index);
  VectorType type = vec(storageType(e));
  if (!lanes)
    return widen(e, rawLoad(type, at, elemBytes(e)));
  Value stored = fill ? narrow(e, fill) : constant(storageType(e), 0);
  return widen(e, tile::LoadOp::create(b, where, type, at, lanes, broadcast(stored)));
}

void KernelBuilder::vstore(Elem e, Value value, Value ptr, Value index, Value lanes) {
  assert(value.getType() == vec(computeType(e)) && "vstore of another type than loads give");
  Value at = elemPtr(e, ptr, index), stored = narrow(e, value);
  if (lanes)
    tile::StoreOp::create(b, where, stored, at, lanes);
  else
    rawStore(stored, at, elemBytes(e));
}

Value KernelBuilder::vloadStrided(Elem e, Value ptr, Value index, Value stride, Value lanes) {
  return vgather(e, ptr, add(mul(iota64(), stride), index), lanes);
}

Value KernelBuilder::vgather(Elem e, Value ptr, Value indices, Value lanes) {
  if (lanes)
    indices = fillTail(indices, lanes, extract(indices, 0));
  Value v = broadcast(constant(storageType(e), 0));
  for (int64_t l = 0; l < kLanes; ++l) {
    Value at = elemPtr(e, ptr, extract(indices, l));
    v = insert(rawLoad(storageType(e), at, elemBytes(e)), v, l);
  }
  return widen(e, v);
}

void KernelBuilder::vstoreStrided(Elem e, Value value, Value ptr, Value index, Value stride,
                                  Value lanes) {
  Value stored = narrow(e, value);
  if (!lanes) {
    for (int64_t l = 0; l < kLanes; ++l)
      rawStore(extract(stored, l), elemPtr(e, ptr, add(index, mul(stride, ci64(l)))), elemBytes(e));
    return;
  }
  forRange(lanes, [&](Value l) {
    Value one = vector::ExtractOp::create(
        b, where, stored,
        ArrayRef<OpFoldResult>{
            arith::IndexCastOp::create(b, where, b.getIndexType(), l).getResult()});
    rawStore(one, elemPtr(e, ptr, add(index, mul(stride, l))), elemBytes(e));
  });
}

Value KernelBuilder::laneMask(Value lanes) { return lt(iota32(), toI32(lanes)); }
Value KernelBuilder::fillTail(Value v, Value lanes, Value fill) {
  return lanes ? select(laneMask(lanes), v, broadcast(fill)) : v;
}

} // namespace qcc
