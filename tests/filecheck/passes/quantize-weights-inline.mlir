// Weights in the text become codes in the text: no program is needed.
// RUN: llmir-opt %s -p quantize-weights --split-input-file | filecheck %s

// scales 8 / 2^3 and 4 / 2^3; 0.25 is half a step and goes to the even code
// CHECK-LABEL: func.func @linear
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2, -8, 3], [1, 0, -8, 2]]> : tensor<2x4xi8>, scale = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>) -> tensor<2x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%x, %[[D]]) : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]]
func.func @linear(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, -8.0, 3.0], [0.5, 0.25, -4.0, 1.0]]> : tensor<2x4xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// -----

// groups with zero points, one shorter than the others: 0 .. 15, and -15 .. 15 whose zero is 7.5; the input's scheme stays
// CHECK-LABEL: func.func @groups
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15, 0, 15, 15]]> : tensor<1x5xui8>, scale = dense<{{\[\[}}1.000000e+00, 2.000000e+00, 1.000000e+00]]> : tensor<1x3xf16>, zero_point = dense<{{\[\[}}0, 8, 0]]> : tensor<1x3xui8>} : !llm.quantized_tensor<1x5xui4, scale=f16, zp=ui4, group_size=2, pad=1>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[W]])
// CHECK-NEXT: llm.linear(%x, %[[D]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>>}
func.func @groups(%x: tensor<?x5xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[0.0, 15.0, -15.0, 15.0, 15.0]]> : tensor<1x5xf16>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=f16, zp=ui4, group_size=2, method=minmax, pad=true>, input=#llm.quantization<i8, granularity=per_token, dynamic=true>>} : (tensor<?x5xf32>, tensor<1x5xf16>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// a table that a layer shares is quantized once; minima
// CHECK-LABEL: func.func @tied
// CHECK-NEXT: %[[T:.*]] = llm.constant {codes = dense<{{\[\[}}0, 1, 2, 3], [3, 0, 1, 2]]> : tensor<2x4xui8>, scale = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>, min = dense<[-1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xui2, scale=f32, min=f32, axis=0>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[T]])
// CHECK-NEXT: %[[E:.*]] = llm.embedding(%ids, %[[D]]) : (tensor<?xi64>, tensor<2x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[E]], %[[D]]) : (
// CHECK-NEXT: func.return %[[Y]]
func.func @tied(%ids: tensor<?xi64>) -> tensor<?x2xf32> {
  %t = arith.constant dense<[[-1.0, 0.0, 1.0, 2.0], [3.5, 2.0, 2.5, 3.0]]> : tensor<2x4xf32>
  %x = llm.embedding(%ids, %t) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui2, min=f32, granularity=per_channel, method=minmax>>} : (tensor<?xi64>, tensor<2x4xf32>) -> tensor<?x4xf32>
  %y = llm.linear(%x, %t) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui2, min=f32, granularity=per_channel, method=minmax>>} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// -----

// from codes to codes: -8 and 4 times 0.5 are -4 and 2; the most negative code is left out
// CHECK-LABEL: func.func @again
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-127, 64]]> : tensor<1x2xi8>, scale = dense<0.0314960629> : tensor<1xf32>} : !llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>) -> tensor<1x2xf32>
// CHECK-NEXT: llm.linear(%x, %[[D]]) {llm.remark = "quantized again, from i4 codes"}
func.func @again(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %q = llm.constant {codes = dense<[[-8, 4]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !llm.quantized_tensor<1x2xi4, scale=f32>
  %w = llm.dequantize(%q) : (!llm.quantized_tensor<1x2xi4, scale=f32>) -> tensor<1x2xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, narrow_range=true>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// floats and codebooks are written as bit patterns: -448 and 1, -1 and 0; a layer without a scheme is left alone
// CHECK-LABEL: func.func @others
// CHECK: %[[F:.*]] = llm.constant {codes = dense<{{\[\[}}254, 56]]> : tensor<1x2xui8>, scale = dense<1.000000e+00> : tensor<1xf32>} : !llm.quantized_tensor<1x2xf8E4M3FN, scale=f32, axis=0>
// CHECK: %[[N:.*]] = llm.constant {codes = dense<{{\[\[}}0, 7]]> : tensor<1x2xui8>, scale = dense<2.000000e+00> : tensor<1xf16>} : !llm.quantized_tensor<1x2x!llm.codebook<nf4>, scale=f16, axis=0>
// CHECK: %[[V:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00]]> : tensor<1x2xf32>
// CHECK: llm.linear(%x, %[[V]]) : (
func.func @others(%x: tensor<?x2xf32>) {
  %f = arith.constant dense<[[-448.0, 1.0]]> : tensor<1x2xf32>
  %a = llm.linear(%x, %f) {llm.scheme = #llm.scheme<weight=#llm.quantization<f8E4M3FN, granularity=per_channel>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %n = arith.constant dense<[[-2.0, 0.0]]> : tensor<1x2xf32>
  %b = llm.linear(%x, %n) {llm.scheme = #llm.scheme<weight=#llm.quantization<!llm.codebook<nf4>, scale=f16, granularity=per_channel>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %v = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %c = llm.linear(%x, %v) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// from mixed codes: rows of 1, -2 and 0.5, 2
// CHECK-LABEL: func.func @mixed
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}4, -8], [2, 7]]> : tensor<2x2xi8>, scale = dense<2.500000e-01> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<2x2xi4, scale=f32, symmetric=true, axis=0>) -> tensor<2x2xf32>
// CHECK-NEXT: llm.linear(%x, %[[D]]) {llm.remark = "quantized again, from !llm.mixed<i8,i4> codes"}
func.func @mixed(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %q = llm.constant {codes = dense<[[1, -2], [16, 64]]> : tensor<2x2xi8>, scale = dense<[1.0, 0.03125]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
  %w = llm.dequantize(%q) : (!llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>) -> tensor<2x2xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
