// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8 input-dynamic=true},quantize-activations' | filecheck %s

// one scale for all rows, found at run time

func.func @main(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> tensor<?x2xf32> {
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[W:.*]]: tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[QUANTIZED:.*]] = llm.quantize(%[[X]]) : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[QUANTIZED]]) : (!llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf32>
