// RUN: llmir-opt %s -p merge-projections | filecheck %s
// RUN: llmir-opt %s -p fuse-quantized-ops{merge-projections=true} | filecheck %s
// Stored weights are tested in tests/passes/test_merge_projections.py; here they are constants.

!x = tensor<?x2xf32>

// three layers and their biases
// CHECK-LABEL: func.func @float
// CHECK-NEXT: %[[W:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00], [7.000000e+00, 8.000000e+00]]> : tensor<4x2xf32>
// CHECK-NEXT: %[[B:.*]] = arith.constant dense<[1.000000e-01, 2.000000e-01, 3.000000e-01, 4.000000e-01]> : tensor<4xf32>
// CHECK-NEXT: %q_k_v = llm.linear(%x, %[[W]]) bias(%[[B]]) : (tensor<?x2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %c0 = arith.constant 0 : index
// CHECK-NEXT: %tokens = tensor.dim %q_k_v, %c0 : tensor<?x4xf32>
// CHECK-NEXT: %q = tensor.extract_slice %q_k_v[0, 0] [%tokens, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
// CHECK-NEXT: %k = tensor.extract_slice %q_k_v[0, 2] [%tokens, 1] [1, 1] : tensor<?x4xf32> to tensor<?x1xf32>
// CHECK-NEXT: %v = tensor.extract_slice %q_k_v[0, 3] [%tokens, 1] [1, 1] : tensor<?x4xf32> to tensor<?x1xf32>
// CHECK-NEXT: func.return %q, %k, %v
func.func @float(%x: !x) -> (!x, tensor<?x1xf32>, tensor<?x1xf32>) {
  %wq = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %bq = arith.constant dense<[0.1, 0.2]> : tensor<2xf32>
  %q = llm.linear(%x, %wq) bias(%bq) : (!x, tensor<2x2xf32>, tensor<2xf32>) -> !x
  %wk = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %bk = arith.constant dense<0.3> : tensor<1xf32>
  %k = llm.linear(%x, %wk) bias(%bk) : (!x, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  %wv = arith.constant dense<[[7.0, 8.0]]> : tensor<1x2xf32>
  %bv = arith.constant dense<0.4> : tensor<1xf32>
  %v = llm.linear(%x, %wv) bias(%bv) : (!x, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  func.return %q, %k, %v : !x, tensor<?x1xf32>, tensor<?x1xf32>
}

!one = !llm.quantized_tensor<1x2xi8, scale=f32>
!two = !llm.quantized_tensor<2x2xi8, scale=f32>

// one scale each: a scale for each row
// CHECK-LABEL: func.func @codes
// CHECK-NEXT: %[[W:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8>, scale = dense<[5.000000e-01, 5.000000e-01, 2.500000e-01]> : tensor<3xf32>} : !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>
// CHECK-NEXT: %gate_up = llm.quantized_matmul(%x, %[[W]]) : (tensor<2x2xf32>, !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>) -> tensor<2x3xf32>
// CHECK-NEXT: %gate = tensor.extract_slice %gate_up[0, 0] [2, 2] [1, 1] : tensor<2x3xf32> to tensor<2x2xf32>
// CHECK-NEXT: %up = tensor.extract_slice %gate_up[0, 2] [2, 1] [1, 1] : tensor<2x3xf32> to tensor<2x1xf32>
// CHECK-NEXT: func.return %gate, %up
func.func @codes(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x1xf32>) {
  %a = llm.constant {codes = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !two
  %gate = llm.quantized_matmul(%x, %a) : (tensor<2x2xf32>, !two) -> tensor<2x2xf32>
  %b = llm.constant {codes = dense<[[5, 6]]> : tensor<1x2xi8>, scale = dense<0.25> : tensor<1xf32>} : !one
  %up = llm.quantized_matmul(%x, %b) : (tensor<2x2xf32>, !one) -> tensor<2x1xf32>
  func.return %gate, %up : tensor<2x2xf32>, tensor<2x1xf32>
}

!four = !llm.quantized_tensor<1x2xi4, scale=f32>

// near misses: another scheme; the two that are alike are merged around it
// CHECK-LABEL: func.func @schemes
// CHECK: %a_c = llm.quantized_matmul(%x, %{{.*}}) : (tensor<2x2xf32>, !llm.quantized_tensor<2x2xi8, scale=f32, axis=0>) -> tensor<2x2xf32>
// CHECK: %b = llm.quantized_matmul(%x, %wb) {llm.remark = "not merged with a: the weights are !llm.quantized_tensor<1x2xi8, scale=f32> and !llm.quantized_tensor<1x2xi4, scale=f32>"}
func.func @schemes(%x: tensor<2x2xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>) {
  %wa = llm.constant {codes = dense<[[1, 2]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !one
  %a = llm.quantized_matmul(%x, %wa) : (tensor<2x2xf32>, !one) -> tensor<2x1xf32>
  %wb = llm.constant {codes = dense<[[5, 6]]> : tensor<1x2xi8>, scale = dense<0.25> : tensor<1xf32>} : !four
  %b = llm.quantized_matmul(%x, %wb) : (tensor<2x2xf32>, !four) -> tensor<2x1xf32>
  %wc = llm.constant {codes = dense<[[3, 4]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !one
  %c = llm.quantized_matmul(%x, %wc) : (tensor<2x2xf32>, !one) -> tensor<2x1xf32>
  func.return %a, %b, %c : tensor<2x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>
}

// CHECK-LABEL: func.func @one_bias
// CHECK: %b = llm.linear(%x, %w) bias(%v) {llm.remark = "not merged with a: only one of them has a bias"}
func.func @one_bias(%x: !x) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %w = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %v = arith.constant dense<0.3> : tensor<1xf32>
  %a = llm.linear(%x, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %b = llm.linear(%x, %w) bias(%v) : (!x, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  func.return %a, %b : tensor<?x1xf32>, tensor<?x1xf32>
}

!q = !llm.quantized_tensor<2x2xi8, scale=f32>

// CHECK-LABEL: func.func @inputs
// CHECK: %b = llm.quantized_matmul(%r, %w) {llm.remark = "not merged with a: their inputs are quantized differently"}
func.func @inputs(%x: tensor<2x2xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %w = llm.constant {codes = dense<[[1, 2]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !one
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x2xf32>) -> !q
  %a = llm.quantized_matmul(%q, %w) : (!q, !one) -> tensor<2x1xf32>
  %r = llm.quantize(%x) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x2xf32>) -> !q
  %b = llm.quantized_matmul(%r, %w) : (!q, !one) -> tensor<2x1xf32>
  func.return %a, %b : tensor<2x1xf32>, tensor<2x1xf32>
}

// other inputs are no near miss
// CHECK-LABEL: func.func @other_inputs
// CHECK: llm.linear(%x, %w) : (
// CHECK: llm.linear(%y, %w) : (
func.func @other_inputs(%x: !x, %y: !x) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %w = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %a = llm.linear(%x, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %b = llm.linear(%y, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %a, %b : tensor<?x1xf32>, tensor<?x1xf32>
}

!columns = !llm.quantized_tensor<1x2xi8, scale=f32, axis=1>
!groups = !llm.quantized_tensor<2x2xi8, scale=f32, group_size=2, axis=0>
llm.weight @stored : tensor<1x2xf32>

// what a layer alone cannot be merged with any other for
// CHECK-LABEL: func.func @alone
// CHECK: %a = llm.linear(%x, %w) {llm.remark = "not merged with other layers of its input: its weight is computed at run time"}
// CHECK: %b = llm.linear(%x, %c) bias(%v) {llm.remark = "not merged with other layers of its input: its bias is computed at run time"}
// CHECK: %e = llm.quantized_matmul(%x, %k) {llm.remark = "not merged with other layers of its input: its weight has a scale for each index of K"}
// CHECK: %f = llm.quantized_matmul(%x, %g) {llm.remark = "not merged with other layers of its input: its weight has groups along its rows"}
// CHECK: %h = llm.linear(%x, %stored) {llm.remark = "not merged with other layers of its input: its weight has no values here"}
// CHECK: %i = llm.linear(%x, %c) {llm.scheme = {{.*}}, llm.remark = "not merged with other layers of its input: its scheme is still to be applied"}
// CHECK: %j = llm.quantized_matmul(%x, %p, %s) {{{.*}}llm.remark = "not merged with other layers of its input: its weight is codes in a plain tensor"}
// CHECK: %m = llm.linear(%x, %d) {llm.remark = "not merged with other layers of its input: its weight has a dynamic size"}
func.func @alone(%x: !x, %w: tensor<1x2xf32>, %v: tensor<1xf32>, %p: tensor<1x2xi8>, %s: tensor<1xf32>, %d: tensor<?x2xf32>) {
  %a = llm.linear(%x, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %c = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %b = llm.linear(%x, %c) bias(%v) : (!x, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  %k = llm.constant {codes = dense<[[1, 2]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<2xf32>} : !columns
  %e = llm.quantized_matmul(%x, %k) : (!x, !columns) -> tensor<?x1xf32>
  %g = llm.constant {codes = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, scale = dense<0.5> : tensor<1x2xf32>} : !groups
  %f = llm.quantized_matmul(%x, %g) : (!x, !groups) -> tensor<?x2xf32>
  %stored = llm.load_weight @stored : tensor<1x2xf32>
  %h = llm.linear(%x, %stored) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %i = llm.linear(%x, %c) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, granularity=per_channel>>} : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %j = llm.quantized_matmul(%x, %p, %s) {bits = 8 : i32} : (!x, tensor<1x2xi8>, tensor<1xf32>) -> tensor<?x1xf32>
  %m = llm.linear(%x, %d) : (!x, tensor<?x2xf32>) -> tensor<?x?xf32>
  func.return
}

// CHECK-LABEL: func.func @differences
// CHECK: %b = llm.linear(%x, %w) {llm.remark = "not merged with a: the results are tensor<?x1xf32> and tensor<?x1xf16>"}
// CHECK: %c = llm.linear(%x, %w) {note = 1 : i64, llm.remark = "not merged with a: their attributes differ"}
func.func @differences(%x: !x) {
  %w = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %a = llm.linear(%x, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  %b = llm.linear(%x, %w) : (!x, tensor<1x2xf32>) -> tensor<?x1xf16>
  %c = llm.linear(%x, %w) {note = 1 : i64} : (!x, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return
}
