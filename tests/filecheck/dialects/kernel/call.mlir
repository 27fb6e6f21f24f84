// RUN: %roundtrip
// RUN: %generic-roundtrip

// A kernel, its operands in order, its constants and its effect.

func.func @forms(%x: tensor<?x8xf32>, %q: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, %b: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %y = kernel.call @gemm(%x, %q, %b) {tile = array<i64: 4, 8, 2>} : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, tensor<4xf32>) -> tensor<?x4xf32>
  %u, %v = kernel.call @split(%y) {at = 2 : i64, effect = "none to speak of"} : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  kernel.call @observe(%v) {effect = "observe", site = "x"} : (tensor<?x4xf32>) -> ()
  func.return %u, %v : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[Q:.*]]: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, %[[B:.*]]: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm(%[[X]], %[[Q]], %[[B]]) {tile = array<i64: 4, 8, 2>} : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[U:.*]], %[[V:.*]] = kernel.call @split(%[[Y]]) {at = 2 : i64, effect = "none to speak of"} : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: kernel.call @observe(%[[V]]) {site = "x", effect = "observe"} : (tensor<?x4xf32>) -> ()
// CHECK-NEXT: func.return %[[U]], %[[V]] : tensor<?x4xf32>, tensor<?x4xf32>
