// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s -p canonicalize | filecheck %s --check-prefix=FOLD

// Parameters are constants of the operation, or the input's own; codes of a plain tensor say their bits.

func.func @forms(%x: tensor<?x64xf32>) -> (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>, tensor<?x64xi8>) {
  %a = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>
  %b = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
  %c = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-2> : tensor<1xi8>, bits = 4 : i32, symmetric = false} : (tensor<?x64xf32>) -> tensor<?x64xi8>
  func.return %a, %b, %c : !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>, tensor<?x64xi8>
}

// CHECK-LABEL: func.func @forms(
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>) -> (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>, tensor<?x64xi8>)
// CHECK-NEXT: %[[A:.*]] = llm.quantize(%[[X]]) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>
// CHECK-NEXT: %[[B:.*]] = llm.quantize(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
// CHECK-NEXT: %[[C:.*]] = llm.quantize(%[[X]]) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<-2> : tensor<1xi8>, bits = 4 : i32, symmetric = false} : (tensor<?x64xf32>) -> tensor<?x64xi8>
// CHECK-NEXT: func.return %[[A]], %[[B]], %[[C]] : !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>, tensor<?x64xi8>

// -40 + 10 is below 0; 0.5 + 10 and 1.5 + 10 are ties that go to the even neighbour; 2010 is above 255

!q = !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
func.func @folded() -> !q {
  %x = arith.constant dense<[[-20.0, 0.25, 0.75, 1000.0]]> : tensor<1x4xf32>
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<10> : tensor<1xui8>} : (tensor<1x4xf32>) -> !q
  func.return %q : !q
}

// FOLD-LABEL: func.func @folded(
// FOLD-SAME: ) -> !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
// FOLD-NEXT: %[[Q:.*]] = llm.constant {codes = dense<{{\[\[}}0, 10, 12, 255]]> : tensor<1x4xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<10> : tensor<1xui8>} : !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
// FOLD-NEXT: func.return %[[Q]] : !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
