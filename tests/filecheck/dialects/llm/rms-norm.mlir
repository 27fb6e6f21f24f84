// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// input / sqrt(mean(input^2) + epsilon) * weight.

func.func @forms(%x: tensor<?x6xf32>, %w: tensor<6xf16>) -> tensor<?x6xf32> {
  %y = llm.rms_norm(%x, %w) {epsilon = 0.5 : f32} : (tensor<?x6xf32>, tensor<6xf16>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>, %[[W:.*]]: tensor<6xf16>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.rms_norm(%[[X]], %[[W]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x6xf32>, tensor<6xf16>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>

// the mean square is (1 + 49) / 2 = 25: 1 / 5 * 10 and 7 / 5 * 1

func.func @folded() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1.0, 7.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[10.0, 1.0]> : tensor<2xf32>
  %y = llm.rms_norm(%x, %w) {epsilon = 0.0 : f32} : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<1x2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}2.000000e+00, 1.400000e+00]]> : tensor<1x2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<1x2xf32>
