// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// activation(gate) * up, of two operands or of the halves of one.

func.func @forms(%gate: tensor<?x6xf32>, %up: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x3xf32>) {
  %y = llm.gated_activation(%gate, %up) {activation = "gelu_tanh"} : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %z = llm.gated_activation(%up) {activation = "gelu"} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  func.return %y, %z : tensor<?x6xf32>, tensor<?x3xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[GATE:.*]]: tensor<?x6xf32>, %[[UP:.*]]: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x3xf32>)
// CHECK-NEXT: %[[Y:.*]] = llm.gated_activation(%[[GATE]], %[[UP]]) {activation = "gelu_tanh"} : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.gated_activation(%[[UP]]) {activation = "gelu"} : (tensor<?x6xf32>) -> tensor<?x3xf32>
// CHECK-NEXT: func.return %[[Y]], %[[Z]] : tensor<?x6xf32>, tensor<?x3xf32>

// silu(50) = 50 and silu(0) = 0 multiply 3 and 7; silu(3) * 7 would be another number. Of [50, 0]: silu(50) * 0

func.func @folded() -> (tensor<2xf32>, tensor<1xf32>) {
  %gate = arith.constant dense<[50.0, 0.0]> : tensor<2xf32>
  %up = arith.constant dense<[3.0, 7.0]> : tensor<2xf32>
  %y = llm.gated_activation(%gate, %up) {activation = "silu"} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %z = llm.gated_activation(%gate) {activation = "silu"} : (tensor<2xf32>) -> tensor<1xf32>
  func.return %y, %z : tensor<2xf32>, tensor<1xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> (tensor<2xf32>, tensor<1xf32>)
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[1.500000e+02, 0.000000e+00]> : tensor<2xf32>
// FOLD-NEXT: %[[Z:.*]] = arith.constant dense<0.000000e+00> : tensor<1xf32>
// FOLD-NEXT: func.return %[[Y]], %[[Z]] : tensor<2xf32>, tensor<1xf32>
