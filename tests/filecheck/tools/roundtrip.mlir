// RUN: llmir-opt %s --verify-roundtrip | filecheck %s
// RUN: llmir-opt %s --verify-roundtrip --allow-unregistered-dialect --mlir-disable-threading --mlir-print-stacktrace-on-diagnostic | filecheck %s
// RUN: llmir-opt - --verify-roundtrip < %s | filecheck %s

func.func @f(%x: tensor<4x256xf32>) -> !llm.quantized_tensor<4x256xi8, scale=f32, zp=i8, group_size=128> {
  %q = llm.quantize(%x) : (tensor<4x256xf32>) -> !llm.quantized_tensor<4x256xi8, scale=f32, zp=i8, group_size=128>
  %a = arith.constant dense_resource<blob> : tensor<2xf32>
  %b = arith.constant dense_resource<blob> : tensor<2xf32>
  func.return %q : !llm.quantized_tensor<4x256xi8, scale=f32, zp=i8, group_size=128>
}

{-#
  dialect_resources: {
    builtin: {
      blob: "0x040000000000803F00000040"
    }
  }
#-}

// CHECK: %[[Q:.*]] = llm.quantize(%{{.*}}) : (tensor<4x256xf32>) -> !llm.quantized_tensor<4x256xi8, scale=f32, zp=i8, group_size=128>
// CHECK-NEXT: arith.constant dense_resource<blob>
// CHECK-NEXT: arith.constant dense_resource<blob>
// CHECK-NEXT: func.return %[[Q]]
// CHECK: blob: "0x040000000000803F00000040"
