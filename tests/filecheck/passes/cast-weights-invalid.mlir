// RUN: llmir-opt %s -p cast-weights --verify-diagnostics

func.func @main(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  // expected-error@below {{a magnitude of 65520 does not fit float16; keep a wider type}}
  %w = arith.constant dense<[[1.0, 65520.0]]> : tensor<1x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
