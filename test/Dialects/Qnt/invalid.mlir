// Each numbered constraint of each op, broken once.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics

// unary C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [3, 2] instead of [2, 3]}}
  %0 = qnt.exp %x : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

// unary C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has element type 'f16' instead of 'f32'}}
  %0 = qnt.exp %x : (tensor<2x3xf32>) -> tensor<2x3xf16>
  return
}

// -----

// gelu C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [3, 2] instead of [2, 3]}}
  %0 = qnt.gelu %x : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

// gelu C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has element type 'f16' instead of 'f32'}}
  %0 = qnt.gelu %x : (tensor<2x3xf32>) -> tensor<2x3xf16>
  return
}

// -----

// binary C1, operands
func.func @f(%x: tensor<2x3xf32>, %y: tensor<2xf32>) {
  // expected-error@+1 {{operands do not broadcast: [2, 3] and [2]}}
  %0 = qnt.add %x, %y : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

// binary C1, result
func.func @f(%x: tensor<2x3xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [3] instead of [2, 3]}}
  %0 = qnt.add %x, %y : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// binary C2
func.func @f(%x: tensor<3xf32>, %y: tensor<3xf16>) {
  // expected-error@+1 {{second operand has element type 'f16' instead of 'f32'}}
  %0 = qnt.add %x, %y : (tensor<3xf32>, tensor<3xf16>) -> tensor<3xf32>
  return
}

// -----

// mod C1
func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{result has dimensions [1] instead of [3]}}
  %0 = qnt.mod %x, %x : (tensor<3xi32>, tensor<3xi32>) -> tensor<1xi32>
  return
}

// -----

// mod C2
func.func @f(%x: tensor<3xi32>) {
  // expected-error@+1 {{result has element type 'i64' instead of 'i32'}}
  %0 = qnt.mod %x, %x : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi64>
  return
}

// -----

// compare C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [2] instead of [3]}}
  %0 = qnt.compare lt %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<2xi1>
  return
}

// -----

// compare C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result must have element type i1, but has 'i8'}}
  %0 = qnt.compare lt %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi8>
  return
}

// -----

// is_nan C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result must have element type i1, but has 'f32'}}
  %0 = qnt.is_nan %x : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// is_inf C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [1] instead of [3]}}
  %0 = qnt.is_inf %x : (tensor<3xf32>) -> tensor<1xi1>
  return
}

// -----

// cast C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [2] instead of [3]}}
  %0 = qnt.cast %x : (tensor<3xf32>) -> tensor<2xi8>
  return
}

// -----

// select C1
func.func @f(%c: tensor<3xi1>, %x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [1] instead of [3]}}
  %0 = qnt.select %c, %x, %x : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<1xf32>
  return
}

// -----

// select C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{condition must have element type i1, but has 'f32'}}
  %0 = qnt.select %x, %x, %x : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// constant C1
func.func @f() {
  // expected-error@+1 {{has 1028 bytes; constants over 1024 are qnt.weight symbols}}
  %0 = qnt.constant dense<0.0> : tensor<257xf32>
  return
}

// -----

// dim_tensor C1, count
func.func @f() {
  // expected-error@+1 {{cannot hold 2 dimensions in 'tensor<3xi64>'}}
  %0 = qnt.dim_tensor <[2, 3]> : tensor<3xi64>
  return
}

// -----

// dim_tensor C1, type
func.func @f() {
  // expected-error@+1 {{result must be i64 or i32, but is 'f32'}}
  %0 = qnt.dim_tensor <[2]> : tensor<1xf32>
  return
}

// -----

// require_equal C1
func.func @f() {
  // expected-error@+1 {{dims has 1 entries instead of 2}}
  qnt.require_equal <[s]>
  return
}

// -----

// iota C1
func.func @f() {
  // expected-error@+1 {{axis 1 is outside rank 1}}
  %0 = qnt.iota {axis = 1 : i64, start = #qnt.dims<[0]>} : tensor<4xi64>
  return
}

// -----

// iota C2
func.func @f() {
  // expected-error@+1 {{start has 2 entries instead of 1}}
  %0 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0, 1]>} : tensor<4xi64>
  return
}

// -----

// reshape C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has element type 'f16' instead of 'f32'}}
  %0 = qnt.reshape %x : (tensor<2x3xf32>) -> tensor<6xf16>
  return
}

// -----

// reshape C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{changes the element count from 6 to 5}}
  %0 = qnt.reshape %x : (tensor<2x3xf32>) -> tensor<5xf32>
  return
}

// -----

// transpose C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{permutation misses axis 0}}
  %0 = qnt.transpose %x {permutation = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

// transpose C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [2, 3] instead of [3, 2]}}
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// broadcast C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{cannot broadcast [2, 3] to [4, 3]}}
  %0 = qnt.broadcast %x : (tensor<2x3xf32>) -> tensor<4x3xf32>
  return
}

// -----

// slice C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{starts has 1 entries instead of 2}}
  %0 = qnt.slice %x {starts = #qnt.dims<[0]>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// slice C1, step
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{has a step of 0}}
  %0 = qnt.slice %x {starts = #qnt.dims<[0]>, steps = array<i64: 0>} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// slice C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has 2 entries instead of 1}}
  %0 = qnt.slice %x {starts = #qnt.dims<[0]>, steps = array<i64: 1>} : (tensor<3xf32>) -> tensor<1x3xf32>
  return
}

// -----

// concat C1, operands
func.func @f() {
  // expected-error@+1 {{has no operands}}
  %0 = qnt.concat {axis = 0 : i64} : () -> tensor<3xf32>
  return
}

// -----

// concat C1, axis
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{axis 1 is outside rank 1}}
  %0 = qnt.concat %x {axis = 1 : i64} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// concat C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [5] instead of [6]}}
  %0 = qnt.concat %x, %x {axis = 0 : i64} : (tensor<3xf32>, tensor<3xf32>) -> tensor<5xf32>
  return
}

// -----

// pad C1
func.func @f(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error@+1 {{low has 0 entries instead of 1}}
  %0 = qnt.pad %x, %v {low = #qnt.dims<[]>, high = #qnt.dims<[1]>} : (tensor<3xf32>, tensor<f32>) -> tensor<4xf32>
  return
}

// -----

// pad C2
func.func @f(%x: tensor<3xf32>, %v: tensor<f16>) {
  // expected-error@+1 {{value has element type 'f16' instead of 'f32'}}
  %0 = qnt.pad %x, %v {low = #qnt.dims<[0]>, high = #qnt.dims<[1]>} : (tensor<3xf32>, tensor<f16>) -> tensor<4xf32>
  return
}

// -----

// gather C1
func.func @f(%x: tensor<2x3xf32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = qnt.gather %x, %i {axis = 2 : i64} : (tensor<2x3xf32>, tensor<4xi64>) -> tensor<4x3xf32>
  return
}

// -----

// gather C2
func.func @f(%x: tensor<2x3xf32>, %i: tensor<4xf32>) {
  // expected-error@+1 {{indices must be i64 or i32, but is 'f32'}}
  %0 = qnt.gather %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<4x3xf32>
  return
}

// -----

// gather C3
func.func @f(%x: tensor<2x3xf32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{result has dimensions [3, 4] instead of [4, 3]}}
  %0 = qnt.gather %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<4xi64>) -> tensor<3x4xf32>
  return
}

// -----

// gather_elements C1
func.func @f(%x: tensor<2x3xf32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{indices rank has 1 entries instead of 2}}
  %0 = qnt.gather_elements %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<4xi64>) -> tensor<4xf32>
  return
}

// -----

// gather_elements C2
func.func @f(%x: tensor<3xf32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{result has dimensions [3] instead of [4]}}
  %0 = qnt.gather_elements %x, %i {axis = 0 : i64} : (tensor<3xf32>, tensor<4xi64>) -> tensor<3xf32>
  return
}

// -----

// gather_nd C1
func.func @f(%x: tensor<3xf32>, %i: tensor<4x2xi64>) {
  // expected-error@+1 {{tuples of [4, 2] do not index [3] after 0 batch axes}}
  %0 = qnt.gather_nd %x, %i : (tensor<3xf32>, tensor<4x2xi64>) -> tensor<4xf32>
  return
}

// -----

// gather_nd C2
func.func @f(%x: tensor<3xf32>, %i: tensor<4x1xi64>) {
  // expected-error@+1 {{result has dimensions [3] instead of [4]}}
  %0 = qnt.gather_nd %x, %i : (tensor<3xf32>, tensor<4x1xi64>) -> tensor<3xf32>
  return
}

// -----

// scatter_nd C1
func.func @f(%x: tensor<3xf32>, %i: tensor<4x1xi64>, %u: tensor<4xf32>) {
  // expected-error@+1 {{result has dimensions [4] instead of [3]}}
  %0 = qnt.scatter_nd %x, %i, %u : (tensor<3xf32>, tensor<4x1xi64>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

// scatter_nd C2
func.func @f(%x: tensor<3xf32>, %i: tensor<4x1xi64>, %u: tensor<3xf32>) {
  // expected-error@+1 {{updates has dimensions [3] instead of [4]}}
  %0 = qnt.scatter_nd %x, %i, %u : (tensor<3xf32>, tensor<4x1xi64>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// scatter_elements C1
func.func @f(%x: tensor<3xf32>, %i: tensor<4xi64>, %u: tensor<4xf32>) {
  // expected-error@+1 {{axis 1 is outside rank 1}}
  %0 = qnt.scatter_elements %x, %i, %u {axis = 1 : i64} : (tensor<3xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

// scatter_elements C2
func.func @f(%x: tensor<3xf32>, %i: tensor<4xi64>, %u: tensor<3xf32>) {
  // expected-error@+1 {{updates has dimensions [3] instead of [4]}}
  %0 = qnt.scatter_elements %x, %i, %u {axis = 0 : i64} : (tensor<3xf32>, tensor<4xi64>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// non_zero C1, type
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result must be i64, but is 'i32'}}
  %0 = qnt.non_zero %x {symbol = "n"} : (tensor<3xf32>) -> tensor<1x?xi32, #qnt.dims<[1, n]>>
  return
}

// -----

// non_zero C1, dimensions
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [1, m] instead of [1, n]}}
  %0 = qnt.non_zero %x {symbol = "n"} : (tensor<3xf32>) -> tensor<1x?xi64, #qnt.dims<[1, m]>>
  return
}

// -----

// non_zero_count C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result must be an i64 of rank 0, but is}}
  %0 = qnt.non_zero_count %x : (tensor<3xf32>) -> tensor<1xi64>
  return
}

// -----

// choose C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{which must have one element, but has 2}}
  %0 = qnt.choose <[c, c]> %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// choose C2
func.func @f(%x: tensor<3xf32>, %y: tensor<1x3xf32>) {
  // expected-error@+1 {{operands must have rank 1, but one has 2}}
  %0 = qnt.choose <[c]> %x, %y : (tensor<3xf32>, tensor<1x3xf32>) -> tensor<3xf32>
  return
}

// -----

// bind_dim C1
func.func @f(%x: tensor<1xi64>) {
  // expected-error@+1 {{size must be an i64 of rank 0, but is}}
  qnt.bind_dim %x as "n" : tensor<1xi64>
  return
}

// -----

// host_call C1
func.func @f(%x: tensor<1xi64>) {
  // expected-error@+1 {{positions are not the numbers of the operands in order}}
  %0 = qnt.host_call "my" "Odd" (%x, %x) {elements = [i64, i64], positions = array<i64: 1, 0>, settings = "{}"} : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  return
}

// -----

func.func @f(%x: tensor<1xi64>) {
  // expected-error@+1 {{has 1 operands, but positions for 0}}
  %0 = qnt.host_call "my" "Odd" (%x) {elements = [i64], positions = array<i64: -1>, settings = "{}"} : (tensor<1xi64>) -> tensor<1xi64>
  return
}

// -----

// host_call C2
func.func @f(%x: tensor<1xi64>) {
  // expected-error@+1 {{an operand has element type 'i64' instead of 'f16'}}
  %0 = qnt.host_call "my" "Odd" (%x) {elements = [f16], positions = array<i64: 0>, settings = "{}"} : (tensor<1xi64>) -> tensor<1xi64>
  return
}

// -----

func.func @f(%x: tensor<1xi64>) {
  // expected-error@+1 {{has 1 operands, but 0 element types}}
  %0 = qnt.host_call "my" "Odd" (%x) {elements = [], positions = array<i64: 0>, settings = "{}"} : (tensor<1xi64>) -> tensor<1xi64>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{elements of type 'i4' cannot be handed to the application}}
  %0 = qnt.host_call "my" "Odd" () {elements = [], positions = array<i64>, settings = "{}"} : () -> tensor<1xi4>
  return
}

// -----

// host_call C3
func.func @f() {
  // expected-error@+1 {{has no name, or settings that are no JSON object}}
  %0 = qnt.host_call "my" "Odd" () {elements = [], positions = array<i64>, settings = "[1]"} : () -> tensor<1xi8>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{has no name, or settings that are no JSON object}}
  %0 = qnt.host_call "" "" () {elements = [], positions = array<i64>, settings = "{}"} : () -> tensor<1xi8>
  return
}

// -----

// resize C1, mode
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{mode 'area' is not nearest, linear or cubic}}
  %0 = qnt.resize %x {mode = "area", coordinates = "half_pixel", nearest = "floor", scales = array<f64: 1.0>} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// resize C1, scales
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{is not positive}}
  %0 = qnt.resize %x {mode = "linear", coordinates = "half_pixel", nearest = "floor", scales = array<f64: 0.0>} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// resize C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has 2 entries instead of 1}}
  %0 = qnt.resize %x {mode = "linear", coordinates = "half_pixel", nearest = "floor", scales = array<f64: 1.0>} : (tensor<3xf32>) -> tensor<1x3xf32>
  return
}

// -----

// identity C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [2] instead of [3]}}
  %0 = qnt.identity %x : (tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

// reduce C1, range
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{axis 1 is outside rank 1}}
  %0 = qnt.reduce sum %x {axes = array<i64: 1>, keepDims = false} : (tensor<3xf32>) -> tensor<f32>
  return
}

// -----

// reduce C1, order
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{axes must ascend, but 0 follows 1}}
  %0 = qnt.reduce sum %x {axes = array<i64: 1, 0>, keepDims = false} : (tensor<2x3xf32>) -> tensor<f32>
  return
}

// -----

// reduce C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [2] instead of [2, 1]}}
  %0 = qnt.reduce sum %x {axes = array<i64: 1>, keepDims = true} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

// arg_reduce C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{axis 1 is outside rank 1}}
  %0 = qnt.arg_reduce %x {axis = 1 : i64, keepDims = false} : (tensor<3xf32>) -> tensor<i64>
  return
}

// -----

// arg_reduce C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result must be i64, but is 'i32'}}
  %0 = qnt.arg_reduce %x {axis = 0 : i64, keepDims = false} : (tensor<3xf32>) -> tensor<i32>
  return
}

// -----

// cum_sum C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{result has dimensions [2] instead of [3]}}
  %0 = qnt.cum_sum %x {axis = 0 : i64} : (tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

// top_k C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{indices has dimensions [1] instead of [2]}}
  %0, %1 = qnt.top_k %x {axis = 0 : i64} : (tensor<3xf32>) -> (tensor<2xf32>, tensor<1xi64>)
  return
}

// -----

// top_k C2
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{indices must be i64, but are 'i32'}}
  %0, %1 = qnt.top_k %x {axis = 0 : i64} : (tensor<3xf32>) -> (tensor<2xf32>, tensor<2xi32>)
  return
}

// -----

// matmul C1, rank
func.func @f(%x: tensor<3xf32>, %y: tensor<3x2xf32>) {
  // expected-error@+1 {{needs ranks of at least 2, but has 1 and 2}}
  %0 = qnt.matmul %x, %y : (tensor<3xf32>, tensor<3x2xf32>) -> tensor<2xf32>
  return
}

// -----

// matmul C1, contraction
func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) {
  // expected-error@+1 {{contracts 3 with 2}}
  %0 = qnt.matmul %x, %y : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// matmul C2
func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [2, 3] instead of [2, 2]}}
  %0 = qnt.matmul %x, %y {transposeY = true} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// matmul C2, sums of 16-bit integers
func.func @f(%x: tensor<2x3xi16>, %y: tensor<3x2xi16>) {
  // expected-error@+1 {{sums of i16 must be i32}}
  %0 = qnt.matmul %x, %y : (tensor<2x3xi16>, tensor<3x2xi16>) -> tensor<2x2xi16>
  return
}

// -----

// linear C1
func.func @f(%x: tensor<2x3xf32>, %w: tensor<3x2xf32>) {
  // expected-error@+1 {{weight [3, 2] does not fit an input of [2, 3]}}
  %0 = qnt.linear %x, %w : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  return
}

// -----

// linear C2
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{bias has dimensions [3] instead of [4]}}
  %0 = qnt.linear %x, %w, %b : (tensor<2x3xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  return
}

// -----

// linear C3
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error@+1 {{result has dimensions [2, 3] instead of [2, 4]}}
  %0 = qnt.linear %x, %w : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// linear C4
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error@+1 {{products must be of f32 or bf16, but are of i16}}
  %0 = qnt.linear %x, %w {products = #qnt<storage i16>} : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

// linear C4
func.func @f(%x: tensor<2x3xf64>, %w: tensor<4x3xf64>) {
  // expected-error@+1 {{products of bf16 need an input of f32, or of bf16 in multiples of 8, but it is 'tensor<2x3xf64>'}}
  %0 = qnt.linear %x, %w {products = #qnt<storage bf16>} : (tensor<2x3xf64>, tensor<4x3xf64>) -> tensor<2x4xf64>
  return
}

// -----

// conv C1
func.func @f(%x: tensor<1x4x8xf32>, %w: tensor<2x2x3xf32>) {
  // expected-error@+1 {{pads has 1 entries instead of 2}}
  %0 = qnt.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0>, groups = 2 : i64} : (tensor<1x4x8xf32>, tensor<2x2x3xf32>) -> tensor<1x2x6xf32>
  return
}

// -----

// conv C2
func.func @f(%x: tensor<1x4x8xf32>, %w: tensor<2x2x3xf32>) {
  // expected-error@+1 {{4 channels do not fit 1 groups of 2}}
  %0 = qnt.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : (tensor<1x4x8xf32>, tensor<2x2x3xf32>) -> tensor<1x2x6xf32>
  return
}

// -----

// softmax C1
func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{needs a rank of at least 1}}
  %0 = qnt.softmax %x : (tensor<f32>) -> tensor<f32>
  return
}

// -----

// layer_norm C1
func.func @f(%x: tensor<2x3xf32>, %g: tensor<2xf32>) {
  // expected-error@+1 {{parameter has dimensions [2] instead of [3]}}
  %0 = qnt.layer_norm %x gain %g {epsilon = 0.0} : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

// layer_norm C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{epsilon must not be negative, but is}}
  %0 = qnt.layer_norm %x {epsilon = -1.0} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// rms_norm C1
func.func @f(%x: tensor<2x3xf32>, %g: tensor<2xf32>) {
  // expected-error@+1 {{parameter has dimensions [2] instead of [3]}}
  %0 = qnt.rms_norm %x, %g {epsilon = 0.0} : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

// rms_norm C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [3, 3] instead of [2, 3]}}
  %0 = qnt.rms_norm %x {epsilon = 0.0} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

// rope C1
func.func @f(%x: tensor<2x3xf32>, %c: tensor<2xf32>) {
  // expected-error@+1 {{rotates 4 of 3 channels}}
  %0 = qnt.rope %x, %c, %c : (tensor<2x3xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

// rope C2
func.func @f(%x: tensor<2x4xf32>, %c: tensor<2xf32>) {
  // expected-error@+1 {{result has dimensions [2, 2] instead of [2, 4]}}
  %0 = qnt.rope %x, %c, %c : (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return
}

// -----

// attention C1
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x3x5x8xf32>) {
  // expected-error@+1 {{query [1, 4, 2, 8], key [1, 3, 5, 8] and value [1, 3, 5, 8] do not fit}}
  %0 = qnt.attention %q, %k, %k {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x3x5x8xf32>, tensor<1x3x5x8xf32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C2, dimensions
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x5x8xf32>, %m: tensor<3x5xf32>) {
  // expected-error@+1 {{mask [3, 5] does not broadcast to [1, 4, 2, 5]}}
  %0 = qnt.attention %q, %k, %k, %m {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>, tensor<3x5xf32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C2, type
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x5x8xf32>, %m: tensor<2x5xi8>) {
  // expected-error@+1 {{mask must be float or i1, but is 'i8'}}
  %0 = qnt.attention %q, %k, %k, %m {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>, tensor<2x5xi8>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C3
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x5x8xf32>) {
  // expected-error@+1 {{result has dimensions [1, 2, 5, 8] instead of [1, 4, 2, 8]}}
  %0 = qnt.attention %q, %k, %k {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32>
  return
}

// -----

// attention C5, storage
func.func @f(%q: tensor<1x4x2x8xf32>) {
  // expected-error@+1 {{products must be of f32, bf16 or i16, but are of i8}}
  %0 = qnt.attention %q, %q, %q {scale = 1.0, products = #qnt<storage i8>} : (tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C5, width
func.func @f(%q: tensor<1x4x2x?xf32, #qnt.dims<[1, 4, 2, d]>>) attributes {qnt.symbols = [#qnt.symbol<"d", input = 0, axis = 3>]} {
  // expected-error@+1 {{products of i16 need a known number of channels, but there are d}}
  %0 = qnt.attention %q, %q, %q {scale = 1.0, products = #qnt<storage i16>} : (tensor<1x4x2x?xf32, #qnt.dims<[1, 4, 2, d]>>, tensor<1x4x2x?xf32, #qnt.dims<[1, 4, 2, d]>>, tensor<1x4x2x?xf32, #qnt.dims<[1, 4, 2, d]>>) -> tensor<1x4x2x?xf32, #qnt.dims<[1, 4, 2, d]>>
  return
}

// -----

// attention C5, caches
func.func @f(%q: tensor<1x4x2x8xf32>, %k: !qnt.kv<[1, 4, 5, 8], f32>) {
  // expected-error@+1 {{products of i16 read no caches}}
  %0 = qnt.attention %q, %k, %k {scale = 1.0, products = #qnt<storage i16>} : (tensor<1x4x2x8xf32>, !qnt.kv<[1, 4, 5, 8], f32>, !qnt.kv<[1, 4, 5, 8], f32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C4, type
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x5x8xf32>, %s: tensor<4xi8>) {
  // expected-error@+1 {{sink must be float, but is 'i8'}}
  %0 = qnt.attention %q, %k, %k sink %s {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>, tensor<4xi8>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// attention C4, dimensions
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x5x8xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{sink has dimensions [2] instead of [4]}}
  %0 = qnt.attention %q, %k, %k sink %s {scale = 1.0} : (tensor<1x4x2x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>, tensor<2xf32>) -> tensor<1x4x2x8xf32>
  return
}

// -----

// kv_begin C1
func.func @f(%p: tensor<2x3xf32>) {
  // expected-error@+1 {{needs}}
  %0 = qnt.kv_begin %p {output = 0 : i64} : (tensor<2x3xf32>) -> !qnt.kv<[2, 3], f32>
  return
}

// -----

// kv_append C1
func.func @f(%c: !qnt.kv<[1, 2, 3, 4], f32>, %r: tensor<1x2x1x5xf32>) {
  // expected-error@+1 {{cannot append}}
  %0 = qnt.kv_append %c, %r : (!qnt.kv<[1, 2, 3, 4], f32>, tensor<1x2x1x5xf32>) -> !qnt.kv<[1, 2, 3, 4], f32>
  return
}

// -----

// kv_append C2
func.func @f(%c: !qnt.kv<[1, 2, 3, 4], f32>, %r: tensor<1x2x1x4xf16>) {
  // expected-error@+1 {{rows has element type 'f16' instead of 'f32'}}
  %0 = qnt.kv_append %c, %r : (!qnt.kv<[1, 2, 3, 4], f32>, tensor<1x2x1x4xf16>) -> !qnt.kv<[1, 2, 4, 4], f32>
  return
}

// -----

// kv_result C1
func.func @f(%c: !qnt.kv<[1, 2, 3, 4], f32>) {
  // expected-error@+1 {{result has dimensions [1, 2, 3, 5] instead of [1, 2, 3, 4]}}
  %0 = qnt.kv_result %c : (!qnt.kv<[1, 2, 3, 4], f32>) -> tensor<1x2x3x5xf32>
  return
}

// -----

// quantize C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [3, 2] instead of [2, 3]}}
  %0 = qnt.quantize %x : (tensor<2x3xf32>) -> !qnt.q<[3, 2], i8, token, scale f32>
  return
}

// -----

// dequantize C1
func.func @f(%x: !qnt.q<[2, 3], i8, axis 0, scale f32>) {
  // expected-error@+1 {{result has dimensions [3, 2] instead of [2, 3]}}
  %0 = qnt.dequantize %x : (!qnt.q<[2, 3], i8, axis 0, scale f32>) -> tensor<3x2xf32>
  return
}

// -----

// assemble C1, scale
func.func @f(%c: tensor<2x3xi8>, %s: tensor<2xf16>) {
  // expected-error@+1 {{scales are 'f16' instead of 'f32'}}
  %0 = qnt.assemble %c, %s : (tensor<2x3xi8>, tensor<2xf16>) -> !qnt.q<[2, 3], i8, axis 0, scale f32>
  return
}

// -----

// assemble C1, zero
func.func @f(%c: tensor<2x3xi8>, %s: tensor<2xf32>) {
  // expected-error@+1 {{zero points must be given exactly when the type has them}}
  %0 = qnt.assemble %c, %s, %c : (tensor<2x3xi8>, tensor<2xf32>, tensor<2x3xi8>) -> !qnt.q<[2, 3], i8, axis 0, scale f32>
  return
}

// -----

// pack C1, rank
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{packs matrices, but the rank is 1}}
  %0 = qnt.pack %x : (tensor<3xf32>) -> !qnt.q<[3], i8, tensor, scale f32, layout panel16_f32>
  return
}

// -----

// pack C1, layout
func.func @f(%x: !qnt.q<[2, 3], i8, axis 0, scale f32>) {
  // expected-error@+1 {{layout panel16_f32 does not fit}}
  %0 = qnt.pack %x : (!qnt.q<[2, 3], i8, axis 0, scale f32>) -> !qnt.q<[2, 3], i8, axis 0, scale f32, layout panel16_f32>
  return
}

// -----

// qlinear C1
func.func @f(%x: !qnt.q<[4, 3], i8, token, scale f32>, %w: !qnt.q<[2, 3], i8, axis 1, scale f32>) {
  // expected-error@+1 {{weight must have codes of at most 8 bits, with one scale, per axis 0 or in blocks along axis 1}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[4, 3], i8, token, scale f32>, !qnt.q<[2, 3], i8, axis 1, scale f32>) -> tensor<4x2xf32>
  return
}

// -----

// qlinear C2
func.func @f(%x: !qnt.q<[4, 3], u8, token, scale f32>, %w: !qnt.q<[2, 3], i8, axis 0, scale f32>) {
  // expected-error@+1 {{input must be floats, or i8, i16 or f8e4m3fn per token, but is}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[4, 3], u8, token, scale f32>, !qnt.q<[2, 3], i8, axis 0, scale f32>) -> tensor<4x2xf32>
  return
}

// -----

// qlinear C3
func.func @f(%x: !qnt.q<[4, 200000], i8, token, scale f32>, %w: !qnt.q<[2, 200000], i8, axis 0, scale f32>) {
  // expected-error@+1 {{an accumulation over 200000 products may overflow int32}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[4, 200000], i8, token, scale f32>, !qnt.q<[2, 200000], i8, axis 0, scale f32>) -> tensor<4x2xf32>
  return
}

// -----

// qlinear C4
func.func @f(%x: !qnt.q<[4, 3], i8, token, scale f32>, %w: !qnt.q<[2, 3], i8, axis 0, scale f32>) {
  // expected-error@+1 {{result has dimensions [4, 3] instead of [4, 2]}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[4, 3], i8, token, scale f32>, !qnt.q<[2, 3], i8, axis 0, scale f32>) -> tensor<4x3xf32>
  return
}

// -----

// qgather C1
func.func @f(%w: !qnt.q<[2, 3], i8, tensor, scale f32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{table must be a matrix per axis 0 or in blocks along axis 1, logical}}
  %0 = qnt.qgather %w, %i : (!qnt.q<[2, 3], i8, tensor, scale f32>, tensor<4xi64>) -> tensor<4x3xf32>
  return
}

// -----

// qgather C2
func.func @f(%w: !qnt.q<[2, 3], i8, axis 0, scale f32>, %i: tensor<4xi64>) {
  // expected-error@+1 {{result has dimensions [3, 4] instead of [4, 3]}}
  %0 = qnt.qgather %w, %i : (!qnt.q<[2, 3], i8, axis 0, scale f32>, tensor<4xi64>) -> tensor<3x4xf32>
  return
}

// -----

// observe C1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{result has dimensions [3, 2] instead of [2, 3]}}
  %0 = qnt.observe %x {id = "a"} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

// observe C2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{needs an id}}
  %0 = qnt.observe %x {id = ""} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

// weight C1
// expected-error@+1 {{needs either a source or a recipe}}
qnt.weight @w : tensor<2xf32>

// -----

// weight C2
// expected-error@+1 {{source has 4 bytes instead of 8}}
qnt.weight @w : tensor<2xf32> = #qnt.file<"m", 0, 4>

// -----

// weight C3
// expected-error@+1 {{recipe must yield one value of type 'tensor<2xf32>'}}
qnt.weight @w : tensor<2xf32> {
  %0 = qnt.constant dense<0.0> : tensor<3xf32>
  qnt.yield %0 : tensor<3xf32>
}

// -----

// weight C4
// expected-error@+1 {{has the dimension s, which is not a constant}}
qnt.weight @w : tensor<?xf32, #qnt.dims<[s]>> = #qnt.file<"m", 0, 4>

// -----

// use C1, name
func.func @f() {
  // expected-error@+1 {{names no weight: @missing}}
  %0 = qnt.use @missing : tensor<2xf32>
  return
}

// -----

// fused C1
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{body does not yield the results' types}}
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: tensor<3xf32>):
    qnt.yield %a : tensor<3xf32>
  } : (tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

// launch C1, name
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{names no kernel: @missing}}
  %0 = qnt.launch @missing <[3]>(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// section C1, count
// expected-error@+1 {{has 2 offsets for 1 weights}}
qnt.section [@w] at [0, 64] bytes 128

// -----

// section C1, offsets
// expected-error@+1 {{offset 32 does not ascend in multiples of 64 below 128}}
qnt.section [@w] at [32] bytes 128

// -----

// use C1, type
qnt.weight @w : tensor<2xf32> = #qnt.file<"m", 0, 8>
func.func @f() {
  // expected-error@+1 {{has type 'tensor<3xf32>', but the weight has 'tensor<2xf32>'}}
  %0 = qnt.use @w : tensor<3xf32>
  return
}

// -----

// launch C1, dimensions
qnt.kernel @k "map" dims 2 {
^bb0(%a: tensor<3xf32>):
  qnt.yield %a : tensor<3xf32>
}
func.func @f(%x: tensor<3xf32>) {
  // expected-error@+1 {{gives 1 dimensions, but @k has 2}}
  %0 = qnt.launch @k <[3]>(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

// quantized type: axis
// expected-error@+1 {{axis 2 is outside rank 2}}
func.func private @f(!qnt.q<[2, 3], i8, axis 2, scale f32>)

// -----

// quantized type: block
// expected-error@+1 {{block must be at least 2, but is 1}}
func.func private @f(!qnt.q<[2, 3], i8, block 1 x 1, scale f32>)

// -----

// quantized type: scale
// expected-error@+1 {{scale must be f32, f16, bf16, f8E8M0FNU or f8E4M3FN, or ui8 with super, but is 'i8'}}
func.func private @f(!qnt.q<[2, 3], i8, tensor, scale i8>)

// -----

// quantize C2, storage
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{tokens are i8, i16 without zero point, or f8e4m3fn without groups, with scales of f32}}
  %0 = qnt.quantize %x : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i4, token, scale f32>
  return
}

// -----

// quantize C2, zero
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{tokens are i8, i16 without zero point, or f8e4m3fn without groups, with scales of f32}}
  %0 = qnt.quantize %x : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i16, token, scale f32, zero i16>
  return
}

// -----

// quantize_static C1
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{result has dimensions [4, 2] instead of [2, 4]}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32} : (tensor<2x4xf32>) -> !qnt.q<[4, 2], i8, token, scale f32>
  return
}

// -----

// quantize_static C2
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{result must have i8 or f8e4m3fn codes per token with scales of f32 and no groups}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32, group 2>
  return
}

// -----

// quantize_static C3, scale
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{scale must be positive and finite, but is 0}}
  %0 = qnt.quantize_static %x {scale = 0.0 : f32} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32>
  return
}

// -----

// quantize_static C3, zero
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{zero point -129 does not fit}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32, zero = -129 : i64} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32, zero i8>
  return
}

// -----

// quantize_static C3, zero without a zero point
func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{zero point 3 does not fit}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32, zero = 3 : i64} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32>
  return
}

// -----

// quantize_static C4, codes
func.func @f(%x: tensor<2x4xf32>, %shift: tensor<i32>) {
  // expected-error@+1 {{shift must be an i32 of rank 0 for codes that move, but is 'tensor<i32>'}}
  %0 = qnt.quantize_static %x, %shift {scale = 1.0 : f32} : (tensor<2x4xf32>, tensor<i32>) -> !qnt.q<[2, 4], i8, token, scale f32>
  return
}

// -----

// quantize_static C4, type
func.func @f(%x: tensor<2x4xf32>, %shift: tensor<i64>) {
  // expected-error@+1 {{shift must be an i32 of rank 0 for codes that move, but is 'tensor<i64>'}}
  %0 = qnt.quantize_static %x, %shift {scale = 1.0 : f32} : (tensor<2x4xf32>, tensor<i64>) -> !qnt.q<[2, 4], i8, token, scale f32, zero i8>
  return
}

// -----

// assemble C1, two levels
func.func @f(%c: tensor<2x4xi8>, %s: tensor<2x2xui8>) {
  // expected-error@+1 {{has no operand for the table or the super scales}}
  %0 = qnt.assemble %c, %s : (tensor<2x4xi8>, tensor<2x2xui8>) -> !qnt.q<[2, 4], i8, block 1 x 2, scale ui8, super f32>
  return
}

// -----

// pack C1, blocks
func.func @f(%x: !qnt.q<[2, 4], i8, axis 1, scale f32>) {
  // expected-error@+1 {{layout panel16_block does not fit}}
  %0 = qnt.pack %x : (!qnt.q<[2, 4], i8, axis 1, scale f32>) -> !qnt.q<[2, 4], i8, axis 1, scale f32, layout panel16_block>
  return
}

// -----

// qlinear C1, bits
func.func @f(%x: tensor<3x8xf32>, %w: !qnt.q<[2, 8], i16, axis 0, scale f32>) {
  // expected-error@+1 {{weight must have codes of at most 8 bits}}
  %0 = qnt.qlinear %x, %w : (tensor<3x8xf32>, !qnt.q<[2, 8], i16, axis 0, scale f32>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C2, integers
func.func @f(%x: tensor<3x8xi32>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) {
  // expected-error@+1 {{input must be floats, or i8, i16 or f8e4m3fn per token, but is 'tensor<3x8xi32>'}}
  %0 = qnt.qlinear %x, %w : (tensor<3x8xi32>, !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C2, zero point
func.func @f(%x: !qnt.q<[3, 8], i8, token, scale f32, zero i8>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) {
  // expected-error@+1 {{input must be symmetric for sums over blocks}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[3, 8], i8, token, scale f32, zero i8>, !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C3, few bits
func.func @f(%x: !qnt.q<[3, 2000000], i8, token, scale f32>, %w: !qnt.q<[2, 2000000], i4, axis 0, scale f16>) {
  // expected-error@+1 {{an accumulation over 2000000 products may overflow int32}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[3, 2000000], i8, token, scale f32>, !qnt.q<[2, 2000000], i4, axis 0, scale f16>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C5
func.func @f(%x: !qnt.q<[3, 8], i8, token, scale f32, group 6>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) {
  // expected-error@+1 {{groups of 6 inputs and blocks of 4 do not divide each other}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[3, 8], i8, token, scale f32, group 6>, !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C5, wide
func.func @f(%x: !qnt.q<[3, 8], i16, token, scale f32, group 6>, %w: !qnt.q<[2, 8], i8, axis 0, scale f32>) {
  // expected-error@+1 {{groups of 6 inputs and blocks of 256 do not divide each other}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[3, 8], i16, token, scale f32, group 6>, !qnt.q<[2, 8], i8, axis 0, scale f32>) -> tensor<3x2xf32>
  return
}

// -----

// qlinear C6
func.func @f(%x: !qnt.q<[3, 8], i8, token, scale f32, sums 8>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) {
  // expected-error@+1 {{input has sums over 8 codes instead of 4}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[3, 8], i8, token, scale f32, sums 8>, !qnt.q<[2, 8], i4, block 1 x 4, scale f16>) -> tensor<3x2xf32>
  return
}

// -----

// quantized type C2, ui8
// expected-error@+1 {{scale must be f32, f16, bf16, f8E8M0FNU or f8E4M3FN, or ui8 with super}}
func.func private @f(!qnt.q<[2, 4], i8, block 1 x 2, scale ui8>)

// -----

// quantized type C3, scale
// expected-error@+1 {{super must be f32 over scales of ui8 or f8E4M3FN}}
func.func private @f(!qnt.q<[2, 4], i8, block 1 x 2, scale f16, super f32>)

// -----

// quantized type C3, granularity
// expected-error@+1 {{super must be f32 over scales of ui8 or f8E4M3FN}}
func.func private @f(!qnt.q<[2, 4], i8, axis 0, scale ui8, super f32>)

// -----

// quantized type C4, type
// expected-error@+1 {{zero must be an integer or float type, but is 'index'}}
func.func private @f(!qnt.q<[2, 4], i8, tensor, scale f32, zero index>)

// -----

// quantized type C4, floats
// expected-error@+1 {{codes that are no plain integers have no zero point}}
func.func private @f(!qnt.q<[2, 4], f8e5m2, tensor, scale f32, zero i8>)

// -----

// quantized type C4, ternary
// expected-error@+1 {{codes that are no plain integers have no zero point}}
func.func private @f(!qnt.q<[2, 4], ternary, tensor, scale f32, zero i8>)

// -----

// quantized type C5, storage
// expected-error@+1 {{codes of type i2 cannot count 2 values of a codebook}}
func.func private @f(!qnt.q<[2, 4], i2, tensor, scale f32, codebook #qnt.codebook<[-1.0, 1.0]>>)

// -----

// quantized type C5, size
// expected-error@+1 {{codes of type u1 cannot count 3 values of a codebook}}
func.func private @f(!qnt.q<[2, 4], u1, tensor, scale f32, codebook #qnt.codebook<[-1.0, 0.0, 1.0]>>)

// -----

// quantized type C5, tokens
// expected-error@+1 {{tokens have no codebook}}
func.func private @f(!qnt.q<[2, 4], u1, token, scale f32, codebook #qnt.codebook<[-1.0, 1.0]>>)

// -----

// quantized type C6, granularity
// expected-error@+1 {{group 2 does not belong to granularity tensor}}
func.func private @f(!qnt.q<[2, 4], i8, tensor, scale f32, group 2>)

// -----

// quantized type C6, sizes
// expected-error@+1 {{groups of 4 and sums over 6 do not divide each other}}
func.func private @f(!qnt.q<[2, 4], i8, token, scale f32, group 4, sums 6>)

// -----

// codebook C1, order
// expected-error@+1 {{the values of a codebook are finite and ascend, but value 1 is -1}}
func.func private @f(!qnt.q<[2, 4], u1, tensor, scale f32, codebook #qnt.codebook<[1.0, -1.0]>>)

// -----

// codebook C1, count
// expected-error@+1 {{a codebook has 2 to 256 values, but this one has 1}}
func.func private @f(!qnt.q<[2, 4], u1, tensor, scale f32, codebook #qnt.codebook<[1.0]>>)

// -----

// codebook C1, none
// expected-error@+1 {{a codebook has 2 to 256 values, but this one has 0}}
func.func private @f(!qnt.q<[2, 4], u1, tensor, scale f32, codebook #qnt.codebook<[]>>)

// -----

// hadamard C1, axis
func.func @f(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = qnt.hadamard %x {axis = 2 : i64, block = 2 : i64} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

// hadamard C1, block
func.func @f(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{axis 1 of size 6 is no multiple of block 4}}
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 4 : i64} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

// hadamard C2, type
func.func @f(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{result has type 'tensor<2x6xf16>' instead of 'tensor<2x6xf32>'}}
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 2 : i64} : (tensor<2x6xf32>) -> tensor<2x6xf16>
  return
}

// -----

// hadamard C2, element
func.func @f(%x: tensor<2x6xi32>) {
  // expected-error@+1 {{rotates f32, f16 and bf16, but is of 'i32'}}
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 2 : i64} : (tensor<2x6xi32>) -> tensor<2x6xi32>
  return
}

// -----

// sparse_linear C1, dimensions
func.func @f(%x: tensor<2x6xf32>, %w: tensor<3x4xf32>, %c: tensor<4xi32>) {
  // expected-error@+1 {{columns 'tensor<4xi32>' do not fit values 'tensor<3x4xf32>'}}
  %0 = qnt.sparse_linear %x, %w, %c : (tensor<2x6xf32>, tensor<3x4xf32>, tensor<4xi32>) -> tensor<2x4xf32>
  return
}

// -----

// sparse_linear C1, type
func.func @f(%x: tensor<2x6xf32>, %w: tensor<3x4xf32>, %c: tensor<3xi64>) {
  // expected-error@+1 {{columns must be i32, but are 'i64'}}
  %0 = qnt.sparse_linear %x, %w, %c : (tensor<2x6xf32>, tensor<3x4xf32>, tensor<3xi64>) -> tensor<2x4xf32>
  return
}

// -----

// sparse_linear C2
func.func @f(%x: tensor<2x6xf32>, %w: tensor<3x4xf32>, %c: tensor<3xi32>) {
  // expected-error@+1 {{does not have 4 channels after the leading dimensions of}}
  %0 = qnt.sparse_linear %x, %w, %c : (tensor<2x6xf32>, tensor<3x4xf32>, tensor<3xi32>) -> tensor<2x6xf32>
  return
}

// -----

// sparse_linear C3
func.func @f(%x: tensor<2x6xf32>, %w: tensor<3x4xf64>, %c: tensor<3xi32>) {
  // expected-error@+1 {{takes f32 with values of f32, f16 or bf16, but has 'f32' with 'f64'}}
  %0 = qnt.sparse_linear %x, %w, %c : (tensor<2x6xf32>, tensor<3x4xf64>, tensor<3xi32>) -> tensor<2x4xf32>
  return
}

// -----

// top_columns C1
func.func @f(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{do not fit the rows of}}
  %0 = qnt.top_columns %x : (tensor<4x6xf32>) -> tensor<7x4xi32>
  return
}
