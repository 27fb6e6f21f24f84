// Patterns that are regular expressions, methods of inputs, and the least range of a scale.
// RUN: llmir-opt %s -p 'assign-schemes{modules="re:a\\.[01]$" weight-type=i4 weight-smallest-range=1e-4}' | filecheck %s --check-prefix=RANGE
// RUN: llmir-opt %s -p 'assign-schemes{modules="a.0" input-type=f8E5M2 input-method=unit_scale},quantize-activations' | filecheck %s --check-prefix=UNIT
// RUN: llmir-opt %s -p 'assign-schemes{modules="a.0" input-type=f8E4M3FN input-method=mlc_fp8},calibrate,quantize-activations' | filecheck %s --check-prefix=MLC
// RUN: not llmir-opt %s -p 'assign-schemes{modules="re:b" weight-type=i4}' 2>&1 | filecheck %s --check-prefix=NO
// RUN: not llmir-opt %s -p 'assign-schemes{modules="re:(" weight-type=i4}' 2>&1 | filecheck %s --check-prefix=REGEX
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-smallest-range=-1}' 2>&1 | filecheck %s --check-prefix=NEGATIVE
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-scale=f16 weight-method=mlc weight-smallest-range=1.0}' 2>&1 | filecheck %s --check-prefix=METHOD

func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [[dense<[[7.0, -896.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<1.0> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) {module = "a.0"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %v = arith.constant dense<2.0> : tensor<2x2xf32>
  %z = llm.linear(%y, %v) {module = "a.00"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %z : tensor<?x2xf32>
}

// RANGE: module = "a.0", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax, smallest_range=0.0001>>
// RANGE: module = "a.00", llm.remark = "not quantized: matched by no rule of the recipe"

// UNIT: %[[Q:.*]] = llm.quantize(%x) {scale = dense<1.000000e+00> : tensor<1xf32>} : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xf8E5M2, scale=f32>
// UNIT: %[[D:.*]] = llm.dequantize(%[[Q]])
// UNIT: llm.linear(%[[D]], %w) {module = "a.0"}

// 896 / 448
// MLC: llm.quantize(%x) {scale = dense<2.000000e+00> : tensor<1xf32>}

// NO: assign-schemes: pattern 're:b' matches none of 2 layers; the nearest layer is
// REGEX: pattern 're:(' is not a regular expression: missing ), unterminated subpattern at position 0
// NEGATIVE: assign-schemes: smallest_range must be finite and not negative, got -1.0
// METHOD: assign-schemes: weight-smallest-range is for the methods absmax, signed_absmax, minmax, mse, hqo
