// RUN: not llmir-opt %s -p 'func.func(canonicalize),assign-schemes{weight-type=i4},quantize-weights' --mlir-pass-pipeline-crash-reproducer=%t.mlir 2>&1 | filecheck %s
// RUN: filecheck %s --check-prefix=FILE --input-file %t.mlir
// RUN: not llmir-opt %t.mlir --run-reproducer 2>&1 | filecheck %s --check-prefix=AGAIN
// RUN: not llmir-opt %s --run-reproducer 2>&1 | filecheck %s --check-prefix=NONE

builtin.module {
  llm.weight @w : tensor<8x64xf32>
  func.func @f(%x: tensor<?x64xf32>) -> tensor<?x8xf32> {
    %dead = llm.silu(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %w = llm.load_weight @w : tensor<8x64xf32>
    %y = llm.linear(%x, %w) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    func.return %y : tensor<?x8xf32>
  }
}

// CHECK: llmir-opt: error: Failures have been detected while processing an MLIR pass pipeline
// CHECK: note: Pipeline failed while executing 'quantize-weights' on 'builtin.module' operation: reproducer generated at `{{.*}}.mlir`
// CHECK: crash-reproducer.mlir:7:3: error: 'llm.weight' op {{.*}}there is no tensor 'w'

// FILE:      llm.silu
// FILE:      {-#
// FILE-NEXT:   external_resources: {
// FILE-NEXT:     mlir_reproducer: {
// FILE-NEXT:       pipeline: "builtin.module(func.func(canonicalize),assign-schemes{weight_type=\"i4\"},quantize-weights)",
// FILE-NEXT:       disable_threading: true,
// FILE-NEXT:       verify_each: true

// AGAIN: error: 'llm.weight' op {{.*}}there is no tensor 'w'
// NONE: error: {{.*}}crash-reproducer.mlir: not a reproducer, it has no external_resources with mlir_reproducer
