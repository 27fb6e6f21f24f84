// RUN: %roundtrip
// RUN: %generic-roundtrip
// RUN: llmir-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// every parameter a type can have; codes of floats and codebooks are bit patterns
// CHECK: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-8, 7, 0, 1], [1, 2, 3, 4]]> : tensor<2x4xi8>, scale = dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
// CHECK: %[[P:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15, 8, 1]]> : tensor<1x4xui8>, scale = dense<{{\[\[}}5.000000e-01, 2.000000e+00]]> : tensor<1x2xf16>, zero_point = dense<{{\[\[}}8, 3]]> : tensor<1x2xui8>} : !llm.quantized_tensor<1x4xui4, scale=f16, zp=ui4, group_size=2>
// CHECK: %[[F:.*]] = llm.constant {codes = dense<{{\[\[}}0, 255]]> : tensor<1x2xui8>, scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<1.275000e+02> : tensor<1xf32>} : !llm.quantized_tensor<1x2xui8, scale=f32, zp=f32>
// CHECK: %[[M:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15]]> : tensor<1x2xui8>, scale = dense<5.000000e-01> : tensor<1xf16>, min = dense<-2.000000e+00> : tensor<1xf16>} : !llm.quantized_tensor<1x2xui4, scale=f16, min=f16>
// CHECK: %[[E:.*]] = llm.constant {codes = dense<{{\[\[}}56, 184]]> : tensor<1x2xui8>, scale = dense<5.000000e-01> : tensor<1xf32>} : !llm.quantized_tensor<1x2xf8E4M3FN, scale=f32>
// CHECK: %[[N:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15]]> : tensor<1x2xui8>, scale = dense<5.000000e-01> : tensor<1xf32>} : !llm.quantized_tensor<1x2x!llm.codebook<nf4>, scale=f32>
// CHECK: %[[K:.*]] = llm.constant {codes = dense<{{\[\[}}0, 15, 1, 2]]> : tensor<1x4xui8>, scale = dense<{{\[\[}}63, 1]]> : tensor<1x2xui8>, scale_scale = dense<5.000000e-01> : tensor<1x1xf16>, min = dense<{{\[\[}}0, 63]]> : tensor<1x2xui8>, min_scale = dense<-2.500000e-01> : tensor<1x1xf16>} : !llm.quantized_tensor<1x4xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=2>
// a mixed tensor: the first row in the second format; where one has patterns above 127, codes are i16
// CHECK: llm.constant {codes = dense<{{\[\[}}-8, 7], [-128, 127]]> : tensor<2x2xi8>, scale = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// CHECK: llm.constant {codes = dense<{{\[\[}}-8, 7], [254, 56]]> : tensor<2x2xi16>, scale = dense<1.000000e+00> : tensor<2xf16>, selector = dense<[1, 0]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<f8E4M3FN,i4>, scale=f16>
// a sparse tensor is written with its zeros
// CHECK: llm.constant {codes = dense<{{\[\[}}0, 7, -8, 0], [0, 0, 0, 1]]> : tensor<2x4xi8>, scale = dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf16>} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x4xi4, scale=f16, symmetric=true, axis=0>>
// CHECK: func.call @use(%[[W]], %[[P]], %[[K]])
// GENERIC: "llm.constant"() <{codes = dense<{{\[\[}}-8, 7, 0, 1], [1, 2, 3, 4]]> : tensor<2x4xi8>, scale = dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>}> : () -> !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
func.func @constants() {
  %w = llm.constant {codes = dense<[[-8, 7, 0, 1], [1, 2, 3, 4]]> : tensor<2x4xi8>, scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
  %p = llm.constant {codes = dense<[[0, 15, 8, 1]]> : tensor<1x4xui8>, scale = dense<[[0.5, 2.0]]> : tensor<1x2xf16>, zero_point = dense<[[8, 3]]> : tensor<1x2xui8>} : !llm.quantized_tensor<1x4xui4, scale=f16, zp=ui4, group_size=2>
  %f = llm.constant {codes = dense<[[0, 255]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf32>, zero_point = dense<127.5> : tensor<1xf32>} : !llm.quantized_tensor<1x2xui8, scale=f32, zp=f32>
  %m = llm.constant {codes = dense<[[0, 15]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf16>, min = dense<-2.0> : tensor<1xf16>} : !llm.quantized_tensor<1x2xui4, scale=f16, min=f16>
  %e = llm.constant {codes = dense<[[56, 184]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf32>} : !llm.quantized_tensor<1x2xf8E4M3FN, scale=f32>
  %n = llm.constant {codes = dense<[[0, 15]]> : tensor<1x2xui8>, scale = dense<0.5> : tensor<1xf32>} : !llm.quantized_tensor<1x2x!llm.codebook<nf4>, scale=f32>
  %k = llm.constant {codes = dense<[[0, 15, 1, 2]]> : tensor<1x4xui8>, scale = dense<[[63, 1]]> : tensor<1x2xui8>, scale_scale = dense<0.5> : tensor<1x1xf16>, min = dense<[[0, 63]]> : tensor<1x2xui8>, min_scale = dense<-0.25> : tensor<1x1xf16>} : !llm.quantized_tensor<1x4xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=2>
  %i = llm.constant {codes = dense<[[-8, 7], [-128, 127]]> : tensor<2x2xi8>, scale = dense<[1.0, 0.5]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
  %j = llm.constant {codes = dense<[[-8, 7], [254, 56]]> : tensor<2x2xi16>, scale = dense<1.0> : tensor<2xf16>, selector = dense<[1, 0]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<f8E4M3FN,i4>, scale=f16>
  %s = llm.constant {codes = dense<[[0, 7, -8, 0], [0, 0, 0, 1]]> : tensor<2x4xi8>, scale = dense<[1.0, 0.5]> : tensor<2xf16>} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x4xi4, scale=f16, symmetric=true, axis=0>>
  func.call @use(%w, %p, %k) : (!llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<1x4xui4, scale=f16, zp=ui4, group_size=2>, !llm.quantized_tensor<1x4xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=2>) -> ()
  func.return
}
func.func private @use(!llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<1x4xui4, scale=f16, zp=ui4, group_size=2>, !llm.quantized_tensor<1x4xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=2>) -> ()
