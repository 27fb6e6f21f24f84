// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2},quantize-weights' | filecheck %s

// 4 / 2^3 and 8 / 2^3; 1.5 / 0.5 and -8 / 1

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[1.5, -4.0, -8.0, 7.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}3, -8, -8, 7]]> : tensor<1x4xi8>, scale = dense<{{\[\[}}5.000000e-01, 1.000000e+00]]> : tensor<1x2xf32>} : !llm.quantized_tensor<1x4xi4, scale=f32, symmetric=true, group_size=2>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xi4, scale=f32, symmetric=true, group_size=2>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
