// RUN: %roundtrip
// RUN: %generic-roundtrip

// The codes that are not zero; there is no constant of the result, so nothing folds.

!d = !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>
func.func @forms(%q: !d) -> !llm.sparse_quantized_tensor<2:4, !d> {
  %s = llm.pack_sparse(%q) : (!d) -> !llm.sparse_quantized_tensor<2:4, !d>
  func.return %s : !llm.sparse_quantized_tensor<2:4, !d>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[Q:.*]]: !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>) -> !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>>
// CHECK-NEXT: %[[S:.*]] = llm.pack_sparse(%[[Q]]) : (!llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>) -> !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>>
// CHECK-NEXT: func.return %[[S]] : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, group_size=8>>
