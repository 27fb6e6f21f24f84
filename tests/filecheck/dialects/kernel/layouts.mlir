// RUN: %roundtrip
// RUN: %generic-roundtrip

// CHECK: builtin.module attributes {kernel.target = "arm-i8mm"}
builtin.module attributes {kernel.target = "arm-i8mm"} {
  // sizes stand in any order, and print in the packing's
  // CHECK: llm.weight @packed {kernel.layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>, kernel.unpacked = !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>} : tensor<176xui8>
  llm.weight @packed {kernel.layout = #kernel.layout<kleidiai_qsi8cxp, kr=8, nr=4>, kernel.unpacked = !llm.quantized_tensor<4x32xi8, scale=f32, symmetric=true, axis=0>} : tensor<176xui8>
  func.func @f() {
    // CHECK: %[[P:.*]] = kernel.load @packed {layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>} : tensor<176xui8> -> tensor<176xui8>
    %p = kernel.load @packed {layout = #kernel.layout<kleidiai_qsi8cxp, nr=4, kr=8>} : tensor<176xui8> -> tensor<176xui8>
    // CHECK-NEXT: %[[W:.*]] = kernel.load @w {layout = #kernel.layout<mma, k=32>, cast = !llm.quantized_tensor<8x64xi8, scale=f16, symmetric=true, group_size=32>} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<640xui8>
    %w = kernel.load @w {layout = #kernel.layout<mma, k=32>, cast = !llm.quantized_tensor<8x64xi8, scale=f16, symmetric=true, group_size=32>} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<640xui8>
    // CHECK-NEXT: %[[M:.*]] = kernel.load @m {layout = #kernel.layout<marlin>} : !llm.quantized_tensor<64x16xi4, scale=f16, symmetric=true, group_size=16> -> tensor<640xui8>
    %m = kernel.load @m {layout = #kernel.layout<marlin>} : !llm.quantized_tensor<64x16xi4, scale=f16, symmetric=true, group_size=16> -> tensor<640xui8>
    func.return
  }
}
