// What one thread of sixteen holds of a vector, and how it reaches what the others hold.
//
// Thread l of a group has elements m l .. m l + m - 1 of a vector of N = 16 m elements, as a scalar
// where m is 1 and as a vector of m elements else. Of vectors with N < 16 it has element l mod N.
// So bytes that lie together on the way to dot products lie in one thread, and reinterpreting the
// bits of a vector moves nothing between threads. A group is half a warp; the two halves go their
// own ways.
#ifndef QCC_LIB_GPU_LANEBUILDER_H
#define QCC_LIB_GPU_LANEBUILDER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "qcc/Gpu/Gpu.h"

namespace qcc::ptx {

/// Elements of a vector that a thread holds.
inline int64_t elementsPerThread(mlir::VectorType type) {
  return std::max<int64_t>(1, type.getNumElements() / kGroupThreads);
}
/// The type of a thread's share; null for vectors that threads cannot share equally.
mlir::Type shareOf(mlir::VectorType type);

class LaneBuilder {
public:
  using Value = mlir::Value;
  LaneBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  Value constant(int32_t value);
  Value lane();      ///< i32, 0 .. 15
  Value groupMask(); ///< i32, the threads of the group in their warp
  /// What thread `from` (i32, taken modulo 16) holds; any type of 8 to 64 bits or i1.
  Value shuffle(Value held, Value from);
  /// Orders the memory accesses of the group's threads.
  void sync();

  /// Element `index` of a share.
  Value element(Value share, int64_t index);
  /// A share of these elements, as many as a thread holds.
  Value share(llvm::ArrayRef<Value> elements);
  /// Two f32 as bf16, rounded together.
  Value pairOfBf16(Value low, Value high);
  /// Per thread one of `values`, of which there are 1 to 16 (thread l has number l mod size).
  Value byLane(llvm::ArrayRef<Value> values);
  /// The elements `positions` of vectors side by side (`shares`, of `types`) as a vector of as many
  /// elements.
  Value gather(mlir::ValueRange shares, llvm::ArrayRef<mlir::VectorType> types,
               llvm::ArrayRef<int64_t> positions);

private:
  Value bits(Value v, int64_t &width);
  Value whoHas(int64_t mask);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace qcc::ptx
#endif
