// Numbers of eight bits, and pairs of bf16, as f32, on scalars or vectors of i32 codes.
#ifndef QCC_KERNELS_SMALLFLOATS_H
#define QCC_KERNELS_SMALLFLOATS_H

#include "qcc/Kernels/ValueBuilder.h"

namespace qcc {

/// What a stored scale stands for: itself, or one of the formats without a type in memory.
enum class ScaleForm {
  F32,
  F16,
  BF16,
  E8M0, ///< 2^(code - 127), NaN for 255 (OCP MX 1.0, section 5.4.1)
  E4M3,
  U8 ///< the code as a number
};
/// How a scale is loaded.
Elem scaleElem(ScaleForm form);
/// f32 from what a load of scaleElem() gives.
mlir::Value scaleToF32(ValueBuilder &k, ScaleForm form, mlir::Value stored);

/// f32 of f8E4M3FN and f8E5M2 (OCP 8-bit floating point, section 5), subnormal numbers exactly.
mlir::Value e4m3ToF32(ValueBuilder &k, mlir::Value code);
mlir::Value e5m2ToF32(ValueBuilder &k, mlir::Value code);

/// f32 of the code of a float `e` of 4 or 8 bits (OCP 8-bit floating point; "FNUZ": Noune et al.
/// 2022; E8M0 and E2M1: OCP MX 1.0), subnormal numbers exactly.
mlir::Value smallFloatToF32(ValueBuilder &k, Elem e, mlir::Value code);
/// The code of a f32 rounded to nearest, ties to even. What is too large becomes infinity, NaN
/// where there is none, or the largest number where there is neither.
mlir::Value f32ToSmallFloat(ValueBuilder &k, Elem e, mlir::Value x);

/// f32 of the first and of the second of the two bf16 in 32 bits.
mlir::Value firstBf16(ValueBuilder &k, mlir::Value pair);
mlir::Value secondBf16(ValueBuilder &k, mlir::Value pair);

/// Twice the value of each code of f4e2m1; code 8 is -0.
inline constexpr int8_t kTwiceF4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr float f4Value(int code) { return code == 8 ? -0.0f : kTwiceF4[code] * 0.5f; }

} // namespace qcc
#endif
