// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Rows of a cache are overwritten from the position on. The result takes over the storage, so that it is no constant.

func.func @forms(%cache: tensor<9x2x4xf16>, %update: tensor<?x2x4xf32>, %p: index) -> tensor<9x2x4xf16> {
  %y = llm.update_cache(%cache, %update, %p) : (tensor<9x2x4xf16>, tensor<?x2x4xf32>, index) -> tensor<9x2x4xf16>
  func.return %y : tensor<9x2x4xf16>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[CACHE:.*]]: tensor<9x2x4xf16>, %[[UPDATE:.*]]: tensor<?x2x4xf32>, %[[P:.*]]: index) -> tensor<9x2x4xf16>
// CHECK-NEXT: %[[Y:.*]] = llm.update_cache(%[[CACHE]], %[[UPDATE]], %[[P]]) : (tensor<9x2x4xf16>, tensor<?x2x4xf32>, index) -> tensor<9x2x4xf16>
// CHECK-NEXT: func.return %[[Y]] : tensor<9x2x4xf16>

// constants stay operands

func.func @folded() -> tensor<2x1x1xf32> {
  %cache = arith.constant dense<0.0> : tensor<2x1x1xf32>
  %update = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %p1 = arith.constant 1 : index
  %y = llm.update_cache(%cache, %update, %p1) : (tensor<2x1x1xf32>, tensor<1x1x1xf32>, index) -> tensor<2x1x1xf32>
  func.return %y : tensor<2x1x1xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<2x1x1xf32>
// FOLD-NEXT: %[[CACHE:.*]] = arith.constant dense<0.000000e+00> : tensor<2x1x1xf32>
// FOLD-NEXT: %[[UPDATE:.*]] = arith.constant dense<1.000000e+00> : tensor<1x1x1xf32>
// FOLD-NEXT: %[[P1:.*]] = arith.constant 1 : index
// FOLD-NEXT: %[[Y:.*]] = llm.update_cache(%[[CACHE]], %[[UPDATE]], %[[P1]]) : (tensor<2x1x1xf32>, tensor<1x1x1xf32>, index) -> tensor<2x1x1xf32>
// FOLD-NEXT: func.return %[[Y]] : tensor<2x1x1xf32>
