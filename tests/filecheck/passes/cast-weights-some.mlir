// RUN: llmir-opt %s -p 'cast-weights{weights=a,"re:c."}' | filecheck %s
// RUN: not llmir-opt %s -p 'cast-weights{weights=d}' 2>&1 | filecheck %s --check-prefix=PATTERN

// PATTERN: cast-weights: pattern 'd' matches none of 3 layers

builtin.module attributes {llm.no_weights} {
  // CHECK: llm.weight @a : tensor<4xf16>
  // CHECK-NEXT: llm.weight @b : tensor<4xf32>
  // CHECK-NEXT: llm.weight @cc : tensor<4xf16>
  llm.weight @a : tensor<4xf32>
  llm.weight @b : tensor<4xf32>
  llm.weight @cc : tensor<4xf32>
}
