// RUN: llmir-opt %S/Inputs/stored/model.mlir -p 'assign-schemes{weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic=true},quantize-weights,quantize-activations,fuse-quantized-ops,lower-to-target{target=arm-i8mm},pack-weights' | filecheck %s --check-prefix=PACKED
// RUN: llmir-opt %S/Inputs/stored/model.mlir -p 'assign-schemes{weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic=true},quantize-weights,quantize-activations,fuse-quantized-ops,lower-to-target{target=arm-i8mm},pack-weights,unpack-weights' | filecheck %s --check-prefix=UNPACKED

// Packed weights become bytes, and codes and scales again; their loads pack them then.

// PACKED:      llm.weight @n.weight : tensor<32xf32>
// PACKED-NEXT: llm.weight @a.weight {kernel.layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>, kernel.unpacked = !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>} : tensor<176xui8>
// PACKED-LABEL: func.func @main(
// PACKED-SAME: %[[X:.*]]: tensor<?x32xf32>) -> tensor<?x4xf32>
// PACKED-NEXT: %[[N:.*]] = kernel.load @n.weight {layout = "dense"} : tensor<32xf32> -> tensor<32xf32>
// PACKED-NEXT: %[[H:.*]] = kernel.call @rms_norm(%[[X]], %[[N]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
// PACKED-NEXT: %[[QUANTIZED:.*]] = kernel.call @quantize(%[[H]]) {format = !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>, llm.remark = "scale not folded into the norm before it: it is computed at run time"} : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>
// PACKED-NEXT: %[[AWEIGHT:.*]] = kernel.load @a.weight {layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>} : tensor<176xui8> -> tensor<176xui8>
// PACKED-NEXT: %[[Y:.*]] = kernel.call @kai_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm(%[[QUANTIZED]], %[[AWEIGHT]]) {tile = array<i64: 16, 4, 32>} : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>, tensor<176xui8>) -> tensor<?x4xf32>
// PACKED-NEXT: func.return %[[Y]] : tensor<?x4xf32>

// UNPACKED:      llm.weight @n.weight : tensor<32xf32>
// UNPACKED-NEXT: llm.weight @a.weight : !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>
// UNPACKED-LABEL: func.func @main(
// UNPACKED-SAME: %[[X:.*]]: tensor<?x32xf32>) -> tensor<?x4xf32>
// UNPACKED-NEXT: %[[N:.*]] = kernel.load @n.weight {layout = "dense"} : tensor<32xf32> -> tensor<32xf32>
// UNPACKED-NEXT: %[[H:.*]] = kernel.call @rms_norm(%[[X]], %[[N]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
// UNPACKED-NEXT: %[[QUANTIZED:.*]] = kernel.call @quantize(%[[H]]) {format = !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>, llm.remark = "scale not folded into the norm before it: it is computed at run time"} : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>
// UNPACKED-NEXT: %[[AWEIGHT:.*]] = kernel.load @a.weight {layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>} : !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0> -> tensor<176xui8>
// UNPACKED-NEXT: %[[Y:.*]] = kernel.call @kai_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm(%[[QUANTIZED]], %[[AWEIGHT]]) {tile = array<i64: 16, 4, 32>} : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>, tensor<176xui8>) -> tensor<?x4xf32>
// UNPACKED-NEXT: func.return %[[Y]] : tensor<?x4xf32>
