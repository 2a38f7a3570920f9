// Quantized types and products on codes that have no meaning.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{a codebook has 2 to 256 values, but this one has 1}}
func.func private @f(!qnt.q<[2, 3], u4, axis 0, scale f32, codebook #qnt.codebook<[1.0]>>)

// -----

// expected-error@+1 {{a codebook has 2 to 256 values, but this one has 0}}
func.func private @f(!qnt.q<[2, 3], u4, axis 0, scale f32, codebook #qnt.codebook<[]>>)

// -----

// expected-error@+1 {{the values of a codebook are finite and ascend, but value 1 is 1}}
func.func private @f(!qnt.q<[2, 3], u4, axis 0, scale f32, codebook #qnt.codebook<[2.0, 1.0]>>)

// -----

// expected-error@+1 {{scale must be f32, f16, bf16, f8E8M0FNU or f8E4M3FN, or ui8 with super, but is 'ui8'}}
func.func private @f(!qnt.q<[2, 4], i8, block 1 x 2, scale ui8>)

// -----

// expected-error@+1 {{super must be f32 over scales of ui8 or f8E4M3FN of a matrix in blocks along axis 1, but is 'f32' over 'f16'}}
func.func private @f(!qnt.q<[2, 4], i8, block 1 x 2, scale f16, super f32>)

// -----

// expected-error@+1 {{super must be f32 over scales of ui8 or f8E4M3FN of a matrix in blocks along axis 1, but is 'f32' over 'ui8'}}
func.func private @f(!qnt.q<[2, 4], i8, axis 0, scale ui8, super f32>)

// -----

// expected-error@+1 {{codes that are no plain integers have no zero point, but this type has 'i8'}}
func.func private @f(!qnt.q<[2, 4], ternary, axis 0, scale f32, zero i8>)

// -----

// expected-error@+1 {{codes of type u1 cannot count 3 values of a codebook}}
func.func private @f(!qnt.q<[2, 4], u1, axis 0, scale f32, codebook #qnt.codebook<[-1.0, 0.0, 1.0]>>)

// -----

// expected-error@+1 {{codes of type i4 cannot count the values of a codebook}}
func.func private @f(!qnt.q<[2, 4], i4, axis 0, scale f32, codebook #qnt.codebook<learned>>)

// -----

// expected-error@+1 {{tokens have no codebook}}
func.func private @f(!qnt.q<[2, 4], u4, token, scale f32, codebook #qnt.codebook<learned>>)

// -----

// expected-error@+1 {{group 2 does not belong to granularity axis}}
func.func private @f(!qnt.q<[2, 4], i8, axis 0, scale f32, group 2>)

// -----

// expected-error@+1 {{groups of 6 and sums over 4 do not divide each other}}
func.func private @f(!qnt.q<[2, 24], i8, token, scale f32, sums 4, group 6>)

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{tokens are i8, i16 without zero point, or f8e4m3fn without groups, with scales of f32, but the result is}}
  %0 = qnt.quantize %x : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i16, token, scale f32, zero i16>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{tokens are i8, i16 without zero point, or f8e4m3fn without groups, with scales of f32, but the result is}}
  %0 = qnt.quantize %x : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f16>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{result must have i8 or f8e4m3fn codes per token with scales of f32 and no groups, but is}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32, zero = 0 : i64} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, axis 0, scale f32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{scale must be positive and finite, but is 0}}
  %0 = qnt.quantize_static %x {scale = 0.0 : f32, zero = 0 : i64} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{zero point 300 does not fit}}
  %0 = qnt.quantize_static %x {scale = 1.0 : f32, zero = 300 : i64} : (tensor<2x4xf32>) -> !qnt.q<[2, 4], i8, token, scale f32>
  return
}

// -----

func.func @f(%c: tensor<2x4xui8>, %s: tensor<2xf32>) {
  // expected-error@+1 {{has no operand for the table or the super scales of}}
  %0 = qnt.assemble %c, %s : (tensor<2x4xui8>, tensor<2xf32>) -> !qnt.q<[2, 4], u4, axis 0, scale f32, codebook #qnt.codebook<learned>>
  return
}

// -----

func.func @f(%x: tensor<1x8xi32>, %w: !qnt.q<[2, 8], i8, axis 0, scale f32>) {
  // expected-error@+1 {{input must be floats, or i8, i16 or f8e4m3fn per token, but is 'tensor<1x8xi32>'}}
  %0 = qnt.qlinear %x, %w : (tensor<1x8xi32>, !qnt.q<[2, 8], i8, axis 0, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @f(%x: !qnt.q<[1, 8], i8, token, scale f32, zero i8>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f32>) {
  // expected-error@+1 {{input must be symmetric for sums over blocks, but is}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[1, 8], i8, token, scale f32, zero i8>, !qnt.q<[2, 8], i4, block 1 x 4, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @f(%x: !qnt.q<[1, 8], i8, token, scale f32, sums 8>, %w: !qnt.q<[2, 8], i4, block 1 x 4, scale f32>) {
  // expected-error@+1 {{input has sums over 8 codes instead of 4}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[1, 8], i8, token, scale f32, sums 8>, !qnt.q<[2, 8], i4, block 1 x 4, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @f(%x: !qnt.q<[1, 24], i8, token, scale f32, group 6>, %w: !qnt.q<[2, 24], i4, block 1 x 4, scale f32>) {
  // expected-error@+1 {{groups of 6 inputs and blocks of 4 do not divide each other}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[1, 24], i8, token, scale f32, group 6>, !qnt.q<[2, 24], i4, block 1 x 4, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @f(%x: !qnt.q<[1, 8], i8, token, scale f32>, %w: !qnt.q<[2, 8], i16, axis 0, scale f32>) {
  // expected-error@+1 {{weight must have codes of at most 8 bits, with one scale, per axis 0 or in blocks along axis 1, but is}}
  %0 = qnt.qlinear %x, %w : (!qnt.q<[1, 8], i8, token, scale f32>, !qnt.q<[2, 8], i16, axis 0, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @products_of_codes(%x: !qnt.q<[1, 8], i8, token, scale f32>, %w: !qnt.q<[2, 8], i8, axis 0, scale f32>) {
  // expected-error @+1 {{products of bf16 need sums of floats of an input of f32 or f8e4m3fn, or of bf16 in multiples of 8}}
  %0 = qnt.qlinear %x, %w {products = #qnt<storage bf16>} : (!qnt.q<[1, 8], i8, token, scale f32>, !qnt.q<[2, 8], i8, axis 0, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @products_of_bytes(%x: tensor<1x8xf32>, %w: !qnt.q<[2, 8], i8, axis 0, scale f32>) {
  // expected-error @+1 {{products must be of f32, bf16 or f8e4m3fn, but are of i8}}
  %0 = qnt.qlinear %x, %w {products = #qnt<storage i8>} : (tensor<1x8xf32>, !qnt.q<[2, 8], i8, axis 0, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

// qnt.qlinear (C7)
func.func @products_of_float8(%x: !qnt.q<[1, 8], f8e4m3fn, token, scale f32>, %w: !qnt.q<[2, 8], i8, axis 0, scale f32>) {
  // expected-error @+1 {{products of f8e4m3fn need codes of 8-bit floats on both sides}}
  %0 = qnt.qlinear %x, %w {products = #qnt<storage f8e4m3fn>} : (!qnt.q<[1, 8], f8e4m3fn, token, scale f32>, !qnt.q<[2, 8], i8, axis 0, scale f32>) -> tensor<1x2xf32>
  return
}

// -----

// qnt.quantize (C2)
func.func @groups_of_float8(%x: tensor<1x8xf32>) {
  // expected-error @+1 {{tokens are i8, i16 without zero point, or f8e4m3fn without groups, with scales of f32}}
  %0 = qnt.quantize %x : (tensor<1x8xf32>) -> !qnt.q<[1, 8], f8e4m3fn, token, scale f32, group 4>
  return
}
