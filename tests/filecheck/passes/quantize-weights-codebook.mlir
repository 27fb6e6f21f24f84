// RUN: llmir-opt %s -p 'assign-schemes{weight-type="codebook:[-1.0, 0.0, 0.5, 1.0]"},quantize-weights' | filecheck %s

// entries of the codebook times the largest magnitude

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-4.0, 2.0, 4.0, 0.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}0, 2, 3, 1]]> : tensor<1x4xui8>, scale = dense<4.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x4x!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>, scale=f32, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4x!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>, scale=f32, axis=0>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
