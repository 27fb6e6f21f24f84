// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// (input - mean) / sqrt(variance + epsilon) * weight + bias, each of the last two or neither.

func.func @forms(%x: tensor<?x6xf32>, %w: tensor<6xf16>, %b: tensor<6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>) {
  %y = llm.layer_norm(%x, %w) bias(%b) {epsilon = 0.5 : f32} : (tensor<?x6xf32>, tensor<6xf16>, tensor<6xf32>) -> tensor<?x6xf32>
  %z = llm.layer_norm(%y, %w) {epsilon = 0.5 : f32} : (tensor<?x6xf32>, tensor<6xf16>) -> tensor<?x6xf32>
  %u = llm.layer_norm(%z) {epsilon = 0.5 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y, %z, %u : tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>, %[[W:.*]]: tensor<6xf16>, %[[B:.*]]: tensor<6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>)
// CHECK-NEXT: %[[Y:.*]] = llm.layer_norm(%[[X]], %[[W]]) bias(%[[B]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x6xf32>, tensor<6xf16>, tensor<6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.layer_norm(%[[Y]], %[[W]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x6xf32>, tensor<6xf16>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[U:.*]] = llm.layer_norm(%[[Z]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]], %[[Z]], %[[U]] : tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>

// mean 3, variance 4: -2 / 2 * 10 + 0.5 and 2 / 2 * 1 + 0.25

func.func @folded() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1.0, 5.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[10.0, 1.0]> : tensor<2xf32>
  %b = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %y = llm.layer_norm(%x, %w) bias(%b) {epsilon = 0.0 : f32} : (tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<1x2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}-9.500000e+00, 1.250000e+00]]> : tensor<1x2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<1x2xf32>
