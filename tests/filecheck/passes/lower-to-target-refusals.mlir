// RUN: llmir-opt %s -p 'lower-to-target' --split-input-file --verify-diagnostics

// An operation without a kernel is refused where it stands, with the target's name.

func.func @f(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error@below {{'arith.divf' op target 'numpy' has no kernel for 'arith.divf' (in pass lower-to-target)}}
  %y = arith.divf %a, %b : tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@below {{target 'numpy' has no kernel for 'llm.prune'}}
  %y = llm.prune(%x) {sparsity = "2:4"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<?x?x4xf32>) -> tensor<?x?xf32> {
  // expected-error@below {{'tensor.collapse_shape' op a result with two dynamic dimensions has no kernel}}
  %y = tensor.collapse_shape %x [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x?x4xf32> into tensor<?x?xf32>
  func.return %y : tensor<?x?xf32>
}
