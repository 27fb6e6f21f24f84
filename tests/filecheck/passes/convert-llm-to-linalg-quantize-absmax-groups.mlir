// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Groups of 4 are a dimension of their own; codes are joined again.

!q = !llm.quantized_tensor<?x8xi4, scale=f32, symmetric=true, group_size=4>
func.func @f(%x: tensor<?x8xf32>) -> !q {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>) -> (tensor<?x8xi8>, tensor<?x2xf32>)
// CHECK:      %[[SPLIT:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [%{{.*}}, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[SPLIT]] : tensor<?x2x4xf32>) outs(%[[FILLED]] : tensor<?x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[ABSF:.*]] = math.absf %[[E]] : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[OUT]], %[[ABSF]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G]] : tensor<?x2xf32>) outs(%{{.*}} : tensor<?x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E2]], %[[C2]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 8.000000e+00 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E2]], %[[C4]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C3]], %[[QUOT]] : f32
// CHECK-NEXT:   linalg.yield %[[SEL]] : f32
// CHECK:      %[[SPLIT2:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [%{{.*}}, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
// CHECK:      %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SPLIT2]], %[[G2]] : tensor<?x2x4xf32>, tensor<?x2xf32>) outs(%{{.*}} : tensor<?x2x4xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[OUT3:.*]]: i8):
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS2:.*]] = arith.cmpf oeq, %[[E4]], %[[C5]] : f32
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E3]], %[[E4]] : f32
// CHECK-NEXT:   %[[SEL2:.*]] = arith.select %[[IS2]], %[[C5]], %[[QUOT2]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SEL2]] : f32
// CHECK-NEXT:   %[[C6:.*]] = arith.constant -8.000000e+00 : f32
// CHECK-NEXT:   %[[MAXIMUMF2:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C6]] : f32
// CHECK-NEXT:   %[[C7:.*]] = arith.constant 7.000000e+00 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF2]], %[[C7]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      %[[Q:.*]] = tensor.collapse_shape %[[G3]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x4xi8> into tensor<?x8xi8>
// CHECK-NEXT: func.return %[[Q]], %[[G2]] : tensor<?x8xi8>, tensor<?x2xf32>
