// error: a mixed result needs a selector, or else average_bits to choose one by
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: a mixed result needs a selector, or else average_bits to choose one by
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) {selector = dense<0> : tensor<2xi8>, average_bits = 6.0 : f32} : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: average_bits is 3.0, expected at least the narrowest format's 4
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) {average_bits = 3.0 : f32} : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: selector is 3, expected an entry for each of 2 rows
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) {selector = dense<0> : tensor<3xi8>} : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: selector must hold 0 to 1, which of the 2 formats a row has
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) {selector = dense<[0, 2]> : tensor<2xi8>} : (tensor<2x4xf32>) -> !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
  func.return
}
// -----
// error: selector and average_bits are for mixed results; remove them
func.func @f(%x: tensor<2x4xf32>) {
  %y = llm.quantize(%x) {average_bits = 3.0 : f32} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
  func.return
}
