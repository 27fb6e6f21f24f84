// RUN: llmir-opt %s -p 'assign-schemes{input-type=ui8 input-zero-point=ui8},calibrate,quantize-activations' | filecheck %s

// a range above 0 is widened to contain it: 5.1 / 255, and 0 is code 0

func.func @main(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [[dense<[[5.1, 1.0]]> : tensor<1x2xf32>, dense<1.0> : tensor<2x2xf32>]]} {
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[W:.*]]: tensor<2x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = {{\[\[}}dense<{{\[\[}}5.100000e+00, 1.000000e+00]]> : tensor<1x2xf32>, dense<1.000000e+00> : tensor<2x2xf32>]]}
// CHECK-NEXT: %[[QUANTIZED:.*]] = llm.quantize(%[[X]]) {scale = dense<2.000000e-02> : tensor<1xf32>, zero_point = dense<0> : tensor<1xui8>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xui8, scale=f32, zp=ui8>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[QUANTIZED]]) : (!llm.quantized_tensor<?x2xui8, scale=f32, zp=ui8>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
