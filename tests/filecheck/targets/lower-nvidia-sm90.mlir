// RUN: llmir-opt %s -p 'lower-to-target{target=nvidia-sm90}' | filecheck %s

// Kernels of nvidia-sm90, the layouts their weights are loaded in, and which operand is which.

!x = !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>
!u = !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>
!w8 = !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
!w4 = !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
!f8 = !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>
!xf8 = !llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>
llm.weight @w8_weight : !w8
llm.weight @w4_weight : !w4
llm.weight @f8_weight : !f8
llm.weight @float_weight : tensor<64x128xf16>
func.func @w8a8(%x: !x, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %w = llm.load_weight @w8_weight : !w8
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!x, !w8, tensor<64xf32>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w8a8_unsigned(%x: !u) -> tensor<?x64xf32> {
  %w = llm.load_weight @w8_weight : !w8
  %y = llm.quantized_matmul(%x, %w) : (!u, !w8) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w4a8(%x: !x) -> tensor<?x64xf32> {
  %w = llm.load_weight @w4_weight : !w4
  %y = llm.quantized_matmul(%x, %w) : (!x, !w4) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w4a16(%x: tensor<?x128xf16>) -> tensor<?x64xf32> {
  %w = llm.load_weight @w4_weight : !w4
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x128xf16>, !w4) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @fp8(%x: !xf8) -> tensor<?x64xf32> {
  %w = llm.load_weight @f8_weight : !f8
  %y = llm.quantized_matmul(%x, %w) : (!xf8, !f8) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @float(%x: tensor<?x128xf32>, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %w = llm.load_weight @float_weight : tensor<64x128xf16>
  %y = llm.linear(%x, %w) bias(%b) : (tensor<?x128xf32>, tensor<64x128xf16>, tensor<64xf32>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// CHECK:      llm.weight @w8_weight : !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: llm.weight @w4_weight : !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
// CHECK-NEXT: llm.weight @f8_weight : !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: llm.weight @float_weight : tensor<64x128xf16>
// CHECK-LABEL: func.func @w8a8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, %[[B:.*]]: tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w8_weight {layout = "codes"} : !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0> -> !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_s8s8s32_wgmma(%[[X]], %[[W]], %[[B]]) {tile = array<i64: 64, 128, 32>} : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w8a8_unsigned(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w8_weight {layout = "codes"} : !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0> -> !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_u8s8s32_wgmma(%[[X]], %[[W]]) {tile = array<i64: 64, 128, 32>} : (!llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w4_weight {layout = "codes"} : !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32> -> !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
// CHECK-NEXT: %[[W1:.*]] = kernel.call @cast_codes(%[[W]]) {format = !llm.quantized_tensor<64x128xi8, scale=f16, symmetric=true, group_size=32>} : (!llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> !llm.quantized_tensor<64x128xi8, scale=f16, symmetric=true, group_size=32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_s8s8s32_wgmma(%[[X]], %[[W1]]) {tile = array<i64: 64, 128, 32>, llm.remark = "weight ui4 -> i8 less zero points; target 'nvidia-sm90' has no kernel for i8 inputs and ui4 weights"} : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a16(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf16>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w4_weight {layout = "codes"} : !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32> -> !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_dequantizing(%[[X]], %[[W]]) {tile = array<i64: 1, 128, 32>} : (tensor<?x128xf16>, !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @fp8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @f8_weight {layout = "codes"} : !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0> -> !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_f8f8f32_wgmma(%[[X]], %[[W]]) {tile = array<i64: 64, 128, 32>} : (!llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>, !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @float(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf32>, %[[B:.*]]: tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @float_weight {layout = "dense"} : tensor<64x128xf16> -> tensor<64x128xf16>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @gemm_f32(%[[X]], %[[W]], %[[B]]) {tile = array<i64: 128, 128, 8>} : (tensor<?x128xf32>, tensor<64x128xf16>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
