// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4},quantize-weights' | filecheck %s

// a row of zeros has the scale 1

func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[0.0, 0.0], [8.0, -8.0]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}0, 0], [7, -8]]> : tensor<2x2xi8>, scale = dense<1.000000e+00> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>) -> tensor<2x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
