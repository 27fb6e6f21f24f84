// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

llm.weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
llm.weight @f : !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>

// a real input: the weight's codes are multiplied by it; bias and module stay
// CHECK-LABEL: func.func @weight
// CHECK-NEXT: %w = llm.load_weight @w
// CHECK-NEXT: %y = llm.quantized_matmul(%x, %w) bias(%b) {module = "lm_head"} : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return
func.func @weight(%x: tensor<?x8xf32>, %b: tensor<4xf32>) {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %real = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<4x8xf32>
  %y = llm.linear(%x, %real) bias(%b) {module = "lm_head"} : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  func.return
}

// codes on both sides
// CHECK-LABEL: func.func @both
// CHECK-NEXT: %q = llm.quantize(%x)
// CHECK-NEXT: %w = llm.load_weight @w
// CHECK-NEXT: %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return
func.func @both(%x: tensor<?x8xf32>) {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>
  %rx = llm.dequantize(%q) : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> tensor<?x8xf32>
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %rw = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<4x8xf32>
  %y = llm.linear(%rx, %rw) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// integers are not multiplied by floats: only the weight is fused
// CHECK-LABEL: func.func @kinds
// CHECK-NEXT: %q = llm.quantize(%x)
// CHECK-NEXT: %rx = llm.dequantize(%q)
// CHECK-NEXT: %w = llm.load_weight @f
// CHECK-NEXT: %y = llm.quantized_matmul(%rx, %w) {llm.remark = "input not fused: i8 codes are not multiplied by f8E4M3FN codes"}
func.func @kinds(%x: tensor<?x8xf32>) {
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>
  %rx = llm.dequantize(%q) : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>) -> tensor<?x8xf32>
  %w = llm.load_weight @f : !llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>
  %rw = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xf8E4M3FN, scale=f32, axis=0>) -> tensor<4x8xf32>
  %y = llm.linear(%rx, %rw) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// a dequantize that rounds makes another weight of it
// CHECK-LABEL: func.func @rounded
// CHECK: %rw = llm.dequantize(%w) : {{.*}} -> tensor<4x8xf16>
// CHECK-NEXT: %y = llm.linear(%x, %rw) {llm.remark = "weight not fused: dequantize rounds to f16"}
func.func @rounded(%x: tensor<?x8xf32>) {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %rw = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<4x8xf16>
  %y = llm.linear(%x, %rw) : (tensor<?x8xf32>, tensor<4x8xf16>) -> tensor<?x4xf32>
  func.return
}

// CHECK-LABEL: func.func @table
// CHECK-NEXT: %w = llm.load_weight @w
// CHECK-NEXT: %y = llm.embedding(%ids, %w) : (tensor<?xi64>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<?x8xf32>
// CHECK-NEXT: func.return
func.func @table(%ids: tensor<?xi64>) {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %rw = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<4x8xf32>
  %y = llm.embedding(%ids, %rw) : (tensor<?xi64>, tensor<4x8xf32>) -> tensor<?x8xf32>
  func.return
}

// CHECK-LABEL: func.func @rounded_table
// CHECK: %y = llm.embedding(%ids, %rw) {llm.remark = "table not fused: dequantize rounds to bf16"}
func.func @rounded_table(%ids: tensor<?xi64>) {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %rw = llm.dequantize(%w) : (!llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<4x8xbf16>
  %y = llm.embedding(%ids, %rw) : (tensor<?xi64>, tensor<4x8xbf16>) -> tensor<?x8xbf16>
  func.return
}

// nothing to fuse
// CHECK-LABEL: func.func @float
// CHECK-NEXT: %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
func.func @float(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// codes that are quantized again in the same way are kept; a third time too
// CHECK-LABEL: func.func @again
// CHECK-NEXT: %a = llm.quantize(%x) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>}
// CHECK-NEXT: func.return %a
func.func @again(%x: tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8> {
  %a = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  %ra = llm.dequantize(%a) : (!llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>) -> tensor<2x8xf32>
  %b = llm.quantize(%ra) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  %rb = llm.dequantize(%b) : (!llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>) -> tensor<2x8xf32>
  %c = llm.quantize(%rb) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>} : (tensor<2x8xf32>) -> !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
  func.return %c : !llm.quantized_tensor<2x8xui8, scale=f32, zp=ui8>
}
