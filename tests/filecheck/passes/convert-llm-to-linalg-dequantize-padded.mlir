// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// The last group is shorter: codes are padded to whole groups, and the padding is left out of the result.

!q = !llm.quantized_tensor<4x6xi4, scale=f32, symmetric=true, group_size=4, pad=2>
func.func @f(%q: !q) -> tensor<4x6xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x6xf32>
  func.return %x : tensor<4x6xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x6xi8>, %[[Q1:.*]]: tensor<4x2xf32>) -> tensor<4x6xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant 0 : i8
// CHECK-NEXT: %[[PAD:.*]] = tensor.pad %[[Q]] low[0, 0] high[0, 2]
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: index, %[[OUT:.*]]: index):
// CHECK-NEXT:   tensor.yield %[[C]] : i8
// CHECK-NEXT: } : tensor<4x6xi8> to tensor<4x8xi8>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[PAD]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 4] : tensor<4x8xi8> into tensor<4x2x4xi8>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT]], %[[Q1]] : tensor<4x2x4xi8>, tensor<4x2xf32>) outs(%{{.*}} : tensor<4x2x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: i8, %[[E3:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E2]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[FLOAT]], %[[E3]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[JOINED:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x2x4xf32> into tensor<4x8xf32>
// CHECK-NEXT: %[[X:.*]] = tensor.extract_slice %[[JOINED]][0, 0] [4, 6] [1, 1] : tensor<4x8xf32> to tensor<4x6xf32>
// CHECK-NEXT: func.return %[[X]] : tensor<4x6xf32>
