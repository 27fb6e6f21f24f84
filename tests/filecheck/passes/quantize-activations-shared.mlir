// RUN: llmir-opt %s -p 'assign-schemes{modules="a","b" input-type=i8 input-dynamic=true},assign-schemes{modules="c" input-type=i8 input-granularity=per_token input-dynamic=true},quantize-activations' | filecheck %s

// layers that quantize one value in one way share the quantize; one of another way has its own

func.func @main(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  %a = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %b = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %a, %b, %c : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[W:.*]]: tensor<2x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
// CHECK-NEXT: %[[QUANTIZED:.*]] = llm.quantize(%[[X]]) : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[QUANTIZED]]) : (!llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[A:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[B:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[QUANTIZED1:.*]] = llm.quantize(%[[X]]) : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[DEQUANTIZED1:.*]] = llm.dequantize(%[[QUANTIZED1]]) : (!llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[C:.*]] = llm.linear(%[[DEQUANTIZED1]], %[[W]]) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[A]], %[[B]], %[[C]] : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
