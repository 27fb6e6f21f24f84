// error: unknown sparsity '4:4', expected N:M such as 2:4 (N < M <= 256) or bitmask
func.func private @f(!llm.sparse_quantized_tensor<4:4, !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true>>)
// -----
// error: 2:4 needs a last dimension that 4 divides, got 6
func.func private @f(!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x6xi4, scale=f32, symmetric=true>>)
// -----
// error: sparse codes need a symmetric format, whose code 0 is zero; remove zero point or minimum
func.func private @f(!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xui4, scale=f32, zp=ui4>>)
// -----
// error: sparse codes need a format whose code 0 is zero, got the codebook nf4
func.func private @f(!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<4x8x!llm.codebook<nf4>, scale=f32>>)
// -----
// error: a sparse tensor needs a dimension, the tensor is a scalar
func.func private @f(!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<i4, scale=f32, symmetric=true>>)
// -----
// error: expected an !llm.quantized_tensor, got tensor<4x8xi4>
func.func private @f(!llm.sparse_quantized_tensor<2:4, tensor<4x8xi4>>)
// -----
// error: pruning needs a sparsity N:M, a bitmask does not say how many to keep
func.func @f(%x: tensor<4x8xf32>) {
  %y = llm.prune(%x) {sparsity = "bitmask"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return
}
// -----
// error: unknown sparsity '8', expected N:M such as 2:4
func.func @f(%x: tensor<4x8xf32>) {
  %y = llm.prune(%x) {sparsity = "8"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return
}
// -----
// error: pruning needs a dimension, the input is a scalar
func.func @f(%x: tensor<f32>) {
  %y = llm.prune(%x) {sparsity = "2:4"} : (tensor<f32>) -> tensor<f32>
  func.return
}
// -----
// error: 1:3 needs a last dimension that 3 divides, got 8
func.func @f(%x: tensor<4x8xf32>) {
  %y = llm.prune(%x) {sparsity = "1:3"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return
}
// -----
// error: result is !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true> made sparse but input is !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true>
func.func @f(%x: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true>) {
  %y = llm.pack_sparse(%x) : (!llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true>) -> !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true>>
  func.return
}
// -----
// error: input is !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true> made sparse but result is !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true>
func.func @f(%x: !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true>>) {
  %y = llm.unpack_sparse(%x) : (!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true>>) -> !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true>
  func.return
}
// -----
// error: a sparse result is made by llm.pack_sparse from a quantized tensor
func.func @f(%x: tensor<4x8xf32>) {
  %y = llm.quantize(%x) : (tensor<4x8xf32>) -> !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true>>
  func.return
}
