// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=4 weight-pad=true},quantize-weights' | filecheck %s

// groups of 4 over 6 columns: the last has 2

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-8.0, 1.0, 2.0, 3.0, -4.0, 1.0]]> : tensor<1x6xf32>
  %y = llm.linear(%x, %w) : (tensor<?x6xf32>, tensor<1x6xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-8, 1, 2, 3, -8, 2]]> : tensor<1x6xi8>, scale = dense<{{\[\[}}1.000000e+00, 5.000000e-01]]> : tensor<1x2xf32>} : !llm.quantized_tensor<1x6xi4, scale=f32, symmetric=true, group_size=4, pad=2>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x6xi4, scale=f32, symmetric=true, group_size=4, pad=2>) -> tensor<1x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x6xf32>, tensor<1x6xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
