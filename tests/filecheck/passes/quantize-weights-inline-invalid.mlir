// RUN: llmir-opt %s -p quantize-weights --split-input-file --verify-diagnostics

func.func @infinite(%x: tensor<?x2xf32>) {
  // expected-error@below {{value at [0, 1] is inf; quantization needs finite values}}
  %w = arith.constant dense<[[1.0, 0x7F800000]]> : tensor<1x2xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @shared(%x: tensor<?x2xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x2xf32>
  // expected-error-re@below {{weight at {{.*}}quantize-weights-inline-invalid.mlir:13:3: 'arith.constant' is shared by layers with different schemes, give them one: a: #llm.quantization<i4, scale=f32, granularity=per_tensor, method=absmax>; b: not quantized}}
  %a = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %b = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}
