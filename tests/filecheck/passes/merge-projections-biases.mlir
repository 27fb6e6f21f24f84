// RUN: llmir-opt %s -p merge-projections | filecheck %s

// Biases are merged in the order of their weights.

func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %a = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %ba = arith.constant dense<10.0> : tensor<1xf32>
  %ya = llm.linear(%x, %a) bias(%ba) : (tensor<?x2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  %b = arith.constant dense<[[3.0, 4.0]]> : tensor<1x2xf32>
  %bb = arith.constant dense<20.0> : tensor<1xf32>
  %yb = llm.linear(%x, %b) bias(%bb) : (tensor<?x2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  func.return %ya, %yb : tensor<?x1xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>)
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00]]> : tensor<2x2xf32>
// CHECK-NEXT: %[[C2:.*]] = arith.constant dense<[1.000000e+01, 2.000000e+01]> : tensor<2xf32>
// CHECK-NEXT: %[[YAYB:.*]] = llm.linear(%[[X]], %[[C]]) bias(%[[C2]]) : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK:      %[[YA:.*]] = tensor.extract_slice %[[YAYB]][0, 0] [%{{.*}}, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
// CHECK-NEXT: %[[YB:.*]] = tensor.extract_slice %[[YAYB]][0, 1] [%{{.*}}, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
// CHECK-NEXT: func.return %[[YA]], %[[YB]] : tensor<?x1xf32>, tensor<?x1xf32>
