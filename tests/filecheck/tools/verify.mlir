// RUN: not llmir-opt %s 2>&1 | filecheck %s
// RUN: llmir-opt %s --disable-verify | filecheck %s --check-prefix=UNVERIFIED
// RUN: llmir-opt %s --disable-verify --verify-each=0 -p cse | filecheck %s --check-prefix=UNVERIFIED
// RUN: not llmir-opt %s --mlir-print-op-on-diagnostic=false --remarks=false 2>&1 | filecheck %s

func.func @f(%x: tensor<4xf32>) -> tensor<5xf32> {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  func.return %y : tensor<5xf32>
}

// CHECK:      verify.mlir:7:3: error: 'llm.silu' op input is 4 but result is 5; shapes must agree
// CHECK-NEXT:   %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
// CHECK-NEXT:   ^
// UNVERIFIED: llm.silu
