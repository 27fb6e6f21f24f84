// RUN: llmir-opt %s -p absorb-transposes | filecheck %s

// Blocks of 4 rows by 2 columns become blocks of 2 rows by 4 columns.

!w = !llm.quantized_tensor<8x5xi8, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=4>
func.func @blocks(%x: tensor<?x8xf32>, %w: !w) -> tensor<?x5xf32> {
  %rw = llm.dequantize(%w) : (!w) -> tensor<8x5xf32>
  %t = llm.transpose(%rw) {permutation = array<i64: 1, 0>} : (tensor<8x5xf32>) -> tensor<5x8xf32>
  %y = llm.linear(%x, %t) : (tensor<?x8xf32>, tensor<5x8xf32>) -> tensor<?x5xf32>
  func.return %y : tensor<?x5xf32>
}

// Where no type says what the codes would be, the transpose stays.

!e = !llm.quantized_tensor<2x4x4xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>
func.func @stays(%w: !e) -> tensor<4x2x4xf32> {
  %rw = llm.dequantize(%w) : (!e) -> tensor<2x4x4xf32>
  %t = llm.transpose(%rw) {permutation = array<i64: 1, 0, 2>} : (tensor<2x4x4xf32>) -> tensor<4x2x4xf32>
  func.return %t : tensor<4x2x4xf32>
}

// CHECK-LABEL: func.func @blocks(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: !llm.quantized_tensor<8x5xi8, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=4>) -> tensor<?x5xf32>
// CHECK-NEXT: %[[V0:.*]] = llm.transpose(%[[W]]) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x5xi8, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=4>) -> !llm.quantized_tensor<5x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2, pad_rows=1>
// CHECK-NEXT: %[[T:.*]] = llm.dequantize(%[[V0]]) : (!llm.quantized_tensor<5x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2, pad_rows=1>) -> tensor<5x8xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[T]]) : (tensor<?x8xf32>, tensor<5x8xf32>) -> tensor<?x5xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x5xf32>
// CHECK-LABEL: func.func @stays(
// CHECK-SAME: %[[W:.*]]: !llm.quantized_tensor<2x4x4xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>) -> tensor<4x2x4xf32>
// CHECK-NEXT: %[[RW:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<2x4x4xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>) -> tensor<2x4x4xf32>
// CHECK-NEXT: %[[T:.*]] = llm.transpose(%[[RW]]) {permutation = array<i64: 1, 0, 2>, llm.remark = "not moved over the dequantize: its blocks would not lie in the last two dimensions"} : (tensor<2x4x4xf32>) -> tensor<4x2x4xf32>
// CHECK-NEXT: func.return %[[T]] : tensor<4x2x4xf32>
