// RUN: llmir-opt %s -p 'quantize-weight-rows{average-bits=6}' --split-input-file | filecheck %s
// RUN: llmir-opt %s -p 'quantize-weight-rows{average-bits=4 scale=f16 types=i8,i4,f8E4M3FN}' --split-input-file | filecheck %s --check-prefix=NARROW

// Half of the rows can be wide: the two that lose most in i4. Row 0 is exact in i4 (8 / 2^3 = 1), as are zeros; 8 is
// one step above the codes of i8 in steps of 8 / 2^7.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:  %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2, -8, 3], [16, 8, -128, 32], [127, 18, 37, 54], [0, 0, 0, 0]]> : tensor<4x4xi8>, scale = dense<[1.000000e+00, 3.125000e-02, 6.250000e-02, 1.000000e+00]> : tensor<4xf32>, selector = dense<[1, 0, 0, 1]> : tensor<4xui8>} : !llm.mixed_quantized_tensor<4x4x!llm.mixed<i8,i4>, scale=f32>
// CHECK-NEXT:  %[[D:.*]] = llm.dequantize(%[[W]]) : (!llm.mixed_quantized_tensor<4x4x!llm.mixed<i8,i4>, scale=f32>) -> tensor<4x4xf32>
// CHECK-NEXT:  %[[Y:.*]] = llm.linear(%[[X]], %[[D]]) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT:  func.return %[[Y]]
// with a budget of 4 bits all rows are in i4
// NARROW-LABEL: func.func @rows(
// NARROW-SAME:  %[[X:.*]]: tensor<?x4xf32>)
// NARROW-NEXT:  %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2, -8, 3], [1, 0, -8, 2], [7, 1, 2, 3], [0, 0, 0, 0]]> : tensor<4x4xi8>, scale = dense<[1.000000e+00, 5.000000e-01, 1.000000e+00, 1.000000e+00]> : tensor<4xf16>, selector = dense<1> : tensor<4xui8>} : !llm.mixed_quantized_tensor<4x4x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>
// NARROW-NEXT:  %[[D:.*]] = llm.dequantize(%[[W]])
// NARROW-NEXT:  llm.linear(%[[X]], %[[D]])
func.func @rows(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = arith.constant dense<[[1.0, 2.0, -8.0, 3.0], [0.5, 0.25, -4.0, 0.99], [8.0, 1.1, 2.3, 3.4], [0.0, 0.0, 0.0, 0.0]]> : tensor<4x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// -----

// From codes to mixed codes. A table is no linear layer, and its remark says so; the scheme of an input stays.
// CHECK-LABEL: func.func @others(
// CHECK-SAME:  %[[X:.*]]: tensor<?x2xf32>, %[[I:.*]]: tensor<?xi64>)
// CHECK:       %[[T:.*]] = arith.constant dense<1.000000e+00> : tensor<3x2xf32>
// CHECK-NEXT:  llm.embedding(%[[I]], %[[T]]) {llm.remark = "not quantized: the recipe is for linear layers"}
// CHECK-NEXT:  %[[Q:.*]] = llm.constant {codes = dense<{{\[\[}}-8, 4]]> : tensor<1x2xi8>, scale = dense<5.000000e-01> : tensor<1xf32>, selector = dense<1> : tensor<1xui8>} : !llm.mixed_quantized_tensor<1x2x!llm.mixed<i8,i4>, scale=f32>
// CHECK-NEXT:  %[[D:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT:  llm.linear(%[[X]], %[[D]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>>, llm.remark = "quantized again, from i5 codes"}
func.func @others(%x: tensor<?x2xf32>, %ids: tensor<?xi64>) {
  %t = arith.constant dense<1.0> : tensor<3x2xf32>
  %e = llm.embedding(%ids, %t) : (tensor<?xi64>, tensor<3x2xf32>) -> tensor<?x2xf32>
  %q = llm.constant {codes = dense<[[-16, 8]]> : tensor<1x2xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x2xi5, scale=f32>
  %w = llm.dequantize(%q) : (!llm.quantized_tensor<1x2xi5, scale=f32>) -> tensor<1x2xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, granularity=per_token, dynamic=true>>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}
