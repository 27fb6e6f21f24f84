// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Constants that are mixed or sparse codes are written as the floats they stand for.
!m = !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
!s = !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x4xi4, scale=f16, symmetric=true, axis=0>>

// CHECK-LABEL: func.func @irregular(
// CHECK-SAME:  %[[X:.*]]: tensor<3x4xf32>) -> (tensor<3x2xf32>, tensor<2x4xf32>)
// CHECK-NEXT:  %[[M:.*]] = arith.constant dense<{{\[\[}}-8.000000e+00, 7.000000e+00, 0.000000e+00, 1.000000e+00], [5.000000e-01, -6.400000e+01, 0.000000e+00, 6.350000e+01]]> : tensor<2x4xf32>
// CHECK:       %[[Y:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[M]] : tensor<3x4xf32>, tensor<2x4xf32>)
// CHECK:       %[[S:.*]] = arith.constant dense<{{\[\[}}0.000000e+00, 3.500000e+00, -4.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 0.000000e+00, 2.000000e+00]]> : tensor<2x4xf32>
// CHECK-NEXT:  func.return %[[Y]], %[[S]]
func.func @irregular(%x: tensor<3x4xf32>) -> (tensor<3x2xf32>, tensor<2x4xf32>) {
  %m = llm.constant {codes = dense<[[-8, 7, 0, 1], [1, -128, 0, 127]]> : tensor<2x4xi8>, scale = dense<[1.0, 0.5]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>} : !m
  %y = llm.quantized_matmul(%x, %m) : (tensor<3x4xf32>, !m) -> tensor<3x2xf32>
  %s = llm.constant {codes = dense<[[0, 7, -8, 0], [0, 0, 0, 1]]> : tensor<2x4xi8>, scale = dense<[0.5, 2.0]> : tensor<2xf16>} : !s
  %w = llm.dequantize(%s) : (!s) -> tensor<2x4xf32>
  func.return %y, %w : tensor<3x2xf32>, tensor<2x4xf32>
}
