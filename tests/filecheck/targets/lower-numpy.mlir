// RUN: llmir-opt %s -p 'lower-to-target{target=numpy}' | filecheck %s

// Kernels of numpy, the layouts their weights are loaded in, and which operand is which.

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
// CHECK-NEXT: %[[Y:.*]] = kernel.call @integer_matmul(%[[X]], %[[W]], %[[B]]) {exact_run = 1024 : i64} : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w8a8_unsigned(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w8_weight {layout = "codes"} : !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0> -> !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @integer_matmul(%[[X]], %[[W]]) {exact_run = 514 : i64} : (!llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @w4_weight {layout = "codes"} : !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32> -> !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @integer_matmul(%[[X]], %[[W]]) {exact_run = 8738 : i64} : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @w4a16(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf16>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W4WEIGHT:.*]] = kernel.load @w4_weight {layout = "dense"} : !llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32> -> tensor<64x128xf32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @linear(%[[X]], %[[W4WEIGHT]]) : (tensor<?x128xf16>, tensor<64x128xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @fp8(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @f8_weight {layout = "codes"} : !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0> -> !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @dequantized_matmul(%[[X]], %[[W]]) : (!llm.quantized_tensor<?x128xf8E4M3FN, scale=f32, axis=0>, !llm.quantized_tensor<64x128xf8E4M3FN, scale=f32, axis=0>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
// CHECK-LABEL: func.func @float(
// CHECK-SAME: %[[X:.*]]: tensor<?x128xf32>, %[[B:.*]]: tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[W:.*]] = kernel.load @float_weight {layout = "dense"} : tensor<64x128xf16> -> tensor<64x128xf32>
// CHECK-NEXT: %[[Y:.*]] = kernel.call @linear(%[[X]], %[[W]], %[[B]]) : (tensor<?x128xf32>, tensor<64x128xf32>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x64xf32>
