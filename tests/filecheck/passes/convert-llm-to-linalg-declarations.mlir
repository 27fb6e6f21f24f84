// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Functions without a body change their types only: a quantized tensor is its parts.

func.func private @use(!llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
func.func @f(%q: !llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0> {
  %r = func.call @use(%q) : (!llm.quantized_tensor<4x8xui4, scale=f16, zp=ui4, group_size=4>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
  func.return %r : !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
}

// CHECK-LABEL: func.func private @use(
// CHECK-SAME: tensor<4x8xi8>, tensor<4x2xf16>, tensor<4x2xi8>) -> (tensor<4x8xi8>, tensor<4xf32>)
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xi8>, %[[Q1:.*]]: tensor<4x2xf16>, %[[Q2:.*]]: tensor<4x2xi8>) -> (tensor<4x8xi8>, tensor<4xf32>)
// CHECK-NEXT: %[[R:.*]], %[[CALL:.*]] = func.call @use(%[[Q]], %[[Q1]], %[[Q2]]) : (tensor<4x8xi8>, tensor<4x2xf16>, tensor<4x2xi8>) -> (tensor<4x8xi8>, tensor<4xf32>)
// CHECK-NEXT: func.return %[[R]], %[[CALL]] : tensor<4x8xi8>, tensor<4xf32>
