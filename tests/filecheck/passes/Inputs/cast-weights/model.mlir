// Two weights in a file; the first has a value that float16 cannot hold.
module attributes {llm.weights = "weights.safetensors"} {
  llm.weight @a.weight : tensor<2xf32>
  llm.weight @b.weight : tensor<2xf32>
  func.func @main() -> (tensor<2xf32>, tensor<2xf32>) {
    %a = llm.load_weight @a.weight : tensor<2xf32>
    %b = llm.load_weight @b.weight : tensor<2xf32>
    %x = llm.silu(%a) : (tensor<2xf32>) -> tensor<2xf32>
    %y = llm.silu(%b) : (tensor<2xf32>) -> tensor<2xf32>
    func.return %x, %y : tensor<2xf32>, tensor<2xf32>
  }
}
