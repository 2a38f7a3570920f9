// Large constants as symbols.
#ifndef QNT_WEIGHTS
#define QNT_WEIGHTS

include "QntTypes.td"

def Qnt_WeightOp : Qnt_Op<"weight", [Symbol, IsolatedFromAbove]> {
  let summary = "a large constant: where its bytes are, or how to make them";
  let description = [{
    Either `source` is a file range or a blob holding row-major little-endian elements, or the body
    is a recipe: pure ops over other weights, evaluated tensor by tensor at emission, ending in
    `qnt.yield`.

    ```mlir
    qnt.weight @w : tensor<384x1536xf32> = #qnt.file<"model.safetensors", 1234, 2359296>
    qnt.weight @w.t : tensor<1536x384xf32> {
      %0 = qnt.use @w : tensor<384x1536xf32>
      %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<384x1536xf32>) -> tensor<1536x384xf32>
      qnt.yield %1 : tensor<1536x384xf32>
    }
    ```

    Constraints:
    * (C1) there is a source or a recipe, not both.
    * (C2) a source has exactly the bytes that the type needs.
    * (C3) a recipe yields one value of the weight's type.
    * (C4) all dimensions are constants.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, OptionalAttr<AnyAttr>:$source,
                       OptionalAttr<StrAttr>:$sym_visibility);
  let regions = (region AnyRegion:$recipe);
  let assemblyFormat = "$sym_name `:` $type (`=` $source^)? ($recipe^)? attr-dict";
  let hasVerifier = 1;
}

def Qnt_UseOp : Qnt_Op<"use", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let description = [{
    Constraints:
    * (C1) `weight` names a `qnt.weight` of the result's type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Qnt_Value:$out);
  let assemblyFormat = "$weight attr-dict `:` type($out)";
}

def Qnt_YieldOp : Qnt_Op<"yield", [Pure, Terminator]> {
  let summary = "ends a recipe or a fused group";
  let arguments = (ins Variadic<Qnt_Value>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
