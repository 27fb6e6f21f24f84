// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Causal attention of grouped queries, with a window and a softcap.

func.func @forms(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x2x8xf32>, %p: index) -> (tensor<?x4x8xf32>, tensor<?x4x8xf32>) {
  %a = llm.attention(%q, %k, %v, %p) {scale = 0.125 : f32, window = 512 : i64, softcap = 50.0 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<?x4x8xf32>
  %b = llm.attention(%a, %k, %v) {scale = 0.125 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>) -> tensor<?x4x8xf32>
  func.return %a, %b : tensor<?x4x8xf32>, tensor<?x4x8xf32>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[Q:.*]]: tensor<?x4x8xf32>, %[[K:.*]]: tensor<?x2x8xf32>, %[[V:.*]]: tensor<?x2x8xf32>, %[[P:.*]]: index) -> (tensor<?x4x8xf32>, tensor<?x4x8xf32>)
// CHECK-NEXT: %[[A:.*]] = llm.attention(%[[Q]], %[[K]], %[[V]], %[[P]]) {scale = 1.250000e-01 : f32, window = 512 : i64, softcap = 5.000000e+01 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<?x4x8xf32>
// CHECK-NEXT: %[[B:.*]] = llm.attention(%[[A]], %[[K]], %[[V]]) {scale = 1.250000e-01 : f32} : (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>) -> tensor<?x4x8xf32>
// CHECK-NEXT: func.return %[[A]], %[[B]] : tensor<?x4x8xf32>, tensor<?x4x8xf32>

// the first query sees the first key alone; the second, being 0, weighs both alike

func.func @folded() -> tensor<2x1x1xf32> {
  %q = arith.constant dense<[[[5.0]], [[0.0]]]> : tensor<2x1x1xf32>
  %k = arith.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf32>
  %v = arith.constant dense<[[[10.0]], [[20.0]]]> : tensor<2x1x1xf32>
  %a = llm.attention(%q, %k, %v) {scale = 1.0 : f32} : (tensor<2x1x1xf32>, tensor<2x1x1xf32>, tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  func.return %a : tensor<2x1x1xf32>
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> tensor<2x1x1xf32>
// FOLD-NEXT: %[[A:.*]] = arith.constant dense<{{\[\[}}[1.000000e+01]], {{\[\[}}1.500000e+01]]]> : tensor<2x1x1xf32>
// FOLD-NEXT: func.return %[[A]] : tensor<2x1x1xf32>
