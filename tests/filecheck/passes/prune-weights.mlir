// RUN: llmir-opt %s -p 'prune-weights{exclude=b}' | filecheck %s
// RUN: llmir-opt %s -p 'prune-weights{sparsity=1:8 modules=a,t ops=linear,embedding exclude=t}' | filecheck %s --check-prefix=ONE

// Of four elements the two with the largest magnitudes stay, of equal ones the first; a layer taken out stays whole,
// and so does a table, which is no linear layer.
// CHECK-LABEL: func.func @prune(
// CHECK-SAME:  %[[X:.*]]: tensor<?x8xf32>, %[[I:.*]]: tensor<?xi64>)
// CHECK-NEXT:  %[[A:.*]] = arith.constant dense<{{\[\[}}0.000000e+00, 0.000000e+00, -8.000000e+00, 3.000000e+00, 5.000000e-01, -5.000000e-01, 0.000000e+00, 0.000000e+00]]> : tensor<1x8xf32>
// CHECK-NEXT:  %[[B:.*]] = arith.constant dense<1.000000e+00> : tensor<1x8xf16>
// CHECK-NEXT:  llm.linear(%[[X]], %[[A]])
// CHECK-NEXT:  llm.linear(%[[X]], %[[B]])
// CHECK-NEXT:  %[[T:.*]] = arith.constant dense<2.000000e+00> : tensor<1x8xf32>
// CHECK-NEXT:  llm.embedding(%[[I]], %[[T]])
// ONE-LABEL: func.func @prune(
// ONE-SAME:  %[[X:.*]]: tensor<?x8xf32>, %[[I:.*]]: tensor<?xi64>)
// ONE-NEXT:  %[[A:.*]] = arith.constant dense<{{\[\[}}0.000000e+00, 0.000000e+00, -8.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]]> : tensor<1x8xf32>
// ONE-NEXT:  %[[B:.*]] = arith.constant dense<1.000000e+00> : tensor<1x8xf16>
// ONE-NEXT:  llm.linear(%[[X]], %[[A]])
// ONE-NEXT:  llm.linear(%[[X]], %[[B]])
// ONE-NEXT:  %[[T:.*]] = arith.constant dense<2.000000e+00> : tensor<1x8xf32>
// ONE-NEXT:  llm.embedding(%[[I]], %[[T]])
func.func @prune(%x: tensor<?x8xf32>, %ids: tensor<?xi64>) {
  %w = arith.constant dense<[[1.0, 2.0, -8.0, 3.0, 0.5, -0.5, 0.5, 0.25]]> : tensor<1x8xf32>
  %v = arith.constant dense<1.0> : tensor<1x8xf16>
  %a = llm.linear(%x, %w) {module = "a"} : (tensor<?x8xf32>, tensor<1x8xf32>) -> tensor<?x1xf32>
  %b = llm.linear(%x, %v) {module = "b"} : (tensor<?x8xf32>, tensor<1x8xf16>) -> tensor<?x1xf32>
  %e = arith.constant dense<2.0> : tensor<1x8xf32>
  %t = llm.embedding(%ids, %e) {module = "t"} : (tensor<?xi64>, tensor<1x8xf32>) -> tensor<?x8xf32>
  func.return
}
