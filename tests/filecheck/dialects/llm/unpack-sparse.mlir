// RUN: %roundtrip
// RUN: %generic-roundtrip

// Dense codes again, of a bitmask of an unknown number of them.

!d = !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
func.func @forms(%s: !llm.sparse_quantized_tensor<bitmask, !d>) -> !d {
  %q = llm.unpack_sparse(%s) : (!llm.sparse_quantized_tensor<bitmask, !d>) -> !d
  func.return %q : !d
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[S:.*]]: !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: %[[Q:.*]] = llm.unpack_sparse(%[[S]]) : (!llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>>) -> !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
// CHECK-NEXT: func.return %[[Q]] : !llm.quantized_tensor<8x16xf8E4M3FN, scale=f32, axis=0>
