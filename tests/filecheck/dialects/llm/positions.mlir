// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Row i stands at position + i + offset of a table of learned positions.

func.func @forms(%ids: tensor<?xi64>, %p: index) -> tensor<?xi64> {
  %y = llm.positions(%ids, %p) {count = 48 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  func.return %y : tensor<?xi64>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi64>, %[[P:.*]]: index) -> tensor<?xi64>
// CHECK-NEXT: %[[Y:.*]] = llm.positions(%[[IDS]], %[[P]]) {count = 48 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
// CHECK-NEXT: func.return %[[Y]] : tensor<?xi64>

// 5 + 2 is the first, whatever the tokens are

func.func @folded() -> tensor<3xi64> {
  %ids = arith.constant dense<[7, 7, 7]> : tensor<3xi64>
  %p = arith.constant 5 : index
  %y = llm.positions(%ids, %p) {count = 48 : i64, offset = 2 : i64} : (tensor<3xi64>, index) -> tensor<3xi64>
  func.return %y : tensor<3xi64>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<3xi64>
// FOLD-NEXT: %[[Y:.*]] = arith.constant dense<[7, 8, 9]> : tensor<3xi64>
// FOLD-NEXT: func.return %[[Y]] : tensor<3xi64>
