// RUN: llmir-opt %s -p lower-to-target | filecheck %s

// Operations that fusions make have kernels of their own.

!q = !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>
!w = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>
!y = !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
func.func @f(%x: tensor<?x8xf32>, %w: !w, %b: tensor<4xf32>, %up: tensor<?x8xf32>) -> !y {
  %g = llm.gated_activation(%x, %up) {activation = "silu"} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %q = llm.encode(%g) {scale = dense<0.5> : tensor<1xf32>} : (tensor<?x8xf32>) -> !q
  %i = llm.quantize_bias(%b, %q, %w) : (tensor<4xf32>, !q, !w) -> tensor<4xi32>
  %y = llm.quantized_matmul(%q, %w) bias(%i) {out_scale = dense<0.25> : tensor<1xf32>, out_zero_point = dense<-1> : tensor<1xi8>} : (!q, !w, tensor<4xi32>) -> !y
  %r = llm.requantize(%y) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<1> : tensor<1xi8>} : (!y) -> !y
  func.return %r : !y
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, %[[B:.*]]: tensor<4xf32>, %[[UP:.*]]: tensor<?x8xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: %[[G:.*]] = kernel.call @gated_activation(%[[X]], %[[UP]]) {activation = "silu"} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[Q:.*]] = kernel.call @encode(%[[G]]) {scale = dense<5.000000e-01> : tensor<1xf32>, format = !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[I:.*]] = kernel.call @quantize_bias(%[[B]], %[[Q]], %[[W]]) : (tensor<4xf32>, !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<4xi32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @requantized_matmul(%[[Q]], %[[W]], %[[I]]) {exact_run = 1024 : i64, format = !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>, scale = dense<2.500000e-01> : tensor<1xf32>, zero_point = dense<-1> : tensor<1xi8>} : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: %[[R:.*]] = kernel.call @requantize(%[[Y]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<1> : tensor<1xi8>, format = !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>} : (!llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: func.return %[[R]] : !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
