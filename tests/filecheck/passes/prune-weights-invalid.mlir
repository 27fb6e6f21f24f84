// RUN: llmir-opt %s -p prune-weights --split-input-file --verify-diagnostics

func.func @nan(%x: tensor<?x4xf32>) {
  // expected-error@below {{'arith.constant' op value at [0, 1] is nan; pruning needs numbers}}
  %w = arith.constant dense<[[1.0, 0x7FC00000, 0.0, 0.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @rest(%x: tensor<?x6xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x6xf32>
  // expected-error@below {{'llm.linear' op 2:4 needs a last dimension that 4 divides, got 6}}
  %y = llm.linear(%x, %w) {module = "a"} : (tensor<?x6xf32>, tensor<1x6xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @codes(%x: tensor<?x4xf32>) {
  %q = llm.constant {codes = dense<1> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %w = llm.dequantize(%q) : (!llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<1x4xf32>
  // expected-error@below {{its weight is codes; prune, then quantize}}
  %y = llm.linear(%x, %w) {module = "a"} : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @products(%x: tensor<?x4xf32>) {
  %q = llm.constant {codes = dense<1> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  // expected-error@below {{1 layers that match '*' are quantized already, such as 'a'; start from the original model}}
  %y = llm.quantized_matmul(%x, %q) {module = "a"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @table(%x: tensor<?x4xf32>, %ids: tensor<?xi64>) {
  %w = arith.constant dense<1.0> : tensor<1x4xf32>
  // expected-error-re@below {{the weight at {{.*}}prune-weights-invalid.mlir:41:3: 'arith.constant' is also used by t, which is left alone; choose both or neither}}
  %t = llm.embedding(%ids, %w) : (tensor<?xi64>, tensor<1x4xf32>) -> tensor<?x4xf32>
  %y = llm.linear(%x, %w) {module = "a"} : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}
