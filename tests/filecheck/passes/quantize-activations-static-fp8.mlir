// RUN: llmir-opt %s -p 'assign-schemes{input-type=f8E4M3FN},calibrate,quantize-activations' | filecheck %s

// 3.5 / 448, the largest value of the format, is 2^-7

func.func @main(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [[dense<[[3.5, -1.28]]> : tensor<1x2xf32>, dense<1.0> : tensor<2x2xf32>]]} {
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[W:.*]]: tensor<2x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = {{\[\[}}dense<{{\[\[}}3.500000e+00, -1.280000e+00]]> : tensor<1x2xf32>, dense<1.000000e+00> : tensor<2x2xf32>]]}
// CHECK-NEXT: %[[QUANTIZED:.*]] = llm.quantize(%[[X]]) {scale = dense<7.812500e-03> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xf8E4M3FN, scale=f32>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[QUANTIZED]]) : (!llm.quantized_tensor<?x2xf8E4M3FN, scale=f32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
