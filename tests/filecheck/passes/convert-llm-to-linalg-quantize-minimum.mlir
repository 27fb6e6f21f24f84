// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Minima are subtracted before the division; reductions begin at infinity, so that 0 need not be in the range.

!q = !llm.quantized_tensor<?x8xui4, scale=f32, min=f32, axis=0>
func.func @f(%x: tensor<?x8xf32>) -> !q {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>) -> (tensor<?x8xi8>, tensor<?xf32>, tensor<?xf32>)
// CHECK:      %[[C:.*]] = arith.constant 0x7f800000 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?xf32>) -> tensor<?xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<?x8xf32>) outs(%[[FILLED]] : tensor<?xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[OUT]], %[[E]] : f32
// CHECK-NEXT:   linalg.yield %[[MINIMUMF]] : f32
// CHECK:      %[[C2:.*]] = arith.constant 0xff800000 : f32
// CHECK:      %[[FILLED2:.*]] = linalg.fill ins(%[[C2]] : f32) outs(%{{.*}} : tensor<?xf32>) -> tensor<?xf32>
// CHECK-NEXT: %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<?x8xf32>) outs(%[[FILLED2]] : tensor<?xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[OUT2]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]], %[[G2]] : tensor<?xf32>, tensor<?xf32>) outs(%{{.*}} : tensor<?xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[E4]], %[[E3]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[DIFF]], %[[C3]] : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 1.500000e+01 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[DIFF]], %[[C5]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C4]], %[[QUOT]] : f32
// CHECK-NEXT:   linalg.yield %[[SEL]] : f32
// CHECK:      %[[G4:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]], %[[G3]] : tensor<?xf32>, tensor<?xf32>) outs(%{{.*}} : tensor<?xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[C6:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[C7:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[IS2:.*]] = arith.cmpf oeq, %[[E6]], %[[C6]] : f32
// CHECK-NEXT:   %[[SEL2:.*]] = arith.select %[[IS2]], %[[C7]], %[[E6]] : f32
// CHECK-NEXT:   %[[C8:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[C8]], %[[SEL2]] : f32
// CHECK-NEXT:   %[[DIFF2:.*]] = arith.subf %[[E5]], %[[MUL]] : f32
// CHECK-NEXT:   linalg.yield %[[DIFF2]] : f32
// CHECK:      %[[Q:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[G3]], %[[G4]] : tensor<?x8xf32>, tensor<?xf32>, tensor<?xf32>) outs(%{{.*}} : tensor<?x8xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E7:.*]]: f32, %[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[OUT5:.*]]: i8):
// CHECK-NEXT:   %[[DIFF3:.*]] = arith.subf %[[E7]], %[[E9]] : f32
// CHECK-NEXT:   %[[C9:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS3:.*]] = arith.cmpf oeq, %[[E8]], %[[C9]] : f32
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[DIFF3]], %[[E8]] : f32
// CHECK-NEXT:   %[[SEL3:.*]] = arith.select %[[IS3]], %[[C9]], %[[QUOT2]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SEL3]] : f32
// CHECK-NEXT:   %[[C10:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[MAXIMUMF2:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C10]] : f32
// CHECK-NEXT:   %[[C11:.*]] = arith.constant 1.500000e+01 : f32
// CHECK-NEXT:   %[[MINIMUMF2:.*]] = arith.minimumf %[[MAXIMUMF2]], %[[C11]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF2]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      func.return %[[Q]], %[[G3]], %[[G4]] : tensor<?x8xi8>, tensor<?xf32>, tensor<?xf32>
