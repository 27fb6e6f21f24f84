// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Rows are written from `position` on, in the element type of the cache.

func.func @f(%cache: tensor<9x2x4xf16>, %update: tensor<?x2x4xf32>, %p: index) -> tensor<9x2x4xf16> {
  %y = llm.update_cache(%cache, %update, %p) : (tensor<9x2x4xf16>, tensor<?x2x4xf32>, index) -> tensor<9x2x4xf16>
  func.return %y : tensor<9x2x4xf16>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[CACHE:.*]]: tensor<9x2x4xf16>, %[[UPDATE:.*]]: tensor<?x2x4xf32>, %[[P:.*]]: index) -> tensor<9x2x4xf16>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[UPDATE]] : tensor<?x2x4xf32>) outs(%{{.*}} : tensor<?x2x4xf16>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f16):
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[E]] : f32 to f16
// CHECK-NEXT:   linalg.yield %[[NARROW]] : f16
// CHECK:      %[[Y:.*]] = tensor.insert_slice %[[G]] into %[[CACHE]][%[[P]], 0, 0] [%{{.*}}, 2, 4] [1, 1, 1] : tensor<?x2x4xf16> into tensor<9x2x4xf16>
// CHECK-NEXT: func.return %[[Y]] : tensor<9x2x4xf16>
