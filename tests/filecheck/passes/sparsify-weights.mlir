// RUN: llmir-opt %s -p sparsify-weights --split-input-file | filecheck %s
// RUN: llmir-opt %s -p 'sparsify-weights{sparsity=bitmask}' --split-input-file | filecheck %s --check-prefix=MASK

// Before fusion and after it; a layer whose weight is not quantized is none of its business.
// CHECK-LABEL: func.func @both(
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[A:.*]] = llm.constant {codes = dense<{{\[\[}}0, -3, 0, 1]]> : tensor<1x4xi8>, scale = dense<5.000000e-01> : tensor<1xf16>} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<1x4xi4, scale=f16, symmetric=true, axis=0>>
// CHECK-NEXT:  %[[D:.*]] = llm.dequantize(%[[A]]) : (!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<1x4xi4, scale=f16, symmetric=true, axis=0>>) -> tensor<1x4xf32>
// CHECK-NEXT:  llm.linear(%[[X]], %[[D]])
// CHECK-NEXT:  %[[B:.*]] = llm.constant {codes = dense<{{\[\[}}0, 0, 0, 7]]> : tensor<1x4xi8>, scale = dense<2.000000e+00> : tensor<1xf32>} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true>>
// CHECK-NEXT:  llm.quantized_matmul(%[[X]], %[[B]]) : (tensor<?x4xf32>, !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true>>) -> tensor<?x1xf32>
// CHECK-NEXT:  %[[F:.*]] = arith.constant dense<1.000000e+00> : tensor<1x4xf32>
// CHECK-NEXT:  llm.linear(%[[X]], %[[F]]) :
// MASK: : !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<1x4xi4, scale=f16, symmetric=true, axis=0>>
func.func @both(%x: tensor<?x4xf32>) {
  %a = llm.constant {codes = dense<[[0, -3, 0, 1]]> : tensor<1x4xi8>, scale = dense<0.5> : tensor<1xf16>} : !llm.quantized_tensor<1x4xi4, scale=f16, symmetric=true, axis=0>
  %d = llm.dequantize(%a) : (!llm.quantized_tensor<1x4xi4, scale=f16, symmetric=true, axis=0>) -> tensor<1x4xf32>
  %y = llm.linear(%x, %d) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  %b = llm.constant {codes = dense<[[0, 0, 0, 7]]> : tensor<1x4xi8>, scale = dense<2.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true>
  %z = llm.quantized_matmul(%x, %b) : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32, symmetric=true>) -> tensor<?x1xf32>
  %f = arith.constant dense<1.0> : tensor<1x4xf32>
  %v = llm.linear(%x, %f) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}
