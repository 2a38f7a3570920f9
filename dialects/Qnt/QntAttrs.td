// Dimensions, weight sources and the enumerations of ops.
#ifndef QNT_ATTRS
#define QNT_ATTRS

include "QntDialect.td"

class Qnt_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Qnt_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Qnt_DimAttr : Qnt_Attr<"Dim", "dim"> {
  let summary = "one dimension: a constant, a symbol, or a canonical expression over symbols";
  let description = [{
    Built through `DimExpr` (DimExpr.h), which keeps expressions canonical, so that two equal
    dimensions are one attribute. `kind`, `value`, `name` and `operands` are its private storage.
  }];
  let parameters = (ins "unsigned":$kind, "int64_t":$value, StringRefParameter<>:$name,
                        ArrayRefParameter<"::mlir::Attribute">:$operands);
  let hasCustomAssemblyFormat = 1;
}

def Qnt_DimsAttr : Qnt_Attr<"Dims", "dims"> {
  let summary = "the dimensions of a tensor as expressions, its type's encoding";
  let description = [{
    `tensor<?x?x64xf32, #qnt.dims<[b, s + p, 64]>>`. A tensor whose dimensions are all constants
    carries no encoding; use `makeTensorType` and `dimsOf` (QntTypes.h).
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$dims);
  let hasCustomAssemblyFormat = 1;
}

def Qnt_SymbolAttr : Qnt_Attr<"Symbol", "symbol"> {
  let summary = "declaration of a dimension symbol of a function";
  let description = [{
    `#qnt.symbol<"s", input = 0, axis = 1, min = 0, max = 9223372036854775807, divisor = 1>`: the
    symbol is the size of that axis of that function argument. `input = -1` is a produced symbol:
    an op of the function computes it (`axis` counts produced symbols). `input = -2` is an asked
    symbol: what the caller asks for, at least 1 and at most the symbol number `axis` of the list,
    which it is where the caller does not ask.
  }];
  let parameters = (ins StringRefParameter<>:$name, "int64_t":$input, "int64_t":$axis,
                        DefaultValuedParameter<"int64_t", "0">:$min,
                        DefaultValuedParameter<"int64_t", "INT64_MAX">:$max,
                        DefaultValuedParameter<"int64_t", "1">:$divisor);
  let assemblyFormat = "`<` $name `,` struct($input, $axis, $min, $max, $divisor) `>`";
  let extraClassDeclaration = [{
    static constexpr int64_t kProduced = -1, kAsked = -2;
    bool isBound() const { return getInput() >= 0; }
    bool isAsked() const { return getInput() == kAsked; }
  }];
}

def Qnt_FileAttr : Qnt_Attr<"File", "file"> {
  let summary = "bytes of a file: path relative to the model's folder, offset and length in bytes";
  let parameters = (ins StringRefParameter<>:$path, "uint64_t":$offset, "uint64_t":$length);
  let assemblyFormat = "`<` $path `,` $offset `,` $length `>`";
}

def Qnt_BlobAttr : Qnt_Attr<"Blob", "blob"> {
  let summary = "content-addressed bytes in the blob folder; the file is named by the hash";
  let parameters = (ins StringRefParameter<>:$sha256, "uint64_t":$length);
  let assemblyFormat = "`<` $sha256 `,` $length `>`";
}

class Qnt_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::qcc::qnt";
  let genSpecializedAttr = 0;
}
class Qnt_EnumAttr<EnumAttrInfo info, string mnemonic> : EnumAttr<Qnt_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

def Qnt_Predicate : Qnt_Enum<"Predicate", "comparison; ordered: false when an operand is NaN, except ne", [
  I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
  I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]>;
def Qnt_PredicateAttr : Qnt_EnumAttr<Qnt_Predicate, "predicate">;

def Qnt_ReduceKind : Qnt_Enum<"ReduceKind", "what a reduction computes", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"prod", 4>, I32EnumAttrCase<"l1", 5>,
  I32EnumAttrCase<"l2", 6>, I32EnumAttrCase<"sum_square", 7>, I32EnumAttrCase<"log_sum", 8>,
  I32EnumAttrCase<"log_sum_exp", 9>]>;
def Qnt_ReduceKindAttr : Qnt_EnumAttr<Qnt_ReduceKind, "reduce_kind">;

def Qnt_GeluKind : Qnt_Enum<"GeluKind", "exact (erf), tanh approximation, or x * sigmoid(1.702 x)", [
  I32EnumAttrCase<"erf", 0>, I32EnumAttrCase<"tanh", 1>, I32EnumAttrCase<"sigmoid", 2>]>;
def Qnt_GeluKindAttr : Qnt_EnumAttr<Qnt_GeluKind, "gelu_kind">;

def Qnt_PadMode : Qnt_Enum<"PadMode", "where padding comes from", [
  I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"reflect", 1>, I32EnumAttrCase<"edge", 2>,
  I32EnumAttrCase<"wrap", 3>]>;
def Qnt_PadModeAttr : Qnt_EnumAttr<Qnt_PadMode, "pad_mode">;

def Qnt_ScatterKind : Qnt_Enum<"ScatterKind", "how an update meets the old value", [
  I32EnumAttrCase<"set", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
  I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]>;
def Qnt_ScatterKindAttr : Qnt_EnumAttr<Qnt_ScatterKind, "scatter_kind">;

def Qnt_Storage : Qnt_Enum<"Storage", "how a code is stored", [
  I32EnumAttrCase<"i8", 0>, I32EnumAttrCase<"u8", 1>, I32EnumAttrCase<"i4", 2>,
  I32EnumAttrCase<"u4", 3>, I32EnumAttrCase<"i2", 4>, I32EnumAttrCase<"u2", 5>,
  I32EnumAttrCase<"i16", 6>, I32EnumAttrCase<"u16", 7>,
  I32EnumAttrCase<"f32", 8>, I32EnumAttrCase<"f16", 9>, I32EnumAttrCase<"bf16", 10>,
  I32EnumAttrCase<"u1", 11>, I32EnumAttrCase<"i3", 12>, I32EnumAttrCase<"u3", 13>,
  I32EnumAttrCase<"i5", 14>, I32EnumAttrCase<"u5", 15>, I32EnumAttrCase<"i6", 16>,
  I32EnumAttrCase<"u6", 17>, I32EnumAttrCase<"i7", 18>, I32EnumAttrCase<"u7", 19>,
  I32EnumAttrCase<"ternary", 20>, I32EnumAttrCase<"f8e4m3fn", 21>,
  I32EnumAttrCase<"f8e5m2", 22>, I32EnumAttrCase<"f8e4m3fnuz", 23>,
  I32EnumAttrCase<"f8e5m2fnuz", 24>, I32EnumAttrCase<"f4e2m1", 25>]>;
def Qnt_StorageAttr : Qnt_EnumAttr<Qnt_Storage, "storage">;

def Qnt_Granularity : Qnt_Enum<"Granularity", "what shares one scale", [
  I32EnumAttrCase<"tensor", 0>, I32EnumAttrCase<"axis", 1>, I32EnumAttrCase<"block", 2>,
  I32EnumAttrCase<"token", 3>]>;

def Qnt_Layout : Qnt_Enum<"Layout", "where an element lies", [
  I32EnumAttrCase<"logical", 0>,
  I32EnumAttrCase<"panel16_f32", 1>,
  I32EnumAttrCase<"panel16_k4", 2>,
  I32EnumAttrCase<"panel16_block", 3>,
  I32EnumAttrCase<"token_u8", 4>,
  I32EnumAttrCase<"token_s8", 5>,
  I32EnumAttrCase<"token_s16", 6>,
  I32EnumAttrCase<"panel16_k2", 7>,
  I32EnumAttrCase<"token_f32", 8>,
  I32EnumAttrCase<"token_f8", 9>]>;

def Qnt_CodebookAttr : Qnt_Attr<"Codebook", "codebook"> {
  let summary = "what the codes of a codebook stand for";
  let description = [{
    `#qnt.codebook<[-1.0, 1.0]>` gives the value of each code, `#qnt.codebook<learned>` says that
    the table belongs to the tensor and lies in its buffer (2^bits floats).

    Constraints:
    * (C1) there are 2 to 256 values, finite and strictly ascending.
  }];
  let parameters = (ins "::mlir::DenseF32ArrayAttr":$values);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static CodebookAttr learned(::mlir::MLIRContext *context);
    static CodebookAttr fixed(::mlir::MLIRContext *context, ::llvm::ArrayRef<float> values);
    bool isLearned() const { return getValues().empty(); }
    ::llvm::ArrayRef<float> table() const { return getValues().asArrayRef(); }
  }];
}

#endif
