// RUN: llmir-opt %s -p fuse-quantized-ops --split-input-file | filecheck %s

!m = !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>
!s = !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>>

// Products take mixed and sparse codes.
// CHECK-LABEL: func.func @products(
// CHECK-SAME:  %[[X:.*]]: tensor<?x8xf32>, %[[B:.*]]: tensor<4xf32>)
// CHECK-NEXT:  %[[M:.*]] = llm.load_weight @m :
// CHECK-NEXT:  %[[S:.*]] = llm.load_weight @s :
// CHECK-NEXT:  %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[M]]) bias(%[[B]]) {module = "a"} : (tensor<?x8xf32>, !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT:  %[[Z:.*]] = llm.quantized_matmul(%[[X]], %[[S]]) : (tensor<?x8xf32>, !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>>) -> tensor<?x4xf32>
// CHECK-NEXT:  func.return %[[Y]], %[[Z]]
llm.weight @m : !m
llm.weight @s : !s
func.func @products(%x: tensor<?x8xf32>, %b: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %m = llm.load_weight @m : !m
  %s = llm.load_weight @s : !s
  %v = llm.dequantize(%m) : (!m) -> tensor<4x8xf32>
  %w = llm.dequantize(%s) : (!s) -> tensor<4x8xf32>
  %y = llm.linear(%x, %v) bias(%b) {module = "a"} : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

!m = !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>
!q = !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>

// Near misses: a weight rounded to f16, input codes, and lookups, which take dense codes only.
// CHECK-LABEL: func.func @misses(
// CHECK-SAME:  %[[X:.*]]: tensor<?x8xf32>, %[[I:.*]]: tensor<?xi64>, %[[M:.*]]: !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>)
// CHECK-NEXT:  %[[H:.*]] = llm.dequantize(%[[M]]) : (!llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>) -> tensor<4x8xf16>
// CHECK-NEXT:  llm.linear(%[[X]], %[[H]]) {llm.remark = "weight not fused: dequantize rounds to f16"}
// CHECK-NEXT:  %[[Q:.*]] = llm.quantize(%[[X]])
// CHECK-NEXT:  %[[U:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT:  %[[W:.*]] = llm.dequantize(%[[M]]) : (!llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>) -> tensor<4x8xf32>
// CHECK-NEXT:  llm.quantized_matmul(%[[U]], %[[M]]) {llm.remark = "input not fused: codes are not multiplied by !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>"}
// CHECK-NEXT:  llm.embedding(%[[I]], %[[W]]) {llm.remark = "table not fused: the codes are !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f16>, not an !llm.quantized_tensor"}
func.func @misses(%x: tensor<?x8xf32>, %ids: tensor<?xi64>, %m: !m) {
  %h = llm.dequantize(%m) : (!m) -> tensor<4x8xf16>
  %a = llm.linear(%x, %h) : (tensor<?x8xf32>, tensor<4x8xf16>) -> tensor<?x4xf32>
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !q
  %u = llm.dequantize(%q) : (!q) -> tensor<?x8xf32>
  %w = llm.dequantize(%m) : (!m) -> tensor<4x8xf32>
  %b = llm.linear(%u, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %e = llm.embedding(%ids, %w) : (tensor<?xi64>, tensor<4x8xf32>) -> tensor<?x8xf32>
  func.return
}
