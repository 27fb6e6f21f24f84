// error: 'llm.silu' expects (input), got 0 operands
func.func @f() {
  %r = llm.silu() : () -> tensor<4xf32>
  func.return
}
// -----
// error: 'llm.attention' expects (query, key, value[, position]), got 1 operands
func.func @f(%a: tensor<4xf32>) {
  %r = llm.attention(%a) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// -----
// error: expected bias(bias)
func.func @f(%a: tensor<4x4xf32>) {
  %r = llm.linear(%a, %a) bias(%a, %a) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return
}
