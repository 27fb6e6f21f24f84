// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f8E4M3FN},quantize-weights' | filecheck %s

// 448 is the largest of f8E4M3FN: a scale of 2, and the pattern of 1

func.func @f(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[896.0, 2.0]]> : tensor<1x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}126, 56]]> : tensor<1x2xui8>, scale = dense<2.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x2xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x2xf8E4M3FN, scale=f32, axis=0>) -> tensor<1x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
