// What a stage used up may not go on; what a later one uses up still may.
// RUN: qcc-opt %s --verify-diagnostics --qcc-check-stage=stage=lower
// RUN: qcc-opt %s --qcc-check-stage=stage=fuse -o /dev/null
// RUN: not qcc-opt %s --qcc-check-stage=stage=lowered -o /dev/null 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: error: no stage is called 'lowered'

!m = tensor<4x8xf32>

// Every op is reported, wherever it is, in one run.
// expected-error @below {{QCC1902: 'qnt.kernel' op may not outlive stage 'lower'}}
qnt.kernel @k "map" dims 0 {
^bb0(%a: !m):
  %0 = qnt.exp %a : (!m) -> !m
  qnt.yield %0 : !m
}
func.func @f(%x: !m) -> !m {
  // expected-error @below {{'qnt.fused' op may not outlive stage 'lower'}}
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: !m):
    %2 = qnt.exp %a : (!m) -> !m
    qnt.yield %2 : !m
  } : (!m) -> !m
  // expected-error @below {{'qnt.launch' op may not outlive stage 'lower'}}
  %1 = qnt.launch @k <[]>(%0) : (!m) -> !m
  return %1 : !m
}
