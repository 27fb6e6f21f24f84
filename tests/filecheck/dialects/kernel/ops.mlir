// RUN: %roundtrip
// RUN: %generic-roundtrip

func.func @f(%x: tensor<?x64xf32>, %cache: tensor<128x3x64xf32>) {
  // CHECK: func.func @f
  %w = kernel.load @model.norm.weight {layout = "dense_f32"} : tensor<64xf16> -> tensor<64xf32>
  // CHECK-NEXT: %w = kernel.load @model.norm.weight {layout = "dense_f32"} : tensor<64xf16> -> tensor<64xf32>
  %q = kernel.load @w {layout = "packed", tag = 1 : i64} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<8x64xf32>
  // CHECK-NEXT: %q = kernel.load @w {tag = 1 : i64, layout = "packed"} : !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32> -> tensor<8x64xf32>
  %y = kernel.call @rms_norm(%x, %w) {epsilon = 9.99999974e-06 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %y = kernel.call @rms_norm(%x, %w) {epsilon = {{.*}} : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %a, %b = kernel.call @split(%y) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>)
  // CHECK-NEXT: %a, %b = kernel.call @split(%y) : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>)
  %u = kernel.call @update_cache(%cache) {effect = "cache"} : (tensor<128x3x64xf32>) -> tensor<128x3x64xf32>
  // CHECK-NEXT: %u = kernel.call @update_cache(%cache) {effect = "cache"} : (tensor<128x3x64xf32>) -> tensor<128x3x64xf32>
  kernel.call @observe(%y) {effect = "observe", site = "x"} : (tensor<?x64xf32>) -> ()
  // CHECK-NEXT: kernel.call @observe(%y) {site = "x", effect = "observe"} : (tensor<?x64xf32>) -> ()
  kernel.call @nothing() : () -> ()
  // CHECK-NEXT: kernel.call @nothing() : () -> ()
  func.return
}
