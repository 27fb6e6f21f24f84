// A model of one block without attention, its weights in the text: a token's embedding, a layer, logits.
func.func @embed(%ids: tensor<?xi64>) -> tensor<?x2xf32> attributes {llm.role = "embed"} {
  %table = arith.constant dense<[[0.0, 0.5], [1.0, -2.0], [3.0, 0.25], [-4.0, 8.0]]> : tensor<4x2xf32>
  %x = llm.embedding(%ids, %table) : (tensor<?xi64>, tensor<4x2xf32>) -> tensor<?x2xf32>
  func.return %x : tensor<?x2xf32>
}
func.func @block(%x: tensor<?x2xf32>, %position: index, %cache: tensor<?x1x2xf32>) -> (tensor<?x2xf32>, tensor<?x1x2xf32>) attributes {llm.role = "block"} {
  %w = arith.constant dense<[[2.0, 0.0], [0.0, -1.0]]> : tensor<2x2xf32>
  %layer = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %layer, %cache : tensor<?x2xf32>, tensor<?x1x2xf32>
}
func.func @head(%x: tensor<?x2xf32>) -> tensor<?x4xf32> attributes {llm.role = "head"} {
  %w = arith.constant dense<1.0> : tensor<4x2xf32>
  %lm_head = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<4x2xf32>) -> tensor<?x4xf32>
  func.return %lm_head : tensor<?x4xf32>
}
