// RUN: llmir-opt %s -p 'quantize-weight-rows{average-bits=5}' --split-input-file --verify-diagnostics
// The options themselves are tested in tests/passes/test_quantize_weight_rows.py.

func.func @infinite(%x: tensor<?x2xf32>) {
  // expected-error@below {{value at [0, 1] is inf; quantization needs finite values}}
  %w = arith.constant dense<[[1.0, 0x7F800000]]> : tensor<1x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @argument(%x: tensor<?x2xf32>, %w: tensor<1x2xf32>) {
  // expected-error@below {{quantize-weight-rows takes only weights from llm.load_weight and constants}}
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}
