// RUN: llmir-opt %s -p 'legalize-for-target{target=nvidia-sm80}' | filecheck %s

// What nvidia-sm80 takes as it is, and what becomes another type first; operands keep their places.

!x = !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>
!u = !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>
!w8 = !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
!w4 = !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
!f8 = !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>
!xf8 = !llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>
func.func @w8a8(%x: !x, %w: !w8, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!x, !w8, tensor<64xf32>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w8a8_unsigned(%x: !u, %w: !w8) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%x, %w) : (!u, !w8) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w4a8(%x: !x, %w: !w4) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%x, %w) : (!x, !w4) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @w4a16(%x: tensor<?x128xf16>, %w: !w4) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x128xf16>, !w4) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @fp8(%x: !xf8, %w: !f8) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%x, %w) : (!xf8, !f8) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
func.func @float(%x: tensor<?x128xf32>, %w: tensor<64x128xf16>, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %y = llm.linear(%x, %w) bias(%b) : (tensor<?x128xf32>, tensor<64x128xf16>, tensor<64xf32>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @w8a8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, %[[W:.*]]: !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>, %[[B:.*]]: tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) bias(%[[B]]) : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w8a8_unsigned(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>, %[[W:.*]]: !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) : (!llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, %[[W:.*]]: !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W1:.*]] = llm.cast_codes(%[[W]]) : (!llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> !llm.quantized_tensor<64x128xi8, scale=f16, symmetric=true, group_size=32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W1]]) {llm.remark = "weight ui4 -> i8 less zero points; target 'nvidia-sm80' has no kernel for i8 inputs and ui4 weights"} : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f16, symmetric=true, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a16(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf16>, %[[W:.*]]: !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) : (tensor<?x128xf16>, !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @fp8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>, %[[W:.*]]: !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[X1:.*]] = llm.dequantize(%[[X]]) : (!llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x128xf32>
// CHECK-NEXT: %[[W1:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<64x128xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X1]], %[[W1]]) {llm.remark = "input and weight dequantized: target 'nvidia-sm80' has no kernel for f8E4M3FN inputs and f8E4M3FN weights"} : (tensor<?x128xf32>, tensor<64x128xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @float(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf32>, %[[W:.*]]: tensor<64x128xf16>, %[[B:.*]]: tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[W]]) bias(%[[B]]) : (tensor<?x128xf32>, tensor<64x128xf16>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
