// RUN: llmir-opt %s -p quantize-weights --split-input-file --verify-diagnostics
// What is stored is tested in tests/passes/test_quantize_weights.py; here there are no weights to read.

// expected-error@below {{there is no tensor 'w'}}
llm.weight @w : tensor<4x8xf32>
func.func @missing(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = llm.load_weight @w : tensor<4x8xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// -----

// quantized again from its codes, which are not there either
// expected-error@below {{there is no tensor 'q.codes'}}
llm.weight @q : !llm.quantized_tensor<4x8xi4, scale=f32>
func.func @again(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %q = llm.load_weight @q : !llm.quantized_tensor<4x8xi4, scale=f32>
  %w = llm.dequantize(%q) : (!llm.quantized_tensor<4x8xi4, scale=f32>) -> tensor<4x8xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// -----

func.func @argument(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  // expected-error@below {{'llm.linear' op only weights from llm.load_weight and constants can be quantized}}
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// -----

llm.weight @t : tensor<4x8xf32>
func.func @shared(%x: tensor<?x8xf32>) {
  %t = llm.load_weight @t : tensor<4x8xf32>
  // expected-error@below {{weight 't' is shared by layers with different schemes, give them one: a: #llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax>; b: not quantized}}
  %a = llm.linear(%x, %t) {module = "a", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %b = llm.linear(%x, %t) {module = "b"} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}
