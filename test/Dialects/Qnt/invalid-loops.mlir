// RUN: qcc-opt --verify-diagnostics --split-input-file %s

// loop C1, turns
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{turns has 2 entries instead of 1}}
  %0 = qnt.loop <[2, 3]> as "turn" from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s : tensor<4xf32>
  } states tensor<4xf32>
  return
}

// -----

// loop C1, sizes
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{has a value in its body whose size depends on 'turn'}}
  %0 = qnt.loop <[4]> as "turn" from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%s: tensor<4xf32>):
    %part = qnt.slice %s {starts = #qnt.dims<[0]>, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<?xf32, #qnt.dims<[turn]>>
    qnt.yield %s : tensor<4xf32>
  } states tensor<4xf32>
  return
}

// -----

// loop C2
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{the body's arguments have the types 'tensor<3xf32>' instead of those of captures and inits, 'tensor<4xf32>'}}
  %0 = qnt.loop <[4]> as "turn" from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%s: tensor<3xf32>):
    qnt.yield %s : tensor<3xf32>
  } states tensor<4xf32>
  return
}

// -----

// loop C3, number
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{the body does not yield 1 values}}
  %0 = qnt.loop <[4]> as "turn" from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s, %s : tensor<4xf32>, tensor<4xf32>
  } states tensor<4xf32>
  return
}

// -----

// loop C3, types
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{the body does not yield values of the inits' types}}
  %0 = qnt.loop <[4]> as "turn" captures(%y : tensor<3xf32>) from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%c: tensor<3xf32>, %s: tensor<4xf32>):
    qnt.yield %c : tensor<3xf32>
  } states tensor<4xf32>
  return
}

// -----

// loop C3, condition
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{the condition must be one i1, but is 'tensor<4xf32>'}}
  %0, %1 = "qnt.loop"(%x) <{turns = #qnt.dims<[4]>, symbol = "turn", rows = #qnt.dims<[]>, conditional, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 0, 1>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s, %s : tensor<4xf32>, tensor<4xf32>
  }) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>)
  return
}

// -----

// loop C4, states
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{states do not have the types of the inits}}
  %0 = "qnt.loop"(%x) <{turns = #qnt.dims<[4]>, symbol = "turn", rows = #qnt.dims<[]>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 0, 0>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

// loop C4, stacks
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{a stack has dimensions [4, 5] instead of [5, 4]}}
  %0, %1 = "qnt.loop"(%x) <{turns = #qnt.dims<[5]>, symbol = "turn", rows = #qnt.dims<[turn]>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 1, 0>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s, %s : tensor<4xf32>, tensor<4xf32>
  }) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4x5xf32>)
  return
}

// -----

// loop C4, elements of stacks
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{a stack has element type 'f16' instead of 'f32'}}
  %0, %1 = "qnt.loop"(%x) <{turns = #qnt.dims<[5]>, symbol = "turn", rows = #qnt.dims<[turn]>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 1, 0>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s, %s : tensor<4xf32>, tensor<4xf32>
  }) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<5x4xf16>)
  return
}

// -----

// loop C4, taken
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{has 'taken' without a condition, or a condition without it}}
  %0, %1 = "qnt.loop"(%x) <{turns = #qnt.dims<[5]>, symbol = "turn", rows = #qnt.dims<[]>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 0, 1>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s : tensor<4xf32>
  }) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>)
  return
}

// -----

// loop C4, type of taken
func.func @f(%x: tensor<4xf32>, %go: tensor<i1>) {
  // expected-error@+1 {{taken must be an i64 of rank 0, but is 'tensor<i32>'}}
  %0, %1 = "qnt.loop"(%go, %x) <{turns = #qnt.dims<[5]>, symbol = "turn", rows = #qnt.dims<[]>, conditional, operandSegmentSizes = array<i32: 1, 1>, resultSegmentSizes = array<i32: 1, 0, 1>}> ({
  ^bb0(%g: tensor<i1>, %s: tensor<4xf32>):
    qnt.yield %s, %g : tensor<4xf32>, tensor<i1>
  }) : (tensor<i1>, tensor<4xf32>) -> (tensor<4xf32>, tensor<i32>)
  return
}

// -----

// loop C5
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{rows has 0 entries instead of 1}}
  %0, %1 = "qnt.loop"(%x) <{turns = #qnt.dims<[5]>, symbol = "turn", rows = #qnt.dims<[]>, operandSegmentSizes = array<i32: 0, 1>, resultSegmentSizes = array<i32: 1, 1, 0>}> ({
  ^bb0(%s: tensor<4xf32>):
    qnt.yield %s, %s : tensor<4xf32>, tensor<4xf32>
  }) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<5x4xf32>)
  return
}

// -----

// loop C6
func.func @f(%x: tensor<4xf32>, %n: tensor<i64>) {
  // expected-error@+1 {{binds a size in its body}}
  %0 = qnt.loop <[4]> as "turn" captures(%n : tensor<i64>) from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%c: tensor<i64>, %s: tensor<4xf32>):
    qnt.bind_dim %c as "k" : tensor<i64>
    qnt.yield %s : tensor<4xf32>
  } states tensor<4xf32>
  return
}
