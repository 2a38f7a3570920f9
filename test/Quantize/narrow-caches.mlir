// RUN: qcc-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=f16}))' | FileCheck %s --check-prefixes=ALL,F16
// RUN: qcc-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=fp8}))' | FileCheck %s --check-prefixes=ALL,FP8
// RUN: qcc-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=int8}))' | FileCheck %s --check-prefixes=ALL,INT8
// RUN: qcc-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=int4}))' | FileCheck %s --check-prefixes=ALL,INT4
// RUN: qcc-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qcc-narrow-caches{format=f16}))' --remarks-filter=quantize --remark-format=emitRemark --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK-COUNT-3: narrow-caches{{.*}}output=

!q = tensor<1x4x?x64xf32, #qnt.dims<[1, 4, s, 64]>>
!new = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, s, 64]>>
!past = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p, 64]>>
!all = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p + s, 64]>>

// Attention reads floats where they are, and codes through their numbers.
// ALL-LABEL: func.func @decoder
// F16-SAME: %[[PK:[a-z0-9]*]]: tensor<1x2x?x64xf16, #qnt.dims<[1, 2, p, 64]>> {qnt.role = "past.0.key"}
// FP8-SAME: %[[PK:[a-z0-9]*]]: tensor<1x2x?x64xf8E4M3FN, #qnt.dims<[1, 2, p, 64]>> {qnt.role = "past.0.key"}
// INT8-SAME: %[[PK:[a-z0-9]*]]: tensor<1x2x?x68xui8, #qnt.dims<[1, 2, p, 68]>> {qnt.role = "past.0.key"}
// INT4-SAME: %[[PK:[a-z0-9]*]]: tensor<1x2x?x40xui8, #qnt.dims<[1, 2, p, 40]>> {qnt.role = "past.0.key"}
func.func @decoder(%q: !q, %k: !new, %v: !new, %pk: !past {qnt.role = "past.0.key"}, %pv: !past {qnt.role = "past.0.value"}) -> (!q, !all, !all) {
  // F16: %[[K:.*]] = qnt.cast
  // F16-SAME: xf16
  // F16: %[[C:.*]] = qnt.concat %[[PK]], %[[K]]
  // F16: %[[V:.*]] = qnt.concat
  // F16: %[[O:.*]] = qnt.attention %{{.*}}, %[[C]], %[[V]]
  // F16: return %[[O]], %[[C]], %[[V]]
  // FP8: qnt.max
  // FP8: %[[S:.*]] = qnt.min
  // FP8: qnt.cast %[[S]]
  // INT8: %[[K:.*]] = qnt.encode_rows %{{.*}} {codes = #qnt<storage i8>}
  // INT8: %[[C:.*]] = qnt.concat %[[PK]], %[[K]]
  // INT8: %[[DK:.*]] = qnt.decode_rows %[[C]]
  // INT8: %[[DV:.*]] = qnt.decode_rows
  // INT8: qnt.attention %{{.*}}, %[[DK]], %[[DV]]
  // INT8: return %{{.*}}, %[[C]]
  // INT4: qnt.encode_rows %{{.*}} {codes = #qnt<storage u4>}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.concat %pv, %v {axis = 2 : i64} : (!past, !new) -> !all
  %2 = qnt.attention %q, %0, %1 {scale = 0.5, causal = true} : (!q, !all, !all) -> !q
  return %2, %0, %1 : !q, !all, !all
}

// -----

!half = tensor<1x2x?x64xf16, #qnt.dims<[1, 2, p, 64]>>
!halves = tensor<1x2x?x64xf16, #qnt.dims<[1, 2, p + s, 64]>>
!new = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, s, 64]>>
!past = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p, 64]>>
!all = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p + s, 64]>>

// What was widened where it came in, and rounded where it goes out, stays in one format. Others than attention read
// the cache in f32.
// ALL-LABEL: func.func @half_model
// ALL-NOT: qnt.cast %arg1
func.func @half_model(%k: !new, %pk: !half {qnt.role = "past.0.key"}) -> (!all, !halves) {
  // F16: %[[C:.*]] = qnt.concat %arg1
  // F16: %[[W:.*]] = qnt.cast %[[C]]
  // F16: qnt.exp %[[W]]
  // INT8: %[[C:.*]] = qnt.concat %arg1
  // INT8: %[[W:.*]] = qnt.decode_rows %[[C]]
  // INT8: qnt.exp %[[W]]
  // INT8: return %{{.*}}, %[[C]]
  %0 = qnt.cast %pk : (!half) -> !past
  %1 = qnt.concat %0, %k {axis = 2 : i64} : (!past, !new) -> !all
  %2 = qnt.cast %1 : (!all) -> !halves
  %3 = qnt.exp %1 : (!all) -> !all
  return %3, %2 : !all, !halves
}

// -----

!new = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, s, 64]>>
!past = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p, 64]>>
!all = tensor<1x2x?x64xf32, #qnt.dims<[1, 2, p + s, 64]>>
!bytes = tensor<1x2x?x64xi8, #qnt.dims<[1, 2, p, 64]>>

// One cache is narrowed, the others stay, each for its reason.
// ALL-LABEL: func.func @others
// INT8-SAME: tensor<1x2x?x68xui8
// INT8-SAME: tensor<1x2x?x64xf32
// REMARK: it is only passed through
// REMARK: nothing but new rows behind it may read it
// REMARK: past and new rows are not one result together
// REMARK: its elements are integers already
func.func @others(%k: !new, %a: !past {qnt.role = "past.0.key"}, %b: !past {qnt.role = "past.0.encoder.key"}, %c: !past {qnt.role = "past.1.key"}, %d: !past {qnt.role = "past.2.key"}, %e: !bytes {qnt.role = "past.3.key"}) -> (!all, !past, !past, !all, !all, !bytes) {
  %0 = qnt.concat %a, %k {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.exp %c : (!past) -> !past
  %2 = qnt.concat %d, %k {axis = 2 : i64} : (!past, !new) -> !all
  return %0, %b, %1, %2, %2, %e : !all, !past, !past, !all, !all, !bytes
}
