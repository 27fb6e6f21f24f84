// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// input [M, K] times weight [N, K] transposed, with a bias [N] and the name of the layer.

func.func @forms(%x: tensor<?x8xf32>, %w: tensor<4x8xf16>, %b: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf16>) {
  %y = llm.linear(%x, %w) bias(%b) {module = "lm_head"} : (tensor<?x8xf32>, tensor<4x8xf16>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf16>) -> tensor<?x4xf16>
  func.return %y, %z : tensor<?x4xf32>, tensor<?x4xf16>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<4x8xf16>, %[[B:.*]]: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf16>)
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[W]]) bias(%[[B]]) {module = "lm_head"} : (tensor<?x8xf32>, tensor<4x8xf16>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.linear(%[[X]], %[[W]]) : (tensor<?x8xf32>, tensor<4x8xf16>) -> tensor<?x4xf16>
// CHECK-NEXT: func.return %[[Y]], %[[Z]] : tensor<?x4xf32>, tensor<?x4xf16>

// 1 + 10, 2 + 20, 3 - 2 + 30

func.func @folded() -> tensor<1x3xf32> {
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[1.0, 0.0], [0.0, 1.0], [3.0, -1.0]]> : tensor<3x2xf32>
  %b = arith.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
  %y = llm.linear(%x, %w) bias(%b) : (tensor<1x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<1x3xf32>
  func.return %y : tensor<1x3xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<1x3xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}1.100000e+01, 2.200000e+01, 3.100000e+01]]> : tensor<1x3xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<1x3xf32>
