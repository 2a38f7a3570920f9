// Kernels that no family can write: what is wrong is said at the op, which kernel it was at the kernel.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics --qcc-lower-kernels=level=scalar

// expected-error @below {{QCC1650: no kernel for this 'map' on scalar}}
qnt.kernel @operand "map" dims 0 {
^bb0(%x: tensor<4xf8E3M4>):
  // expected-error @below {{map kernels cannot address its operand of type f8E3M4}}
  %0 = qnt.cast %x : (tensor<4xf8E3M4>) -> tensor<4xf32>
  qnt.yield %0 : tensor<4xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'map' on scalar}}
// expected-error @below {{map kernels cannot address a result of type f8E3M4}}
qnt.kernel @result "map" dims 0 {
^bb0(%x: tensor<4xf8E3M4>):
  %0 = qnt.reshape %x : (tensor<4xf8E3M4>) -> tensor<2x2xf8E3M4>
  qnt.yield %0 : tensor<2x2xf8E3M4>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'row' on scalar}}
qnt.kernel @operand "row" dims 0 {
^bb0(%x: tensor<4x8xf8E3M4>):
  // expected-error @below {{row kernels cannot address its operand of type f8E3M4}}
  %0 = qnt.cast %x : (tensor<4x8xf8E3M4>) -> tensor<4x8xf32>
  %1 = qnt.reduce sum %0 {axes = array<i64: 1>, keepDims = true} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  qnt.yield %1 : tensor<4x1xf32>
}

// -----

// A view that rearranges and is then reshaped has no strides.
// expected-error @below {{QCC1650: no kernel for this 'row' on scalar}}
qnt.kernel @view "row" dims 0 {
^bb0(%x: tensor<4x8xf32>):
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = qnt.reshape %0 : (tensor<8x4xf32>) -> tensor<4x8xf32>
  // expected-error @below {{row kernels cannot address its operand of type f32}}
  %2 = qnt.reduce sum %1 {axes = array<i64: 1>, keepDims = true} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  qnt.yield %2 : tensor<4x1xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'gather_elements' on scalar}}
qnt.kernel @view "gather_elements" dims 0 {
^bb0(%x: tensor<4x8xf32>, %i: tensor<4x8xi64>):
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  // expected-error @below {{a view of an operand has no strides}}
  %1 = qnt.reshape %0 : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %2 = qnt.gather_elements %1, %i {axis = 0 : i64} : (tensor<4x8xf32>, tensor<4x8xi64>) -> tensor<4x8xf32>
  qnt.yield %2 : tensor<4x8xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'gather_elements' on scalar}}
// expected-error @below {{an operand must be dense}}
qnt.kernel @sparse "gather_elements" dims 0 {
^bb0(%x: tensor<4x8xf32>, %i: tensor<8x4xi64>):
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = qnt.gather_elements %0, %i {axis = 0 : i64} : (tensor<8x4xf32>, tensor<8x4xi64>) -> tensor<8x4xf32>
  qnt.yield %1 : tensor<8x4xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'attention' on scalar}}
qnt.kernel @doubles "attention" dims 0 {
^bb0(%q: tensor<1x2x3x8xf64>):
  // expected-error @below {{attention computes in f32; its operands can be f32 or smaller floats}}
  %0 = qnt.attention %q, %q, %q {scale = 1.0} : (tensor<1x2x3x8xf64>, tensor<1x2x3x8xf64>, tensor<1x2x3x8xf64>) -> tensor<1x2x3x8xf64>
  qnt.yield %0 : tensor<1x2x3x8xf64>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'attention' on scalar}}
// expected-error @below {{the result is not the attention's}}
qnt.kernel @other "attention" dims 0 {
^bb0(%q: tensor<1x2x3x8xf32>):
  %0 = qnt.attention %q, %q, %q {scale = 1.0} : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  qnt.yield %q : tensor<1x2x3x8xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'attention' on scalar}}
qnt.kernel @apart "attention" dims 0 {
^bb0(%q: tensor<1x2x3x8xf32>):
  // expected-error @below {{the result of attention is stored with its channels apart}}
  %0 = qnt.attention %q, %q, %q {scale = 1.0} : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  %1 = qnt.transpose %0 {permutation = array<i64: 0, 1, 3, 2>} : (tensor<1x2x3x8xf32>) -> tensor<1x2x8x3xf32>
  qnt.yield %1 : tensor<1x2x8x3xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'matmul' on scalar}}
qnt.kernel @columns "matmul" dims 0 {
^bb0(%x: tensor<8x4xf32>, %y: tensor<8x5xf32>):
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  // expected-error @below {{rows of the first factor are not contiguous}}
  %1 = qnt.matmul %0, %y : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  qnt.yield %1 : tensor<4x5xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'linear' on scalar}}
qnt.kernel @plain "linear" dims 0 {
^bb0(%x: tensor<4x8xf32>, %w: tensor<5x8xf32>):
  // expected-error @below {{has a weight that is not packed}}
  %0 = qnt.linear %x, %w : (tensor<4x8xf32>, tensor<5x8xf32>) -> tensor<4x5xf32>
  qnt.yield %0 : tensor<4x5xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'qgather' on scalar}}
qnt.kernel @computed "qgather" dims 0 {
^bb0(%c: tensor<5x8xi8>, %s: tensor<5xf32>, %i: tensor<4xi64>):
  %0 = qnt.assemble %c, %s : (tensor<5x8xi8>, tensor<5xf32>) -> !qnt.q<[5, 8], i8, axis 0, scale f32>
  // expected-error @below {{the table is not an operand of the kernel}}
  %1 = qnt.qgather %0, %i : (!qnt.q<[5, 8], i8, axis 0, scale f32>, tensor<4xi64>) -> tensor<4x8xf32>
  qnt.yield %1 : tensor<4x8xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'resize' on scalar}}
qnt.kernel @cubes "resize" dims 0 {
^bb0(%x: tensor<2x2x2x2xf32>):
  // expected-error @below {{cubic interpolation of 4 axes; 3 is the most}}
  %0 = qnt.resize %x {mode = "cubic", coordinates = "half_pixel", nearest = "floor", scales = array<f64: 2.0, 2.0, 2.0, 2.0>} : (tensor<2x2x2x2xf32>) -> tensor<4x4x4x4xf32>
  qnt.yield %0 : tensor<4x4x4x4xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'attention' on scalar}}
// expected-error @below {{the result of attention is reshaped before it is transposed}}
qnt.kernel @between "attention" dims 0 {
^bb0(%q: tensor<1x2x3x8xf32>):
  %0 = qnt.attention %q, %q, %q {scale = 1.0} : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  %1 = qnt.reshape %0 : (tensor<1x2x3x8xf32>) -> tensor<2x3x8xf32>
  %2 = qnt.transpose %1 {permutation = array<i64: 1, 0, 2>} : (tensor<2x3x8xf32>) -> tensor<3x2x8xf32>
  qnt.yield %2 : tensor<3x2x8xf32>
}

// -----

// Sums over 64 inputs, which reach over two groups.
// expected-error @below {{QCC1650: no kernel for this 'row' on scalar}}
qnt.kernel @sums "row" dims 0 {
^bb0(%x: tensor<4x128xf32>):
  // expected-error @below {{row kernels cannot write}}
  %0 = qnt.quantize %x : (tensor<4x128xf32>) -> !qnt.q<[4, 128], i8, token, scale f32, group 32, sums 64>
  qnt.yield %0 : !qnt.q<[4, 128], i8, token, scale f32, group 32, sums 64>
}

// -----

!number = !qnt.q<[], i8, tensor, scale f32>
// expected-error @below {{QCC1650: no kernel for this 'dequantize' on scalar}}
qnt.kernel @number "dequantize" dims 0 {
^bb0(%x: !number):
  // expected-error @below {{there is no kernel that reads rows of}}
  %0 = qnt.dequantize %x : (!number) -> tensor<f32>
  qnt.yield %0 : tensor<f32>
}

// -----

!columns = !qnt.q<[4, 8], i8, axis 1, scale f32>
// expected-error @below {{QCC1650: no kernel for this 'dequantize' on scalar}}
qnt.kernel @columns "dequantize" dims 0 {
^bb0(%x: !columns):
  // expected-error @below {{there is no kernel that reads rows of}}
  %0 = qnt.dequantize %x : (!columns) -> tensor<4x8xf32>
  qnt.yield %0 : tensor<4x8xf32>
}

// -----

!imported = !qnt.q<[4, 8], f8e4m3fnuz, axis 0, scale f32>
// expected-error @below {{QCC1650: no kernel for this 'qgather' on scalar}}
qnt.kernel @gathered "qgather" dims 0 {
^bb0(%t: !imported, %i: tensor<2xi64>):
  // expected-error @below {{there is no kernel that reads rows of}}
  %0 = qnt.qgather %t, %i : (!imported, tensor<2xi64>) -> tensor<2x8xf32>
  qnt.yield %0 : tensor<2x8xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'hadamard' on scalar}}
qnt.kernel @order "hadamard" dims 0 {
^bb0(%x: tensor<2x12xf32>):
  // expected-error @below {{no Hadamard matrix of order 6 is known}}
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 6 : i64} : (tensor<2x12xf32>) -> tensor<2x12xf32>
  qnt.yield %0 : tensor<2x12xf32>
}

// -----

// expected-error @below {{QCC1650: no kernel for this 'hadamard' on scalar}}
qnt.kernel @axis "hadamard" dims 0 {
^bb0(%x: tensor<8x2xf32>):
  // expected-error @below {{rotations at run time are along the last axis, not axis 0}}
  %0 = qnt.hadamard %x {axis = 0 : i64, block = 8 : i64} : (tensor<8x2xf32>) -> tensor<8x2xf32>
  qnt.yield %0 : tensor<8x2xf32>
}
