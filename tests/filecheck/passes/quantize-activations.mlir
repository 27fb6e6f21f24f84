// RUN: llmir-opt %s -p quantize-activations --split-input-file | filecheck %s
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8},quantize-activations' --split-input-file 2>&1 | filecheck %s --check-prefix=ERROR

// two layers that quantize one value alike share a quantize; a third one does it otherwise
// CHECK-LABEL: func.func @shared
// CHECK-NEXT: %quantized = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %dequantized = llm.dequantize(%quantized) : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x8xf32>
// CHECK-NEXT: %a = llm.linear(%dequantized, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %b = llm.linear(%dequantized, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax>>}
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, group_size=4>
// CHECK-NEXT: %[[R:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT: %c = llm.linear(%[[R]], %w)
// CHECK-NEXT: %d = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
func.func @shared(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %a = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, granularity=per_token, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %b = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>, input=#llm.quantization<i8, granularity=per_token, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %c = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, group_size=4, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %d = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// statistics become constants: 2 / 2^7, and (3 - -0.1875) / 255 with code 15 at zero
// CHECK-LABEL: func.func @static
// CHECK-NEXT: %quantized = llm.quantize(%x) {scale = dense<1.562500e-02> : tensor<1xf32>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %dequantized = llm.dequantize(%quantized)
// CHECK-NEXT: %a = llm.linear(%dequantized, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%x) {scale = dense<1.250000e-02> : tensor<1xf32>, zero_point = dense<15> : tensor<1xui8>} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>
// CHECK-NEXT: %[[R:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT: %b = llm.linear(%[[R]], %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
func.func @static(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %a = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8>>, llm.input_statistics = {granularity = "tensor", absmax = dense<2.0> : tensor<1xf32>}} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %b = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<ui8, zp=ui8, method=minmax>>, llm.input_statistics = {granularity = "tensor", absmax = dense<3.0> : tensor<1xf32>, min = dense<-0.1875> : tensor<1xf32>, max = dense<3.0> : tensor<1xf32>}} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// ERROR: quantize-activations.mlir:15:3: error: 'llm.linear' op its static input scheme needs statistics; run calibrate first, or use a dynamic scheme
