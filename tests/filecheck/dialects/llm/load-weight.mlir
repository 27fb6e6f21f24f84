// RUN: %roundtrip
// RUN: %generic-roundtrip

// Weights are symbols of the module, under a key of their own if it is another.

llm.weight @a.b : tensor<4xf16>
llm.weight @"odd name" {key = "stored.under"} : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
func.func @forms() -> (tensor<4xf16>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) {
  %a = llm.load_weight @a.b : tensor<4xf16>
  %b = llm.load_weight @"odd name" : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  func.return %a, %b : tensor<4xf16>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
}

// CHECK:      llm.weight @a.b : tensor<4xf16>
// CHECK-NEXT: llm.weight @"odd name" {key = "stored.under"} : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
// CHECK-LABEL: func.func @forms(
// CHECK-SAME: ) -> (tensor<4xf16>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>)
// CHECK-NEXT: %[[A:.*]] = llm.load_weight @a.b : tensor<4xf16>
// CHECK-NEXT: %[[B:.*]] = llm.load_weight @"odd name" : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
// CHECK-NEXT: func.return %[[A]], %[[B]] : tensor<4xf16>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
