// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// A scale in f8E8M0FNU is 2 to the power of its pattern less 127.

!q = !llm.quantized_tensor<4x64xf8E4M3FN, scale=f8E8M0FNU, group_size=32>
func.func @f(%q: !q) -> tensor<4x64xf32> {
  %x = llm.dequantize(%q) : (!q) -> tensor<4x64xf32>
  func.return %x : tensor<4x64xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<4x64xf8E4M3FN>, %[[Q1:.*]]: tensor<4x2xf8E8M0FNU>) -> tensor<4x64xf32>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[Q]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 32] : tensor<4x64xf8E4M3FN> into tensor<4x2x32xf8E4M3FN>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT]], %[[Q1]] : tensor<4x2x32xf8E4M3FN>, tensor<4x2xf8E8M0FNU>) outs(%{{.*}} : tensor<4x2x32xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f8E4M3FN, %[[E2:.*]]: f8E8M0FNU, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f8E4M3FN to f32
// CHECK-NEXT:   %[[WIDE2:.*]] = arith.extf %[[E2]] : f8E8M0FNU to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[WIDE]], %[[WIDE2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[X:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<4x2x32xf32> into tensor<4x64xf32>
// CHECK-NEXT: func.return %[[X]] : tensor<4x64xf32>
