// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s
// RUN: llmir-opt %s -p fuse-quantized-ops{integer-bias=true} | filecheck %s --check-prefix=INTEGER
// quantize(quantized_matmul(q_x, q_w)): an integer product whose result is codes.

!x = !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>
!w = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>
!y = !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>

llm.weight @w : !w
llm.weight @b : tensor<4xf32>

// from the float program with quantize and dequantize around it
// CHECK-LABEL: func.func @layer
// CHECK-NEXT: %q = llm.quantize(%x)
// CHECK-NEXT: %w = llm.load_weight @w
// CHECK-NEXT: %y = llm.quantized_matmul(%q, %w) {module = "m", out_scale = dense<2.500000e-01> : tensor<1xf32>, out_zero_point = dense<-3> : tensor<1xi8>} : (!llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: func.return %y
func.func @layer(%x: tensor<?x8xf32>) -> !y {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui8>} : (tensor<?x8xf32>) -> !x
  %rx = llm.dequantize(%q) : (!x) -> tensor<?x8xf32>
  %w = llm.load_weight @w : !w
  %rw = llm.dequantize(%w) : (!w) -> tensor<4x8xf32>
  %r = llm.linear(%rx, %rw) {module = "m"} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x4xf32>) -> !y
  func.return %y : !y
}

// a float bias is part of the float epilogue; asked for, of the int32 sum
// CHECK-LABEL: func.func @bias
// INTEGER-LABEL: func.func @bias
// CHECK: %b = llm.load_weight @b
// INTEGER: %b = llm.load_weight @b
// CHECK-NEXT: %y = llm.quantized_matmul(%q, %w) bias(%b) {out_scale = dense<2.500000e-01> : tensor<1xf32>, out_zero_point = dense<-3> : tensor<1xi8>} : ({{.*}}, tensor<4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// INTEGER-NEXT: %[[B:.*]] = llm.quantize_bias(%b, %q, %w) : (tensor<4xf32>, {{.*}}) -> tensor<4xi32>
// INTEGER-NEXT: %y = llm.quantized_matmul(%q, %w) bias(%[[B]]) {{{.*}}llm.remark = "bias rounded to int32, in units of the product's scale"} : ({{.*}}, tensor<4xi32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
// CHECK-NEXT: func.return %y
// INTEGER-NEXT: func.return %y
func.func @bias(%x: tensor<?x8xf32>) -> !y {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui8>} : (tensor<?x8xf32>) -> !x
  %w = llm.load_weight @w : !w
  %b = llm.load_weight @b : tensor<4xf32>
  %r = llm.quantized_matmul(%q, %w) bias(%b) : (!x, !w, tensor<4xf32>) -> tensor<?x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x4xf32>) -> !y
  func.return %y : !y
}

// a bias has no unit where rows of the input have scales of their own
// CHECK-LABEL: func.func @rows
// INTEGER-LABEL: func.func @rows
// CHECK: %y = llm.quantized_matmul(%q, %w) bias(%b) {out_scale = dense<2.500000e-01> : tensor<1xf32>} :
// INTEGER: %y = llm.quantized_matmul(%q, %w) bias(%b) {out_scale = dense<2.500000e-01> : tensor<1xf32>, llm.remark = "bias not rounded to int32: the input has more than one scale"} :
func.func @rows(%x: tensor<2x8xf32>, %b: tensor<4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32> {
  %q = llm.quantize(%x) {scale = dense<[0.5, 0.25]> : tensor<2xf32>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>
  %w = llm.load_weight @w : !w
  %r = llm.quantized_matmul(%q, %w) bias(%b) : (!llm.quantized_tensor<2x8xi8, scale=f32, axis=0>, !w, tensor<4xf32>) -> tensor<2x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !llm.quantized_tensor<2x4xi8, scale=f32>
  func.return %y : !llm.quantized_tensor<2x4xi8, scale=f32>
}

!s = !llm.quantized_tensor<2x8xi8, scale=f32>
!out = !llm.quantized_tensor<2x4xi8, scale=f32>
!groups = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
!columns = !llm.quantized_tensor<4x8xi4, scale=f16, axis=1>
!minimum = !llm.quantized_tensor<4x8xui4, scale=f16, min=f16, axis=0>
!floats = !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32>

// near misses, one a function
// CHECK-LABEL: func.func @input_scale
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: the input's scale is computed at run time"}
func.func @input_scale(%q: !s, %w: !w) -> !out {
  %r = llm.quantized_matmul(%q, %w) : (!s, !w) -> tensor<2x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  func.return %y : !out
}

// CHECK-LABEL: func.func @result_scale
// CHECK: llm.quantize(%r) {llm.remark = "not folded into the matmul before it: the result's scale is computed at run time"}
func.func @result_scale(%q: !s, %w: !w) -> !out {
  %r = llm.quantized_matmul(%q, %w) : (!s, !w) -> tensor<2x4xf32>
  %y = llm.quantize(%r) : (tensor<2x4xf32>) -> !out
  func.return %y : !out
}

// CHECK-LABEL: func.func @real_input
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: the input is tensor<2x8xf32>, not an !llm.quantized_tensor"}
func.func @real_input(%x: tensor<2x8xf32>, %w: !w) -> !out {
  %r = llm.quantized_matmul(%x, %w) : (tensor<2x8xf32>, !w) -> tensor<2x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  func.return %y : !out
}

// CHECK-LABEL: func.func @plain_result
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: its codes are tensor<2x4xi8>, not an !llm.quantized_tensor"}
func.func @plain_result(%q: !s, %w: !w) -> tensor<2x4xi8> {
  %r = llm.quantized_matmul(%q, %w) : (!s, !w) -> tensor<2x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>, bits = 8 : i32} : (tensor<2x4xf32>) -> tensor<2x4xi8>
  func.return %y : tensor<2x4xi8>
}

// CHECK-LABEL: func.func @half
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: the product is tensor<2x4xf16>, rounded before it is quantized"}
func.func @half(%q: !s, %w: !w) -> !out {
  %r = llm.quantized_matmul(%q, %w) : (!s, !w) -> tensor<2x4xf16>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf16>) -> !out
  func.return %y : !out
}

// CHECK-LABEL: func.func @weights
// CHECK: llm.quantize(%a) {{{.*}}llm.remark = "not folded into the matmul before it: the weight has a scale for each group of 4"}
// CHECK: llm.quantize(%b) {{{.*}}llm.remark = "not folded into the matmul before it: the weight has a scale for each index of K"}
// CHECK: llm.quantize(%c) {{{.*}}llm.remark = "not folded into the matmul before it: the weight has a minimum instead of a zero point"}
// CHECK: llm.quantize(%d) {{{.*}}llm.remark = "not folded into the matmul before it: the weight has f8E4M3FN codes, which are floats"}
func.func @weights(%q: !s, %qf: !llm.quantized_tensor<2x8xf8E4M3FN, scale=f32>, %g: !groups, %k: !columns, %m: !minimum, %f: !floats) {
  %a = llm.quantized_matmul(%q, %g) : (!s, !groups) -> tensor<2x4xf32>
  %qa = llm.quantize(%a) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  %b = llm.quantized_matmul(%q, %k) : (!s, !columns) -> tensor<2x4xf32>
  %qb = llm.quantize(%b) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  %c = llm.quantized_matmul(%q, %m) : (!s, !minimum) -> tensor<2x4xf32>
  %qc = llm.quantize(%c) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  %d = llm.quantized_matmul(%q, %f) : (!s, !floats) -> tensor<2x4xf32>
  %qd = llm.quantize(%d) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  func.return
}

// CHECK-LABEL: func.func @used
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: the product has another use"}
func.func @used(%x: tensor<2x8xf32>, %w: !w) -> (!out, tensor<2x4xf32>) {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !s
  %r = llm.quantized_matmul(%q, %w) : (!s, !w) -> tensor<2x4xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x4xf32>) -> !out
  func.return %y, %r : !out, tensor<2x4xf32>
}

!wide = !llm.quantized_tensor<2x40000xui8, scale=f32, zp=ui8>

// CHECK-LABEL: func.func @too_long
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not folded into the matmul before it: 40000 products of up to 65025 may not fit int32"}
func.func @too_long(%x: tensor<2x40000xf32>, %w: !wide) -> !llm.quantized_tensor<2x2xi8, scale=f32> {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<7> : tensor<1xui8>} : (tensor<2x40000xf32>) -> !wide
  %r = llm.quantized_matmul(%q, %w) : (!wide, !wide) -> tensor<2x2xf32>
  %y = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x2xf32>) -> !llm.quantized_tensor<2x2xi8, scale=f32>
  func.return %y : !llm.quantized_tensor<2x2xi8, scale=f32>
}
