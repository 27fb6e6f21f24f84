// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2 weight-group-rows=2 weight-pad=true},quantize-weights' | filecheck %s

// Blocks of 2x2 over 3x3: those of the last row and column are smaller; the largest magnitude of each is code -8. A
// block of zeros has scale 1.

func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense<[[-8.0, 1.0, 2.0], [2.0, 3.0, -4.0], [-16.0, 2.0, 0.0]]> : tensor<3x3xf32>
  %y = llm.linear(%x, %w) : (tensor<?x3xf32>, tensor<3x3xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x3xf32>) -> tensor<?x3xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-8, 1, 4], [2, 3, -8], [-8, 1, 0]]> : tensor<3x3xi8>, scale = dense<{{\[\[}}1.000000e+00, 5.000000e-01], [2.000000e+00, 1.000000e+00]]> : tensor<2x2xf32>} : !llm.quantized_tensor<3x3xi4, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=2, pad_rows=1>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<3x3xi4, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=2, pad_rows=1>) -> tensor<3x3xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x3xf32>, tensor<3x3xf32>) -> tensor<?x3xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x3xf32>
