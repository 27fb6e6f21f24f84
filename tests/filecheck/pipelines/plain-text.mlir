// From float weights in the text to kernels, without a program: every step shows.
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i8 input-type=i8},calibrate,quantize-weights,quantize-activations' | filecheck %s --check-prefixes=CHECK,QDQ
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i8 input-type=i8},calibrate,quantize-weights,quantize-activations,fuse-quantized-ops' | filecheck %s --check-prefixes=CHECK,FUSED
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i8 input-type=i8},calibrate,quantize-weights,quantize-activations,fuse-quantized-ops,lower-to-target{target=numpy}' | filecheck %s --check-prefixes=CHECK,KERNEL
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i8},quantize-weights,lower-to-target' -t numpy | filecheck %s --check-prefix=NUMPY

// 1.28 / 2^7 and 2.56 / 2^7 are the weight's scales, 3.84 / 2^7 the input's
// CHECK: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-128, 0], [64, -128]]> : tensor<2x2xi8>, scale = dense<[1.000000e-02, 2.000000e-02]> : tensor<2xf32>} : !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, axis=0>

// QDQ-NEXT: %[[D:.*]] = llm.dequantize(%[[W]])
// QDQ-NEXT: %[[Q:.*]] = llm.quantize(%x) {scale = dense<3.000000e-02> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// QDQ-NEXT: %[[X:.*]] = llm.dequantize(%[[Q]])
// QDQ-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[D]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// QDQ-NEXT: func.return %[[Y]]

// FUSED-NEXT: %[[Q:.*]] = llm.quantize(%x)
// FUSED-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[Q]], %[[W]]) : (!llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x2xf32>
// FUSED-NEXT: func.return %[[Y]]

// KERNEL-NEXT: %[[Q:.*]] = kernel.call @quantize(%x)
// KERNEL-NEXT: %[[Y:.*]] = kernel.call @integer_matmul(%[[Q]], %[[W]])
// KERNEL-NEXT: func.return %[[Y]]

// NUMPY: format_0 = quantized_format('i8', scale='float32', axis=0)
// NUMPY-NEXT: constant_1 = quantized_kernels.QuantizedArray(np.array({{\[\[}}-128, 0], [64, -128]], 'int8'), np.array([{{.*}}], 'float32'), format_0)
// NUMPY: def main(x):
// NUMPY-NEXT: w = constant_1
// NUMPY-NEXT: dequantized = quantized_kernels.dequantize(w)
// NUMPY: = kernels.linear(x, dequantized)
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [[dense<[[3.84, -1.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[-1.28, 0.0], [1.28, -2.56]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
