// error: input is 2x8 but result is 2x4; shapes must agree
func.func @f(%q: !llm.quantized_tensor<2x8xi8>) {
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: expected an !llm.quantized_tensor
func.func @f(%q: tensor<2x8xi8>) {
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xi8>) -> !llm.quantized_tensor<2x8xi8>
  func.return
}
// -----
// error: constant parameters with a minimum are not supported; use zp
func.func @f(%q: !llm.quantized_tensor<2x8xi8>) {
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>) -> !llm.quantized_tensor<2x8xui8, scale=f32, min=f32>
  func.return
}
// -----
// error: zero_point is given exactly when the result type has zp
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.encode(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  func.return
}
// -----
// error: scale has 2 values, expected 1 for !llm.quantized_tensor<2x8xi8, scale=f32>
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.encode(%x) {scale = dense<0.5> : tensor<2xf32>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xi8>
  func.return
}
// -----
// error: input is 2x8 but result is 2x9; shapes must agree
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.encode(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x9xi8>
  func.return
}
// -----
// error: bias is 4 but result is 3; shapes must agree
func.func @f(%b: tensor<4xf32>, %x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantize_bias(%b, %x, %w) : (tensor<4xf32>, !llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>) -> tensor<3xi32>
  func.return
}
// -----
// error: bias is 3 and weight is 4x8, expected [N], [N, K]
func.func @f(%b: tensor<3xf32>, %x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantize_bias(%b, %x, %w) : (tensor<3xf32>, !llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>) -> tensor<3xi32>
  func.return
}
// -----
// error: the bias has no unit: the weight has a scale for each group of 4
func.func @f(%b: tensor<4xf32>, %x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4>) {
  %r = llm.quantize_bias(%b, %x, %w) : (tensor<4xf32>, !llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4>) -> tensor<4xi32>
  func.return
}
// -----
// error: the bias has no unit: the input has more than one scale
func.func @f(%b: tensor<4xf32>, %x: !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantize_bias(%b, %x, %w) : (tensor<4xf32>, !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>, !llm.quantized_tensor<4x8xi8>) -> tensor<4xi32>
  func.return
}
// -----
// error: permutation is [0, 0], expected each of 0 to 1 once
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.transpose(%x) {permutation = array<i64: 0, 0>} : (tensor<2x8xf32>) -> tensor<2x2xf32>
  func.return
}
// -----
// error: result is tensor<2x8xf32>, expected tensor<8x2xf32>
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: result is !llm.quantized_tensor<8x2xi8, scale=f32, axis=0>, expected !llm.quantized_tensor<8x2xi8, scale=f32, axis=1>
func.func @f(%x: !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>) {
  %r = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<2x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<8x2xi8, scale=f32, axis=0>
  func.return
}
// -----
// error: unknown activation 'relu', expected one of silu, gelu, gelu_tanh
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.gated_activation(%x, %x) {activation = "relu"} : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: gate is 2x8 but up is 2x4; shapes must agree
func.func @f(%x: tensor<2x8xf32>, %y: tensor<2x4xf32>) {
  %r = llm.gated_activation(%x, %y) {activation = "silu"} : (tensor<2x8xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: gate is 2x8 but result is 2x4; shapes must agree
func.func @f(%x: tensor<2x8xf32>) {
  %r = llm.gated_activation(%x, %x) {activation = "silu"} : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: gate and up in one are 2x7 and the result is 2x3, expected [..., 2 N] and [..., N]
func.func @f(%x: tensor<2x7xf32>) {
  %r = llm.gated_activation(%x) {activation = "silu"} : (tensor<2x7xf32>) -> tensor<2x3xf32>
  func.return
}
// -----
// error: gate and up in one are 2x? and the result is 2x4, expected [..., 2 N] and [..., N]
func.func @f(%x: tensor<2x?xf32>) {
  %r = llm.gated_activation(%x) {activation = "silu"} : (tensor<2x?xf32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: a quantized result is computed from integer sums, but the input is tensor<2x8xf32>, not an !llm.quantized_tensor
func.func @f(%x: tensor<2x8xf32>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>, !llm.quantized_tensor<4x8xi8>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: but the weight has a scale for each group of 4
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: but the input has zero points of type f32, which are floats
func.func @f(%x: !llm.quantized_tensor<2x8xi8, scale=f32, zp=f32>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8, scale=f32, zp=f32>, !llm.quantized_tensor<4x8xi8>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: a quantized result needs out_scale
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: zero_point is given exactly when the result type has zp
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>) -> !llm.quantized_tensor<2x4xui8, scale=f32, zp=ui8>
  func.return
}
// -----
// error: out_scale and out_zero_point are for quantized results; remove them
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<0.5> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: an i32 bias is part of an int32 sum, which needs a quantized result
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>, %b: tensor<4xi32>) {
  %r = llm.quantized_matmul(%x, %w) bias(%b) : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>, tensor<4xi32>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: expected a tensor of floats or of i32
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8>, %b: tensor<4xi16>) {
  %r = llm.quantized_matmul(%x, %w) bias(%b) : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8>, tensor<4xi16>) -> tensor<2x4xf32>
  func.return
}
// -----
// error: but the weight has a scale for each block of 2x4
func.func @f(%x: !llm.quantized_tensor<2x8xi8>, %w: !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4, group_rows=2>) {
  %r = llm.quantized_matmul(%x, %w) {out_scale = dense<1.0> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8>, !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4, group_rows=2>) -> !llm.quantized_tensor<2x4xi8>
  func.return
}
// -----
// error: is not transposed by [2, 1, 0]: its blocks would not lie in the last two dimensions
func.func @f(%w: !llm.quantized_tensor<2x4x8xi8, scale=f32, group_size=4, group_rows=2>) {
  %r = llm.transpose(%w) {permutation = array<i64: 2, 1, 0>} : (!llm.quantized_tensor<2x4x8xi8, scale=f32, group_size=4, group_rows=2>) -> !llm.quantized_tensor<8x4x2xi8, scale=f32, group_size=2, group_rows=4>
  func.return
}
// -----
// error: is not transposed by [1, 0]: the second level of its scales would have groups along the rows
func.func @f(%w: !llm.quantized_tensor<4x8xi8, scale=!llm.scale<ui6, scale=f16, group_size=2>, group_size=4, group_rows=2>) {
  %r = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<4x8xi8, scale=!llm.scale<ui6, scale=f16, group_size=2>, group_size=4, group_rows=2>) -> !llm.quantized_tensor<8x4xi8, scale=!llm.scale<ui6, scale=f16, group_size=2>, group_size=2, group_rows=4>
  func.return
}
// -----
// error: result is !llm.quantized_tensor<8x4xi8, scale=f32, group_size=4, group_rows=2>, expected !llm.quantized_tensor<8x4xi8, scale=f32, group_size=2, group_rows=4>
func.func @f(%w: !llm.quantized_tensor<4x8xi8, scale=f32, group_size=4, group_rows=2>) {
  %r = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<4x8xi8, scale=f32, group_size=4, group_rows=2>) -> !llm.quantized_tensor<8x4xi8, scale=f32, group_size=4, group_rows=2>
  func.return
}
