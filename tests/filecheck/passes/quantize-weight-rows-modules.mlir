// RUN: llmir-opt %s -p 'quantize-weight-rows{average-bits=8 types=i4,i8 modules=a,t,c exclude=c ops=linear,embedding}' | filecheck %s

// The layers chosen share the table; one is taken out again, and one is matched by nothing.
// CHECK-LABEL: func.func @modules(
// CHECK-SAME:  %[[X:.*]]: tensor<?x2xf32>, %[[I:.*]]: tensor<?xi64>)
// CHECK-NEXT:  %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}-128, 1]]> : tensor<1x2xi8>, scale = dense<7.812500e-03> : tensor<1xf32>, selector = dense<1> : tensor<1xui8>} : !llm.mixed_quantized_tensor<1x2x!llm.mixed<i4,i8>, scale=f32>
// CHECK-NEXT:  %[[D:.*]] = llm.dequantize(%[[W]])
// CHECK-NEXT:  llm.embedding(%[[I]], %[[D]]) {module = "t"}
// CHECK-NEXT:  llm.linear(%[[X]], %[[D]]) {module = "a"}
// CHECK-NEXT:  %[[V:.*]] = arith.constant dense<2.000000e+00> : tensor<1x2xf32>
// CHECK-NEXT:  llm.linear(%[[X]], %[[V]]) {module = "b", llm.remark = "not quantized: matched by no rule of the recipe"}
// CHECK-NEXT:  llm.linear(%[[X]], %[[V]]) {module = "c", llm.remark = "not quantized: excluded by the recipe"}
func.func @modules(%x: tensor<?x2xf32>, %ids: tensor<?xi64>) {
  %w = arith.constant dense<[[-1.0, 0.0078125]]> : tensor<1x2xf32>
  %t = llm.embedding(%ids, %w) {module = "t"} : (tensor<?xi64>, tensor<1x2xf32>) -> tensor<?x2xf32>
  %a = llm.linear(%x, %w) {module = "a"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %v = arith.constant dense<2.0> : tensor<1x2xf32>
  %b = llm.linear(%x, %v) {module = "b"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %c = llm.linear(%x, %v) {module = "c"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}
