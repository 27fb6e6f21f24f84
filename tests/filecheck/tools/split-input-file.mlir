// RUN: not llmir-opt %s --split-input-file 2>&1 | filecheck %s
// RUN: not llmir-opt %s --split-input-file='// =====' 2>&1 | filecheck %s --check-prefix=MARKER

func.func private @a()
// -----
func.func private @b(
// ===== and what follows on the line
func.func private @c()
// -----
func.func @d() -> i32 {
  func.return
}

// CHECK-DAG: func.func private @a()
// CHECK-DAG: split-input-file.mlir:8:1: error: {{.*}}
// CHECK-DAG: split-input-file.mlir:11:3: error: 'func.return' op

// MARKER-DAG: split-input-file.mlir:6:22: error
// MARKER-DAG: split-input-file.mlir:11:3: error: 'func.return' op
