// Arithmetic on scalars and 16-lane vectors, written as calls: the vocabulary of kernels and of the
// expansions that lower them.
#ifndef QCC_KERNELS_VALUEBUILDER_H
#define QCC_KERNELS_VALUEBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace qcc {

/// Element types in memory; the numbers of qcc_dtype, or where that has none of ONNX.
enum class Elem {
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  Bool = 9,
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21, ///< below a byte: a number in each
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25,
  I2 = 26
};
int64_t elemBytes(Elem e);
bool elemIsFloat(Elem e);
/// Floats of at most 8 bits, one in each byte.
bool elemIsSmallFloat(Elem e);
/// Bits of an integer; 1 for Bool.
int64_t elemBits(Elem e);
bool elemIsUnsigned(Elem e);
/// "f32", "u8", … for kernel names.
llvm::StringRef elemName(Elem e);

/// Number of lanes of every compute vector.
constexpr int64_t kLanes = 16;

/// Values on scalars and vectors at the insertion point of a builder; also what the expansions of
/// lib/Kernels are written with.
class ValueBuilder {
public:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = llvm::SmallVector<mlir::Value>;

  ValueBuilder(mlir::OpBuilder builder, mlir::Location loc) : b(builder), where(loc) {}
  mlir::OpBuilder &builder() { return b; }
  mlir::Location loc() const { return where; }

  // Constants.
  Value ci64(int64_t v);
  Value ci32(int32_t v);
  Value ci1(bool v);
  Value cf32(float v);
  Value cf64(double v);
  /// Any scalar constant of the element type `type` (v is rounded or truncated to it).
  Value constant(mlir::Type type, double v);
  /// <16 x i32> or <16 x i64> of 0, 1, … 15.
  Value iota32();
  Value iota64();

  // Types.
  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type f64() { return b.getF64Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i1() { return b.getI1Type(); }
  mlir::Type ptrType();
  mlir::Type computeType(Elem e); ///< scalar type that loads of e produce
  mlir::Type storageType(Elem e); ///< type in memory
  mlir::VectorType vec(mlir::Type scalar, int64_t lanes = kLanes);
  /// A compute value of an integer type of less than 32 bits modulo its range; others as they are.
  Value wrap(Elem e, Value x);

  // Lanes.
  Value broadcast(Value scalar, int64_t lanes = kLanes);
  Value extract(Value vector, int64_t lane);
  Value insert(Value scalar, Value vector, int64_t lane);
  Value shuffle(Value a, Value c, llvm::ArrayRef<int64_t> lanes);

  // Arithmetic on scalars and vectors, float or (signless) integer by the operands' type; a scalar
  // beside a vector is broadcast.
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value div(Value x, Value y); ///< integers: signed, towards zero
  Value rem(Value x, Value y); ///< integers: signed, sign of x; floats: fmod
  Value divU(Value x, Value y);
  Value remU(Value x, Value y);
  Value ceilDiv(Value x, Value y);      ///< x >= 0, y > 0
  Value fma(Value x, Value y, Value z); ///< x * y + z, rounded once
  Value neg(Value x);
  Value abs(Value x);
  Value min(Value x, Value y); ///< floats: NaN if either is; integers: signed
  Value max(Value x, Value y);
  Value minU(Value x, Value y);
  Value maxU(Value x, Value y);
  Value minFast(Value x, Value y); ///< x < y ? x : y, one instruction
  Value maxFast(Value x, Value y); ///< x > y ? x : y, one instruction
  Value and_(Value x, Value y);
  Value or_(Value x, Value y);
  Value xor_(Value x, Value y);
  Value not_(Value x);
  Value shl(Value x, Value y);
  Value shr(Value x, Value y); ///< arithmetic
  Value shrU(Value x, Value y);
  Value select(Value cond, Value x, Value y);
  // Comparisons; floats ordered (false on NaN) except ne, integers signed except ltU.
  Value eq(Value x, Value y);
  Value ne(Value x, Value y);
  Value lt(Value x, Value y);
  Value le(Value x, Value y);
  Value gt(Value x, Value y);
  Value ge(Value x, Value y);
  Value ltU(Value x, Value y);
  Value isNan(Value x);

  // Conversions of scalars and vectors.
  Value toF32(Value x); ///< from f64, or a signed integer; i1 gives 0 or 1
  Value toF64(Value x);
  Value toF32Unsigned(Value x);
  Value toI64(Value x); ///< integers sign-extend (i1 zero-extends), floats truncate and saturate
  Value toI32(Value x); ///< as toI64, to 32 bits
  Value zextI64(Value x);
  /// Nearest integer, ties to even, of f32 as i32; out of range and NaN give -2^31.
  Value roundToI32(Value x);
  Value bitcast(Value x, mlir::Type type);
  /// clamp(roundEven(x / scale…) + zero)… is spelled by the caller; this is the last step:
  /// roundToI32 of x clamped to [lo, hi] (NaN gives lo).
  Value roundClampToI32(Value x, float lo, float hi);
  /// ONNX Cast between compute types: e.g. cast(v, Elem::F32, Elem::I8). Float to integer truncates
  /// and saturates at i32/i64 range; then storage wraps. To Bool: x != 0.
  Value cast(Value x, Elem from, Elem to);

  // Mathematics (math dialect, expanded by qcc-expand-math; accuracy stated there).
  Value sqrt(Value x);
  Value rsqrt(Value x); ///< 1 / sqrt(x), both exact
  Value exp(Value x);
  Value log(Value x);
  Value tanh(Value x);
  Value erf(Value x);
  Value sin(Value x);
  Value cos(Value x);
  Value pow(Value x, Value y);
  Value floor(Value x);
  Value ceil(Value x);
  Value roundEven(Value x);
  Value truncate(Value x);
  Value sigmoid(Value x); ///< 1 / (1 + exp(-x))

  // Horizontal, by the tree ((l, l+8), (l, l+4), (l, l+2), (l, l+1)).
  Value reduceAdd(Value v);
  Value reduceMax(Value v); ///< max (NaN if any lane is)
  Value reduceMin(Value v);
  Value reduceMul(Value v);
  Value reduceAnd(Value v);
  Value reduceOr(Value v);
  Value reduce(Value v, llvm::function_ref<Value(Value, Value)> combine);

  /// The type of x with `scalar` as the element.
  mlir::Type like(Value x, mlir::Type scalar);

protected:
  template <typename F, typename I> Value binary(Value x, Value y);
  std::pair<Value, Value> match(Value x, Value y);
  Value saturate(llvm::StringRef intrinsic, mlir::Type to, Value x);
  Value saturateToI32(Value x);
  Value widen(Elem e, Value stored);
  Value narrow(Elem e, Value computed);
  Value compare(Value x, Value y, mlir::arith::CmpFPredicate f, mlir::arith::CmpIPredicate i);

  mlir::OpBuilder b;
  mlir::Location where;
};

} // namespace qcc
#endif
