// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// A value told to an observer; it has no result and stays though nothing uses it.

func.func @forms(%x: tensor<?x8xf32>) {
  llm.observe(%x) {site = "model.layers.0.mlp.up_proj.input"} : (tensor<?x8xf32>) -> ()
  func.return
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>)
// CHECK-NEXT: llm.observe(%[[X]]) {site = "model.layers.0.mlp.up_proj.input"} : (tensor<?x8xf32>) -> ()
// CHECK-NEXT: func.return

// canonicalize does not take it away

func.func @folded() {
  %x = arith.constant dense<1.0> : tensor<8xf32>
  llm.observe(%x) {site = "x"} : (tensor<8xf32>) -> ()
  func.return
}

// FOLD-LABEL: func.func @folded(
// FOLD-NEXT: %[[X:.*]] = arith.constant dense<1.000000e+00> : tensor<8xf32>
// FOLD-NEXT: llm.observe(%[[X]]) {site = "x"} : (tensor<8xf32>) -> ()
// FOLD-NEXT: func.return
