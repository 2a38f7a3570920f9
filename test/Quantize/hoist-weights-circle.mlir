// RUN: qcc-opt %s --qcc-hoist-weights --verify-diagnostics

// expected-error @below {{recipes read each other in a circle}}
qnt.weight @a : tensor<2xf32> {
  %0 = qnt.use @b : tensor<2xf32>
  qnt.yield %0 : tensor<2xf32>
}
qnt.weight @b : tensor<2xf32> {
  %0 = qnt.use @a : tensor<2xf32>
  qnt.yield %0 : tensor<2xf32>
}
func.func @main() -> tensor<2xf32> {
  %0 = qnt.use @a : tensor<2xf32>
  return %0 : tensor<2xf32>
}
