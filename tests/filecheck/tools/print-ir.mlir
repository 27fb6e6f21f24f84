// RUN: llmir-opt %s -p 'canonicalize,cse,func.func(cse)' --mlir-print-ir-before=canonicalize --mlir-print-ir-after=cse -o /dev/null 2>&1 | filecheck %s --check-prefix=NAMED
// RUN: llmir-opt %s -p 'canonicalize,cse' --mlir-print-ir-before-all --mlir-print-ir-after-all -o /dev/null 2>&1 | filecheck %s --check-prefix=ALL
// RUN: llmir-opt %s -p 'canonicalize,canonicalize,cse' --mlir-print-ir-after-all --mlir-print-ir-after-change -o /dev/null 2>&1 | filecheck %s --check-prefix=CHANGE
// RUN: llmir-opt %s -p 'builtin.module(func.func(canonicalize))' --mlir-print-ir-after-all --mlir-print-ir-module-scope --mlir-print-local-scope -o /dev/null 2>&1 | filecheck %s --check-prefix=SCOPE
// RUN: llmir-opt %s -p 'canonicalize' --mlir-print-ir-after-all --print-op-generic -o /dev/null 2>&1 | filecheck %s --check-prefix=GENERIC
// RUN: not llmir-opt %s -p 'canonicalize,assign-schemes{weight-type=i4},quantize-weights' --mlir-print-ir-after-failure -o /dev/null 2>&1 | filecheck %s --check-prefix=FAILURE

builtin.module {
  llm.weight @w : tensor<8x64xf32>
  func.func @f(%x: tensor<?x64xf32>) -> tensor<?x8xf32> {
    %dead = llm.silu(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %w = llm.load_weight @w : tensor<8x64xf32>
    %y = llm.linear(%x, %w) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    func.return %y : tensor<?x8xf32>
  }
}

// NAMED-NOT:  Dump After CanonicalizePass
// NAMED:      // -----// IR Dump Before CanonicalizePass (canonicalize) //----- //
// NAMED-NEXT: builtin.module {
// NAMED:      llm.silu
// NAMED-NOT:  Dump After CanonicalizePass
// NAMED:      // -----// IR Dump After CommonSubexpressionElimination (cse) //----- //
// NAMED-NEXT: builtin.module {
// NAMED-NOT:  llm.silu
// NAMED:      // -----// IR Dump After CommonSubexpressionElimination (cse) //----- //
// NAMED-NEXT: func.func @f

// ALL: IR Dump Before CanonicalizePass (canonicalize)
// ALL: IR Dump After CanonicalizePass (canonicalize)
// ALL: IR Dump Before CommonSubexpressionElimination (cse)
// ALL: IR Dump After CommonSubexpressionElimination (cse)

// CHANGE:     IR Dump After CanonicalizePass (canonicalize)
// CHANGE-NOT: IR Dump

// SCOPE:      // -----// IR Dump After CanonicalizePass (canonicalize) ('func.func' operation: @f) //----- //
// SCOPE-NEXT: builtin.module {
// SCOPE-NEXT:   llm.weight @w

// GENERIC: "llm.load_weight"()

// FAILURE-NOT: Dump After CanonicalizePass
// FAILURE:     // -----// IR Dump After WeightQuantizationPass Failed (quantize-weights) //----- //
// FAILURE:     func.func @f
// FAILURE:     print-ir.mlir:9:3: error: 'llm.weight' op {{.*}}there is no tensor 'w'
