// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes in a plain tensor: rounded before the zero point is added, one scale for each column.

func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xi8> {
  %q = llm.quantize(%x) {scale = dense<[0.5, 0.25]> : tensor<2xf32>, zero_point = dense<[-2, 3]> : tensor<2xi8>, bits = 4 : i32} : (tensor<?x2xf32>) -> tensor<?x2xi8>
  func.return %q : tensor<?x2xi8>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> tensor<?x2xi8>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
// CHECK-NEXT: %[[C2:.*]] = arith.constant dense<[-2.000000e+00, 3.000000e+00]> : tensor<2xf32>
// CHECK:      %[[Q:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[C]], %[[C2]] : tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>) outs(%{{.*}} : tensor<?x2xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[E3:.*]]: f32, %[[OUT:.*]]: i8):
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E]], %[[E2]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[QUOT]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[ROUNDEVEN]], %[[E3]] : f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant -8.000000e+00 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[SUM]], %[[C3]] : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 7.000000e+00 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF]], %[[C4]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      func.return %[[Q]] : tensor<?x2xi8>
