// RUN: llmir-opt %s -p merge-projections | filecheck %s

// Rows of the merged weight stand in the order of the layers, and so do the slices.

func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x2xf32>) {
  %a = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %ya = llm.linear(%x, %a) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %b = arith.constant dense<[[3.0, 4.0], [5.0, 6.0]]> : tensor<2x2xf32>
  %yb = llm.linear(%x, %b) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %ya, %yb : tensor<?x1xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x2xf32>)
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// CHECK-NEXT: %[[YAYB:.*]] = llm.linear(%[[X]], %[[C]]) : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
// CHECK:      %[[YA:.*]] = tensor.extract_slice %[[YAYB]][0, 0] [%{{.*}}, 1] [1, 1] : tensor<?x3xf32> to tensor<?x1xf32>
// CHECK-NEXT: %[[YB:.*]] = tensor.extract_slice %[[YAYB]][0, 1] [%{{.*}}, 2] [1, 1] : tensor<?x3xf32> to tensor<?x2xf32>
// CHECK-NEXT: func.return %[[YA]], %[[YB]] : tensor<?x1xf32>, tensor<?x2xf32>
