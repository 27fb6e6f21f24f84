// RUN: not llmir-opt %s --verify-diagnostics 2>&1 | filecheck %s
// RUN: not llmir-opt %s --verify-diagnostics=only-expected 2>&1 | filecheck %s --check-prefix=ONLY

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{something else}}
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  // expected-error@+1 3 {{shapes must agree}}
  %z = llm.silu(%x) : (tensor<4xf32>) -> tensor<6xf32>
  // expected-remark {{unfinished}
  // expected-error-re {{a {{(}} b}}
  func.return
}

// CHECK-DAG: mismatch.mlir:9:6: error: cannot read this, expected as in: expected-error@+1
// CHECK-DAG: mismatch.mlir:10:6: error: not a regular expression
// CHECK-DAG: mismatch.mlir:6:3: error: unexpected error: 'llm.silu' op input is 4 but result is 5; shapes must agree
// CHECK-DAG: mismatch.mlir:5:6: error: expected error "something else" was not produced
// CHECK-DAG: mismatch.mlir:7:6: error: expected error "shapes must agree" was not produced 3 times, but 1

// ONLY-NOT: unexpected error
// ONLY: expected error "something else" was not produced
// ONLY-NOT: unexpected error
