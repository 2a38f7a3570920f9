// A wish that nothing fulfils is an error, which says why.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=int8}))'

// expected-error@+1 {{QCC1550: --kv=int8 finds no cache to narrow: no input is the past of a decoder's keys or values}}
func.func @encoder(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  return %x : tensor<2x3xf32>
}

// -----

!past = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p, 64]>>

// expected-error@+2 {{QCC1550: --kv=int8 finds no cache to narrow: 'past.0.key: it is only passed through'}}
// expected-note@+1 {{past.0.value: nothing but new rows behind it may read it}}
func.func @cross(%a: !past {qnt.role = "past.0.key"}, %b: !past {qnt.role = "past.0.value"}) -> (!past, !past) {
  %0 = qnt.exp %b : (!past) -> !past
  return %a, %0 : !past, !past
}

// -----

!new = tensor<1x2x?x?xf32, #qnt.dims<[1, 2, s, d]>>
!past = tensor<1x2x?x?xf32, #qnt.dims<[1, 2, p, d]>>
!all = tensor<1x2x?x?xf32, #qnt.dims<[1, 2, p + s, d]>>

// expected-error@+1 {{past.0.key: the width of its rows is not known}}
func.func @width(%a: !past {qnt.role = "past.0.key"}, %b: !new) -> !all {
  %0 = qnt.concat %a, %b {axis = 2 : i64} : (!past, !new) -> !all
  return %0 : !all
}
