// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Rows of a table, which may be codes.

func.func @forms(%ids: tensor<?xi64>, %t: tensor<9x8xf16>, %q: !llm.quantized_tensor<9x8xi8, scale=f32, axis=0>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = llm.embedding(%ids, %t) : (tensor<?xi64>, tensor<9x8xf16>) -> tensor<?x8xf32>
  %z = llm.embedding(%ids, %q) {module = "model.embed_tokens"} : (tensor<?xi64>, !llm.quantized_tensor<9x8xi8, scale=f32, axis=0>) -> tensor<?x8xf32>
  func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi64>, %[[T:.*]]: tensor<9x8xf16>, %[[Q:.*]]: !llm.quantized_tensor<9x8xi8, scale=f32, axis=0>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.*]] = llm.embedding(%[[IDS]], %[[T]]) : (tensor<?xi64>, tensor<9x8xf16>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[Z:.*]] = llm.embedding(%[[IDS]], %[[Q]]) {module = "model.embed_tokens"} : (tensor<?xi64>, !llm.quantized_tensor<9x8xi8, scale=f32, axis=0>) -> tensor<?x8xf32>
// CHECK-NEXT: func.return %[[Y]], %[[Z]] : tensor<?x8xf32>, tensor<?x8xf32>

// the last row, the first, the last

func.func @folded() -> tensor<3x2xf32> {
  %ids = arith.constant dense<[2, 0, 2]> : tensor<3xi64>
  %t = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %y = llm.embedding(%ids, %t) : (tensor<3xi64>, tensor<3x2xf32>) -> tensor<3x2xf32>
  func.return %y : tensor<3x2xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3x2xf32>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<{{\[\[}}5.000000e+00, 6.000000e+00], [1.000000e+00, 2.000000e+00], [5.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<3x2xf32>
