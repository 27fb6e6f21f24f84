// RUN: llmir-opt %s -p 'sparsify-weights{modules=a*,b exclude=ab}' | filecheck %s

// The dense weights do not fit 2:4, but are not asked to.
// CHECK-LABEL: func.func @some(
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[S:.*]] = llm.constant {{.*}} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<1x4xi8, scale=f32>>
// CHECK-NEXT:  %[[W:.*]] = llm.constant {{.*}} : !llm.quantized_tensor<1x4xi8, scale=f32>
// CHECK-NEXT:  llm.quantized_matmul(%[[X]], %[[S]]) {module = "aa"}
// CHECK-NEXT:  llm.quantized_matmul(%[[X]], %[[W]]) {module = "ab"}
// CHECK-NEXT:  llm.quantized_matmul(%[[X]], %[[S]]) {module = "b"}
// CHECK-NEXT:  llm.quantized_matmul(%[[X]], %[[W]]) {module = "c"}
func.func @some(%x: tensor<?x4xf32>) {
  %s = llm.constant {codes = dense<[[0, 1, 2, 0]]> : tensor<1x4xi8>, scale = dense<2.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %w = llm.constant {codes = dense<1> : tensor<1x4xi8>, scale = dense<2.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %aa = llm.quantized_matmul(%x, %s) {module = "aa"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  %ab = llm.quantized_matmul(%x, %w) {module = "ab"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  %b = llm.quantized_matmul(%x, %s) {module = "b"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  %c = llm.quantized_matmul(%x, %w) {module = "c"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}
