// Narrow range: signed codes -7 to 7 with a scale of absmax / 7, unsigned ones 0 to 14 with one of (max - min) / 14.
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-narrow-range=true},quantize-weights' | filecheck %s --check-prefix=SIGNED
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=ui4 weight-narrow-range=true},quantize-weights' | filecheck %s --check-prefix=UNSIGNED
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=f32 weight-granularity=per_tensor weight-narrow-range=true},quantize-weights' | filecheck %s --check-prefix=WHOLE

// SIGNED: codes = dense<{{\[\[}}-7, 7, 0, 1]]>
// SIGNED-SAME: scale = dense<1.000000e+00>
// UNSIGNED: codes = dense<{{\[\[}}0, 14, 7, 8]]>
// UNSIGNED-SAME: scale = dense<1.000000e+00>
// UNSIGNED-SAME: zero_point = dense<7>
// WHOLE: codes = dense<{{\[\[}}0, 14, 7, 8]]>
// WHOLE-SAME: zero_point = dense<7.000000e+00>
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[-7.0, 7.0, 0.0, 1.0]]> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
