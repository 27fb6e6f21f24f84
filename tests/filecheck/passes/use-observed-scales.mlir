// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales,use-observed-scales' | filecheck %s
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,use-observed-scales' 2>&1 | filecheck %s --check-prefix=UNMEASURED
// RUN: not llmir-opt %s -p use-observed-scales 2>&1 | filecheck %s --check-prefix=NONE

func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [
    [dense<[[1.0, -2.0], [3.0, 0.5]]> : tensor<2x2xf32>],
    [dense<[[-4.0, 1.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[0.0, 2.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// scale = 4 / 128, the largest magnitude of both samples; observer, weight and scheme are gone
// CHECK-NOT:  llm.weight
// CHECK:      func.func @main(%[[X:.*]]: tensor<?x2xf32>)
// CHECK:      %[[W:.*]] = arith.constant
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) {scale = dense<3.125000e-02> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT: llm.linear(%[[D]], %[[W]]) {module = "layer"}

// UNMEASURED: use-observed-scales.mlir:9:3: error: 'llm.linear' op its input scale is not measured yet; run llmir calibrate on the program
// NONE: error: use-observed-scales: the program has no observers; give --calibration FILE, or start from a program made with -q e4m3_e4m3_f16_max_calibrate
