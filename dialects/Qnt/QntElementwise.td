// Elementwise ops. Every one broadcasts its operands as NumPy does and computes each element alone.
#ifndef QNT_ELEMENTWISE
#define QNT_ELEMENTWISE

include "QntTypes.td"

/// Marks an op that computes each result element from the operand elements it broadcasts from.
def Qnt_Elementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::qcc::qnt"; }

class Qnt_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Qnt_Op<mnemonic, [Pure, Qnt_Elementwise] # traits> {
  let results = (outs Qnt_Tensor:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

class Qnt_UnaryOp<string mnemonic, string formula> : Qnt_ElementwiseOp<mnemonic> {
  let summary = "elementwise " # formula;
  let description = "`out[i] = " # formula # [{`

    Constraints:
    * (C1) `out` has the dimensions of `x`.
    * (C2) `out` has the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::qcc::qnt::verifyUnary(*this); }
  }];
}

class Qnt_BinaryOp<string mnemonic, string formula> : Qnt_ElementwiseOp<mnemonic> {
  let summary = "elementwise " # formula;
  let description = "`out[i] = " # formula # [{` with NumPy broadcasting.

    Constraints:
    * (C1) `out` has the dimensions that `x` and `y` broadcast to.
    * (C2) `x`, `y` and `out` have one element type.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$y);
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::qcc::qnt::verifyBinary(*this); }
  }];
}

def Qnt_AbsOp : Qnt_UnaryOp<"abs", "|x|">;
def Qnt_NegOp : Qnt_UnaryOp<"neg", "-x">;
def Qnt_SignOp : Qnt_UnaryOp<"sign", "-1, 0 or 1; NaN stays">;
def Qnt_CeilOp : Qnt_UnaryOp<"ceil", "smallest integer >= x">;
def Qnt_FloorOp : Qnt_UnaryOp<"floor", "largest integer <= x">;
def Qnt_RoundOp : Qnt_UnaryOp<"round", "nearest integer, ties to even">;
def Qnt_SqrtOp : Qnt_UnaryOp<"sqrt", "x^(1/2), correctly rounded">;
def Qnt_ReciprocalOp : Qnt_UnaryOp<"reciprocal", "1 / x">;
def Qnt_ExpOp : Qnt_UnaryOp<"exp", "e^x">;
def Qnt_LogOp : Qnt_UnaryOp<"log", "ln x">;
def Qnt_SinOp : Qnt_UnaryOp<"sin", "sin x">;
def Qnt_CosOp : Qnt_UnaryOp<"cos", "cos x">;
def Qnt_TanOp : Qnt_UnaryOp<"tan", "tan x">;
def Qnt_AsinOp : Qnt_UnaryOp<"asin", "arcsin x">;
def Qnt_AcosOp : Qnt_UnaryOp<"acos", "arccos x">;
def Qnt_AtanOp : Qnt_UnaryOp<"atan", "arctan x">;
def Qnt_SinhOp : Qnt_UnaryOp<"sinh", "sinh x">;
def Qnt_CoshOp : Qnt_UnaryOp<"cosh", "cosh x">;
def Qnt_AsinhOp : Qnt_UnaryOp<"asinh", "arsinh x">;
def Qnt_AcoshOp : Qnt_UnaryOp<"acosh", "arcosh x">;
def Qnt_AtanhOp : Qnt_UnaryOp<"atanh", "artanh x">;
def Qnt_TanhOp : Qnt_UnaryOp<"tanh", "tanh x">;
def Qnt_SigmoidOp : Qnt_UnaryOp<"sigmoid", "1 / (1 + e^-x)">;
def Qnt_ErfOp : Qnt_UnaryOp<"erf", "2/sqrt(pi) * integral_0^x e^(-t^2) dt">;
def Qnt_ReluOp : Qnt_UnaryOp<"relu", "max(x, 0)">;
def Qnt_SiluOp : Qnt_UnaryOp<"silu", "x * sigmoid(x)">;
def Qnt_SoftplusOp : Qnt_UnaryOp<"softplus", "ln(1 + e^x)">;
def Qnt_NotOp : Qnt_UnaryOp<"not", "logical or bitwise complement of x">;

def Qnt_AddOp : Qnt_BinaryOp<"add", "x + y">;
def Qnt_SubOp : Qnt_BinaryOp<"sub", "x - y">;
def Qnt_MulOp : Qnt_BinaryOp<"mul", "x * y">;
def Qnt_DivOp : Qnt_BinaryOp<"div", "x / y; integers truncate, division by zero faults">;
def Qnt_PowOp : Qnt_BinaryOp<"pow", "x^y">;
def Qnt_MinOp : Qnt_BinaryOp<"min", "min(x, y); NaN wins">;
def Qnt_MaxOp : Qnt_BinaryOp<"max", "max(x, y); NaN wins">;
def Qnt_AndOp : Qnt_BinaryOp<"and", "x and y, bitwise on integers">;
def Qnt_OrOp : Qnt_BinaryOp<"or", "x or y, bitwise on integers">;
def Qnt_XorOp : Qnt_BinaryOp<"xor", "x xor y, bitwise on integers">;
def Qnt_ShlOp : Qnt_BinaryOp<"shl", "x << y">;
def Qnt_ShrOp : Qnt_BinaryOp<"shr", "x >> y">;

def Qnt_ModOp : Qnt_ElementwiseOp<"mod"> {
  let summary = "elementwise remainder";
  let description = [{
    `out = x - y * floor(x / y)` (sign of `y`), or with `fmod` `x - y * trunc(x / y)` (sign of `x`).

    Constraints:
    * (C1) `out` has the dimensions that `x` and `y` broadcast to.
    * (C2) `x`, `y` and `out` have one element type.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$y, UnitAttr:$fmod);
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::qcc::qnt::verifyBinary(*this); }
  }];
}

def Qnt_CompareOp : Qnt_ElementwiseOp<"compare"> {
  let summary = "elementwise comparison";
  let description = [{
    `out = x <predicate> y`, a boolean (`i1`).

    Constraints:
    * (C1) `out` has the dimensions that `x` and `y` broadcast to.
    * (C2) `x` and `y` have one element type and `out` has `i1`.
  }];
  let arguments = (ins Qnt_PredicateAttr:$predicate, Qnt_Tensor:$x, Qnt_Tensor:$y);
  let assemblyFormat = "$predicate $x `,` $y attr-dict `:` functional-type(operands, results)";
}

def Qnt_IsNanOp : Qnt_ElementwiseOp<"is_nan"> {
  let summary = "whether x is NaN";
  let description = [{
    Constraints:
    * (C1) `out` has the dimensions of `x` and element type `i1`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
}

def Qnt_IsInfOp : Qnt_ElementwiseOp<"is_inf"> {
  let summary = "whether x is an infinity of a wanted sign";
  let description = [{
    Constraints:
    * (C1) `out` has the dimensions of `x` and element type `i1`.
  }];
  let arguments = (ins Qnt_Tensor:$x, DefaultValuedAttr<BoolAttr, "true">:$positive,
                       DefaultValuedAttr<BoolAttr, "true">:$negative);
}

def Qnt_GeluOp : Qnt_ElementwiseOp<"gelu"> {
  let summary = "Gaussian error linear unit";
  let description = [{
    `erf`: `x/2 * (1 + erf(x / sqrt(2)))`; `tanh`: `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`;
    `sigmoid`: `x * sigmoid(1.702 x)` (Hendrycks and Gimpel 2016, section 2).

    Constraints:
    * (C1) `out` has the dimensions of `x`.
    * (C2) `out` has the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, DefaultValuedAttr<Qnt_GeluKindAttr, "GeluKind::erf">:$kind);
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::qcc::qnt::verifyUnary(*this); }
  }];
}

def Qnt_CastOp : Qnt_ElementwiseOp<"cast"> {
  let summary = "conversion of the element type";
  let description = [{
    Float to float rounds to nearest even; float to integer truncates toward zero and saturates
    (NaN gives 0); integer to narrower integer wraps; anything to `i1` is `x != 0`.

    Constraints:
    * (C1) `out` has the dimensions of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
}

def Qnt_SelectOp : Qnt_ElementwiseOp<"select"> {
  let summary = "elementwise choice";
  let description = [{
    `out = condition ? x : y` with NumPy broadcasting of all three.

    Constraints:
    * (C1) `out` has the dimensions that the operands broadcast to.
    * (C2) `condition` has element type `i1`; `x`, `y` and `out` have one element type.
  }];
  let arguments = (ins Qnt_Tensor:$condition, Qnt_Tensor:$x, Qnt_Tensor:$y);
}

#endif
