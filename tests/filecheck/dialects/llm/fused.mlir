// RUN: %roundtrip
// RUN: %generic-roundtrip

// CHECK-LABEL: func.func @codes
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[Q:.*]]: !llm.quantized_tensor<?x8xi8, scale=f32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, %[[B:.*]]: tensor<4xf32>)
func.func @codes(%x: tensor<?x8xf32>, %q: !llm.quantized_tensor<?x8xi8, scale=f32>, %w: !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, %b: tensor<4xf32>) {
  // CHECK-NEXT: %[[R:.*]] = llm.requantize(%[[Q]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui4>} : (!llm.quantized_tensor<?x8xi8, scale=f32>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui4>} : (!llm.quantized_tensor<?x8xi8, scale=f32>) -> !llm.quantized_tensor<?x8xui4, scale=f32, zp=ui4>
  // CHECK-NEXT: %[[E:.*]] = llm.encode(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32>
  %e = llm.encode(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32>
  // CHECK-NEXT: %[[I:.*]] = llm.quantize_bias(%[[B]], %[[Q]], %[[W]]) : (tensor<4xf32>, !llm.quantized_tensor<?x8xi8, scale=f32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> tensor<4xi32>
  %i = llm.quantize_bias(%b, %q, %w) : (tensor<4xf32>, !llm.quantized_tensor<?x8xi8, scale=f32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> tensor<4xi32>
  // CHECK-NEXT: %{{.*}} = llm.quantized_matmul(%[[Q]], %[[W]]) bias(%[[I]]) {out_scale = dense<2.500000e-01> : tensor<1xf32>, out_zero_point = dense<-1> : tensor<1xi8>} : (!llm.quantized_tensor<?x8xi8, scale=f32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  %y = llm.quantized_matmul(%q, %w) bias(%i) {out_scale = dense<0.25> : tensor<1xf32>, out_zero_point = dense<-1> : tensor<1xi8>} : (!llm.quantized_tensor<?x8xi8, scale=f32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  func.return
}

// CHECK-LABEL: func.func @others
// CHECK-SAME: (%[[W:.*]]: tensor<8x4xf16>, %[[G:.*]]: !llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>, %[[A:.*]]: tensor<?x6xf32>, %[[U:.*]]: tensor<?x6xf32>)
func.func @others(%w: tensor<8x4xf16>, %g: !llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>, %a: tensor<?x6xf32>, %u: tensor<?x6xf32>) {
  // CHECK-NEXT: %{{.*}} = llm.transpose(%[[W]]) {permutation = array<i64: 1, 0>} : (tensor<8x4xf16>) -> tensor<4x8xf16>
  %t = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (tensor<8x4xf16>) -> tensor<4x8xf16>
  // CHECK-NEXT: %{{.*}} = llm.transpose(%[[G]]) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>) -> !llm.quantized_tensor<4x8xi4, scale=f16, group_size=2>
  %h = llm.transpose(%g) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>) -> !llm.quantized_tensor<4x8xi4, scale=f16, group_size=2>
  // CHECK-NEXT: %{{.*}} = llm.gated_activation(%[[A]], %[[U]]) {activation = "gelu"} : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %y = llm.gated_activation(%a, %u) {activation = "gelu"} : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  // CHECK-NEXT: %{{.*}} = llm.gated_activation(%[[A]]) {activation = "silu"} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  %z = llm.gated_activation(%a) {activation = "silu"} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  func.return
}
