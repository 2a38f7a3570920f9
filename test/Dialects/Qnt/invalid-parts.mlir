// What invalid.mlir leaves: the second half of a constraint, ranks, and how types are written.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics

// scatter_nd: tuples longer than the rank
func.func @f(%x: tensor<3xf32>, %i: tensor<4x2xi64>, %u: tensor<4xf32>) {
  // expected-error@+1 {{tuples of [4, 2] do not index [3]}}
  %0 = qnt.scatter_nd %x, %i, %u : (tensor<3xf32>, tensor<4x2xi64>, tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

// matmul: leading axes
func.func @f(%x: tensor<2x3x4xf32>, %y: tensor<3x4x5xf32>) {
  // expected-error@+1 {{leading axes of [2, 3, 4] and [3, 4, 5] do not broadcast}}
  %0 = qnt.matmul %x, %y : (tensor<2x3x4xf32>, tensor<3x4x5xf32>) -> tensor<2x3x5xf32>
  return
}

// -----

// conv: ranks
func.func @f(%x: tensor<1x4x8xf32>, %w: tensor<2x4xf32>) {
  // expected-error@+1 {{weight [2, 4] does not fit an input of [1, 4, 8]}}
  %0 = qnt.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : (tensor<1x4x8xf32>, tensor<2x4xf32>) -> tensor<1x2x6xf32>
  return
}

// -----

// layer_norm: rank
func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{'qnt.layer_norm' op needs a rank of at least 1}}
  %0 = qnt.layer_norm %x {epsilon = 0.0} : (tensor<f32>) -> tensor<f32>
  return
}

// -----

// rms_norm: rank
func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{'qnt.rms_norm' op needs a rank of at least 1}}
  %0 = qnt.rms_norm %x {epsilon = 0.0} : (tensor<f32>) -> tensor<f32>
  return
}

// -----

// rms_norm: epsilon
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{epsilon must not be negative, but is}}
  %0 = qnt.rms_norm %x {epsilon = -1.0} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// rope: cos and sin of two types
func.func @f(%x: tensor<2x4xf32>, %c: tensor<2x2xf32>, %s: tensor<1x2xf32>) {
  // expected-error@+1 {{cos 'tensor<2x2xf32>' and sin 'tensor<1x2xf32>' must have one type}}
  %0 = qnt.rope %x, %c, %s : (tensor<2x4xf32>, tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x4xf32>
  return
}

// -----

// rope: positions that are not the input's
func.func @f(%x: tensor<2x4xf32>, %c: tensor<3x2xf32>) {
  // expected-error@+1 {{cos [3, 2] does not broadcast against [2, 4]}}
  %0 = qnt.rope %x, %c, %c : (tensor<2x4xf32>, tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<2x4xf32>
  return
}

// -----

// attention: rank
func.func @f(%q: tensor<4x2x8xf32>, %k: tensor<1x2x5x8xf32>) {
  // expected-error@+1 {{needs operands of rank 4}}
  %0 = qnt.attention %q, %k, %k {scale = 1.0} : (tensor<4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// kv_begin: rank
func.func @f(%p: tensor<2x3xf32>) {
  // expected-error@+1 {{needs rank 4, but has 2}}
  %0 = qnt.kv_begin %p {output = 0 : i64} : (tensor<2x3xf32>) -> !qnt.kv<[2, 3], f32>
  return
}

// -----

// kv_append: rank
func.func @f(%c: !qnt.kv<[1, 2, 3, 4], f32>, %r: tensor<2x1x4xf32>) {
  // expected-error@+1 {{needs operands of rank 4}}
  %0 = qnt.kv_append %c, %r : (!qnt.kv<[1, 2, 3, 4], f32>, tensor<2x1x4xf32>) -> !qnt.kv<[1, 2, 4, 4], f32>
  return
}

// -----

// weight: neither a file nor a blob
// expected-error@+1 {{source must be #qnt.file or #qnt.blob, but is "m"}}
qnt.weight @w : tensor<2xf32> = "m"

// -----

// fused: the body's arguments
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{block arguments do not have the operands' types}}
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: tensor<2xf32>):
    %1 = qnt.constant dense<0.0> : tensor<3xf32>
    qnt.yield %1 : tensor<3xf32>
  } : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// launch: operands
qnt.kernel @k "map" dims 1 {
^bb0(%a: tensor<3xf32>):
  qnt.yield %a : tensor<3xf32>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{does not have the operands and results of @k}}
  %0 = qnt.launch @k <[3]>(%x, %x) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// launch: results
qnt.kernel @k "map" dims 1 {
^bb0(%a: tensor<3xf32>):
  qnt.yield %a, %a : tensor<3xf32>, tensor<3xf32>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{does not have the operands and results of @k}}
  %0 = qnt.launch @k <[3]>(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// quantized type: zero
// expected-error@+1 {{zero must be an integer or float type, but is 'index'}}
func.func private @f(!qnt.q<[2, 3], i8, tensor, scale f32, zero index>)

// -----

// quantized type: storage
// expected-error@+1 {{unknown storage or granularity}}
func.func private @f(!qnt.q<[2, 3], i64, tensor, scale f32>)

// -----

// quantized type: granularity
// expected-error@+1 {{unknown storage or granularity}}
func.func private @f(!qnt.q<[2, 3], i8, row, scale f32>)

// -----

// quantized type: the form of blocks
// expected-error@+1 {{expected 'AXIS x SIZE'}}
func.func private @f(!qnt.q<[2, 3], i8, block 1 by 32, scale f32>)

// -----

// quantized type: layout
// expected-error@+1 {{unknown layout}}
func.func private @f(!qnt.q<[2, 3], i8, tensor, scale f32, layout panel>)

// -----

// quantized type: field
// expected-error@+1 {{unknown field 'colour'}}
func.func private @f(!qnt.q<[2, 3], i8, tensor, scale f32, colour f32>)

// -----

// dimension expression: depth
// expected-error@+1 {{dimension expression nests too deeply}}
func.func private @f(tensor<?xf32, #qnt.dims<[((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((s))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))]>>)
