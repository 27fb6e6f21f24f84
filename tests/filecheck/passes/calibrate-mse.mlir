// The range whose codes have the least squared error: 2-bit codes -2 .. 1 of -2 and 1, 1, ..., 1.
// RUN: llmir-opt %s -p 'assign-schemes{input-type=i2},calibrate{statistic=mse},quantize-activations' | filecheck %s
// RUN: not llmir-opt %s -p 'calibrate{statistic=mse}' 2>&1 | filecheck %s --check-prefix=SCHEME

func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {llm.calibration = [
    [dense<[[1.0, 1.0, 1.0, 1.0], [-2.0, 1.0, 1.0, 1.0]]> : tensor<2x4xf32>]]} {
  %w = arith.constant dense<1.0> : tensor<4x4xf32>
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// the whole range, 2 = 2 * 1, leaves no error at all
// CHECK: llm.quantize(%x) {scale = dense<1.000000e+00> : tensor<1xf32>}
// SCHEME: calibrate: statistic mse is for layers with an input scheme, and for granularity tensor
