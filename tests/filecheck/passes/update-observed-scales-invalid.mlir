// RUN: not llmir-opt %s -p 'assign-schemes{input-type=f8E4M3FN input-method=mlc_fp8},insert-observers,update-observed-scales' 2>&1 | filecheck %s
// RUN: llmir-opt %s -p 'assign-schemes{input-type=f8E4M3FN},insert-observers,update-observed-scales,use-observed-scales' | filecheck %s --check-prefix=ABSMAX

// MLC-LLM measures magnitudes in float16, which ends at 65504; 114688 / 448 is the scale of an absmax.

// CHECK: update-observed-scales-invalid.mlir:8:3: error: 'llm.linear' op a magnitude of 114688 does not fit float16
func.func @main(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [[dense<[[114688.0, 1.0]]> : tensor<1x2xf32>, dense<1.0> : tensor<2x2xf32>]]} {
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// ABSMAX-LABEL: func.func @main(
// ABSMAX-SAME:  %[[X:.*]]: tensor<?x2xf32>, %[[W:.*]]: tensor<2x2xf32>)
// ABSMAX-NEXT:  %[[Q:.*]] = llm.quantize(%[[X]]) {scale = dense<2.560000e+02> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xf8E4M3FN, scale=f32>
// ABSMAX-NEXT:  %[[D:.*]] = llm.dequantize(%[[Q]])
// ABSMAX-NEXT:  %[[Y:.*]] = llm.linear(%[[D]], %[[W]])
// ABSMAX-NEXT:  func.return %[[Y]]
