// Writes one kernel: a function with the ABI of qcc_kernel_fn, as scf loops over 16-lane vectors.
//
// The ABI (runtime/include/qcc/model.h):
//   func.func @name(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr)
//       -> i64
// `args` points to 64-bit slots (addresses, dimensions, strides in elements unless said otherwise,
// f32 bit patterns), the same for all tasks of a launch. The kernel does the tasks [begin, end) and
// returns 0 or a qcc_fault. Concurrent calls have disjoint task ranges and different `worker`s.
//
// Numbers. A vector always has 16 lanes, or a multiple for bytes (vector<64xi8>), whatever the
// instruction set; LLVM splits it where registers are narrower. Together with explicit fma, no
// fast-math flags and reductions by a fixed tree this makes results equal bit by bit on all levels.
//
// Memory. Pointers are raw !llvm.ptr, indices are i64 in elements. Element types convert on load to
// a compute type and back on store:
//   F32 F16 BF16 -> f32   F64 -> f64   I8 U8 I16 U16 I32 U32 -> i32   I64 U64 -> i64   Bool -> i1
// (U32 and U64 keep their bits). Stores of integers wrap: clamp first where that matters.
// A tail is an i64 `lanes` in 1..15 (a null Value means all 16): lanes beyond it are neither read
// nor written and read as `fill`, or zero.
//
// Typical use:
//   KernelBuilder k(module, "relu", target);
//   Value x = k.argPtr(0), y = k.argPtr(1), n = k.argI64(2);
//   k.forTasks([&](Value row) {
//     Value xr = k.elemPtr(Elem::F32, x, k.mul(row, n)), yr = ...;
//     k.forLanes(n, [&](Value i, Value lanes) {
//       k.vstore(Elem::F32, k.max(k.vload(Elem::F32, xr, i, lanes), k.cf32(0)), yr, i, lanes);
//     });
//   });
//   k.finish();
#ifndef QCC_KERNELS_KERNELBUILDER_H
#define QCC_KERNELS_KERNELBUILDER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "qcc/Kernels/ValueBuilder.h"
#include "qcc/Target/Target.h"
#include <map>

namespace qcc {

class CostTable;

class KernelBuilder : public ValueBuilder {
public:
  /// Starts @name at the end of `module`. `target` and `costs` decide blocking only, never results.
  /// Without `costs`, those that come with qcc are asked.
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name, const Target &target,
                const CostTable *costs = nullptr);
  /// Returns from the kernel with the recorded fault. Call once, at the top level.
  mlir::func::FuncOp finish();

  const Target &target() const { return level; }
  const CostTable *costs() const { return table; }
  mlir::func::FuncOp func() { return fn; }

  // The five arguments.
  Value args() { return fn.getArgument(0); }
  Value begin() { return fn.getArgument(1); }
  Value end() { return fn.getArgument(2); }
  Value worker() { return fn.getArgument(3); }
  Value scratch() { return fn.getArgument(4); }

  // Slot n of args. Loaded once, in the entry block.
  Value argI64(int n);
  Value argPtr(int n);
  Value argF32(int n);

  // Structure. Bodies return nothing, or the values to carry.
  void forLoop(Value lb, Value ub, Value step, llvm::function_ref<void(Value)> body);
  Values forLoop(Value lb, Value ub, Value step, ValueRange init,
                 llvm::function_ref<Values(Value, ValueRange)> body);
  /// for i in 0..n.
  void forRange(Value n, llvm::function_ref<void(Value)> body);
  Values forRange(Value n, ValueRange init, llvm::function_ref<Values(Value, ValueRange)> body);
  /// for task in begin..end.
  void forTasks(llvm::function_ref<void(Value)> body);
  /// Sweeps 0..n by 16: body(i, null) for full groups, then body(i, n - i) if n % 16 != 0.
  void forLanes(Value n, llvm::function_ref<void(Value i, Value lanes)> body);
  Values forLanes(Value n, ValueRange init,
                  llvm::function_ref<Values(Value i, Value lanes, ValueRange carried)> body);
  /// while cond(carried) do carried = body(carried).
  Values whileLoop(ValueRange init, llvm::function_ref<Value(ValueRange)> cond,
                   llvm::function_ref<Values(ValueRange)> body);
  void ifThen(Value cond, llvm::function_ref<void()> then);
  void ifElse(Value cond, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);
  /// Yields what the taken branch returns; both return values of the same types.
  Values ifElse(Value cond, mlir::TypeRange types, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  /// Emits a call of an internal function with these arguments; `body` writes the function and is
  /// run for the first use of `suffix` in this kernel only. For hot loops beside much other code:
  /// LLVM judges loops by nesting, moves constants of one loop over another and then spills the
  /// other's accumulators. Within `body` only its arguments exist: no slots, no faults, no outer
  /// values.
  void outlined(llvm::StringRef suffix, ValueRange captured,
                llvm::function_ref<void(ValueRange)> body);

  // Faults. The first one recorded is returned; execution goes on, so guard the accesses.
  void fault(int code);
  void faultIf(Value cond, int code);

  // Pointers.
  Value elemPtr(Elem e, Value ptr, Value index);
  Value bytePtr(Value ptr, Value bytes);
  /// `bytes` of the worker's stack, 64-byte aligned; for little things (<= 16 KiB a kernel).
  Value stackBuffer(int64_t bytes);
  void prefetch(Value ptr, int locality = 3);

  // Scalars.
  Value load(Elem e, Value ptr, Value index = {});
  void store(Elem e, Value value, Value ptr, Value index = {});

  // Vectors of 16. `lanes` is a tail (see above). `fill` is a scalar of the compute type.
  Value vload(Elem e, Value ptr, Value index = {}, Value lanes = {}, Value fill = {});
  void vstore(Elem e, Value value, Value ptr, Value index = {}, Value lanes = {});
  /// Lane l reads element index + l * stride (scalar loads; lanes beyond a tail repeat lane 0).
  Value vloadStrided(Elem e, Value ptr, Value index, Value stride, Value lanes = {});
  void vstoreStrided(Elem e, Value value, Value ptr, Value index, Value stride, Value lanes = {});
  /// Lane l reads element indices[l] (vector<16xi64>); with a tail lanes beyond it repeat lane 0.
  Value vgather(Elem e, Value ptr, Value indices, Value lanes = {});
  /// Uninterpreted: `count` elements of `type`, alignment of one element.
  Value rawLoad(mlir::Type type, Value ptr, int64_t align = 1);
  void rawStore(Value value, Value ptr, int64_t align = 1);
  /// vector<16xi1>, lane l set if l < lanes.
  Value laneMask(Value lanes);
  /// v with lanes beyond the tail replaced by the scalar `fill`; v itself if lanes is null.
  Value fillTail(Value v, Value lanes, Value fill);

private:
  Value slot(int n, mlir::Type type);
  template <typename Fn> auto atEntry(Fn make);

  const Target &level;
  const CostTable *table;
  mlir::func::FuncOp fn;
  mlir::Operation *entryEnd = nullptr; ///< last op of the entry block's prologue
  Value faultCell;
  std::map<std::pair<int, const void *>, Value> slots;
};

} // namespace qcc
#endif
