// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

// A weight with a scale for each block is multiplied as it is, next to an input in groups.

!x = !llm.quantized_tensor<?x8xf8E4M3FN, scale=f32, group_size=4>
!w = !llm.quantized_tensor<6x8xf8E4M3FN, scale=f32, group_size=4, group_rows=4, pad_rows=2>
func.func @product(%x: tensor<?x8xf32>, %w: !w) -> tensor<?x6xf32> {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !x
  %rx = llm.dequantize(%q) : (!x) -> tensor<?x8xf32>
  %rw = llm.dequantize(%w) : (!w) -> tensor<6x8xf32>
  %y = llm.linear(%rx, %rw) : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// Sums of integers need scales that do not change along K.

!i = !llm.quantized_tensor<2x8xi8, scale=f32, symmetric=true>
!b = !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2>
!y = !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
func.func @requantize(%x: tensor<2x8xf32>, %w: !b) -> !y {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i
  %p = llm.quantized_matmul(%q, %w) : (!i, !b) -> tensor<2x4xf32>
  %y = llm.quantize(%p) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !y
  func.return %y : !y
}

// CHECK-LABEL: func.func @product(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<6x8xf8E4M3FN, scale=f32, group_size=4, group_rows=4, pad_rows=2>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xf8E4M3FN, scale=f32, group_size=4>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) : (!llm.quantized_tensor<?x8xf8E4M3FN, scale=f32, group_size=4>, !llm.quantized_tensor<6x8xf8E4M3FN, scale=f32, group_size=4, group_rows=4, pad_rows=2>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>
// CHECK-LABEL: func.func @requantize(
// CHECK-SAME: %[[X:.*]]: tensor<2x8xf32>, %[[W:.*]]: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2>) -> !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[P:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) : (!llm.quantized_tensor<2x8xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2>) -> tensor<2x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantize(%[[P]]) {scale = dense<2.500000e-01> : tensor<1xf32>, llm.remark = "not folded into the matmul before it: the weight has a scale for each block of 2x4"} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
// CHECK-NEXT: func.return %[[Y]] : !llm.quantized_tensor<2x4xi8, scale=f32, symmetric=true>
