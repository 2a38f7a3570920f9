// A cache in place needs storage that nothing else reads: a past that is an argument with one reader,
// a present that is one result and besides only attention's key or value.
// RUN: qcc-opt %s --qcc-fuse-cache --verify-diagnostics --remarks-filter=fuse --remark-format=emitRemark --remark-policy=all | FileCheck %s

!q = tensor<1x4x?x8xf32, #qnt.dims<[1, 4, s, 8]>>
!new = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, s, 8]>>
!past = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p, 8]>>
!all = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p + s, 8]>>

// CHECK-LABEL: func.func @decoder
// CHECK-SAME: (%[[Q:.*]]: tensor<1x4{{.*}}>, %[[K:.*]]: tensor<1x2{{.*}}>, %[[V:.*]]: tensor<1x2{{.*}}>, %[[PK:.*]]: tensor<1x2{{.*}}>, %[[PV:.*]]: tensor<1x2{{.*}}>) ->
func.func @decoder(%q: !q, %k: !new, %v: !new, %pk: !past, %pv: !past) -> (!q, !all, !all) {
  // CHECK-NEXT: %[[KB:.*]] = qnt.kv_begin %[[PK]] {output = 1 : i64} {{.*}} -> !qnt.kv<[1, 2, p, 8], f32>
  // CHECK-NEXT: %[[KA:.*]] = qnt.kv_append %[[KB]], %[[K]] {{.*}} -> !qnt.kv<[1, 2, p + s, 8], f32>
  // CHECK-NEXT: %[[KR:.*]] = qnt.kv_result %[[KA]]
  // CHECK-NEXT: qnt.kv_begin %[[PV]] {output = 2 : i64}
  // CHECK-NEXT: %[[VA:.*]] = qnt.kv_append
  // CHECK-NEXT: %[[VR:.*]] = qnt.kv_result %[[VA]]
  // CHECK-NEXT: %[[O:.*]] = qnt.attention %[[Q]], %[[KA]], %[[VA]]
  // CHECK-NEXT: return %[[O]], %[[KR]], %[[VR]]
  // expected-remark @below {{fuse-cache | Category:fuse | output=1}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  // expected-remark @below {{output=2}}
  %1 = qnt.concat %pv, %v {axis = 2 : i64} : (!past, !new) -> !all
  %2 = qnt.attention %q, %0, %1 {scale = 0.5, causal = true} : (!q, !all, !all) -> !q
  return %2, %0, %1 : !q, !all, !all
}

// CHECK-LABEL: func.func @present_read
func.func @present_read(%k: !new, %pk: !past) -> (!all, !all) {
  // CHECK: qnt.concat
  // expected-remark @below {{something other than attention reads the cache}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.exp %0 : (!all) -> !all
  return %0, %1 : !all, !all
}

// The query is read in another way than keys and values are.
// CHECK-LABEL: func.func @as_query
func.func @as_query(%k: !all, %pk: !past, %new: !new) -> (!all, !all) {
  // CHECK: qnt.concat
  // expected-remark @below {{something other than attention reads the cache}}
  %0 = qnt.concat %pk, %new {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.attention %0, %k, %k {scale = 0.5} : (!all, !all, !all) -> !all
  return %1, %0 : !all, !all
}

// In place, the past is gone once rows are appended.
// CHECK-LABEL: func.func @past_read
func.func @past_read(%k: !new, %pk: !past) -> (!all, !past) {
  // CHECK: qnt.concat
  // expected-remark @below {{something else reads the past}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.exp %pk : (!past) -> !past
  return %0, %1 : !all, !past
}

// CHECK-LABEL: func.func @two_results
func.func @two_results(%k: !new, %pk: !past) -> (!all, !all) {
  // CHECK: qnt.concat
  // expected-remark @below {{the cache is several results}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  return %0, %0 : !all, !all
}

// No cache at all: a past that is computed, or a present that stays inside.
// CHECK-LABEL: func.func @no_cache
func.func @no_cache(%q: !q, %k: !new, %v: !new, %pk: !past, %pv: !past) -> (!all, !q) {
  // CHECK-NOT: qnt.kv_begin
  %past = qnt.exp %pk : (!past) -> !past
  %0 = qnt.concat %past, %k {axis = 2 : i64} : (!past, !new) -> !all
  %1 = qnt.concat %pv, %v {axis = 2 : i64} : (!past, !new) -> !all
  %2 = qnt.attention %q, %1, %1 {scale = 0.5} : (!q, !all, !all) -> !q
  return %0, %2 : !all, !q
}

// A body in segments writes its results in the last one alone.
// CHECK-LABEL: func.func @segments
func.func @segments(%k: !new, %pk: !past, %n: tensor<i64>) -> !all {
  qnt.bind_dim %n as "n" : tensor<i64>
  // CHECK: qnt.concat
  // expected-remark @below {{the model computes sizes while it runs}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past, !new) -> !all
  return %0 : !all
}

!bytes = tensor<1x2x?x12xui8, #qnt.dims<[1, 2, s, 12]>>
!past_bytes = tensor<1x2x?x12xui8, #qnt.dims<[1, 2, p, 12]>>
!all_bytes = tensor<1x2x?x12xui8, #qnt.dims<[1, 2, p + s, 12]>>

// Attention may read codes; what else reads their numbers needs them in a tensor.
// CHECK-LABEL: func.func @codes
func.func @codes(%q: !q, %k: !bytes, %pk: !past_bytes) -> (!q, !all_bytes) {
  // CHECK: %[[C:.*]] = qnt.kv_append {{.*}} -> !qnt.kv<[1, 2, p + s, 12], ui8>
  // CHECK: %[[D:.*]] = qnt.decode_rows %[[C]]
  // CHECK-NEXT: qnt.attention %{{.*}}, %[[D]], %[[D]]
  // expected-remark @below {{output=1}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past_bytes, !bytes) -> !all_bytes
  %1 = qnt.decode_rows %0 {codes = #qnt<storage i8>} : (!all_bytes) -> !all
  %2 = qnt.attention %q, %1, %1 {scale = 0.5} : (!q, !all, !all) -> !q
  return %2, %0 : !q, !all_bytes
}

// CHECK-LABEL: func.func @codes_read
func.func @codes_read(%k: !bytes, %pk: !past_bytes) -> (!all, !all_bytes) {
  // CHECK: qnt.concat
  // expected-remark @below {{something other than attention reads the cache}}
  %0 = qnt.concat %pk, %k {axis = 2 : i64} : (!past_bytes, !bytes) -> !all_bytes
  %1 = qnt.decode_rows %0 {codes = #qnt<storage i8>} : (!all_bytes) -> !all
  %2 = qnt.exp %1 : (!all) -> !all
  return %2, %0 : !all, !all_bytes
}
