// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// cap * tanh(x / cap).

func.func @forms(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = llm.softcap(%x) {cap = 30.0 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.softcap(%[[X]]) {cap = 3.000000e+01 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x6xf32>

// far from 0 it is the cap

func.func @folded() -> tensor<3xf32> {
  %x = arith.constant dense<[0.0, 1000.0, -1000.0]> : tensor<3xf32>
  %y = llm.softcap(%x) {cap = 2.0 : f32} : (tensor<3xf32>) -> tensor<3xf32>
  func.return %y : tensor<3xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[0.000000e+00, 2.000000e+00, -2.000000e+00]> : tensor<3xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<3xf32>
