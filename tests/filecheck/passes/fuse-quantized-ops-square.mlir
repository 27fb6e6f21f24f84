// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// Input and weight of the same type keep their places.

!t = !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true>
func.func @f(%a: !t, %b: !t) -> tensor<4x4xf32> {
  %ra = llm.dequantize(%a) : (!t) -> tensor<4x4xf32>
  %rb = llm.dequantize(%b) : (!t) -> tensor<4x4xf32>
  %y = llm.linear(%rb, %ra) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %y : tensor<4x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true>, %[[B:.*]]: !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true>) -> tensor<4x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[B]], %[[A]]) : (!llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true>) -> tensor<4x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<4x4xf32>
