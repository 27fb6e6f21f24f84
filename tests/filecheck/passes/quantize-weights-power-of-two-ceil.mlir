// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f4E2M1FN weight-scale=f8E8M0FNU weight-scale-rounding=ceil weight-group-size=2},quantize-weights' | filecheck %s

// exponents of the next larger powers of two, 8 and 2, less 2, that of the largest value 6 of the format

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[7.0, 3.5, 1.5, -0.75]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}6, 4, 5, 11]]> : tensor<1x4xui8>, scale = dense<{{\[\[}}2.000000e+00, 5.000000e-01]]> : tensor<1x2xf8E8M0FNU>} : !llm.quantized_tensor<1x4xf4E2M1FN, scale=f8E8M0FNU, group_size=2>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xf4E2M1FN, scale=f8E8M0FNU, group_size=2>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
