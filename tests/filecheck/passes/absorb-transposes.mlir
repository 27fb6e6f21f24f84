// RUN: llmir-opt %s -p absorb-transposes | filecheck %s
// Weights that are stored transposed are tested in tests/passes/test_absorb_transposes.py; here there are no values.

!t = tensor<2x3xf32>

// CHECK-LABEL: func.func @twice
// CHECK-NEXT: func.return %x
func.func @twice(%x: !t) -> !t {
  %a = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (!t) -> tensor<3x2xf32>
  %b = llm.transpose(%a) {permutation = array<i64: 1, 0>} : (tensor<3x2xf32>) -> !t
  func.return %b : !t
}

// %x dimensions 0 1 2 become 1 2 0, then 2 0 1 of those: 0 1 2; and twice the first: 2 0 1
// CHECK-LABEL: func.func @composed
// CHECK-NEXT: %c = llm.transpose(%x) {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
// CHECK-NEXT: func.return %x, %c
func.func @composed(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<4x2x3xf32>) {
  %a = llm.transpose(%x) {permutation = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %b = llm.transpose(%a) {permutation = array<i64: 2, 0, 1>} : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  %c = llm.transpose(%a) {permutation = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  func.return %b, %c : tensor<2x3x4xf32>, tensor<4x2x3xf32>
}

// CHECK-LABEL: func.func @constants
// CHECK-NEXT: %a = arith.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// CHECK-NEXT: %b = llm.constant {codes = dense<{{\[\[}}1, 4], [2, 5], [3, 6]]> : tensor<3x2xi8>, scale = dense<[5.000000e-01, 2.500000e-01, 2.000000e+00]> : tensor<3xf32>} : !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>
// CHECK-NEXT: func.return %a, %b
func.func @constants() -> (tensor<3x2xf32>, !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>) {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : !t
  %a = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (!t) -> tensor<3x2xf32>
  %q = llm.constant {codes = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>, scale = dense<[0.5, 0.25, 2.0]> : tensor<3xf32>} : !llm.quantized_tensor<2x3xi8, scale=f32, axis=1>
  %b = llm.transpose(%q) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<2x3xi8, scale=f32, axis=1>) -> !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>
  func.return %a, %b : tensor<3x2xf32>, !llm.quantized_tensor<3x2xi8, scale=f32, axis=0>
}

// codes are transposed before they are dequantized: groups along K, the first dimension, are groups along the last
// CHECK-LABEL: func.func @codes
// CHECK-NEXT: %[[T:.*]] = llm.transpose(%q) {permutation = array<i64: 1, 0>} : (!llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>) -> !llm.quantized_tensor<4x8xi4, scale=f16, group_size=2>
// CHECK-NEXT: %w = llm.dequantize(%[[T]]) : (!llm.quantized_tensor<4x8xi4, scale=f16, group_size=2>) -> tensor<4x8xf32>
// CHECK-NEXT: %y = llm.linear(%x, %w)
func.func @codes(%x: tensor<?x8xf32>, %q: !llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>) -> tensor<?x4xf32> {
  %r = llm.dequantize(%q) : (!llm.quantized_tensor<8x4xi4, scale=f16, group_size=2, axis=0>) -> tensor<8x4xf32>
  %w = llm.transpose(%r) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// a transpose of a value found at run time stays
// CHECK-LABEL: func.func @activation
// CHECK-NEXT: llm.transpose(%x) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
func.func @activation(%x: !t) -> tensor<3x2xf32> {
  %a = llm.transpose(%x) {permutation = array<i64: 1, 0>} : (!t) -> tensor<3x2xf32>
  func.return %a : tensor<3x2xf32>
}

llm.weight @w : tensor<8x4xf32>

// CHECK-LABEL: func.func @no_values
// CHECK: llm.transpose(%w) {permutation = array<i64: 1, 0>, llm.remark = "not absorbed into weight @w: it has no values here"}
func.func @no_values() -> tensor<4x8xf32> {
  %w = llm.load_weight @w : tensor<8x4xf32>
  %a = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  func.return %a : tensor<4x8xf32>
}
