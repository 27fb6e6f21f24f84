// With samples in the text, static scales need no program either.
// RUN: llmir-opt %s -p calibrate,quantize-activations | filecheck %s
// RUN: not llmir-opt %s -p 'calibrate{granularity=channel},quantize-activations' 2>&1 | filecheck %s --check-prefix=CHANNEL
// RUN: not llmir-opt %s -p 'calibrate{statistic=absmax},quantize-activations' 2>&1 | filecheck %s --check-prefix=RANGE

// symmetric: 4 / 2^7; asymmetric: (2 - -1.1875) / 255 with code 95 at zero; a float: 4 / 448
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = llm.quantize(%x) {scale = dense<3.125000e-02> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[B:.*]] = llm.dequantize(%[[A]])
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[B]], %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[C:.*]] = llm.quantize(%[[Y]]) {scale = dense<1.250000e-02> : tensor<1xf32>, zero_point = dense<95> : tensor<1xui8>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xui8, scale=f32, zp=ui8>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[C]])
// CHECK-NEXT: %[[Z:.*]] = llm.linear(%[[D]], %w)
// CHECK-NEXT: %[[E:.*]] = llm.quantize(%x) {scale = dense<8.926{{.*}}> : tensor<1xf16>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xf8E4M3FN, scale=f16>
// CHECK-NEXT: %[[F:.*]] = llm.dequantize(%[[E]])
// CHECK-NEXT: %[[V:.*]] = llm.linear(%[[F]], %w)
// CHECK-NEXT: func.return %[[Y]], %[[Z]], %[[V]]

// CHANNEL: quantize-activations-inline.mlir:23:3: error: 'llm.linear' op was calibrated per channel, static scales need granularity=tensor
// RANGE: quantize-activations-inline.mlir:24:3: error: 'llm.linear' op an asymmetric input needs its range; calibrate with statistic=minmax
func.func @main(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) attributes {llm.calibration = [[dense<[[4.0, -2.375]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[0.5, 0.0], [0.0, 0.5]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8>>} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %z = llm.linear(%y, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<ui8, zp=ui8, method=minmax>>} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %v = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<f8E4M3FN, scale=f16>>} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y, %z, %v : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
