// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// A transpose becomes linalg.transpose, sizes that are not static permuted too.

func.func @f(%x: tensor<?x6xf32>) -> tensor<6x?xf32> {
  %y = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (tensor<?x6xf32>) -> tensor<6x?xf32>
  func.return %y : tensor<6x?xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>) -> tensor<6x?xf32>
// CHECK:      %[[Y:.*]] = linalg.transpose ins(%[[X]]:tensor<?x6xf32>) outs(%{{.*}}:tensor<6x?xf32>) permutation = [1, 0]
// CHECK-NEXT: func.return %[[Y]] : tensor<6x?xf32>
