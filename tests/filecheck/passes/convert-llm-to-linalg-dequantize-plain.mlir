// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes in a plain tensor: the zero point is subtracted, then the scale of the column multiplies.

func.func @f(%q: tensor<?x2xi8>) -> tensor<?x2xf16> {
  %x = llm.dequantize(%q) {scale = dense<[0.5, 0.25]> : tensor<2xf32>, zero_point = dense<[-2, 3]> : tensor<2xi8>} : (tensor<?x2xi8>) -> tensor<?x2xf16>
  func.return %x : tensor<?x2xf16>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<?x2xi8>) -> tensor<?x2xf16>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
// CHECK-NEXT: %[[C2:.*]] = arith.constant dense<[-2.000000e+00, 3.000000e+00]> : tensor<2xf32>
// CHECK:      %[[X:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[Q]], %[[C]], %[[C2]] : tensor<?x2xi8>, tensor<2xf32>, tensor<2xf32>) outs(%{{.*}} : tensor<?x2xf16>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[E3:.*]]: f32, %[[OUT:.*]]: f16):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[E3]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[E2]] : f32
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[MUL]] : f32 to f16
// CHECK-NEXT:   linalg.yield %[[NARROW]] : f16
// CHECK:      func.return %[[X]] : tensor<?x2xf16>
