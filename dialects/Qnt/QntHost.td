// What the application computes.
#ifndef QNT_HOST
#define QNT_HOST

include "QntTypes.td"

def Qnt_HostCallOp : Qnt_Op<"host_call"> {
  let summary = "an operator that the application computes";
  let description = [{
    Calls what the application registered as `domain`::`callee`. It is a function of the operands and
    `settings` alone, and its results have the dimensions that their types say. `settings` are
    the ONNX node's as a JSON object. `positions[i]` is the operand that is the node's input i, or -1
    where an optional input is absent. `elements` are the operands' element types as the application
    sees them, whatever passes do to the values before.

    Effects are unknown to MLIR, though there should be none: nothing folds, merges, repeats or
    hoists the call, or runs it at compile time.

    Constraints:
    * (C1) `positions` holds the operands' numbers in ascending order, and else -1.
    * (C2) operands have the element types `elements`, of whole bytes or `i1`, as results have.
    * (C3) `callee` is not empty, and `settings` is a JSON object.
  }];
  let arguments = (ins StrAttr:$domain, StrAttr:$callee, StrAttr:$settings,
                       DenseI64ArrayAttr:$positions, TypeArrayAttr:$elements,
                       Variadic<Qnt_Tensor>:$inputs);
  let results = (outs Variadic<Qnt_Tensor>:$outputs);
  let assemblyFormat = "$domain $callee `(` $inputs `)` attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
