// RUN: llmir-opt %s -p fold-norm-scales | filecheck %s

// A constant that multiplies the norm multiplies its weight instead, column by column.

func.func @f(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 0.5 : f32} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %c = arith.constant dense<[[2.0, 0.5], [2.0, 0.5]]> : tensor<2x2xf32>
  %y = arith.mulf %n, %c : tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK-NEXT: %[[W:.*]] = arith.constant dense<[2.000000e+00, 1.500000e+00]> : tensor<2xf32>
// CHECK-NEXT: %[[N:.*]] = llm.rms_norm(%[[X]], %[[W]]) {epsilon = 5.000000e-01 : f32} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
// CHECK-NEXT: func.return %[[N]] : tensor<2x2xf32>
