// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Scores are capped before the mask; masked scores are -inf, their shares 0.

func.func @f(%q: tensor<2x2x4xf32>, %k: tensor<5x1x4xf32>, %v: tensor<5x1x4xf32>) -> tensor<2x2x4xf32> {
  %a = llm.attention(%q, %k, %v) {scale = 0.5 : f32, softcap = 30.0 : f32} : (tensor<2x2x4xf32>, tensor<5x1x4xf32>, tensor<5x1x4xf32>) -> tensor<2x2x4xf32>
  func.return %a : tensor<2x2x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<2x2x4xf32>, %[[K:.*]]: tensor<5x1x4xf32>, %[[V:.*]]: tensor<5x1x4xf32>) -> tensor<2x2x4xf32>
// CHECK-NEXT: %[[SPLIT:.*]] = tensor.expand_shape %[[Q]] {{\[\[}}0 : i64], [1 : i64, 2 : i64], [3 : i64]] output_shape [2, 1, 2, 4] : tensor<2x2x4xf32> into tensor<2x1x2x4xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<2x1x2x5xf32>) -> tensor<2x1x2x5xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d3, d1, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%[[SPLIT]], %[[K]] : tensor<2x1x2x4xf32>, tensor<5x1x4xf32>) outs(%[[FILLED]] : tensor<2x1x2x5xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E]], %[[C2]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[MUL]], %[[E2]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT]], %[[MUL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%[[G]] : tensor<2x1x2x5xf32>) outs(%{{.*}} : tensor<2x1x2x5xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 3.000000e+01 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E3]], %[[C3]] : f32
// CHECK-NEXT:   %[[TANH:.*]] = math.tanh %[[QUOT]] : f32
// CHECK-NEXT:   %[[MUL3:.*]] = arith.mulf %[[TANH]], %[[C3]] : f32
// CHECK-NEXT:   %[[I:.*]] = linalg.index 0 : index
// CHECK-NEXT:   %[[I2:.*]] = linalg.index 3 : index
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpi sle, %[[I2]], %[[I]] : index
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 0xff800000 : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[MUL3]], %[[C4]] : f32
// CHECK-NEXT:   linalg.yield %[[SEL]] : f32
// CHECK:      %[[C5:.*]] = arith.constant 0xff800000 : f32
// CHECK:      %[[FILLED2:.*]] = linalg.fill ins(%[[C5]] : f32) outs(%{{.*}} : tensor<2x1x2xf32>) -> tensor<2x1x2xf32>
// CHECK-NEXT: %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%[[G2]] : tensor<2x1x2x5xf32>) outs(%[[FILLED2]] : tensor<2x1x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[OUT3]], %[[E4]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[G4:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%[[G2]], %[[G3]] : tensor<2x1x2x5xf32>, tensor<2x1x2xf32>) outs(%{{.*}} : tensor<2x1x2x5xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[E5]], %[[E6]] : f32
// CHECK-NEXT:   %[[EXP:.*]] = math.exp %[[DIFF]] : f32
// CHECK-NEXT:   linalg.yield %[[EXP]] : f32
// CHECK:      %[[C6:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED3:.*]] = linalg.fill ins(%[[C6]] : f32) outs(%{{.*}} : tensor<2x1x2xf32>) -> tensor<2x1x2xf32>
// CHECK-NEXT: %[[G5:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%[[G4]] : tensor<2x1x2x5xf32>) outs(%[[FILLED3]] : tensor<2x1x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E7:.*]]: f32, %[[OUT5:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[OUT5]], %[[E7]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      %[[C7:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED4:.*]] = linalg.fill ins(%[[C7]] : f32) outs(%{{.*}} : tensor<2x1x2x4xf32>) -> tensor<2x1x2x4xf32>
// CHECK-NEXT: %[[G6:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2)>, affine_map<(d0, d1, d2, d3, d4) -> (d4, d1, d3)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%[[G4]], %[[G5]], %[[V]] : tensor<2x1x2x5xf32>, tensor<2x1x2xf32>, tensor<5x1x4xf32>) outs(%[[FILLED4]] : tensor<2x1x2x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[E10:.*]]: f32, %[[OUT6:.*]]: f32):
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E8]], %[[E9]] : f32
// CHECK-NEXT:   %[[MUL4:.*]] = arith.mulf %[[QUOT2]], %[[E10]] : f32
// CHECK-NEXT:   %[[I3:.*]] = linalg.index 0 : index
// CHECK-NEXT:   %[[I4:.*]] = linalg.index 4 : index
// CHECK-NEXT:   %[[IS2:.*]] = arith.cmpi sle, %[[I4]], %[[I3]] : index
// CHECK-NEXT:   %[[C8:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[SEL2:.*]] = arith.select %[[IS2]], %[[MUL4]], %[[C8]] : f32
// CHECK-NEXT:   %[[SUM3:.*]] = arith.addf %[[OUT6]], %[[SEL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM3]] : f32
// CHECK:      %[[A:.*]] = tensor.collapse_shape %[[G6]] {{\[\[}}0 : i64], [1 : i64, 2 : i64], [3 : i64]] : tensor<2x1x2x4xf32> into tensor<2x2x4xf32>
// CHECK-NEXT: func.return %[[A]] : tensor<2x2x4xf32>
