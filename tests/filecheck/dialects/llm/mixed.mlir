// RUN: llmir-opt %s | llmir-opt | filecheck %s
// RUN: llmir-opt %s --print-op-generic | llmir-opt | filecheck %s

// CHECK-LABEL: func.func @mixed(
// CHECK-SAME:  %[[X:.*]]: tensor<?x8xf32>, %[[V:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<4xf32>)
func.func @mixed(%x: tensor<?x8xf32>, %v: tensor<4x8xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[M:.*]] = llm.quantize(%[[V]]) {selector = dense<[0, 1, 1, 2]> : tensor<4xi8>} : (tensor<4x8xf32>) -> !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>
  %m = llm.quantize(%v) {selector = dense<[0, 1, 1, 2]> : tensor<4xi8>} : (tensor<4x8xf32>) -> !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>
  // CHECK-NEXT: %{{.*}} = llm.quantize(%[[V]]) {average_bits = 4.500000e+00 : f32} : (tensor<4x8xf32>) -> !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f32>
  %n = llm.quantize(%v) {average_bits = 4.5 : f32} : (tensor<4x8xf32>) -> !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f32>
  // CHECK-NEXT: %{{.*}} = llm.dequantize(%[[M]]) : (!llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>) -> tensor<4x8xf16>
  %d = llm.dequantize(%m) : (!llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>) -> tensor<4x8xf16>
  // CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[M]]) bias(%[[B]]) : (tensor<?x8xf32>, !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = llm.quantized_matmul(%x, %m) bias(%b) : (tensor<?x8xf32>, !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4,f8E4M3FN>, scale=f16>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x4xf32>
}
