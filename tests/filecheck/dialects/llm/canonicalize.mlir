// RUN: llmir-opt %s -p canonicalize --split-input-file | filecheck %s
// Operations on constants are carried out; the values are tested in tests/dialects/test_folding.py.

// scales of the values: 8 / 2^3 and 4 / 2^3 for each row; 0.25 / 0.5 is a tie and goes to the even code
// CHECK-LABEL: func.func @quantize
// CHECK-NEXT: %[[Q:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2, -8, 3], [1, 0, -8, 2]]> : tensor<2x4xi8>, scale = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: func.return %[[Q]]
func.func @quantize() -> !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0> {
  %x = arith.constant dense<[[1.0, 2.0, -8.0, 3.0], [0.5, 0.25, -4.0, 1.0]]> : tensor<2x4xf32>
  %q = llm.quantize(%x) : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
  func.return %q : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
}

// -----

// constant parameters; codes in a plain tensor saturate at the given bits
// CHECK-LABEL: func.func @constant_parameters
// CHECK-NEXT: %[[Q:.*]] = llm.constant {codes = dense<{{\[\[}}7, 11, 0]]> : tensor<1x3xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<5> : tensor<1xui8>} : !llm.quantized_tensor<1x3xui4, scale=f32, zp=ui4>
// CHECK-NEXT: %[[P:.*]] = arith.constant dense<{{\[\[}}1, 5, -8]]> : tensor<1x3xi8>
// CHECK-NEXT: func.return %[[Q]], %[[P]]
func.func @constant_parameters() -> (!llm.quantized_tensor<1x3xui4, scale=f32, zp=ui4>, tensor<1x3xi8>) {
  %x = arith.constant dense<[[1.0, 3.0, -8.0]]> : tensor<1x3xf32>
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<5> : tensor<1xui8>} : (tensor<1x3xf32>) -> !llm.quantized_tensor<1x3xui4, scale=f32, zp=ui4>
  %p = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-1> : tensor<1xi8>, bits = 4 : i32} : (tensor<1x3xf32>) -> tensor<1x3xi8>
  func.return %q, %p : !llm.quantized_tensor<1x3xui4, scale=f32, zp=ui4>, tensor<1x3xi8>
}

// -----

// CHECK-LABEL: func.func @dequantize
// CHECK-NEXT: %[[A:.*]] = arith.constant dense<{{\[\[}}-4.000000e+00, 3.500000e+00], [2.500000e-01, 5.000000e-01]]> : tensor<2x2xf16>
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<[-2.500000e-01, 6.000000e+00]> : tensor<2xf32>
// CHECK-NEXT: func.return %[[A]], %[[B]]
func.func @dequantize() -> (tensor<2x2xf16>, tensor<2xf32>) {
  %q = llm.constant {codes = dense<[[-8, 7], [1, 2]]> : tensor<2x2xi8>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>
  %a = llm.dequantize(%q) : (!llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>) -> tensor<2x2xf16>
  %p = arith.constant dense<[0, 5]> : tensor<2xi8>
  %b = llm.dequantize(%p) {scale = dense<[0.25, 2.0]> : tensor<2xf32>, zero_point = dense<[1, 2]> : tensor<2xi8>} : (tensor<2xi8>) -> tensor<2xf32>
  func.return %a, %b : tensor<2x2xf16>, tensor<2xf32>
}

// -----

// rows of weights with scales 0.5 and 0.25: 1 * -4 + 2 * 3.5 = 3, 1 * 0.25 + 2 * 0.5 = 1.25; then codes on both sides
// CHECK-LABEL: func.func @matmul
// CHECK-NEXT: %[[A:.*]] = arith.constant dense<{{\[\[}}3.000000e+00, 1.250000e+00]]> : tensor<1x2xf32>
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<{{\[\[}}1.300000e+01, 2.125000e+01]]> : tensor<1x2xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<{{\[\[}}3.000000e+00, 1.250000e+00]]> : tensor<1x2xf32>
// CHECK-NEXT: func.return %[[A]], %[[B]], %[[C]]
func.func @matmul() -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %bias = arith.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %w = llm.constant {codes = dense<[[-8, 7], [1, 2]]> : tensor<2x2xi8>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>
  %q = llm.constant {codes = dense<[[2, 4]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>
  %a = llm.quantized_matmul(%x, %w) : (tensor<1x2xf32>, !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>) -> tensor<1x2xf32>
  %b = llm.quantized_matmul(%q, %w) bias(%bias) : (!llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>, tensor<2xf32>) -> tensor<1x2xf32>
  %codes = arith.constant dense<[[-8, 7], [1, 2]]> : tensor<2x2xi8>
  %scales = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %c = llm.quantized_matmul(%x, %codes, %scales) {bits = 8 : i32} : (tensor<1x2xf32>, tensor<2x2xi8>, tensor<2xf32>) -> tensor<1x2xf32>
  func.return %a, %b, %c : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}

// -----

// CHECK-LABEL: func.func @model
// CHECK-NEXT: %[[A:.*]] = arith.constant dense<{{\[\[}}2.500000e-01, 5.000000e-01], [-4.000000e+00, 3.500000e+00]]> : tensor<2x2xf32>
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<{{\[\[}}1.500000e+00], [8.000000e+00]]> : tensor<2x1xf32>
// CHECK-NEXT: func.return %[[A]], %[[B]]
func.func @model() -> (tensor<2x2xf32>, tensor<2x1xf32>) {
  %ids = arith.constant dense<[1, 0]> : tensor<2xi64>
  %table = llm.constant {codes = dense<[[-8, 7], [1, 2]]> : tensor<2x2xi8>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>
  %x = llm.embedding(%ids, %table) : (tensor<2xi64>, !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>) -> tensor<2x2xf32>
  %w = arith.constant dense<[[2.0, 2.0]]> : tensor<1x2xf32>
  %y = arith.constant dense<[[0.25, 0.5], [3.0, 1.0]]> : tensor<2x2xf32>
  %z = llm.linear(%y, %w) : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  func.return %x, %z : tensor<2x2xf32>, tensor<2x1xf32>
}

// -----

// left alone: a value that is not constant, codes that arith.constant cannot hold, an id outside of the table, and a
// dynamic size
// CHECK-LABEL: func.func @not_folded(%x: tensor<1x2xf32>)
// CHECK: llm.quantize(%x)
// CHECK: llm.quantize(%{{.*}}) {{.*}} -> tensor<1x2xui8>
// CHECK: llm.embedding(
// CHECK: llm.silu(%{{.*}}) : (tensor<1x2xf32>) -> tensor<?x2xf32>
func.func @not_folded(%x: tensor<1x2xf32>) -> (!llm.quantized_tensor<1x2xi8, scale=f32>, tensor<1x2xui8>, tensor<1x2xf32>, tensor<?x2xf32>) {
  %a = llm.quantize(%x) : (tensor<1x2xf32>) -> !llm.quantized_tensor<1x2xi8, scale=f32>
  %c = arith.constant dense<1.0> : tensor<1x2xf32>
  %b = llm.quantize(%c) {scale = dense<0.5> : tensor<1xf32>, bits = 8 : i32} : (tensor<1x2xf32>) -> tensor<1x2xui8>
  %ids = arith.constant dense<[3]> : tensor<1xi64>
  %y = llm.embedding(%ids, %c) : (tensor<1xi64>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %z = llm.silu(%c) : (tensor<1x2xf32>) -> tensor<?x2xf32>
  func.return %a, %b, %y, %z : !llm.quantized_tensor<1x2xi8, scale=f32>, tensor<1x2xui8>, tensor<1x2xf32>, tensor<?x2xf32>
}
