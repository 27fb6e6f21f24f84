// RUN: %roundtrip
// RUN: %generic-roundtrip

// A weight in a form or in a packing, cast first if its kernel reads other codes.

func.func @forms() -> (tensor<8x64xf32>, tensor<640xui8>, tensor<640xui8>) {
  %a = kernel.load @a {layout = "dense"} : tensor<8x64xf16> -> tensor<8x64xf32>
  %b = kernel.load @b {layout = #kernel.layout<mma, k=32>, cast = !llm.quantized_tensor<8x64xi8, scale=f16, symmetric=true, group_size=32>} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<640xui8>
  %c = kernel.load @c {layout = #kernel.layout<mma, k=32>} : tensor<640xui8> -> tensor<640xui8>
  func.return %a, %b, %c : tensor<8x64xf32>, tensor<640xui8>, tensor<640xui8>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: ) -> (tensor<8x64xf32>, tensor<640xui8>, tensor<640xui8>)
// CHECK-NEXT: %[[A:.*]] = kernel.load @a {layout = "dense"} : tensor<8x64xf16> -> tensor<8x64xf32>
// CHECK-NEXT: %[[B:.*]] = kernel.load @b {layout = #kernel.layout<mma, k=32>, cast = !llm.quantized_tensor<8x64xi8, scale=f16, symmetric=true, group_size=32>} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<640xui8>
// CHECK-NEXT: %[[C:.*]] = kernel.load @c {layout = #kernel.layout<mma, k=32>} : tensor<640xui8> -> tensor<640xui8>
// CHECK-NEXT: func.return %[[A]], %[[B]], %[[C]] : tensor<8x64xf32>, tensor<640xui8>, tensor<640xui8>
