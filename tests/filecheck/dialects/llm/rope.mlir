// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Turning by angles of the position; without one, row i stands at i. Factors divide the frequencies.

func.func @forms(%x: tensor<?x2x8xf32>, %p: index, %short: tensor<2xf32>, %long: tensor<2xf32>) -> (tensor<?x2x8xf32>, tensor<?x2x8xf32>) {
  %y = llm.rope(%x, %p) factors(%short) long_factors(%long) {theta = 1.0e+04 : f64, dimensions = 4 : i64, original_context = 4096 : i64, magnitude = 1.25 : f64} : (tensor<?x2x8xf32>, index, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x8xf32>
  %z = llm.rope(%y) {theta = 1.0e+04 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>} : (tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
  func.return %y, %z : tensor<?x2x8xf32>, tensor<?x2x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x2x8xf32>, %[[P:.*]]: index, %[[SHORT:.*]]: tensor<2xf32>, %[[LONG:.*]]: tensor<2xf32>) -> (tensor<?x2x8xf32>, tensor<?x2x8xf32>)
// CHECK-NEXT: %[[Y:.*]] = llm.rope(%[[X]], %[[P]]) factors(%[[SHORT]]) long_factors(%[[LONG]]) {theta = 1.000000e+04 : f64, dimensions = 4 : i64, original_context = 4096 : i64, magnitude = 1.250000e+00 : f64} : (tensor<?x2x8xf32>, index, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x8xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.rope(%[[Y]]) {theta = 1.000000e+04 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>} : (tensor<?x2x8xf32>) -> tensor<?x2x8xf32>
// CHECK-NEXT: func.return %[[Y]], %[[Z]] : tensor<?x2x8xf32>, tensor<?x2x8xf32>

// the first row is turned by 0

func.func @folded() -> tensor<1x1x2xf32> {
  %x = arith.constant dense<[[[3.0, 4.0]]]> : tensor<1x1x2xf32>
  %y = llm.rope(%x) {theta = 1.0e+04 : f64} : (tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  func.return %y : tensor<1x1x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<1x1x2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}[3.000000e+00, 4.000000e+00]]]> : tensor<1x1x2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<1x1x2xf32>
