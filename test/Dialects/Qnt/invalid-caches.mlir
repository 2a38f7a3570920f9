// Rows of caches as codes: each constraint broken.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics

// encode_rows C1
func.func @f(%x: tensor<2x8xf32>) {
  // expected-error@+1 {{has codes of i8 or u4, not of u8}}
  %0 = qnt.encode_rows %x {codes = #qnt<storage u8>} : (tensor<2x8xf32>) -> tensor<2x12xui8>
  return
}

// -----

// encode_rows C2, elements
func.func @f(%x: tensor<2x8xf16>) {
  // expected-error@+1 {{needs rows of f32 of a constant size, but has 'tensor<2x8xf16>'}}
  %0 = qnt.encode_rows %x {codes = #qnt<storage i8>} : (tensor<2x8xf16>) -> tensor<2x12xui8>
  return
}

// -----

// encode_rows C2, size
func.func @f(%x: tensor<2x?xf32, #qnt.dims<[2, d]>>) {
  // expected-error@+1 {{needs rows of f32 of a constant size}}
  %0 = qnt.encode_rows %x {codes = #qnt<storage i8>} : (tensor<2x?xf32, #qnt.dims<[2, d]>>) -> tensor<2x12xui8>
  return
}

// -----

// encode_rows C3, elements
func.func @f(%x: tensor<2x8xf32>) {
  // expected-error@+1 {{keeps rows as ui8, not as 'i8'}}
  %0 = qnt.encode_rows %x {codes = #qnt<storage i8>} : (tensor<2x8xf32>) -> tensor<2x12xi8>
  return
}

// -----

// encode_rows C3, bytes of a row: 16 + 16 of codes, 2 scales
func.func @f(%x: tensor<2x64xf32>) {
  // expected-error@+1 {{tensor of bytes has dimensions [2, 68] instead of [2, 40]}}
  %0 = qnt.encode_rows %x {codes = #qnt<storage u4>} : (tensor<2x64xf32>) -> tensor<2x68xui8>
  return
}

// -----

// decode_rows C1
func.func @f(%x: tensor<2x12xui8>) {
  // expected-error@+1 {{has codes of i8 or u4, not of i4}}
  %0 = qnt.decode_rows %x {codes = #qnt<storage i4>} : (tensor<2x12xui8>) -> tensor<2x8xf32>
  return
}

// -----

// decode_rows C2
func.func @f(%x: tensor<12xui8>) {
  // expected-error@+1 {{needs rows of f32 of a constant size}}
  %0 = qnt.decode_rows %x {codes = #qnt<storage i8>} : (tensor<12xui8>) -> tensor<8xf64>
  return
}

// -----

// decode_rows C3
func.func @f(%x: tensor<2x11xui8>) {
  // expected-error@+1 {{tensor of bytes has dimensions [2, 11] instead of [2, 12]}}
  %0 = qnt.decode_rows %x {codes = #qnt<storage i8>} : (tensor<2x11xui8>) -> tensor<2x8xf32>
  return
}
