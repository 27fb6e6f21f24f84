// RUN: not llmir-opt %s --weights-output=%t.safetensors 2>&1 | filecheck %s
// RUN: not llmir-opt %s --weights-output=%t.safetensors --split-input-file 2>&1 | filecheck %s --check-prefix=SPLIT
// RUN: llmir-opt %s --disable-verify --output-file=%t.mlir --target=mlir --frontend=mlir --passes=cse
// RUN: llmir-opt %t.mlir --print-debuginfo --syntax-highlight=false | filecheck %s --check-prefix=TEXT
// RUN: not llmir-opt %s --shrink | filecheck %s --check-prefix=SHRINK

builtin.module attributes {llm.weights = "none.safetensors"} {
  llm.weight @w : tensor<8x4xf32>
}

// CHECK: llmir-opt: error: {{.*}}none.safetensors (no such file): there is no tensor 'w'
// SPLIT: llmir-opt: error: --weights-output takes one module, --split-input-file makes several
// TEXT: llm.weight @w : tensor<8x4xf32> loc("{{.*}}.mlir":2:3)
// SHRINK: Failure, can't shrink
