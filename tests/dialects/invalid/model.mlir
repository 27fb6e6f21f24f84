// error: weight is 8, expected two dimensions [N, K]
func.func @f(%x: tensor<2x8xf32>, %w: tensor<8xf32>) {
  %r = llm.linear(%x, %w) : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: input is 2x8 and result is 3x4; all but the last dimension must agree
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xf32>) {
  %r = llm.linear(%x, %w) : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<3x4xf32>
  func.return
}
// -----
// error: input is scalar and result is scalar; all but the last dimension must agree
func.func @f(%x: tensor<f32>, %w: tensor<4x8xf32>) {
  %r = llm.linear(%x, %w) : (tensor<f32>, tensor<4x8xf32>) -> tensor<f32>
  func.return
}
// -----
// error: input has K = 7 but weight is 4x8, that is K = 8
func.func @f(%x: tensor<2x7xf32>, %w: tensor<4x8xf32>) {
  %r = llm.linear(%x, %w) : (tensor<2x7xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: result has N = 5 but weight is 4x8, that is N = 4
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xf32>) {
  %r = llm.linear(%x, %w) : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x5xf32>
  func.return
}
// -----
// error: bias is 8, expected [N] with N = 4
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>) {
  %r = llm.linear(%x, %w) bias(%b)
      : (tensor<2x8xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: ids is 1x2, expected one dimension [T]
func.func @f(%i: tensor<1x2xi64>, %t: tensor<9x4xf32>) {
  %r = llm.embedding(%i, %t) : (tensor<1x2xi64>, tensor<9x4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: table is 9, expected two dimensions [V, H]
func.func @f(%i: tensor<2xi64>, %t: tensor<9xf32>) {
  %r = llm.embedding(%i, %t) : (tensor<2xi64>, tensor<9xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: result is 2x5, expected [T, H] = 2x4
func.func @f(%i: tensor<2xi64>, %t: tensor<9x4xf32>) {
  %r = llm.embedding(%i, %t) : (tensor<2xi64>, tensor<9x4xf32>) -> tensor<2x5xf32>
  func.return
}
// -----
// error: expected a tensor of integers
func.func @f(%i: tensor<2xf32>, %t: tensor<9x4xf32>) {
  %r = llm.embedding(%i, %t) : (tensor<2xf32>, tensor<9x4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: input is 2x4 but result is 2x5; shapes must agree
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  %r = llm.rms_norm(%x, %w) {epsilon = 0.0 : f32}
      : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x5xf32>
  func.return
}
// -----
// error: weight is 5, expected the last dimension of input 2x4
func.func @f(%x: tensor<2x4xf32>, %w: tensor<5xf32>) {
  %r = llm.rms_norm(%x, %w) {epsilon = 0.0 : f32}
      : (tensor<2x4xf32>, tensor<5xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: epsilon must not be negative, got -1.0
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  %r = llm.rms_norm(%x, %w) {epsilon = -1.0 : f32}
      : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: input is 2x4, expected three dimensions [T, heads, D]
func.func @f(%x: tensor<2x4xf32>) {
  %r = llm.rope(%x) {theta = 1.0 : f64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: head size D must be static and even, input is 2x3x5
func.func @f(%x: tensor<2x3x5xf32>) {
  %r = llm.rope(%x) {theta = 1.0 : f64} : (tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  func.return
}
// -----
// error: head size D must be static and even, input is 2x3x?
func.func @f(%x: tensor<2x3x?xf32>) {
  %r = llm.rope(%x) {theta = 1.0 : f64} : (tensor<2x3x?xf32>) -> tensor<2x3x?xf32>
  func.return
}
// -----
// error: theta must be positive, got 0.0
func.func @f(%x: tensor<2x3x4xf32>) {
  %r = llm.rope(%x) {theta = 0.0 : f64} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: factors and scaling exclude each other: both change the frequencies
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>) {
  %r = llm.rope(%x) factors(%f) {theta = 1.0 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>}
      : (tensor<2x3x4xf32>, tensor<2xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: magnitude must be positive, got -1.0
func.func @f(%x: tensor<2x3x4xf32>) {
  %r = llm.rope(%x) {theta = 1.0 : f64, magnitude = -1.0 : f64} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: dimensions is 6, expected an even number from 2 to the head size 4
func.func @f(%x: tensor<2x3x4xf32>) {
  %r = llm.rope(%x) {theta = 1.0 : f64, dimensions = 6 : i64} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: long_factors and original_context belong together; give both or neither
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>) {
  %r = llm.rope(%x) factors(%f) long_factors(%f) {theta = 1.0 : f64}
      : (tensor<2x3x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: long_factors need the factors of a short context
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>) {
  %r = llm.rope(%x) long_factors(%f) {theta = 1.0 : f64, original_context = 8 : i64}
      : (tensor<2x3x4xf32>, tensor<2xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: original_context must be at least 1, got 0
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>) {
  %r = llm.rope(%x) factors(%f) long_factors(%f) {theta = 1.0 : f64, original_context = 0 : i64}
      : (tensor<2x3x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: long_factors is 1, expected [D / 2] = 2
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>, %l: tensor<1xf32>) {
  %r = llm.rope(%x) factors(%f) long_factors(%l) {theta = 1.0 : f64, original_context = 8 : i64}
      : (tensor<2x3x4xf32>, tensor<2xf32>, tensor<1xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: factors is 2, expected [D / 2] = 1
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<2xf32>) {
  %r = llm.rope(%x) factors(%f) {theta = 1.0 : f64, dimensions = 2 : i64}
      : (tensor<2x3x4xf32>, tensor<2xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: factors is 4, expected [D / 2] = 2
func.func @f(%x: tensor<2x3x4xf32>, %f: tensor<4xf32>) {
  %r = llm.rope(%x) factors(%f) {theta = 1.0 : f64}
      : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  func.return
}
// -----
// error: cache is 16x3x8 and update is 2x4x8, expected [capacity, heads, D] and [T, heads, D]
func.func @f(%c: tensor<16x3x8xf32>, %u: tensor<2x4x8xf32>, %p: index) {
  %r = llm.update_cache(%c, %u, %p)
      : (tensor<16x3x8xf32>, tensor<2x4x8xf32>, index) -> tensor<16x3x8xf32>
  func.return
}
// -----
// error: the cache has another use, but its storage is overwritten here
func.func @f(%c: tensor<16x3x8xf32>, %u: tensor<2x3x8xf32>, %p: index) {
  %r = llm.update_cache(%c, %u, %p)
      : (tensor<16x3x8xf32>, tensor<2x3x8xf32>, index) -> tensor<16x3x8xf32>
  %s = llm.silu(%c) : (tensor<16x3x8xf32>) -> tensor<16x3x8xf32>
  func.return
}
// -----
// error: query is 2x4x8 and key is 2x4x9, expected [T, heads, D] and [S, kv_heads, D]
func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x4x9xf32>) {
  %r = llm.attention(%q, %k, %k) {scale = 1.0 : f32}
      : (tensor<2x4x8xf32>, tensor<2x4x9xf32>, tensor<2x4x9xf32>) -> tensor<2x4x8xf32>
  func.return
}
// -----
// error: 4 query heads cannot share 3 key heads evenly
func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x3x8xf32>) {
  %r = llm.attention(%q, %k, %k) {scale = 1.0 : f32}
      : (tensor<2x4x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x4x8xf32>
  func.return
}
// -----
// error: ? query heads cannot share 3 key heads evenly
func.func @f(%q: tensor<2x?x8xf32>, %k: tensor<2x3x8xf32>) {
  %r = llm.attention(%q, %k, %k) {scale = 1.0 : f32}
      : (tensor<2x?x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x?x8xf32>
  func.return
}
// -----
// error: window must be at least 1, got 0
func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x2x8xf32>) {
  %r = llm.attention(%q, %k, %k) {scale = 1.0 : f32, window = 0 : i64}
      : (tensor<2x4x8xf32>, tensor<2x2x8xf32>, tensor<2x2x8xf32>) -> tensor<2x4x8xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf32>) {
  %r = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}
// -----
// error: softcap must be positive, got 0.0
func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x2x8xf32>) {
  %r = llm.attention(%q, %k, %k) {scale = 1.0 : f32, softcap = 0.0 : f32}
      : (tensor<2x4x8xf32>, tensor<2x2x8xf32>, tensor<2x2x8xf32>) -> tensor<2x4x8xf32>
  func.return
}
// -----
// error: ids is 2 but result is 3; shapes must agree
func.func @f(%i: tensor<2xi64>, %p: index) {
  %r = llm.positions(%i, %p) {count = 8 : i64, offset = 0 : i64} : (tensor<2xi64>, index) -> tensor<3xi64>
  func.return
}
// -----
// error: ids is 1x2, expected one dimension [T]
func.func @f(%i: tensor<1x2xi64>, %p: index) {
  %r = llm.positions(%i, %p) {count = 8 : i64, offset = 0 : i64} : (tensor<1x2xi64>, index) -> tensor<1x2xi64>
  func.return
}
// -----
// error: count must be at least 1, got 0
func.func @f(%i: tensor<2xi64>, %p: index) {
  %r = llm.positions(%i, %p) {count = 0 : i64, offset = 0 : i64} : (tensor<2xi64>, index) -> tensor<2xi64>
  func.return
}
// -----
// error: offset must not be negative, got -1
func.func @f(%i: tensor<2xi64>, %p: index) {
  %r = llm.positions(%i, %p) {count = 8 : i64, offset = -1 : i64} : (tensor<2xi64>, index) -> tensor<2xi64>
  func.return
}
// -----
// error: input is 2x4 but result is 2x5; shapes must agree
func.func @f(%x: tensor<2x4xf32>) {
  %r = llm.layer_norm(%x) {epsilon = 0.0 : f32} : (tensor<2x4xf32>) -> tensor<2x5xf32>
  func.return
}
// -----
// error: bias without weight; give both, the weight alone, or neither
func.func @f(%x: tensor<2x4xf32>, %b: tensor<4xf32>) {
  %r = llm.layer_norm(%x) bias(%b) {epsilon = 0.0 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: weight is 5, expected the last dimension of input 2x4
func.func @f(%x: tensor<2x4xf32>, %w: tensor<5xf32>) {
  %r = llm.layer_norm(%x, %w) {epsilon = 0.0 : f32} : (tensor<2x4xf32>, tensor<5xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: bias is 5, expected the last dimension of input 2x4
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %b: tensor<5xf32>) {
  %r = llm.layer_norm(%x, %w) bias(%b) {epsilon = 0.0 : f32}
      : (tensor<2x4xf32>, tensor<4xf32>, tensor<5xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: epsilon must not be negative, got -1.0
func.func @f(%x: tensor<2x4xf32>) {
  %r = llm.layer_norm(%x) {epsilon = -1.0 : f32} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf32>) {
  %r = llm.gelu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}
// -----
// error: approximate is 'sigmoid', expected tanh, or none at all
func.func @f(%x: tensor<4xf32>) {
  %r = llm.gelu(%x) {approximate = "sigmoid"} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf32>) {
  %r = llm.relu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf32>) {
  %r = llm.scale(%x) {factor = 2.0 : f32} : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}
// -----
// error: factor must be finite, got inf
func.func @f(%x: tensor<4xf32>) {
  %r = llm.scale(%x) {factor = 0x7F800000 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf16>) {
  %r = llm.shift(%x) {offset = 1.0 : f32} : (tensor<4xf16>) -> tensor<5xf32>
  func.return
}
// -----
// error: offset must be finite, got inf
func.func @f(%x: tensor<4xf32>) {
  %r = llm.shift(%x) {offset = 0x7F800000 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// -----
// error: input is 4 but result is 5; shapes must agree
func.func @f(%x: tensor<4xf32>) {
  %r = llm.softcap(%x) {cap = 2.0 : f32} : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}
// -----
// error: cap must be positive, got 0.0
func.func @f(%x: tensor<4xf32>) {
  %r = llm.softcap(%x) {cap = 0.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
