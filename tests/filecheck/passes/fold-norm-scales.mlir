// RUN: llmir-opt %s -p fold-norm-scales | filecheck %s
// RUN: llmir-opt %s -p fold-norm-scales{rounded=true} | filecheck %s --check-prefix=ROUNDED
// RUN: llmir-opt %s -p fuse-quantized-ops{rounded-scales=true} | filecheck %s --check-prefix=ROUNDED
// Stored weights are tested in tests/passes/test_fold_norm_scales.py; here they are constants.

!x = tensor<?x4xf32>
!q = !llm.quantized_tensor<?x4xi8, scale=f32>

// the weight is divided by a scale of 1/4
// CHECK-LABEL: func.func @power_of_two
// CHECK-NEXT: %w = arith.constant dense<[4.000000e+00, 8.000000e+00, 1.200000e+01, 4.400000e+00]> : tensor<4xf32>
// CHECK-NEXT: %n = llm.rms_norm(%x, %w)
// CHECK-NEXT: %q = llm.encode(%n) {scale = dense<2.500000e-01> : tensor<1xf32>} : (tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32>
// CHECK-NEXT: func.return %q
func.func @power_of_two(%x: !x) -> !q {
  %w = arith.constant dense<[1.0, 2.0, 3.0, 1.1]> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  func.return %q : !q
}

// a scale for each column, and the bias of a layer norm
// CHECK-LABEL: func.func @columns
// CHECK-NEXT: %w = arith.constant dense<[2.000000e+00, 2.000000e+00, 1.500000e+00, 2.000000e+00]> : tensor<4xf32>
// CHECK-NEXT: %b = arith.constant dense<[1.000000e+01, 5.000000e+00, 2.500000e+00, 1.000000e+01]> : tensor<4xf32>
// CHECK-NEXT: %n = llm.layer_norm(%x, %w) bias(%b)
// CHECK-NEXT: %q = llm.encode(%n) {scale = dense<[5.000000e-01, 1.000000e+00, 2.000000e+00, 5.000000e-01]> : tensor<4xf32>, zero_point = dense<[1, 2, 3, 4]> : tensor<4xi8>}
func.func @columns(%x: tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8, axis=1> {
  %w = arith.constant dense<[1.0, 2.0, 3.0, 1.0]> : tensor<4xf32>
  %b = arith.constant dense<5.0> : tensor<4xf32>
  %n = llm.layer_norm(%x, %w) bias(%b) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %q = llm.quantize(%n) {scale = dense<[0.5, 1.0, 2.0, 0.5]> : tensor<4xf32>, zero_point = dense<[1, 2, 3, 4]> : tensor<4xi8>} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8, axis=1>
  func.return %q : !llm.quantized_tensor<2x4xi8, scale=f32, zp=i8, axis=1>
}

// a product with a constant, as smoothing leaves it, and then the scale of the quantize
// CHECK-LABEL: func.func @product
// CHECK-NEXT: %w = arith.constant dense<[4.000000e+00, -4.000000e+00, 6.000000e+00, 1.600000e+01]> : tensor<4xf32>
// CHECK-NEXT: %n = llm.rms_norm(%x, %w)
// CHECK-NEXT: %q = llm.encode(%n) {scale = dense<5.000000e-01> : tensor<1xf32>}
func.func @product(%x: tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32> {
  %w = arith.constant dense<[1.0, 2.0, 3.0, 1.0]> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %c = arith.constant dense<[[2.0, -1.0, 1.0, 8.0], [2.0, -1.0, 1.0, 8.0]]> : tensor<2x4xf32>
  %m = arith.mulf %n, %c : tensor<2x4xf32>
  %q = llm.quantize(%m) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32>
  func.return %q : !llm.quantized_tensor<2x4xi8, scale=f32>
}

// the size of the norm is no use of its values
// CHECK-LABEL: func.func @size
// CHECK: %q = llm.encode(%n) {scale = dense<2.500000e-01> : tensor<1xf32>}
func.func @size(%x: !x) -> (!q, index) {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %n, %c0 : !x
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  func.return %q, %tokens : !q, index
}

// other scales round the weight
// CHECK-LABEL: func.func @other_scale
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: 0.3 is not a power of two, so that values would round (rounded=true allows it)"}
// ROUNDED-LABEL: func.func @other_scale
// ROUNDED-NEXT: %w = arith.constant dense<[3.33333325, 6.66666651, 1.000000e+01, 3.33333325]> : tensor<4xf32>
// ROUNDED-NEXT: %n = llm.rms_norm(%x, %w)
// ROUNDED-NEXT: %q = llm.encode(%n) {scale = dense<3.000000e-01> : tensor<1xf32>}
func.func @other_scale(%x: !x) -> !q {
  %w = arith.constant dense<[1.0, 2.0, 3.0, 1.0]> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<0.3> : tensor<1xf32>} : (!x) -> !q
  func.return %q : !q
}

// near misses
// CHECK-LABEL: func.func @norm_used
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: the norm has another use"}
func.func @norm_used(%x: !x) -> (!q, !x) {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  func.return %q, %n : !q, !x
}

// CHECK-LABEL: func.func @weight_used
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: the norm's weight has another use"}
func.func @weight_used(%x: !x) -> (!q, tensor<4xf32>) {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  func.return %q, %w : !q, tensor<4xf32>
}

// CHECK-LABEL: func.func @unknown
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: the norm's weight is not known here"}
// CHECK: llm.quantize(%m) {{{.*}}llm.remark = "scale not folded into the norm before it: the norm has no weight"}
func.func @unknown(%x: !x, %w: tensor<4xf32>) -> (!q, !q) {
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  %m = llm.layer_norm(%x) {epsilon = 1.0e-05 : f32} : (!x) -> !x
  %r = llm.quantize(%m) {scale = dense<0.25> : tensor<1xf32>} : (!x) -> !q
  func.return %q, %r : !q, !q
}

// CHECK-LABEL: func.func @rounds
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: the norm's result is rounded to tensor<?x4xf16>"}
func.func @rounds(%x: tensor<?x4xf16>) -> !q {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<?x4xf16>, tensor<4xf32>) -> tensor<?x4xf16>
  %q = llm.quantize(%n) {scale = dense<0.25> : tensor<1xf32>} : (tensor<?x4xf16>) -> !q
  func.return %q : !q
}

// CHECK-LABEL: func.func @scales
// CHECK: llm.quantize(%n) {llm.remark = "scale not folded into the norm before it: it is computed at run time"}
// CHECK: llm.quantize(%m) {{{.*}}llm.remark = "scale not folded into the norm before it: there is one for each index of dimension 0"}
// CHECK: llm.quantize(%o) {{{.*}}llm.remark = "scale not folded into the norm before it: there is one for each group of 2"}
// CHECK: llm.quantize(%p) {{{.*}}llm.remark = "scale not folded into the norm before it: the codes are tensor<2x4xi8>, not an !llm.quantized_tensor"}
func.func @scales(%x: tensor<2x4xf32>) {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %q = llm.quantize(%n) : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32>
  %m = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %r = llm.quantize(%m) {scale = dense<0.25> : tensor<2xf32>} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, axis=0>
  %o = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %s = llm.quantize(%o) {scale = dense<0.25> : tensor<4xf32>} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32, group_size=2>
  %p = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %t = llm.quantize(%p) {scale = dense<0.25> : tensor<1xf32>, bits = 8 : i32} : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return
}

// CHECK-LABEL: func.func @scale_of_another_type
// CHECK: llm.quantize(%n) {{{.*}}llm.remark = "scale not folded into the norm before it: it does not fit its type"}
func.func @scale_of_another_type(%x: !x) -> !llm.quantized_tensor<?x4xi8, scale=f16> {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %q = llm.quantize(%n) {scale = dense<1.0e+06> : tensor<1xf32>} : (!x) -> !llm.quantized_tensor<?x4xi8, scale=f16>
  func.return %q : !llm.quantized_tensor<?x4xi8, scale=f16>
}

// CHECK-LABEL: func.func @products
// CHECK: arith.mulf %n, %c {llm.remark = "constant not folded into the norm before it: its rows differ"}
// CHECK: arith.mulf %m, %z {llm.remark = "constant not folded into the norm before it: there are zeros or values that are not finite"}
func.func @products(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = arith.constant dense<1.0> : tensor<2xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %c = arith.constant dense<[[2.0, 1.0], [1.0, 2.0]]> : tensor<2x2xf32>
  %y = arith.mulf %n, %c : tensor<2x2xf32>
  %v = arith.constant dense<2.0> : tensor<2xf32>
  %m = llm.rms_norm(%x, %v) {epsilon = 1.0e-05 : f32} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %z = arith.constant dense<[[2.0, 0.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %u = arith.mulf %m, %z : tensor<2x2xf32>
  func.return %y, %u : tensor<2x2xf32>, tensor<2x2xf32>
}

// weights with a scale for each index of K
!k = !llm.quantized_tensor<3x4xi8, scale=f32, axis=1>
llm.weight @k : !k

// CHECK-LABEL: func.func @k_scales
// CHECK: llm.quantized_matmul(%n, %k) {llm.remark = "scales of K not folded into the norm before it: their scales are not known here"}
func.func @k_scales(%x: !x) -> tensor<?x3xf32> {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  %n = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (!x, tensor<4xf32>) -> !x
  %k = llm.load_weight @k : !k
  %y = llm.quantized_matmul(%n, %k) : (!x, !k) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}
