// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// 131072 products of 128 * 128 sum to 2^31, one more than int32 holds; one product less fits.

!x = !llm.quantized_tensor<?x131072xi8, scale=f32, symmetric=true>
!w = !llm.quantized_tensor<1x131072xi8, scale=f32, symmetric=true>
!u = !llm.quantized_tensor<?x131071xi8, scale=f32, symmetric=true>
!v = !llm.quantized_tensor<1x131071xi8, scale=f32, symmetric=true>
!y = !llm.quantized_tensor<?x1xi8, scale=f32>
func.func @too_many(%x: tensor<?x131072xf32>, %w: !w) -> !y {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<?x131072xf32>) -> !x
  %p = llm.quantized_matmul(%q, %w) : (!x, !w) -> tensor<?x1xf32>
  %y = llm.quantize(%p) {scale = dense<0.25> : tensor<1xf32>} : (tensor<?x1xf32>) -> !y
  func.return %y : !y
}
func.func @fits(%x: tensor<?x131071xf32>, %w: !v) -> !y {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<?x131071xf32>) -> !u
  %p = llm.quantized_matmul(%q, %w) : (!u, !v) -> tensor<?x1xf32>
  %y = llm.quantize(%p) {scale = dense<0.25> : tensor<1xf32>} : (tensor<?x1xf32>) -> !y
  func.return %y : !y
}

// CHECK-LABEL: func.func @too_many(
// CHECK-SAME: %[[X:.*]]: tensor<?x131072xf32>, %[[W:.*]]: !llm.quantized_tensor<1x131072xi8, scale=f32, symmetric=true>) -> !llm.quantized_tensor<?x1xi8, scale=f32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>} : (tensor<?x131072xf32>) -> !llm.quantized_tensor<?x131072xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[P:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) : (!llm.quantized_tensor<?x131072xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<1x131072xi8, scale=f32, symmetric=true>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantize(%[[P]]) {scale = dense<2.500000e-01> : tensor<1xf32>, llm.remark = "not folded into the matmul before it: 131072 products of up to 16384 may not fit int32"} : (tensor<?x1xf32>) -> !llm.quantized_tensor<?x1xi8, scale=f32>
// CHECK-NEXT: func.return %[[Y]] : !llm.quantized_tensor<?x1xi8, scale=f32>
// CHECK-LABEL: func.func @fits(
// CHECK-SAME: %[[X:.*]]: tensor<?x131071xf32>, %[[W:.*]]: !llm.quantized_tensor<1x131071xi8, scale=f32, symmetric=true>) -> !llm.quantized_tensor<?x1xi8, scale=f32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>} : (tensor<?x131071xf32>) -> !llm.quantized_tensor<?x131071xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) {out_scale = dense<2.500000e-01> : tensor<1xf32>} : (!llm.quantized_tensor<?x131071xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<1x131071xi8, scale=f32, symmetric=true>) -> !llm.quantized_tensor<?x1xi8, scale=f32>
// CHECK-NEXT: func.return %[[Y]] : !llm.quantized_tensor<?x1xi8, scale=f32>
