// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Values over the scale are clamped to the largest of the format and converted.

!q = !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>
func.func @f(%x: tensor<4x8xf32>) -> !q {
  %q = llm.quantize(%x) : (tensor<4x8xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>) -> (tensor<4x8xf8E4M3FN>, tensor<4xf32>)
// CHECK-NEXT: %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<4x8xf32>) outs(%[[FILLED]] : tensor<4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[ABSF:.*]] = math.absf %[[E]] : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[OUT]], %[[ABSF]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]] : tensor<4xf32>) outs(%{{.*}} : tensor<4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E2]], %[[C2]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 4.480000e+02 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E2]], %[[C4]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C3]], %[[QUOT]] : f32
// CHECK-NEXT:   linalg.yield %[[SEL]] : f32
// CHECK:      %[[Q:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[G2]] : tensor<4x8xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<4x8xf8E4M3FN>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[OUT3:.*]]: f8E4M3FN):
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS2:.*]] = arith.cmpf oeq, %[[E4]], %[[C5]] : f32
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E3]], %[[E4]] : f32
// CHECK-NEXT:   %[[SEL2:.*]] = arith.select %[[IS2]], %[[C5]], %[[QUOT2]] : f32
// CHECK-NEXT:   %[[C6:.*]] = arith.constant -4.480000e+02 : f32
// CHECK-NEXT:   %[[MAXIMUMF2:.*]] = arith.maximumf %[[SEL2]], %[[C6]] : f32
// CHECK-NEXT:   %[[C7:.*]] = arith.constant 4.480000e+02 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF2]], %[[C7]] : f32
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[MINIMUMF]] : f32 to f8E4M3FN
// CHECK-NEXT:   linalg.yield %[[NARROW]] : f8E4M3FN
// CHECK:      func.return %[[Q]], %[[G2]] : tensor<4x8xf8E4M3FN>, tensor<4xf32>
