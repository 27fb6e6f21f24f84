// Two layers of a file of no known architecture.
module attributes {llm.weights = "weights.safetensors"} {
  llm.weight @a.weight : tensor<4x32xf32>
  llm.weight @a.bias : tensor<4xf32>
  llm.weight @b.weight : tensor<2x32xf32>
  func.func @flat(%x: tensor<?x32xf32>, %y: tensor<?x32xf32>) -> (tensor<?x4xf32>, tensor<?x2xf32>) attributes {llm.role = "flat"} {
    %aw = llm.load_weight @a.weight : tensor<4x32xf32>
    %ab = llm.load_weight @a.bias : tensor<4xf32>
    %a = llm.linear(%x, %aw) bias(%ab) {module = "a"} : (tensor<?x32xf32>, tensor<4x32xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %bw = llm.load_weight @b.weight : tensor<2x32xf32>
    %b = llm.linear(%y, %bw) {module = "b"} : (tensor<?x32xf32>, tensor<2x32xf32>) -> tensor<?x2xf32>
    func.return %a, %b : tensor<?x4xf32>, tensor<?x2xf32>
  }
}
