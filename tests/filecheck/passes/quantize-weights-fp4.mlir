// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f4E2M1FN},quantize-weights' | filecheck %s

// 6 is the largest of f4E2M1FN: a scale of 2; 1 and 3 times it

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-12.0, 2.0, 6.0, 0.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}15, 2, 5, 0]]> : tensor<1x4xui8>, scale = dense<2.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x4xf4E2M1FN, scale=f32, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xf4E2M1FN, scale=f32, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
