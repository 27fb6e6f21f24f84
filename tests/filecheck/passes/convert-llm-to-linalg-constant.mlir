// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// A constant is the constants of its parts; codes of 4 bits are held in i8.

!w = !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
func.func @f() -> !w {
  %w = llm.constant {codes = dense<[[1, -2, 3, -8], [7, 0, 1, 2]]> : tensor<2x4xi4>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !w
  func.return %w : !w
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: ) -> (tensor<2x4xi8>, tensor<2xf32>)
// CHECK-NEXT: %[[W:.*]] = arith.constant dense<{{\[\[}}1, -2, 3, -8], [7, 0, 1, 2]]> : tensor<2x4xi8>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
// CHECK-NEXT: func.return %[[W]], %[[C]] : tensor<2x4xi8>, tensor<2xf32>
