// Model functions that have no body in code.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics --qcc-lower-body

qnt.section [] at [] bytes 0
// expected-error @below {{QCC1225: "s" declares no symbol}}
func.func @no_symbol(%x: tensor<4xf32>) -> tensor<4xf32> attributes {qnt.symbols = ["s"]} {
  return %x : tensor<4xf32>
}

// -----

qnt.section [] at [] bytes 0
qnt.kernel @k "dance" dims 0 {
^bb0(%x: tensor<4xf32>):
  qnt.yield %x : tensor<4xf32>
}
func.func @no_family(%x: tensor<4xf32>) -> tensor<4xf32> attributes {qnt.symbols = []} {
  // expected-error @below {{QCC1650: no kernel for 'dance'}}
  %0 = qnt.launch @k <[]>(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

qnt.section [] at [] bytes 0
qnt.kernel @k "attention" dims 0 {
^bb0(%q: tensor<1x2x3x8xf64>):
  // expected-error @below {{attention computes in f32}}
  %0 = qnt.attention %q, %q, %q {scale = 1.0} : (tensor<1x2x3x8xf64>, tensor<1x2x3x8xf64>, tensor<1x2x3x8xf64>) -> tensor<1x2x3x8xf64>
  qnt.yield %0 : tensor<1x2x3x8xf64>
}
func.func @no_shape(%x: tensor<1x2x3x8xf64>) -> tensor<1x2x3x8xf64> attributes {qnt.symbols = []} {
  // expected-error @below {{QCC1650: no kernel for this 'attention'}}
  %0 = qnt.launch @k <[]>(%x) : (tensor<1x2x3x8xf64>) -> tensor<1x2x3x8xf64>
  return %0 : tensor<1x2x3x8xf64>
}

// -----

!number = !qnt.q<[], i8, tensor, scale f32>
qnt.section [] at [] bytes 0
qnt.kernel @k "dequantize" dims 0 {
^bb0(%x: !number):
  // expected-error @below {{a single number has no rows}}
  %0 = qnt.dequantize %x : (!number) -> tensor<f32>
  qnt.yield %0 : tensor<f32>
}
func.func @no_rows(%x: !number) -> tensor<f32> attributes {qnt.symbols = []} {
  // expected-error @below {{QCC1650: no kernel for this 'dequantize'}}
  %0 = qnt.launch @k <[]>(%x) : (!number) -> tensor<f32>
  return %0 : tensor<f32>
}
