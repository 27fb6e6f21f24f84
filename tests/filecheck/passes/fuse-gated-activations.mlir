// RUN: llmir-opt %s -p fuse-gated-activations | filecheck %s
// RUN: llmir-opt %s -p fuse-quantized-ops | filecheck %s

!t = tensor<?x4xf32>

// either side of the product
// CHECK-LABEL: func.func @sides
// CHECK-NEXT: %y = llm.gated_activation(%a, %b) {activation = "silu"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %z = llm.gated_activation(%b, %y) {activation = "gelu"}
// CHECK-NEXT: %u = llm.gated_activation(%z, %a) {activation = "gelu_tanh"}
// CHECK-NEXT: func.return %u
func.func @sides(%a: !t, %b: !t) -> !t {
  %s = llm.silu(%a) : (!t) -> !t
  %y = arith.mulf %s, %b : !t
  %g = llm.gelu(%b) : (!t) -> !t
  %z = arith.mulf %y, %g : !t
  %h = llm.gelu(%z) {approximate = "tanh"} : (!t) -> !t
  %u = arith.mulf %h, %a : !t
  func.return %u : !t
}

// the two halves of one value, as merged projections leave them
// CHECK-LABEL: func.func @halves
// CHECK: %tokens = tensor.dim %both
// CHECK-NEXT: %y = llm.gated_activation(%both) {activation = "silu"} : (tensor<?x8xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %y
func.func @halves(%both: tensor<?x8xf32>) -> !t {
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %both, %c0 : tensor<?x8xf32>
  %gate = tensor.extract_slice %both[0, 0] [%tokens, 4] [1, 1] : tensor<?x8xf32> to !t
  %up = tensor.extract_slice %both[0, 4] [%tokens, 4] [1, 1] : tensor<?x8xf32> to !t
  %s = llm.silu(%gate) : (!t) -> !t
  %y = arith.mulf %s, %up : !t
  func.return %y : !t
}

// halves in the other order, and a part of the rows, are two operands
// CHECK-LABEL: func.func @not_halves
// CHECK: %y = llm.gated_activation(%gate, %up) {activation = "silu"}
// CHECK: %z = llm.gated_activation(%a, %b) {activation = "silu"}
func.func @not_halves(%both: tensor<?x8xf32>, %some: index) -> (!t, !t) {
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %both, %c0 : tensor<?x8xf32>
  %gate = tensor.extract_slice %both[0, 4] [%tokens, 4] [1, 1] : tensor<?x8xf32> to !t
  %up = tensor.extract_slice %both[0, 0] [%tokens, 4] [1, 1] : tensor<?x8xf32> to !t
  %s = llm.silu(%gate) : (!t) -> !t
  %y = arith.mulf %s, %up : !t
  %a = tensor.extract_slice %both[0, 0] [%some, 4] [1, 1] : tensor<?x8xf32> to !t
  %b = tensor.extract_slice %both[0, 4] [%some, 4] [1, 1] : tensor<?x8xf32> to !t
  %r = llm.silu(%a) : (!t) -> !t
  %z = arith.mulf %r, %b : !t
  func.return %y, %z : !t, !t
}

// near misses
// CHECK-LABEL: func.func @another_use
// CHECK: %y = arith.mulf %s, %b {llm.remark = "not fused with llm.silu: it has another use"}
func.func @another_use(%a: !t, %b: !t) -> (!t, !t) {
  %s = llm.silu(%a) : (!t) -> !t
  %y = arith.mulf %s, %b : !t
  func.return %y, %s : !t, !t
}

// CHECK-LABEL: func.func @half
// CHECK: %y = arith.mulf %s, %b {llm.remark = "not fused with llm.silu: its result is rounded to tensor<?x4xf16>"}
func.func @half(%a: tensor<?x4xf16>, %b: tensor<?x4xf16>) -> tensor<?x4xf16> {
  %s = llm.silu(%a) : (tensor<?x4xf16>) -> tensor<?x4xf16>
  %y = arith.mulf %s, %b : tensor<?x4xf16>
  func.return %y : tensor<?x4xf16>
}
