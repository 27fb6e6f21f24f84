// Scales computed at run time that are powers of two say how they are rounded, unless it is MX's way.
// RUN: llmir-opt %s -p quantize-activations | filecheck %s
// RUN: llmir-opt %s -p 'quantize-activations,fuse-quantized-ops,lower-to-target{target=numpy}' | filecheck %s --check-prefix=NUMPY

// CHECK: %[[A:.*]] = llm.quantize(%x) {scale_rounding = "floor"} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0>
// CHECK-NEXT: %[[B:.*]] = llm.dequantize(%[[A]])
// CHECK-NEXT: %a = llm.linear(%[[B]], %w)
// CHECK-NEXT: %b = llm.linear(%[[B]], %w)
// CHECK-NEXT: %[[C:.*]] = llm.quantize(%x) {scale_rounding = "ceil"} : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[C]])
// CHECK-NEXT: %c = llm.linear(%[[D]], %w)
// CHECK-NEXT: %[[E:.*]] = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0>
// CHECK-NEXT: %[[F:.*]] = llm.dequantize(%[[E]])
// CHECK-NEXT: %d = llm.linear(%[[F]], %w)

// NUMPY: kernel.call @quantize(%x) {{.*}}scale_rounding = "floor"
// NUMPY: kernel.call @quantize(%x) {{.*}}scale_rounding = "ceil"
// NUMPY: kernel.call @quantize(%x)
// NUMPY-NOT: scale_rounding
func.func @main(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %a = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_token, scale_rounding=floor, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %b = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_token, scale_rounding=floor, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %c = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_token, scale_rounding=ceil, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %d = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_token, dynamic=true>>} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}
