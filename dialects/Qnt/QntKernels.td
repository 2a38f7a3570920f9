// Fused groups and their launches: the model as a flat list of kernel calls.
#ifndef QNT_KERNELS
#define QNT_KERNELS

include "QntTypes.td"
include "QntWeights.td"

def Qnt_FusedOp : Qnt_Op<"fused", [Pure, IsolatedFromAbove]> {
  let summary = "ops that become one kernel";
  let description = [{
    `kind` says which kernel family takes the body: `map`, `row`, `linear`, `qlinear`, `attention`, or the
    mnemonic of a single op with a kernel of its own. Block arguments are the operands.

    Constraints:
    * (C1) block arguments have the operands' types, and the body yields the results' types.
  }];
  let arguments = (ins StrAttr:$kind, Variadic<Qnt_Value>:$inputs);
  let results = (outs Variadic<Qnt_Value>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$kind `(` $inputs `)` $body attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_KernelOp : Qnt_Op<"kernel", [Symbol, IsolatedFromAbove]> {
  let summary = "a fused group outlined, its dimensions parameters";
  let description = [{
    The body of a `qnt.fused` in which every dimension other than 1 is one of the parameters
    `d0, d1, ...`, so that equal structures are one kernel whatever their sizes.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kind, I64Attr:$numDims,
                       OptionalAttr<StrAttr>:$sym_visibility);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $kind `dims` $numDims $body attr-dict";
}

def Qnt_LaunchOp : Qnt_Op<"launch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a kernel applied to buffers";
  let description = [{
    `dims` are the values of the kernel's dimension parameters.

    Constraints:
    * (C1) `kernel` names a `qnt.kernel` with as many dimensions, operands and results.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Qnt_DimsAttr:$dims, Variadic<Qnt_Value>:$inputs);
  let results = (outs Variadic<Qnt_Value>:$outputs);
  let assemblyFormat = "$kernel $dims `(` $inputs `)` attr-dict `:` functional-type(operands, results)";
}

def Qnt_SectionOp : Qnt_Op<"section"> {
  let summary = "the weight section: which weight lies where";
  let description = [{
    `weights[i]` starts `offsets[i]` bytes into the section, which has `bytes` bytes.

    Constraints:
    * (C1) there are as many offsets as weights, ascending multiples of 64 below `bytes`.
  }];
  let arguments = (ins TypedArrayAttrBase<FlatSymbolRefAttr, "weights">:$weights,
                       DenseI64ArrayAttr:$offsets, I64Attr:$bytes);
  let assemblyFormat = "$weights `at` $offsets `bytes` $bytes attr-dict";
  let hasVerifier = 1;
}

def Qnt_EntryOp : Qnt_Op<"entry", [Symbol]> {
  let summary = "an entry point: signature, symbols, and the functions that plan and run it";
  let description = [{
    What the artifact's descriptor says of an entry point (qcc_entry_desc in model.h). `inputs` and
    `outputs` are dictionaries {name, type, role}, `symbols` are `#qnt.symbol`, `caches` and `checks`
    dictionaries, `sites` the names of the launches in order, then of the host calls. `hosts` are
    dictionaries of these: {domain, callee, node, attributes, inputs, outputs} with the values' types,
    or a unit where an input is absent. `slices` names the symbol, if any, into parts of which a run may
    be cut: every input with it and every output is made of as many slices along its first axis, each of
    which depends on no other. `accesses` has, of each launch, the places in memory that it reads, as
    twice their number, or writes, as one more than that.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$plan, FlatSymbolRefAttr:$run,
                       ArrayAttr:$inputs, ArrayAttr:$outputs, ArrayAttr:$symbols, ArrayAttr:$caches,
                       ArrayAttr:$checks, ArrayAttr:$sites, I64Attr:$segments,
                       OptionalAttr<ArrayAttr>:$hosts, OptionalAttr<StrAttr>:$slices,
                       OptionalAttr<ArrayAttr>:$accesses, OptionalAttr<StrAttr>:$sym_visibility);
  let assemblyFormat = "$sym_name attr-dict";
}

#endif
