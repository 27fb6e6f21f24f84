// error: input is 2x4 but result is 2x5; shapes must agree
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x5xi8>
  func.return
}
// -----
// error: a plain tensor result needs scale and bits
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: codes in a plain tensor are integers, got tensor<2x4xf32>
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: bits is 9, expected 2 to 8 for codes stored as i8
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, bits = 9 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: symmetric = true excludes a zero_point
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {
    scale = dense<1.0> : tensor<1xf32>, zero_point = dense<0> : tensor<1xi8>, bits = 8 : i32, symmetric = true}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: scale must be floats, got i32
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1> : tensor<1xi32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: scale has 2 values, expected 1 (per tensor) or 4 (one for each index of the last dimension)
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<2xf32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: scale has 4 values, expected 1 (per tensor)
func.func @f(%a: tensor<2x?xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<4xf32>, bits = 8 : i32}
      : (tensor<2x?xf32>) -> tensor<2x?xi8>
  func.return
}
// -----
// error: scale must be finite and positive
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<0.0> : tensor<1xf32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: scale must be finite and positive
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<0x7F800000> : tensor<1xf32>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: zero_point has 4 values, scale has 1; expected as many
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {
    scale = dense<1.0> : tensor<1xf32>, zero_point = dense<0> : tensor<4xi8>, bits = 8 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: zero_point must lie in the code range -8 to 7 of 4 bits
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {
    scale = dense<1.0> : tensor<1xf32>, zero_point = dense<8> : tensor<1xi8>, bits = 4 : i32}
      : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}
// -----
// error: bits is 4 but the result's codes are i8
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {bits = 4 : i32}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32>
  func.return
}
// -----
// error: constant parameters with a minimum are not supported; use zp
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xui8, scale=f32, min=f32>
  func.return
}
// -----
// error: zero_point without scale; give both, or neither for dynamic parameters
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {zero_point = dense<0> : tensor<1xi8>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8>
  func.return
}
// -----
// error: zero_point is given exactly when the result type has zp
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8>
  func.return
}
// -----
// error: zero_point is f32 but the result type has zp=i8
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {
    scale = dense<1.0> : tensor<1xf32>, zero_point = dense<0.0> : tensor<1xf32>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8>
  func.return
}
// -----
// error: zero_point must lie in the code range -8 to 7 of 4 bits
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {
    scale = dense<1.0> : tensor<1xf32>, zero_point = dense<99> : tensor<1xi8>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi4, scale=f32, zp=i4>
  func.return
}
// -----
// error: scale has 3 values, expected 2 for !llm.quantized_tensor<2x4xi8, scale=f32, axis=0>
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<3xf32>}
      : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, axis=0>
  func.return
}
// -----
// error: constant scales need a static shape of scales, !llm.quantized_tensor<?x4xi8, scale=f32, axis=0> has ?
func.func @f(%a: tensor<?x4xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<2xf32>}
      : (tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, axis=0>
  func.return
}
// -----
// error: constant scales need a static shape of scales, !llm.quantized_tensor<4x?xi8, scale=f32, group_size=4> has 4x?
func.func @f(%a: tensor<4x?xf32>) {
  %r = llm.quantize(%a) {scale = dense<1.0> : tensor<2xf32>}
      : (tensor<4x?xf32>) -> !llm.quantized_tensor<4x?xi8, scale=f32, group_size=4>
  func.return
}
// -----
// error: a mixed result carries its parameters; remove scale, zero_point and bits
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) {bits = 8 : i32}
      : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: expected a tensor of floats
func.func @f(%a: tensor<2x4xi32>) {
  %r = llm.quantize(%a) : (tensor<2x4xi32>) -> !llm.quantized_tensor<2x4xi8, scale=f32>
  func.return
}
// -----
// error: expected a tensor of codes, or an !llm quantized, mixed_quantized or sparse_quantized tensor
func.func @f(%a: tensor<2x4xf32>) {
  %r = llm.quantize(%a) : (tensor<2x4xf32>) -> i8
  func.return
}
// -----
// error: input is 2x4 but result is 4x2; shapes must agree
func.func @f(%a: !llm.quantized_tensor<2x4xi8, scale=f32>) {
  %r = llm.dequantize(%a) : (!llm.quantized_tensor<2x4xi8, scale=f32>) -> tensor<4x2xf32>
  func.return
}
// -----
// error: a quantized tensor carries its parameters; remove scale and zero_point
func.func @f(%a: !llm.quantized_tensor<2x4xi8, scale=f32>) {
  %r = llm.dequantize(%a) {scale = dense<1.0> : tensor<1xf32>}
      : (!llm.quantized_tensor<2x4xi8, scale=f32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: codes in a plain tensor need a scale
func.func @f(%a: tensor<2x4xi8>) {
  %r = llm.dequantize(%a) : (tensor<2x4xi8>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: a quantized weight carries its parameters; remove scales and zero_points
func.func @f(%x: tensor<2x8xf32>, %w: !llm.quantized_tensor<4x8xi8, scale=f32>, %s: tensor<4xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32}
      : (tensor<2x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: a quantized weight's type states bits and group_size; remove the attributes
func.func @f(%x: tensor<2x8xf32>, %w: !llm.quantized_tensor<4x8xi8, scale=f32>) {
  %r = llm.quantized_matmul(%x, %w) {bits = 8 : i32}
      : (tensor<2x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: a quantized input needs a weight of type !llm.quantized_tensor
func.func @f(%x: !llm.quantized_tensor<2x8xi8, scale=f32>, %w: tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w)
      : (!llm.quantized_tensor<2x8xi8, scale=f32>, tensor<4x8xi8>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: codes in a plain tensor need scales and bits
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) : (tensor<2x8xf32>, tensor<4x8xi8>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: bits is 1, expected 2 to 8 for codes stored as i8
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 1 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: group_size must be at least 1, got 0
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32, group_size = 0 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: group_size 3 does not divide K, which is 8
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32, group_size = 3 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: scales has 4 values, expected 8 for 4 rows of 2 groups
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32, group_size = 4 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: scales has 5 values, expected 4 for 4 rows
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<5xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<5xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: scales must have one dimension, got 4x1
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4x1xf32>) {
  %r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4x1xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: zero_points is 3 but scales is 4; shapes must agree
func.func @f(%x: tensor<2x8xf32>, %w: tensor<4x8xi8>, %s: tensor<4xf32>, %z: tensor<3xi8>) {
  %r = llm.quantized_matmul(%x, %w, %s, %z) {bits = 8 : i32}
      : (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>, tensor<3xi8>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: constant parameters are not quantized themselves, but the result is !llm.quantized_tensor<4x8xi8,
func.func @f(%x: tensor<4x8xf32>) {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<4xf32>} : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=!llm.scale<ui6>, axis=0>
  func.return
}
// -----
// error: scale_rounding is for scales that are powers of two (f8E8M0FNU) and computed at run time; remove it
func.func @f(%x: tensor<4x8xf32>) {
  %q = llm.quantize(%x) {scale_rounding = "ceil"} : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f32, axis=0>
  func.return
}
// -----
// error: scale_rounding is for scales that are powers of two (f8E8M0FNU) and computed at run time; remove it
func.func @f(%x: tensor<4x8xf32>) {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, scale_rounding = "ceil"} : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU>
  func.return
}
// -----
// error: scale_rounding is 'mx', expected one of floor, ceil, round, midmax
func.func @f(%x: tensor<4x8xf32>) {
  %q = llm.quantize(%x) {scale_rounding = "mx"} : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU>
  func.return
}
// -----
// error: scale_rounding midmax is for float codes, i8 are integers
func.func @f(%x: tensor<4x8xf32>) {
  %q = llm.quantize(%x) {scale_rounding = "midmax"} : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU>
  func.return
}
