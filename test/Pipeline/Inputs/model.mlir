// y = softmax(gain * x), as import leaves a model.
!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
func.func @model(%x: !x {qnt.name = "x"}) -> (!x {qnt.name = "y"}) attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %g = qnt.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %0 = qnt.mul %x, %g : (!x, tensor<8xf32>) -> !x
  %1 = qnt.softmax %0 : (!x) -> !x
  return %1 : !x
}
