// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-granularity=per_tensor},quantize-weights' | filecheck %s

// 8 / 2^3 is the scale of all

func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, -8.0], [3.0, 2.5]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, -8], [3, 2]]> : tensor<2x2xi8>, scale = dense<1.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true>) -> tensor<2x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
