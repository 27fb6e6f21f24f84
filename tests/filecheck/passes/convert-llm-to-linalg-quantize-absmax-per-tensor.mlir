// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// One scale: the reduction is over both dimensions.

!q = !llm.quantized_tensor<?x8xi8, scale=f16, symmetric=true>
func.func @f(%x: tensor<?x8xf32>) -> !q {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>) -> (tensor<?x8xi8>, tensor<1xf16>)
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<1xf32>) -> tensor<1xf32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0)>], iterator_types = ["parallel", "reduction", "reduction"]} ins(%[[X]] : tensor<?x8xf32>) outs(%[[FILLED]] : tensor<1xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[ABSF:.*]] = math.absf %[[E]] : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[OUT]], %[[ABSF]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[G]] : tensor<1xf32>) outs(%{{.*}} : tensor<1xf16>)
// CHECK-NEXT: ^bb{{.*}}(%[[E2:.*]]: f32, %[[OUT2:.*]]: f16):
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E2]], %[[C2]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 1.280000e+02 : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E2]], %[[C4]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C3]], %[[QUOT]] : f32
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[SEL]] : f32 to f16
// CHECK-NEXT:   linalg.yield %[[NARROW]] : f16
// CHECK:      %[[Q:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[G2]] : tensor<?x8xf32>, tensor<1xf16>) outs(%{{.*}} : tensor<?x8xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f16, %[[OUT3:.*]]: i8):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E4]] : f16 to f32
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS2:.*]] = arith.cmpf oeq, %[[WIDE]], %[[C5]] : f32
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E3]], %[[WIDE]] : f32
// CHECK-NEXT:   %[[SEL2:.*]] = arith.select %[[IS2]], %[[C5]], %[[QUOT2]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SEL2]] : f32
// CHECK-NEXT:   %[[C6:.*]] = arith.constant -1.280000e+02 : f32
// CHECK-NEXT:   %[[MAXIMUMF2:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C6]] : f32
// CHECK-NEXT:   %[[C7:.*]] = arith.constant 1.270000e+02 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF2]], %[[C7]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      func.return %[[Q]], %[[G2]] : tensor<?x8xi8>, tensor<1xf16>
