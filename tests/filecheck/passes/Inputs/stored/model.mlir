// A norm and a layer whose weights are in a file.
module attributes {llm.weights = "weights.safetensors"} {
  llm.weight @n.weight : tensor<32xf32>
  llm.weight @a.weight : tensor<4x32xf32>
  func.func @main(%x: tensor<?x32xf32>) -> tensor<?x4xf32> {
    %n = llm.load_weight @n.weight : tensor<32xf32>
    %h = llm.rms_norm(%x, %n) {epsilon = 0.5 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
    %a = llm.load_weight @a.weight : tensor<4x32xf32>
    %y = llm.linear(%h, %a) : (tensor<?x32xf32>, tensor<4x32xf32>) -> tensor<?x4xf32>
    func.return %y : tensor<?x4xf32>
  }
}
