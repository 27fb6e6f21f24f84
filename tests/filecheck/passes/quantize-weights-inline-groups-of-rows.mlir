// Groups along the rows of a weight: two rows share a scale in each column, and the last row has one of its own.
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2 weight-group-axis=0 weight-pad=true},quantize-weights' | filecheck %s
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2 weight-group-axis=0 weight-pad=true},quantize-weights,fuse-quantized-ops,lower-to-target{target=numpy}' | filecheck %s --check-prefix=NUMPY
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2 weight-group-axis=0},quantize-weights' 2>&1 | filecheck %s --check-prefix=SHORT

// scales: max(|8|, |4|) / 8, max(|-16|, |2|) / 8 and, of the last row, 24 / 8 and 0.5 / 8
// CHECK: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}7, -8], [4, 1], [-8, 7]]> : tensor<3x2xi8>, scale = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 6.250000e-02]]> : tensor<2x2xf32>} : !llm.quantized_tensor<3x2xi4, scale=f32, symmetric=true, group_size=2, axis=0, pad=1>
// CHECK: %[[D:.*]] = llm.dequantize(%[[W]])
// CHECK: llm.linear(%x, %[[D]])

// NUMPY: %[[W:.*]] = llm.constant
// NUMPY-SAME: group_size=2, axis=0, pad=1>
// NUMPY: %[[D:.*]] = kernel.call @dequantize(%[[W]])
// NUMPY: kernel.call @linear(%x, %[[D]])

// SHORT: group_size 2 does not divide its output size 3; use a divisor, or allow a short last group with weight-pad (llmir quantize --pad)
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense<[[8.0, -16.0], [4.0, 2.0], [-24.0, 0.5]]> : tensor<3x2xf32>
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}
