// RUN: llmir-opt %s -p 'fuse-quantized-ops{merge-projections=true rounded-scales=true integer-bias=true}' | filecheck %s

// Every step at once: projections merged, the gate activated, scales that are no powers of two folded, codes multiplied.

!w = !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, axis=0>
func.func @f(%x: tensor<?x2xf32>, %norm: tensor<2xf32>) -> tensor<?x2xf32> {
  %n = llm.rms_norm(%x, %norm) {epsilon = 0.5 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %g = llm.constant {codes = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !w
  %rg = llm.dequantize(%g) : (!w) -> tensor<2x2xf32>
  %u = llm.constant {codes = dense<[[5, 6], [7, 8]]> : tensor<2x2xi8>, scale = dense<[2.0, 4.0]> : tensor<2xf32>} : !w
  %ru = llm.dequantize(%u) : (!w) -> tensor<2x2xf32>
  %gate = llm.linear(%n, %rg) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %up = llm.linear(%n, %ru) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %s = llm.silu(%gate) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %y = arith.mulf %s, %up : tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[NORM:.*]]: tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[N:.*]] = llm.rms_norm(%[[X]], %[[NORM]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[CONSTANT:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<4x2xi8>, scale = dense<[5.000000e-01, 2.500000e-01, 2.000000e+00, 4.000000e+00]> : tensor<4xf32>} : !llm.quantized_tensor<4x2xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[GATEUP:.*]] = llm.quantized_matmul(%[[N]], %[[CONSTANT]]) : (tensor<?x2xf32>, !llm.quantized_tensor<4x2xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x4xf32>
// CHECK:      %[[Y:.*]] = llm.gated_activation(%[[GATEUP]]) {activation = "silu"} : (tensor<?x4xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
