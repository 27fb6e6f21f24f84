// error: weight @w is defined twice
llm.weight @w : tensor<4xf32>
llm.weight @w : tensor<5xf32>
// -----
// error: @absent does not name an llm.weight of this module
func.func @f() {
  %w = llm.load_weight @absent : tensor<4xf32>
  func.return
}
// -----
// error: result is tensor<5xf32> but weight @w is tensor<4xf32>
llm.weight @w : tensor<4xf32>
func.func @f() {
  %w = llm.load_weight @w : tensor<5xf32>
  func.return
}
// -----
// error: a weight is a tensor or a quantized tensor
llm.weight @w : i32
