// Every op of the dialect reads back as it was printed.
// RUN: qcc-opt %s | qcc-opt | FileCheck %s
// RUN: qcc-opt %s --mlir-print-op-generic | qcc-opt | FileCheck %s

!t = tensor<2x?xf32, #qnt.dims<[2, s]>>
!m = tensor<4x8xf32>

// CHECK-LABEL: @elementwise
func.func @elementwise(%x: !t, %i: tensor<4xi32>) {
  // CHECK: qnt.abs
  %0 = qnt.abs %x : (!t) -> !t
  // CHECK-NEXT: qnt.gelu {{.*}} {kind = #qnt<gelu_kind tanh>}
  %1 = qnt.gelu %x {kind = #qnt<gelu_kind tanh>} : (!t) -> !t
  // CHECK-NEXT: qnt.add
  %2 = qnt.add %x, %1 : (!t, !t) -> !t
  // CHECK-NEXT: qnt.mod {{.*}} {fmod}
  %3 = qnt.mod %i, %i {fmod} : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  // CHECK-NEXT: qnt.compare le
  %4 = qnt.compare le %x, %2 : (!t, !t) -> tensor<2x?xi1, #qnt.dims<[2, s]>>
  // CHECK-NEXT: qnt.select
  %5 = qnt.select %4, %x, %2 : (tensor<2x?xi1, #qnt.dims<[2, s]>>, !t, !t) -> !t
  // CHECK-NEXT: qnt.cast
  %6 = qnt.cast %5 : (!t) -> tensor<2x?xf16, #qnt.dims<[2, s]>>
  // CHECK-NEXT: qnt.is_nan
  %7 = qnt.is_nan %x : (!t) -> tensor<2x?xi1, #qnt.dims<[2, s]>>
  // CHECK-NEXT: qnt.is_inf {{.*}} {negative = false}
  %8 = qnt.is_inf %x {negative = false} : (!t) -> tensor<2x?xi1, #qnt.dims<[2, s]>>
  return
}

// CHECK-LABEL: @shapes
func.func @shapes(%x: !m, %i: tensor<3xi64>) {
  // CHECK: qnt.constant dense<1.000000e+00> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  // CHECK-NEXT: qnt.dim_tensor <[s, floordiv(s, 2) + 1]> : tensor<2xi64>
  %0 = qnt.dim_tensor <[s, 1 + floordiv(s, 2)]> : tensor<2xi64>
  // CHECK-NEXT: qnt.require_equal <[s, p + 1]>
  qnt.require_equal <[s, p + 1]>
  // CHECK-NEXT: qnt.iota
  %1 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[s]>} : tensor<4xi64>
  // CHECK-NEXT: qnt.reshape
  %2 = qnt.reshape %x : (!m) -> tensor<2x16xf32>
  // CHECK-NEXT: qnt.transpose {{.*}} {permutation = array<i64: 1, 0>}
  %3 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (!m) -> tensor<8x4xf32>
  // CHECK-NEXT: qnt.broadcast
  %4 = qnt.broadcast %x : (!m) -> tensor<3x4x8xf32>
  // CHECK-NEXT: qnt.slice
  %5 = qnt.slice %x {starts = #qnt.dims<[0, 1]>, steps = array<i64: 1, 2>} : (!m) -> tensor<4x3xf32>
  // CHECK-NEXT: qnt.concat
  %6 = qnt.concat %x, %x {axis = 1 : i64} : (!m, !m) -> tensor<4x16xf32>
  // CHECK-NEXT: qnt.pad
  %7 = qnt.pad %x, %one {low = #qnt.dims<[1, 0]>, high = #qnt.dims<[0, 0]>, mode = #qnt<pad_mode edge>} : (!m, tensor<f32>) -> tensor<5x8xf32>
  // CHECK-NEXT: qnt.gather
  %8 = qnt.gather %x, %i {axis = 0 : i64} : (!m, tensor<3xi64>) -> tensor<3x8xf32>
  %9 = qnt.constant dense<0> : tensor<4x2xi64>
  // CHECK: qnt.gather_elements
  %10 = qnt.gather_elements %x, %9 {axis = 1 : i64} : (!m, tensor<4x2xi64>) -> tensor<4x2xf32>
  // CHECK-NEXT: qnt.gather_nd
  %11 = qnt.gather_nd %x, %9 : (!m, tensor<4x2xi64>) -> tensor<4xf32>
  // CHECK-NEXT: qnt.scatter_nd
  %12 = qnt.scatter_nd %x, %9, %11 {kind = #qnt<scatter_kind add>} : (!m, tensor<4x2xi64>, tensor<4xf32>) -> !m
  // CHECK-NEXT: qnt.scatter_elements
  %13 = qnt.scatter_elements %x, %9, %10 {axis = 1 : i64} : (!m, tensor<4x2xi64>, tensor<4x2xf32>) -> !m
  // CHECK-NEXT: qnt.non_zero
  %14 = qnt.non_zero %x {symbol = "n"} : (!m) -> tensor<2x?xi64, #qnt.dims<[2, n]>>
  // CHECK-NEXT: %[[COUNT:.*]] = qnt.non_zero_count
  %count = qnt.non_zero_count %x : (!m) -> tensor<i64>
  // CHECK-NEXT: qnt.bind_dim %[[COUNT]] as "c" : tensor<i64>
  qnt.bind_dim %count as "c" : tensor<i64>
  // CHECK-NEXT: qnt.choose <[c]> %{{.*}}, %{{.*}} : (tensor<4x8xf32>
  %chosen = qnt.choose <[c]> %x, %x : (!m, !m) -> !m
  // CHECK-NEXT: %{{.*}}, %{{.*}}, %{{.*}} = qnt.loop <[c]> as "turn" while captures(%{{.*}} : tensor<i64>) from(%{{.*}} : tensor<4x8xf32>) rows <[c - turn - 1]> {
  // CHECK-NEXT: ^bb0(%[[CAPTURED:.*]]: tensor<i64>, %[[STATE:.*]]: tensor<4x8xf32>):
  // CHECK: qnt.yield %[[STATE]], %[[CAPTURED]], %{{.*}} : tensor<4x8xf32>, tensor<i64>, tensor<i1>
  // CHECK-NEXT: } states tensor<4x8xf32> stacks tensor<?xi64, #qnt.dims<[c]>> taken tensor<i64>
  %looped:3 = qnt.loop <[c]> as "turn" while captures(%count : tensor<i64>) from(%x : !m) rows <[c - turn - 1]> {
  ^bb0(%captured: tensor<i64>, %state: !m):
    %number = qnt.dim_tensor <[turn]> : tensor<i64>
    %go = qnt.compare lt %number, %captured : (tensor<i64>, tensor<i64>) -> tensor<i1>
    qnt.yield %state, %captured, %go : !m, tensor<i64>, tensor<i1>
  } states !m stacks tensor<?xi64, #qnt.dims<[c]>> taken tensor<i64>
  // CHECK-NEXT: %{{.*}} = qnt.loop <[2]> as "turn_1" rows <[turn_1]> {
  %counted = qnt.loop <[2]> as "turn_1" rows <[turn_1]> {
    %number = qnt.dim_tensor <[turn_1]> : tensor<i64>
    qnt.yield %number : tensor<i64>
  } stacks tensor<2xi64>
  // CHECK: %{{.*}}:2 = qnt.host_call "my" "Odd"(%{{.*}}, %{{.*}}) {elements = [f32, f32], positions = array<i64: 0, -1, 1>, settings = "{}"}
  %odd:2 = qnt.host_call "my" "Odd" (%x, %x) {elements = [f32, f32], positions = array<i64: 0, -1, 1>, settings = "{}"} : (!m, !m) -> (!m, tensor<i64>)
  // CHECK-NEXT: qnt.resize
  %15 = qnt.resize %x {mode = "linear", coordinates = "half_pixel", nearest = "floor", scales = array<f64: 1.0, 2.0>} : (!m) -> tensor<4x16xf32>
  // CHECK-NEXT: qnt.identity
  %16 = qnt.identity %x : (!m) -> !m
  return
}

// CHECK-LABEL: @reductions
func.func @reductions(%x: !m) {
  // CHECK: qnt.reduce mean
  %0 = qnt.reduce mean %x {axes = array<i64: 1>, keepDims = true} : (!m) -> tensor<4x1xf32>
  // CHECK-NEXT: qnt.arg_reduce
  %1 = qnt.arg_reduce %x {axis = 1 : i64, keepDims = false} : (!m) -> tensor<4xi64>
  // CHECK-NEXT: qnt.cum_sum
  %2 = qnt.cum_sum %x {axis = 1 : i64} : (!m) -> !m
  // CHECK-NEXT: qnt.top_k
  %3, %4 = qnt.top_k %x {axis = 1 : i64} : (!m) -> (tensor<4x2xf32>, tensor<4x2xi64>)
  return
}

!q = tensor<1x4x?x8xf32, #qnt.dims<[1, 4, s, 8]>>
!k = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p + s, 8]>>
!new = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, s, 8]>>
!past = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p, 8]>>

// CHECK-LABEL: @model
func.func @model(%x: !m, %w: tensor<6x8xf32>, %g: tensor<8xf32>, %q: !q, %k: !k, %past: !past, %new: !new, %heads: tensor<4xf32>) {
  // CHECK: qnt.matmul
  %0 = qnt.matmul %x, %w {transposeY = true} : (!m, tensor<6x8xf32>) -> tensor<4x6xf32>
  // CHECK-NEXT: qnt.linear
  %1 = qnt.linear %x, %w : (!m, tensor<6x8xf32>) -> tensor<4x6xf32>
  // CHECK-NEXT: qnt.softmax
  %2 = qnt.softmax %x : (!m) -> !m
  // CHECK-NEXT: qnt.layer_norm %{{.*}} gain %{{.*}} bias %{{.*}} {epsilon = 1.000000e-05 : f64}
  %3 = qnt.layer_norm %x gain %g bias %g {epsilon = 1.0e-05} : (!m, tensor<8xf32>, tensor<8xf32>) -> !m
  // CHECK-NEXT: qnt.layer_norm %{{.*}} {epsilon
  %4 = qnt.layer_norm %x {epsilon = 1.0e-05} : (!m) -> !m
  // CHECK-NEXT: qnt.rms_norm
  %5 = qnt.rms_norm %x, %g {epsilon = 1.0e-05} : (!m, tensor<8xf32>) -> !m
  %c = qnt.constant dense<1.0> : tensor<1x4xf32>
  // CHECK: qnt.rope
  %6 = qnt.rope %x, %c, %c {interleaved = true} : (!m, tensor<1x4xf32>, tensor<1x4xf32>) -> !m
  // CHECK-NEXT: qnt.attention
  %7 = qnt.attention %q, %k, %k {scale = 0.5, causal = true} : (!q, !k, !k) -> !q
  // CHECK-NEXT: qnt.attention %{{.*}}, %{{.*}}, %{{.*}} sink %{{.*}} {scale
  %sunk = qnt.attention %q, %k, %k sink %heads {scale = 0.5} : (!q, !k, !k, tensor<4xf32>) -> !q
  // CHECK-NEXT: qnt.kv_begin %{{.*}} {output = 0 : i64} : {{.*}} -> !qnt.kv<[1, 2, p, 8], f32>
  %8 = qnt.kv_begin %past {output = 0 : i64} : (!past) -> !qnt.kv<[1, 2, p, 8], f32>
  // CHECK-NEXT: qnt.kv_append
  %9 = qnt.kv_append %8, %new : (!qnt.kv<[1, 2, p, 8], f32>, !new) -> !qnt.kv<[1, 2, p + s, 8], f32>
  // CHECK-NEXT: qnt.kv_result
  %10 = qnt.kv_result %9 : (!qnt.kv<[1, 2, p + s, 8], f32>) -> !k
  // CHECK-NEXT: qnt.encode_rows %{{.*}} {codes = #qnt<storage i8>}
  %coded = qnt.encode_rows %new {codes = #qnt<storage i8>} : (!new) -> tensor<1x2x?x12xui8, #qnt.dims<[1, 2, s, 12]>>
  // CHECK-NEXT: qnt.decode_rows %{{.*}} {codes = #qnt<storage i8>}
  %read = qnt.decode_rows %coded {codes = #qnt<storage i8>} : (tensor<1x2x?x12xui8, #qnt.dims<[1, 2, s, 12]>>) -> !new
  // CHECK-NEXT: qnt.encode_rows %{{.*}} {codes = #qnt<storage u4>}
  %coded4 = qnt.encode_rows %x {codes = #qnt<storage u4>} : (!m) -> tensor<4x12xui8>
  %image = qnt.constant dense<1.0> : tensor<1x3x4x4xf32>
  %filter = qnt.constant dense<1.0> : tensor<2x3x2x2xf32>
  // CHECK: qnt.conv
  %11 = qnt.conv %image, %filter {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<1x3x4x4xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x2x2xf32>
  return
}

// CHECK: qnt.weight @w : tensor<6x8xf32> = #qnt.file<"model.onnx", 17, 192>
qnt.weight @w : tensor<6x8xf32> = #qnt.file<"model.onnx", 17, 192>
// CHECK: qnt.weight @b : tensor<8xf32> = #qnt.blob<"00ff", 32>
qnt.weight @b : tensor<8xf32> = #qnt.blob<"00ff", 32>
// CHECK: qnt.weight @w.q : !qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4, layout panel16_block> {
qnt.weight @w.q : !qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4, layout panel16_block> {
  // CHECK-NEXT: qnt.use @w
  %0 = qnt.use @w : tensor<6x8xf32>
  // CHECK-NEXT: qnt.quantize
  %1 = qnt.quantize %0 : (tensor<6x8xf32>) -> !qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4>
  // CHECK-NEXT: qnt.pack
  %2 = qnt.pack %1 : (!qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4>) -> !qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4, layout panel16_block>
  // CHECK-NEXT: qnt.yield
  qnt.yield %2 : !qnt.q<[6, 8], u4, block 1 x 4, scale f16, zero ui4, layout panel16_block>
}

// CHECK-LABEL: @quantized
func.func @quantized(%x: !m, %i: tensor<3xi64>, %codes: tensor<6x8xi8>, %scale: tensor<6xf32>) {
  // CHECK: qnt.quantize {{.*}} -> !qnt.q<[4, 8], i8, token, scale f32>
  %0 = qnt.quantize %x : (!m) -> !qnt.q<[4, 8], i8, token, scale f32>
  // CHECK-NEXT: qnt.assemble
  %1 = qnt.assemble %codes, %scale : (tensor<6x8xi8>, tensor<6xf32>) -> !qnt.q<[6, 8], i8, axis 0, scale f32>
  // CHECK-NEXT: qnt.qlinear
  %2 = qnt.qlinear %0, %1 : (!qnt.q<[4, 8], i8, token, scale f32>, !qnt.q<[6, 8], i8, axis 0, scale f32>) -> tensor<4x6xf32>
  // CHECK-NEXT: qnt.qgather
  %3 = qnt.qgather %1, %i : (!qnt.q<[6, 8], i8, axis 0, scale f32>, tensor<3xi64>) -> tensor<3x8xf32>
  // CHECK-NEXT: qnt.dequantize
  %4 = qnt.dequantize %1 : (!qnt.q<[6, 8], i8, axis 0, scale f32>) -> tensor<6x8xf32>
  // CHECK-NEXT: qnt.observe {{.*}} {id = "layer.0"}
  %5 = qnt.observe %4 {id = "layer.0"} : (tensor<6x8xf32>) -> tensor<6x8xf32>
  return
}

// CHECK-LABEL: @stored
func.func private @stored(
    // CHECK-SAME: !qnt.q<[6, 8], u1, block 1 x 4, scale f16, codebook #qnt.codebook<[-1.000000e+00, 1.000000e+00]>>
    !qnt.q<[6, 8], u1, block 1 x 4, scale f16, codebook #qnt.codebook<[-1.0, 1.0]>>,
    // CHECK-SAME: !qnt.q<[6, 8], u3, block 1 x 4, scale ui8, super f32, codebook #qnt.codebook<learned>>
    !qnt.q<[6, 8], u3, block 1 x 4, super f32, scale ui8, codebook #qnt.codebook<learned>>,
    // CHECK-SAME: !qnt.q<[6, 8], f4e2m1, block 1 x 4, scale f8E8M0FNU, layout panel16_block>
    !qnt.q<[6, 8], f4e2m1, block 1 x 4, scale f8E8M0FNU, layout panel16_block>,
    // CHECK-SAME: !qnt.q<[6, 8], f8e4m3fn, block 1 x 4, scale f8E4M3FN, super f32>
    !qnt.q<[6, 8], f8e4m3fn, block 1 x 4, scale f8E4M3FN, super f32>,
    // CHECK-SAME: !qnt.q<[6, 8], ternary, tensor, scale f32>, !qnt.q<[6, 8], i7, axis 0, scale bf16>
    !qnt.q<[6, 8], ternary, tensor, scale f32>, !qnt.q<[6, 8], i7, axis 0, scale bf16>,
    // CHECK-SAME: !qnt.q<[6, 8], u4, block 1 x 4, scale f32, zero f16>
    !qnt.q<[6, 8], u4, block 1 x 4, scale f32, zero f16>,
    // CHECK-SAME: !qnt.q<[s, 8], i8, token, scale f32, group 4, sums 2, layout token_s8>
    !qnt.q<[s, 8], i8, token, scale f32, group 4, sums 2, layout token_s8>,
    // CHECK-SAME: !qnt.q<[s, 8], i16, token, scale f32, sums 8, layout token_s16>
    !qnt.q<[s, 8], i16, token, scale f32, sums 8, layout token_s16>)

// CHECK-LABEL: @products
func.func @products(%x: !m, %w: !qnt.q<[6, 8], f8e5m2, axis 0, scale f32>) {
  // CHECK: qnt.quantize_static {{.*}} {scale = 5.000000e-01 : f32, zero = -3 : i64}
  %0 = qnt.quantize_static %x {scale = 0.5 : f32, zero = -3 : i64} : (!m) -> !qnt.q<[4, 8], i8, token, scale f32, zero i8>
  // CHECK: qnt.qlinear %{{.*}} : (tensor<4x8xf32>, !qnt.q<[6, 8], f8e5m2, axis 0, scale f32>)
  %1 = qnt.qlinear %x, %w : (!m, !qnt.q<[6, 8], f8e5m2, axis 0, scale f32>) -> tensor<4x6xf32>
  // CHECK: qnt.qlinear
  %2 = qnt.qlinear %0, %w : (!qnt.q<[4, 8], i8, token, scale f32, zero i8>, !qnt.q<[6, 8], f8e5m2, axis 0, scale f32>) -> tensor<4x6xf32>
  return
}

// CHECK-LABEL: @transforms
func.func @transforms(%x: tensor<4x24xf32>, %w: tensor<2x6xf16>, %c: tensor<2xi32>, %m: tensor<6x24xf32>) {
  // CHECK-NEXT: qnt.hadamard %{{.*}} {axis = 1 : i64, block = 12 : i64, inverse = true, seed = 7 : i64}
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 12 : i64, seed = 7 : i64, inverse = true} : (tensor<4x24xf32>) -> tensor<4x24xf32>
  // CHECK-NEXT: qnt.sparse_linear
  %1 = qnt.sparse_linear %0, %w, %c : (tensor<4x24xf32>, tensor<2x6xf16>, tensor<2xi32>) -> tensor<4x6xf32>
  // CHECK-NEXT: qnt.top_columns
  %2 = qnt.top_columns %m : (tensor<6x24xf32>) -> tensor<2x6xi32>
  return
}

// CHECK-LABEL: @groups
func.func @groups(%x: !t) -> !t attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 1, max = 512>]} {
  // CHECK: qnt.fused "map"(%{{.*}}) {
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: !t):
    %1 = qnt.neg %a : (!t) -> !t
    qnt.yield %1 : !t
  } : (!t) -> !t
  // CHECK: qnt.launch @neg <[s, 2]>(%{{.*}})
  %2 = qnt.launch @neg <[s, 2]>(%0) : (!t) -> !t
  return %2 : !t
}

!d = tensor<?x?xf32, #qnt.dims<[d1, d0]>>
// CHECK: qnt.kernel @neg "map" dims 2 {
qnt.kernel @neg "map" dims 2 {
^bb0(%a: !d):
  %0 = qnt.neg %a : (!d) -> !d
  qnt.yield %0 : !d
}

// CHECK: qnt.section [@w, @b] at [0, 192] bytes 256
qnt.section [@w, @b] at [0, 192] bytes 256
