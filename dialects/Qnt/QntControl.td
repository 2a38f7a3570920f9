// What is computed at all, how often, and from where on a size is known.
#ifndef QNT_CONTROL
#define QNT_CONTROL

include "QntShape.td"

def Qnt_BindDimOp : Qnt_Op<"bind_dim"> {
  let summary = "a produced symbol gets its value";
  let description = [{
    From here on the symbol `symbol` of the function has the value of `size`. Code up to here is one
    segment of the model: the sizes of everything after it are planned when the value is known.

    Constraints:
    * (C1) `size` is an `i64` of rank 0.
  }];
  let arguments = (ins Qnt_Tensor:$size, StrAttr:$symbol);
  let assemblyFormat = "$size `as` $symbol attr-dict `:` type($size)";
  let hasVerifier = 1;
}

def Qnt_ChooseOp : Qnt_ShapeOp<"choose"> {
  let summary = "one of two tensors, as a size decides";
  let description = [{
    `out = which == 1 ? x : y`; `which` is 1 or 0. What only the other one needs is not computed
    (`Needs.h`): its sizes may be impossible and its indices wrong. Dimensions of `out` are those of
    `x` where `which` is 1, and those of `y` where it is 0.

    Constraints:
    * (C1) `which` has one element.
    * (C2) `x`, `y` and `out` have one rank and one element type.
  }];
  let arguments = (ins Qnt_DimsAttr:$which, Qnt_Tensor:$x, Qnt_Tensor:$y);
  let assemblyFormat = "$which operands attr-dict `:` functional-type(operands, results)";
}

def Qnt_LoopOp : Qnt_Op<"loop", [IsolatedFromAbove, RecursiveMemoryEffects, AttrSizedOperandSegments,
                                 AttrSizedResultSegments]> {
  let summary = "a body computed again and again";
  let description = [{
    Computes `body` `turns` times, at most. In it the symbol `symbol` is the number of the turn, from 0 on.
    Its arguments are `captures`, which stay, and states: `inits` in the first turn, later what the turn
    before yielded. It yields the next states, then a value for each of `stacks`, and with
    `conditional` an `i1` that says whether to go on.

    `states` are those after the last turn. `stacks[k]` holds in row `rows[k]`, a function of `symbol`, what that
    turn yielded; rows of turns that were not taken hold anything. `taken` is the number of turns.

    Constraints:
    * (C1) `turns` has one element; `symbol` is in no type of the body.
    * (C2) the body's arguments have the types of `captures` and `inits`.
    * (C3) the body yields a value of the type of each init, one for each stack, and with `conditional`
      an `i1` of one element.
    * (C4) `states` have the types of `inits`; a stack has the dimension `turns` and then those of its
      value, and the same element type; `taken` is an `i64` of rank 0, and there with `conditional`
      alone.
    * (C5) `rows` has an element for each stack.
    * (C6) no size is bound in the body.
  }];
  let arguments = (ins Qnt_DimsAttr:$turns, StrAttr:$symbol, Qnt_DimsAttr:$rows, UnitAttr:$conditional,
                       Variadic<Qnt_Tensor>:$captures, Variadic<Qnt_Tensor>:$inits);
  let results = (outs Variadic<Qnt_Tensor>:$states, Variadic<Qnt_Tensor>:$stacks,
                      Optional<Qnt_Tensor>:$taken);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $turns `as` $symbol (`while` $conditional^)? (`captures` `(` $captures^ `:` type($captures) `)`)?
    (`from` `(` $inits^ `:` type($inits) `)`)? `rows` $rows $body attr-dict (`states` type($states)^)?
    (`stacks` type($stacks)^)? (`taken` type($taken)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Block::BlockArgListType getStateArguments() {
      return getBody().getArguments().drop_front(getCaptures().size());
    }
    ::mlir::OperandRange getNextStates() {
      return getBody().front().getTerminator()->getOperands().take_front(getInits().size());
    }
    ::mlir::OperandRange getStackedValues() {
      return getBody().front().getTerminator()->getOperands().slice(getInits().size(),
                                                                    getStacks().size());
    }
    /// What says whether to go on, or null.
    ::mlir::Value getCondition() {
      return getConditional() ? getBody().front().getTerminator()->getOperands().back() : ::mlir::Value();
    }
    /// What `value` is outside: itself, or for a captured argument the operand.
    ::mlir::Value outside(::mlir::BlockArgument argument) {
      return argument.getArgNumber() < getCaptures().size() ? getCaptures()[argument.getArgNumber()]
                                                            : ::mlir::Value();
    }
    /// Weights and constants that are captured are read inside instead; captures without readers go.
    void sinkConstants();
  }];
}

#endif
