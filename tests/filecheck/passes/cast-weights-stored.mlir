// Weights of a file: which ones, and what the other types cannot hold.
// RUN: llmir-opt %S/Inputs/cast-weights/model.mlir -p 'cast-weights{type=bf16}' 2>&1 | filecheck %s --check-prefix=ALL
// RUN: llmir-opt %S/Inputs/cast-weights/model.mlir -p 'cast-weights{type=f16 weights="b.*"}' 2>&1 | filecheck %s --check-prefix=SOME
// RUN: not llmir-opt %S/Inputs/cast-weights/model.mlir -p cast-weights -o %t.mlir --weights-output %t.safetensors 2>&1 | filecheck %s --check-prefix=WIDE
// RUN: not llmir-opt %S/Inputs/cast-weights/model.mlir -p 'cast-weights{weights="c"}' 2>&1 | filecheck %s --check-prefix=NONE

// ALL:      warning: the passes changed the weights, which are not saved
// ALL:      llm.weight @a.weight : tensor<2xbf16>
// ALL-NEXT: llm.weight @b.weight : tensor<2xbf16>
// ALL:      %[[A:.*]] = llm.load_weight @a.weight : tensor<2xbf16>
// ALL-NEXT: %[[B:.*]] = llm.load_weight @b.weight : tensor<2xbf16>
// ALL-NEXT: llm.silu(%[[A]]) : (tensor<2xbf16>) -> tensor<2xf32>
// ALL-NEXT: llm.silu(%[[B]]) : (tensor<2xbf16>) -> tensor<2xf32>

// SOME:      llm.weight @a.weight : tensor<2xf32>
// SOME-NEXT: llm.weight @b.weight : tensor<2xf16>
// SOME:      %[[A:.*]] = llm.load_weight @a.weight : tensor<2xf32>
// SOME-NEXT: %[[B:.*]] = llm.load_weight @b.weight : tensor<2xf16>

// WIDE: model.mlir:3:3: error: 'llm.weight' op a magnitude of 70000 does not fit float16; keep a wider type
// NONE: cast-weights: pattern 'c' matches none of 2 {{.*}}; the nearest {{.*}} is '{{.*}}'
