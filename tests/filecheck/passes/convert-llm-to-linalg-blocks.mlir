// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Rows and columns of blocks are split; a scale is read for each pair of runs.

!w = !llm.quantized_tensor<5x8xi8, scale=f32, symmetric=true, group_size=4, group_rows=2, pad_rows=1>
func.func @f(%w: !w) -> tensor<5x8xf32> {
  %y = llm.dequantize(%w) : (!w) -> tensor<5x8xf32>
  func.return %y : tensor<5x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[W:.*]]: tensor<5x8xi8>, %[[W_1:.*]]: tensor<3x2xf32>) -> tensor<5x8xf32>
// CHECK-NEXT: %[[V0:.*]] = tensor.expand_shape %[[W]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [5, 2, 4] : tensor<5x8xi8> into tensor<5x2x4xi8>
// CHECK-NEXT: %[[V1:.*]] = arith.constant 0 : i8
// CHECK-NEXT: %[[V2:.*]] = tensor.pad %[[V0]] low[0, 0, 0] high[1, 0, 0] {
// CHECK-NEXT: ^bb0(%[[V3:.*]]: index, %[[V4:.*]]: index, %[[V5:.*]]: index):
// CHECK-NEXT: tensor.yield %[[V1]] : i8
// CHECK-NEXT: } : tensor<5x2x4xi8> to tensor<6x2x4xi8>
// CHECK-NEXT: %[[V6:.*]] = tensor.expand_shape %[[V2]] {{\[\[}}0 : i64, 1 : i64], [2 : i64], [3 : i64]] output_shape [3, 2, 2, 4] : tensor<6x2x4xi8> into tensor<3x2x2x4xi8>
// CHECK-NEXT: %[[V7:.*]] = tensor.empty() : tensor<3x2x2x4xf32>
// CHECK-NEXT: %[[V8:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d2)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%[[V6]], %[[W_1]] : tensor<3x2x2x4xi8>, tensor<3x2xf32>) outs(%[[V7]] : tensor<3x2x2x4xf32>) {
// CHECK-NEXT: ^bb0(%[[V9:.*]]: i8, %[[V10:.*]]: f32, %[[V11:.*]]: f32):
// CHECK-NEXT: %[[V12:.*]] = arith.extsi %[[V9]] : i8 to i32
// CHECK-NEXT: %[[V13:.*]] = arith.sitofp %[[V12]] : i32 to f32
// CHECK-NEXT: %[[V14:.*]] = arith.mulf %[[V13]], %[[V10]] : f32
// CHECK-NEXT: linalg.yield %[[V14]] : f32
// CHECK-NEXT: } -> tensor<3x2x2x4xf32>
// CHECK-NEXT: %[[V15:.*]] = tensor.collapse_shape %[[V8]] {{\[\[}}0 : i64, 1 : i64], [2 : i64], [3 : i64]] : tensor<3x2x2x4xf32> into tensor<6x2x4xf32>
// CHECK-NEXT: %[[V16:.*]] = tensor.extract_slice %[[V15]][0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<6x2x4xf32> to tensor<5x2x4xf32>
// CHECK-NEXT: %[[Y:.*]] = tensor.collapse_shape %[[V16]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<5x2x4xf32> into tensor<5x8xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<5x8xf32>
