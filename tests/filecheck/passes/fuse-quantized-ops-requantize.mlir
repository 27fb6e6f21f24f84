// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s
// quantize(dequantize(q)): the codes, a requantize, or neither, with the reason.

!i8 = !llm.quantized_tensor<2x8xi8, scale=f32>
!i4 = !llm.quantized_tensor<2x8xi4, scale=f32>
!rows = !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>

// the same type and scale: every code comes out as it was
// CHECK-LABEL: func.func @cancel
// CHECK-NEXT: %a = llm.quantize(%x) {scale = dense<3.000000e-01> : tensor<1xf32>}
// CHECK-NEXT: func.return %a :
func.func @cancel(%x: tensor<2x8xf32>) -> !i8 {
  %a = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  func.return %b : !i8
}

// x is dequantize(q), so dequantize(quantize(x)) is x; of any other x it is not
// CHECK-LABEL: func.func @real_again
// CHECK-NEXT: %a = llm.quantize(%x)
// CHECK-NEXT: %r = llm.dequantize(%a) {llm.remark = "not cancelled with the quantize before it, which rounds"}
// CHECK-NEXT: func.return %r, %r :
func.func @real_again(%x: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %a = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %s = llm.dequantize(%b) : (!i8) -> tensor<2x8xf32>
  func.return %r, %s : tensor<2x8xf32>, tensor<2x8xf32>
}

// a constant carries its scale
// CHECK-LABEL: func.func @constant
// CHECK-NEXT: %q = llm.constant
// CHECK-NEXT: func.return %q :
func.func @constant() -> !llm.quantized_tensor<2x2xi4, scale=f32> {
  %q = llm.constant {codes = dense<[[1, -8], [7, 0]]> : tensor<2x2xi8>, scale = dense<0.7> : tensor<1xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32>
  %r = llm.dequantize(%q) : (!llm.quantized_tensor<2x2xi4, scale=f32>) -> tensor<2x2xf32>
  %b = llm.quantize(%r) {scale = dense<0.7> : tensor<1xf32>} : (tensor<2x2xf32>) -> !llm.quantized_tensor<2x2xi4, scale=f32>
  func.return %b : !llm.quantized_tensor<2x2xi4, scale=f32>
}

// codes in plain tensors
// CHECK-LABEL: func.func @plain
// CHECK-NEXT: %a = llm.quantize(%x)
// CHECK-NEXT: func.return %a :
func.func @plain(%x: tensor<2x8xf32>) -> tensor<2x8xi8> {
  %a = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>, bits = 4 : i32} : (tensor<2x8xf32>) -> tensor<2x8xi8>
  %r = llm.dequantize(%a) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xi8>) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>, bits = 4 : i32} : (tensor<2x8xf32>) -> tensor<2x8xi8>
  func.return %b : tensor<2x8xi8>
}

// codes of 8 bits do not all fit 4
// CHECK-LABEL: func.func @plain_wider
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not cancelled with the dequantize before it: 240 of 256 codes would change, -128 the first"}
// CHECK: llm.quantize(%r) {{{.*}}llm.remark = "not cancelled with the dequantize before it: type, scale or zero point differ, and codes in plain tensors have no requantize"}
func.func @plain_wider(%q: tensor<2x8xi8>) -> (tensor<2x8xi8>, tensor<2x8xi8>) {
  %r = llm.dequantize(%q) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xi8>) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>, bits = 4 : i32} : (tensor<2x8xf32>) -> tensor<2x8xi8>
  %c = llm.quantize(%r) {scale = dense<0.5> : tensor<1xf32>, bits = 8 : i32} : (tensor<2x8xf32>) -> tensor<2x8xi8>
  func.return %b, %c : tensor<2x8xi8>, tensor<2x8xi8>
}

// f16 has digits enough for 256 multiples of a scale, bf16 has not
// CHECK-LABEL: func.func @rounded
// CHECK-NEXT: %a = llm.quantize(%x)
// CHECK-NEXT: %u = llm.quantize(%x)
// CHECK-NEXT: %s = llm.dequantize(%u)
// CHECK-NEXT: %c = llm.quantize(%s) {scale = dense<3.000000e-01> : tensor<1xf32>, zero_point = dense<0> : tensor<1xui8>, llm.remark = "not cancelled with the dequantize before it: {{[0-9]+}} of 256 codes would change, {{[0-9]+}} the first"}
// CHECK-NEXT: func.return %a, %c :
func.func @rounded(%x: tensor<2x8xf32>) -> (!i8, !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>) {
  %a = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf16>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf16>) -> !i8
  %u = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>, zero_point = dense<0> : tensor<1xui8>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  %s = llm.dequantize(%u) : (!llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>) -> tensor<2x8xbf16>
  %c = llm.quantize(%s) {scale = dense<0.3> : tensor<1xf32>, zero_point = dense<0> : tensor<1xui8>} : (tensor<2x8xbf16>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  func.return %b, %c : !i8, !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
}

// another scale or another type: one operation, whatever the first scale is
// CHECK-LABEL: func.func @merge
// CHECK-NEXT: %a = llm.quantize(%x) {scale = dense<5.000000e-01> : tensor<1xf32>}
// CHECK-NEXT: %b = llm.requantize(%a) {scale = dense<3.000000e-01> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8, scale=f32>) -> !llm.quantized_tensor<2x8xi4, scale=f32>
// CHECK-NEXT: %d = llm.quantize(%x) : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xi8, scale=f32, axis=0>
// CHECK-NEXT: %e = llm.requantize(%d) {scale = dense<3.000000e-01> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi8, scale=f32, axis=0>) -> !llm.quantized_tensor<2x8xi8, scale=f32>
// CHECK-NEXT: func.return %b, %e :
func.func @merge(%x: tensor<2x8xf32>) -> (!i4, !i8) {
  %a = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i4
  %d = llm.quantize(%x) : (tensor<2x8xf32>) -> !rows
  %s = llm.dequantize(%d) : (!rows) -> tensor<2x8xf32>
  %e = llm.quantize(%s) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  func.return %b, %e : !i4, !i8
}

// rounding in between does not matter when the scale is coarse; it does, or may, otherwise
// CHECK-LABEL: func.func @merge_rounded
// CHECK: %b = llm.requantize(%a) {scale = dense<2.500000e-01> : tensor<1xf32>}
// CHECK: %c = llm.quantize(%s) {{{.*}}llm.remark = "not merged with the dequantize before it, which rounds to bfloat16: {{[0-9]+}} of 256 codes would change, {{-?[0-9]+}} the first"}
// CHECK: %e = llm.quantize(%t) {{{.*}}llm.remark = "not merged with the dequantize before it: it rounds to float16, and the codes' scale is computed at run time"}
func.func @merge_rounded(%x: tensor<2x8xf32>) -> (!i8, !i8, !i8) {
  %a = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf16>
  %b = llm.quantize(%r) {scale = dense<0.25> : tensor<1xf32>} : (tensor<2x8xf16>) -> !i8
  %p = llm.quantize(%x) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %s = llm.dequantize(%p) : (!i8) -> tensor<2x8xbf16>
  %c = llm.quantize(%s) {scale = dense<0.2> : tensor<1xf32>} : (tensor<2x8xbf16>) -> !i8
  %d = llm.quantize(%x) : (tensor<2x8xf32>) -> !i8
  %t = llm.dequantize(%d) : (!i8) -> tensor<2x8xf16>
  %e = llm.quantize(%t) {scale = dense<0.3> : tensor<1xf32>} : (tensor<2x8xf16>) -> !i8
  func.return %b, %c, %e : !i8, !i8, !i8
}

// a scale found at run time may be any
// CHECK-LABEL: func.func @dynamic
// CHECK: %b = llm.quantize(%r) {llm.remark = "not merged with the dequantize before it: its scale is computed at run time"}
func.func @dynamic(%x: tensor<2x8xf32>) -> !i8 {
  %a = llm.quantize(%x) : (tensor<2x8xf32>) -> !i8
  %r = llm.dequantize(%a) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) : (tensor<2x8xf32>) -> !i8
  func.return %b : !i8
}

// CHECK-LABEL: func.func @kinds
// CHECK: %b = llm.quantize(%r) {{{.*}}llm.remark = "not merged with the dequantize before it: the codes are !llm.quantized_tensor<2x8xi8, scale=f32> and tensor<2x8xi8>"}
func.func @kinds(%q: !i8) -> tensor<2x8xi8> {
  %r = llm.dequantize(%q) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<0.3> : tensor<1xf32>, bits = 8 : i32} : (tensor<2x8xf32>) -> tensor<2x8xi8>
  func.return %b : tensor<2x8xi8>
}

// through a finer grid and back: the codes; through a coarser one: both steps stay; scales found at run time: too
// CHECK-LABEL: func.func @twice
// CHECK-NEXT: %a = llm.quantize(%x) {scale = dense<8.000000e-01> : tensor<1xf32>}
// CHECK-NEXT: %d = llm.requantize(%a) {scale = dense<2.000000e-01> : tensor<1xf32>} : (!llm.quantized_tensor<2x8xi4, scale=f32>) -> !llm.quantized_tensor<2x8xi8, scale=f32>
// CHECK-NEXT: %e = llm.requantize(%a) {scale = dense<1.600000e+00> : tensor<1xf32>}
// CHECK-NEXT: %f = llm.requantize(%e) {scale = dense<8.000000e-01> : tensor<1xf32>, llm.remark = "not merged with the requantize before it: 7 of 16 codes would change, -7 the first"}
// CHECK-NEXT: %g = llm.requantize(%q) {scale = dense<8.000000e-01> : tensor<1xf32>}
// CHECK-NEXT: %h = llm.requantize(%g) {scale = dense<2.000000e-01> : tensor<1xf32>, llm.remark = "not merged with the requantize before it: the codes' first scale is computed at run time"}
// CHECK-NEXT: func.return %a, %d, %f, %h :
func.func @twice(%x: tensor<2x8xf32>, %q: !i4) -> (!i4, !i8, !i4, !i8) {
  %a = llm.quantize(%x) {scale = dense<0.8> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i4
  %b = llm.requantize(%a) {scale = dense<0.1> : tensor<1xf32>} : (!i4) -> !i8
  %c = llm.requantize(%b) {scale = dense<0.8> : tensor<1xf32>} : (!i8) -> !i4
  %d = llm.requantize(%b) {scale = dense<0.2> : tensor<1xf32>} : (!i8) -> !i8
  %e = llm.requantize(%a) {scale = dense<1.6> : tensor<1xf32>} : (!i4) -> !i4
  %f = llm.requantize(%e) {scale = dense<0.8> : tensor<1xf32>} : (!i4) -> !i4
  %g = llm.requantize(%q) {scale = dense<0.8> : tensor<1xf32>} : (!i4) -> !i4
  %h = llm.requantize(%g) {scale = dense<0.2> : tensor<1xf32>} : (!i4) -> !i8
  func.return %c, %d, %f, %h : !i4, !i8, !i4, !i8
}

!half = !llm.quantized_tensor<2x8xi8, scale=f16>

// a constant that its type cannot hold is nothing to compute with
// CHECK-LABEL: func.func @scale_of_another_type
// CHECK: %b = llm.quantize(%r) {{{.*}}llm.remark = "not merged with the dequantize before it: a scale does not fit f16"}
// CHECK: %d = llm.requantize(%c) {{{.*}}llm.remark = "not merged with the requantize before it: a scale does not fit its type"}
func.func @scale_of_another_type(%x: tensor<2x8xf32>, %q: !i8) -> (!half, !half) {
  %r = llm.dequantize(%q) : (!i8) -> tensor<2x8xf32>
  %b = llm.quantize(%r) {scale = dense<1.0e+06> : tensor<1xf32>} : (tensor<2x8xf32>) -> !half
  %a = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x8xf32>) -> !i8
  %c = llm.requantize(%a) {scale = dense<0.5> : tensor<1xf32>} : (!i8) -> !i8
  %d = llm.requantize(%c) {scale = dense<1.0e+06> : tensor<1xf32>} : (!i8) -> !half
  func.return %b, %d : !half, !half
}
