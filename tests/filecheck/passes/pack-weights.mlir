// RUN: llmir-opt %s -p 'lower-to-target{target=arm-i8mm},pack-weights' | filecheck %s
// RUN: llmir-opt %s -p 'lower-to-target{target=arm-i8mm},pack-weights,pack-weights' | filecheck %s --check-prefix=AGAIN
// RUN: llmir-opt %s -p 'lower-to-target,pack-weights' | filecheck %s --check-prefix=NUMPY
// RUN: not llmir-opt %s -p pack-weights 2>&1 | filecheck %s --check-prefix=LEVEL
// What is stored is tested in tests/passes/test_pack_weights.py; these weights have no values.

// LEVEL: pack-weights: no kernel reads a weight yet, run lower-to-target first
// AGAIN: llm.remark = "no kernel of target 'arm-i8mm' reads a packed weight"
// NUMPY: llm.remark = "no kernel of target 'numpy' reads a packed weight"
// NUMPY-NOT: kernel.layout

builtin.module attributes {llm.no_weights} {
  // CHECK: llm.weight @w {kernel.layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>, kernel.unpacked = !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>} : tensor<176xui8>
  llm.weight @w : !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>
  // CHECK-NEXT: llm.weight @norm : tensor<32xf16>
  llm.weight @norm : tensor<32xf16>
  // CHECK-LABEL: func.func @main
  // CHECK:      %[[N:.*]] = kernel.load @norm {layout = "dense"} : tensor<32xf16> -> tensor<32xf16>
  // CHECK-NEXT: %[[X:.*]] = kernel.call @rms_norm(%x, %[[N]])
  // CHECK-NEXT: %[[Q:.*]] = kernel.call @quantize(%[[X]])
  // CHECK-NEXT: %[[W:.*]] = kernel.load @w {layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>} : tensor<176xui8> -> tensor<176xui8>
  // CHECK-NEXT: kernel.call @kai_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm(%[[Q]], %[[W]])
  func.func @main(%x: tensor<?x32xf32>) -> tensor<?x4xf32> {
    %n = llm.load_weight @norm : tensor<32xf16>
    %s = llm.rms_norm(%x, %n) {epsilon = 1.0e-05 : f32} : (tensor<?x32xf32>, tensor<32xf16>) -> tensor<?x32xf32>
    %q = llm.quantize(%s) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, zp=i8, axis=0>
    %w = llm.load_weight @w : !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>
    %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x32xi8, scale=f32, zp=i8, axis=0>, !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x4xf32>
    func.return %y : tensor<?x4xf32>
  }
}
