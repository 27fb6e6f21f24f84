// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f4E2M1FN weight-scale=f8E4M3FN weight-scale-scale=f32 weight-group-size=2},quantize-weights' | filecheck %s

// scales in 8-bit floats under one f32

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[6.0, -3.0, 12.0, 3.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}7, 13, 7, 3]]> : tensor<1x4xui8>, scale = dense<{{\[\[}}118, 126]]> : tensor<1x2xui8>, scale_scale = dense<0.00446428591> : tensor<1xf32>} : !llm.quantized_tensor<1x4xf4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, group_size=2>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[W]]) : (!llm.quantized_tensor<1x4xf4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, group_size=2>) -> tensor<1x4xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[X]], %[[DEQUANTIZED]]) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x1xf32>
