// RUN: llmir-opt %s -p 'cse,func.func(canonicalize)' --mlir-timing -o /dev/null 2>&1 | filecheck %s

builtin.module {}

// CHECK: ... Execution time report ...
// CHECK: Total Execution Time: {{[0-9.]+}} seconds
// CHECK: ----User Time---- ----Wall Time---- ----Name----
// CHECK: {{[0-9.]+}} ({{ *[0-9.]+}}%) Parser
// CHECK: CommonSubexpressionElimination (cse)
// CHECK-NEXT: Verifier
// CHECK-NEXT: 'func.func' Pipeline
// CHECK: Output
// CHECK-NEXT: Rest
// CHECK-NEXT: (100.0%) Total
