// Each constraint of the tile operations, broken once.
// RUN: qcc-opt %s -split-input-file -verify-diagnostics

func.func @dot4_c1(%acc: vector<16xi32>, %a: vector<32xi8>, %b: vector<64xi8>) {
  // expected-error @+1 {{has 32 bytes for 16 sums, expected 64}}
  %0 = tile.dot4 %acc, %a, %b : vector<16xi32>, vector<32xi8>, vector<64xi8>
  return
}

// -----

func.func @dot4_c2(%acc: vector<8xi32>, %a: vector<32xi8>, %b: vector<32xi8>) {
  // expected-error @+1 {{has 8 sums, expected a multiple of 16}}
  %0 = tile.dot4 %acc, %a, %b : vector<8xi32>, vector<32xi8>, vector<32xi8>
  return
}

// -----

func.func @dot4_c3(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) {
  // expected-error @+1 {{has bits = 9, expected 1 to 8}}
  %0 = tile.dot4 %acc, %a, %b {bits = 9 : i64} : vector<16xi32>, vector<64xi8>, vector<64xi8>
  return
}

// -----

func.func @dot4_c3_signed(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) {
  // expected-error @+1 {{has bits = 7, expected 8 for signed bytes}}
  %0 = tile.dot4 %acc, %a, %b signed {bits = 7 : i64} : vector<16xi32>, vector<64xi8>, vector<64xi8>
  return
}

// -----

func.func @mmla_c1(%acc: vector<16xi32>, %a: vector<32xi8>) {
  // expected-error @+1 {{has 32 bytes for 16 sums, expected 64}}
  %0 = tile.mmla %acc, %a, %a : vector<16xi32>, vector<32xi8>
  return
}

// -----

func.func @mmla_c2(%acc: vector<8xi32>, %a: vector<32xi8>) {
  // expected-error @+1 {{has 8 sums, expected a multiple of 16}}
  %0 = tile.mmla %acc, %a, %a : vector<8xi32>, vector<32xi8>
  return
}

// -----

func.func @dot2_c1(%acc: vector<16xi32>, %a: vector<16xi16>) {
  // expected-error @+1 {{has 16 numbers for 16 sums, expected 32}}
  %0 = tile.dot2 %acc, %a, %a : vector<16xi32>, vector<16xi16>
  return
}

// -----

func.func @dot2_c2(%acc: vector<8xi32>, %a: vector<16xi16>) {
  // expected-error @+1 {{has 8 sums, expected a multiple of 16}}
  %0 = tile.dot2 %acc, %a, %a : vector<8xi32>, vector<16xi16>
  return
}

// -----

func.func @lookup_c1(%t: vector<8xf32>, %i: vector<16xi32>) {
  // expected-error @+1 {{expected i32 in vector<16xf32> or i8 in vector<16xi8>}}
  %0 = tile.lookup %t, %i : vector<8xf32>, vector<16xi32> -> vector<16xf32>
  return
}

// -----

func.func @lookup_c2(%t: vector<16xf32>, %i: vector<16xi32>) {
  // expected-error @+1 {{gives 'vector<32xf32>' for 'vector<16xi32>'}}
  %0 = tile.lookup %t, %i : vector<16xf32>, vector<16xi32> -> vector<32xf32>
  return
}

// -----

func.func @lookup_c3(%t: vector<16xi8>, %i: vector<8xi8>) {
  // expected-error @+1 {{has 8 indices, expected a multiple of 16}}
  %0 = tile.lookup %t, %i : vector<16xi8>, vector<8xi8> -> vector<8xi8>
  return
}

// -----

func.func @round_c1(%a: vector<16xf64>) {
  // expected-error @+1 {{operand #0 must be}}
  %0 = tile.round_even_to_i32 %a : vector<16xf64> -> vector<16xi32>
  return
}

// -----

func.func @load_c2(%p: !llvm.ptr, %n: i64, %fill: vector<16xi1>) {
  // expected-error @+1 {{moves elements of type 'i1', expected i8 to i64, f16, bf16, f32 or f64}}
  %0 = tile.load %p, %n, %fill : !llvm.ptr -> vector<16xi1>
  return
}

// -----

func.func @load_c1(%p: !llvm.ptr, %n: i64, %fill: vector<16xi8>) {
  // expected-error @+1 {{failed to verify that all of {fill, result} have same type}}
  %0 = "tile.load"(%p, %n, %fill) : (!llvm.ptr, i64, vector<16xi8>) -> vector<16xi32>
  return
}

// -----

func.func @store_c1(%p: !llvm.ptr, %n: i64, %v: vector<16xi1>) {
  // expected-error @+1 {{moves elements of type 'i1'}}
  tile.store %v, %p, %n : vector<16xi1>, !llvm.ptr
  return
}

// -----

func.func @prefetch_c1(%p: !llvm.ptr) {
  // expected-error @+1 {{has locality 4, expected 0 to 3}}
  tile.prefetch %p {locality = 4 : i64} : !llvm.ptr
  return
}

// -----

func.func @block_dot_c1(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has 8 rows, expected 16 or 32}}
  tile.block_dot init %p a %p by %n b %p by %n steps %n last %p by %n out %p {rows = 8 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// -----

func.func @step_dot_c1(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has 5 steps, expected 1 to 4}}
  tile.step_dot a %p by %n b %p columns %n out %p {steps = 5 : i64, parts = 1 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// -----

func.func @step_dot_c2(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has 3 parts, expected 1, 2 or 4}}
  tile.step_dot a %p by %n b %p columns %n out %p {steps = 3 : i64, parts = 3 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// -----

func.func @step_dot_c3(%p: !llvm.ptr, %n: i64) {
  %two = arith.constant 2 : i64
  // expected-error @+1 {{has 2 columns, expected 1 beside parts}}
  tile.step_dot a %p by %n b %p columns %two out %p {steps = 2 : i64, parts = 2 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}


// -----

func.func @dot_bf16_c1(%acc: vector<16xf32>, %a: vector<16xbf16>) {
  // expected-error @+1 {{has 16 numbers for 16 sums, expected 32}}
  %0 = tile.dot_bf16 %acc, %a, %a : vector<16xf32>, vector<16xbf16>
  return
}

// -----

func.func @dot_bf16_c2(%acc: vector<8xf32>, %a: vector<16xbf16>) {
  // expected-error @+1 {{has 8 sums, expected a multiple of 16}}
  %0 = tile.dot_bf16 %acc, %a, %a : vector<8xf32>, vector<16xbf16>
  return
}

// -----

func.func @to_bf16_c1(%x: vector<8xf32>) {
  // expected-error @+1 {{has 8 lanes, expected a multiple of 16}}
  %0 = tile.to_bf16 %x : vector<8xf32> -> vector<8xbf16>
  return
}

// -----

// tile.shared (C1)
func.func @sharedBytes() {
  // expected-error@+1 {{has 0 bytes, expected some}}
  %p = tile.shared 0 : !llvm.ptr
  return
}

// -----

// tile.copy_async (C1)
func.func @copyRuns(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{copies 16 lines of 96 bytes in runs of 96, expected powers of two}}
  tile.copy_async %p by %n lines %n bytes %n to %p {maxLines = 16 : i64, width = 96 : i64, run = 96 : i64, pad = 16 : i64} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.copy_async (C2)
func.func @copyPadding(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{has 8 bytes of padding, expected a multiple of 16}}
  tile.copy_async %p by %n lines %n bytes %n to %p {maxLines = 16 : i64, width = 64 : i64, run = 64 : i64, pad = 8 : i64} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.copy_async (C3)
func.func @copySwizzled(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{swizzles lines of 64 bytes with 0 of padding, expected 128 without any}}
  tile.copy_async %p by %n lines %n bytes %n to %p {maxLines = 16 : i64, width = 64 : i64, run = 64 : i64, pad = 0 : i64, swizzled} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.registers (C1)
func.func @registers() {
  // expected-error@+1 {{has 20 registers, expected a multiple of 8 from 24 to 256}}
  tile.registers 20
  return
}

// -----

// tile.ring_begin (C1)
func.func @ringStages(%p: !llvm.ptr) {
  // expected-error@+1 {{has 3 stages, expected a power of two up to 16}}
  tile.ring_begin %p {stages = 3 : i64} : !llvm.ptr
  return
}

// -----

// tile.ring_wait (C1)
func.func @ringWait(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{has 32 stages, expected a power of two up to 16}}
  tile.ring_wait %p use %n {stages = 32 : i64} : !llvm.ptr
  return
}

// -----

// tile.ring_pass (C1)
func.func @ringPass(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{has 5 stages, expected a power of two up to 16}}
  tile.ring_pass free %p use %n {stages = 5 : i64} : !llvm.ptr
  return
}

// -----

// tile.copy_bulk (C1)
func.func @bulkStages(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{has 3 stages, expected a power of two up to 16}}
  tile.copy_bulk %p by %n last %n to %p ring %p use %n {lines = 8 : i64, width = 2048 : i64, stages = 3 : i64} : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.copy_bulk (C2)
func.func @bulkLines(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{copies 8 lines of 24 bytes, expected up to 128 of a multiple of 16}}
  tile.copy_bulk %p by %n last %n to %p ring %p use %n {lines = 8 : i64, width = 24 : i64, stages = 4 : i64} : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// -----

// sums of a warpgroup (W1)
func.func @warpgroupRows(%p: !llvm.ptr, %v: vector<64xi32>) {
  // expected-error@+1 {{has 48 rows, expected 64, 128, 192 or 256}}
  tile.warpgroup_store %v to %p {rows = 48 : i64} : !llvm.ptr, vector<64xi32>
  return
}

// -----

// sums of a warpgroup (W2)
func.func @warpgroupVectors(%p: !llvm.ptr, %v: vector<64xi32>) {
  // expected-error@+1 {{has 1 vectors, expected 8}}
  tile.warpgroup_multiply %v a %p b %p {rows = 64 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  return
}

// -----

// tile.await (C1)
func.func @awaitPending() {
  // expected-error@+1 {{leaves -1 batches, expected none or more}}
  tile.await -1
  return
}

// -----

// sums of tiles (S1)
func.func @sumsShape(%p: !llvm.ptr) {
  // expected-error@+1 {{has a tile of 48 rows and 32 columns in 1 slices}}
  %c = tile.by_column %p {rows = 48 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xf32>
  return
}

// -----

// sums of tiles (S2)
func.func @sumsCount(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{has 2 vectors, expected 1}}
  %c:2 = tile.by_row %p by %n last %n {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xi32>, vector<64xi32>
  return
}

// -----

// sums of tiles (S2)
func.func @sumsVectors(%p: !llvm.ptr, %s: vector<16xi32>) {
  // expected-error@+1 {{has 'vector<16xi32>', expected 64 elements}}
  tile.store_sums %s to %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<16xi32>
  return
}

// -----

// sums of tiles (S2)
func.func @sumsTypes(%p: !llvm.ptr, %s: vector<64xi32>) {
  // expected-error@+1 {{gives sums of other types than it is given}}
  %r = tile.multiply %s a %p b %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xf32>
  return
}

// -----

// tile.multiply (C1)
func.func @multiplyDepth(%p: !llvm.ptr, %s: vector<64xi32>) {
  // expected-error@+1 {{has depth 48, expected 32 or 64}}
  %r = tile.multiply %s a %p b %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 48 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  return
}

// -----

// tile.multiply (C2)
func.func @multiplyStrides(%p: !llvm.ptr, %s: vector<64xi32>) {
  // expected-error@+1 {{has strides 72 and 1280, expected multiples of 16}}
  %r = tile.multiply %s a %p b %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 72 : i64, bStride = 1280 : i64, depth = 64 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  return
}

// -----

// tile.multiply (C3)
func.func @multiplyWide(%p: !llvm.ptr, %s: vector<64xi32>) {
  // expected-error@+1 {{has wide numbers that are not of bf16}}
  %r = tile.multiply %s a %p b %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64, wide} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  return
}

// -----

// tile.multiply (C4)
func.func @multiplyFloat8(%p: !llvm.ptr, %s: vector<64xf32>) {
  // expected-error@+1 {{cannot multiply 8-bit floats of 'f8E4M3FNUZ'}}
  %r = tile.multiply %s a %p b %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64, float8 = f8E4M3FNUZ} : (vector<64xf32>, !llvm.ptr, !llvm.ptr) -> vector<64xf32>
  return
}

// -----

// tile.multiply_words (C4)
func.func @wordsFloat8(%p: !llvm.ptr, %s: vector<64xf32>, %w: vector<16xi32>) {
  // expected-error@+1 {{cannot multiply 8-bit floats of 'f8E4M3FN'}}
  %r = tile.multiply_words %s a %p words %w {aStride = 16 : i64, float8 = f8E4M3FN} : (vector<64xf32>, !llvm.ptr, vector<16xi32>) -> vector<64xf32>
  return
}

// -----

// tile.multiply_words (C2)
func.func @wordCount(%p: !llvm.ptr, %s: vector<64xf32>, %w: vector<16xi32>) {
  // expected-error@+1 {{has 1 words, expected 2 or 4 of numbers}}
  %r = tile.multiply_words %s a %p words %w {aStride = 16 : i64} : (vector<64xf32>, !llvm.ptr, vector<16xi32>) -> vector<64xf32>
  return
}

// -----

// tile.multiply_words (C3)
func.func @wordStride(%p: !llvm.ptr, %s: vector<64xi32>, %w: vector<16xi32>) {
  // expected-error@+1 {{has a stride of 8, expected a multiple of 16}}
  %r = tile.multiply_words %s a %p words %w {aStride = 8 : i64} : (vector<64xi32>, !llvm.ptr, vector<16xi32>) -> vector<64xi32>
  return
}

// -----

// tile.copy_async (C2)
func.func @copyPiece(%p: !llvm.ptr, %n: i64) {
  // expected-error@+1 {{copies pieces of 8 bytes, expected 4 or 16}}
  tile.copy_async %p by %n lines %n bytes %n to %p {maxLines = 16 : i64, width = 64 : i64, run = 64 : i64, pad = 0 : i64, piece = 8 : i64} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.places (R1)
func.func @placesR1() {
  // expected-error @+1 {{has 3 slices, expected 1, 2 or 4}}
  %r, %c = tile.places {columns = 16 : i64, slices = 3 : i64} : vector<64xi32>, vector<64xi32>
  return
}

// -----

// tile.load_rows (C1)
func.func @load_rowsC1(%p: !llvm.ptr) {
  // expected-error @+1 {{has stride 40, expected a multiple of 16}}
  %r = tile.load_rows %p {stride = 40 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xi32>
  return
}

// -----

// tile.dot_lines (C1)
func.func @dotLinesC1(%p: !llvm.ptr, %s: vector<64xf32>, %r: vector<64xi32>) {
  // expected-error @+1 {{has 1 vectors, expected pairs}}
  %t = tile.dot_lines %s rows %r b %p {stride = 48 : i64, slices = 1 : i64} : (vector<64xf32>, vector<64xi32>, !llvm.ptr) -> vector<64xf32>
  return
}

// -----

// tile.dot_lines (C2)
func.func @dotLinesC2(%p: !llvm.ptr, %s: vector<64xf32>, %r: vector<64xi32>) {
  // expected-error @+1 {{has stride 40, expected a multiple of 16}}
  %t:2 = tile.dot_lines %s, %s rows %r b %p {stride = 40 : i64, slices = 1 : i64} : (vector<64xf32>, vector<64xf32>, vector<64xi32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.dot_lines (C2)
func.func @dotLinesC2Swizzled(%p: !llvm.ptr, %s: vector<64xf32>, %r: vector<64xi32>) {
  // expected-error @+1 {{has stride 48, expected a multiple of 1024}}
  %t:2 = tile.dot_lines %s, %s rows %r b %p {stride = 48 : i64, slices = 1 : i64, swizzled} : (vector<64xf32>, vector<64xf32>, vector<64xi32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.dot_lines (C3)
func.func @dotLinesC3(%p: !llvm.ptr, %s: vector<64xf32>, %r: vector<64xi32>) {
  // expected-error @+1 {{has swizzled lines for 2 slices and 16 columns, expected 1 and up to 256}}
  %t:2 = tile.dot_lines %s, %s rows %r b %p {stride = 1024 : i64, slices = 2 : i64, swizzled} : (vector<64xf32>, vector<64xf32>, vector<64xi32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.weigh_lines (C1)
func.func @weighLinesC1(%p: !llvm.ptr, %s: vector<64xf32>) {
  // expected-error @+1 {{has 1 vectors, expected pairs}}
  %t:2 = tile.weigh_lines %s, %s weights %s b %p {stride = 48 : i64, slices = 1 : i64} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.weigh_lines (C2)
func.func @weighLinesC2(%p: !llvm.ptr, %s: vector<64xf32>) {
  // expected-error @+1 {{has stride 40, expected a multiple of 16}}
  %t:2 = tile.weigh_lines %s, %s weights %s, %s b %p {stride = 40 : i64, slices = 1 : i64} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.weigh_lines (C3)
func.func @weighLinesC3(%p: !llvm.ptr, %s: vector<64xf32>) {
  // expected-error @+1 {{has swizzled lines for 4 slices and 16 columns, expected 1 and up to 256}}
  %t:2 = tile.weigh_lines %s, %s weights %s, %s b %p {stride = 1024 : i64, slices = 4 : i64, swizzled} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  return
}

// -----

// tile.store_rows (C1)
func.func @store_rowsC1(%p: !llvm.ptr, %s: vector<64xf32>) {
  // expected-error @+1 {{has stride 36, expected a multiple of 8}}
  tile.store_rows %s to %p {stride = 36 : i64} : !llvm.ptr, vector<64xf32>
  return
}

// -----

// tile.narrow_lines (C1)
func.func @narrow_linesC1(%p: !llvm.ptr) {
  // expected-error @+1 {{has numbers of 'i8', expected f32, f8E4M3FN, si8 or ui4}}
  tile.narrow_lines %p to %p {lines = 4 : i64, width = 16 : i64, fromStride = 16 : i64, toStride = 48 : i64, numbers = i8} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.narrow_lines (C2)
func.func @narrow_linesC2(%p: !llvm.ptr) {
  // expected-error @+1 {{has lines of 12 numbers, 64 and 48 bytes apart, expected multiples of 8, of 16 and of 16}}
  tile.narrow_lines %p to %p {lines = 4 : i64, width = 12 : i64, fromStride = 64 : i64, toStride = 48 : i64, numbers = f32} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.narrow_lines (C2)
func.func @narrow_linesC2Codes(%p: !llvm.ptr) {
  // expected-error @+1 {{has lines of 24 numbers, 18 and 48 bytes apart, expected multiples of 16, of 4 and of 16}}
  tile.narrow_lines %p to %p {lines = 4 : i64, width = 24 : i64, fromStride = 18 : i64, toStride = 48 : i64, numbers = ui4, scales = 16 : i64} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.gather (C1)
func.func @gatherC1(%p: !llvm.ptr, %i: vector<64xi64>) {
  // expected-error @+1 {{gives 'vector<16xf32>' for 'vector<64xi64>'}}
  %r = tile.gather %p, %i : !llvm.ptr, vector<64xi64> -> vector<16xf32>
  return
}

// -----

// tile.fetch_lines (C1)
func.func @fetch_linesC1(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has numbers of 'bf16', expected i16, f32, f8E4M3FN, si8 or ui4}}
  tile.fetch_lines %p by %n lines %n to %p {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = bf16} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.fetch_lines (C2)
func.func @fetch_linesC2(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{has 32 lines of 24 numbers, chunks of them 2048 bytes apart, expected multiples of 8 and of 1024}}
  tile.fetch_lines %p by %n lines %n to %p {maxLines = 32 : i64, width = 24 : i64, chunk = 2048 : i64, numbers = f32} : !llvm.ptr, !llvm.ptr
  return
}

// -----

// tile.scratch_of (C1)
func.func @scratch_ofC1(%n: i64) {
  // expected-error @+1 {{has 40 bytes, expected a multiple of 16}}
  %p = tile.scratch_of %n {bytes = 40 : i64} : !llvm.ptr
  return
}

// -----

// warpgroup_multiply_words (C1)
func.func @warpgroupWords(%p: !llvm.ptr, %w: vector<16xi32>) {
  // expected-error @+1 {{has 2 words, expected 4, 8, 12 or 16}}
  tile.warpgroup_multiply_words a %p words %w, %w {rows = 64 : i64} : (!llvm.ptr, vector<16xi32>, vector<16xi32>) -> vector<64xi32>
  return
}

// -----

// warpgroup_multiply_words (C2)
func.func @warpgroupFloat8(%p: !llvm.ptr, %w: vector<16xi32>) {
  // expected-error @+1 {{cannot multiply 8-bit floats of 'f8E4M3FN'}}
  tile.warpgroup_multiply_words a %p words %w, %w, %w, %w {float8 = f8E4M3FN, rows = 64 : i64} : (!llvm.ptr, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>) -> (vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>)
  return
}
