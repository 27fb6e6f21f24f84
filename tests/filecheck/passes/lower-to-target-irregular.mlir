// RUN: llmir-opt %s -p 'lower-to-target{target=numpy}' | filecheck %s

// Mixed and sparse weights are loaded as floats, and constants of these types become floats, whether they are
// dequantized in the text or multiplied as codes. A result that is f16 is rounded.
!m = !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>
!s = !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x4xi4, scale=f16, symmetric=true, axis=0>>
llm.weight @m : !m
llm.weight @s : !s

// CHECK-LABEL: func.func @irregular(
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[M:.*]] = kernel.load @m {layout = "dense"} : !llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32> -> tensor<2x4xf32>
// CHECK-NEXT:  %[[A:.*]] = kernel.call @linear(%[[X]], %[[M]]) {llm.remark = "weight dequantized: target 'numpy' has no kernel for llm.mixed_quantized_tensor"}
// CHECK-NEXT:  %[[S:.*]] = kernel.load @s {layout = "dense"} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x4xi4, scale=f16, symmetric=true, axis=0>> -> tensor<2x4xf32>
// CHECK-NEXT:  %[[B:.*]] = kernel.call @linear(%[[X]], %[[S]])
// CHECK-NEXT:  %[[I:.*]] = arith.constant dense<{{\[\[}}-8.000000e+00, 7.000000e+00, 0.000000e+00, 1.000000e+00], [5.000000e-01, -6.400000e+01, 0.000000e+00, 6.350000e+01]]> : tensor<2x4xf32>
// CHECK-NEXT:  %[[C:.*]] = kernel.call @linear(%[[X]], %[[I]])
// CHECK-NEXT:  %[[F:.*]] = arith.constant dense<{{\[\[}}0.000000e+00, 3.500000e+00, -4.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 0.000000e+00, 2.000000e+00]]> : tensor<2x4xf32>
// CHECK-NEXT:  %[[H:.*]] = kernel.call @cast(%[[F]]) {dtype = "float16"} : (tensor<2x4xf32>) -> tensor<2x4xf16>
// CHECK-NEXT:  func.return %[[A]], %[[B]], %[[C]], %[[H]]
func.func @irregular(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2x4xf16>) {
  %m = llm.load_weight @m : !m
  %a = llm.quantized_matmul(%x, %m) : (tensor<?x4xf32>, !m) -> tensor<?x2xf32>
  %s = llm.load_weight @s : !s
  %b = llm.quantized_matmul(%x, %s) : (tensor<?x4xf32>, !s) -> tensor<?x2xf32>
  %i = llm.constant {codes = dense<[[-8, 7, 0, 1], [1, -128, 0, 127]]> : tensor<2x4xi8>, scale = dense<[1.0, 0.5]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>} : !m
  %c = llm.quantized_matmul(%x, %i) : (tensor<?x4xf32>, !m) -> tensor<?x2xf32>
  %j = llm.constant {codes = dense<[[0, 7, -8, 0], [0, 0, 0, 1]]> : tensor<2x4xi8>, scale = dense<[0.5, 2.0]> : tensor<2xf16>} : !s
  %h = llm.dequantize(%j) : (!s) -> tensor<2x4xf16>
  func.return %a, %b, %c, %h : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<2x4xf16>
}
