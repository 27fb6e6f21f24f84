// RUN: llmir-opt %s -p 'assign-gguf-types{type=Q8_0}' | filecheck %s

// Only the attributes of layers change: operands stay where they are, also where two layers could be exchanged.

func.func @main(%x: tensor<?x32xf32>, %a: tensor<32x32xf32>, %b: tensor<32x32xf32>) -> tensor<?x32xf32> {
  %u = llm.linear(%x, %a) {module = "model.layers.0.mlp.up_proj"} : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %d = llm.linear(%u, %b) {module = "model.layers.0.mlp.down_proj"} : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  func.return %d : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME:  %[[X:.*]]: tensor<?x32xf32>, %[[A:.*]]: tensor<32x32xf32>, %[[B:.*]]: tensor<32x32xf32>)
// CHECK-NEXT:  %[[U:.*]] = llm.linear(%[[X]], %[[A]]) {module = "model.layers.0.mlp.up_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f16, granularity=per_group, group_size=32, method=gguf>>}
// CHECK-NEXT:  %[[D:.*]] = llm.linear(%[[U]], %[[B]]) {module = "model.layers.0.mlp.down_proj", llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f16, granularity=per_group, group_size=32, method=gguf>>}
// CHECK-NEXT:  func.return %[[D]]
