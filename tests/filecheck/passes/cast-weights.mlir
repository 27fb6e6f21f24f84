// RUN: not llmir-opt %s -p 'cast-weights{type=f8}' 2>&1 | filecheck %s --check-prefix=TYPE
// RUN: not llmir-opt %s -p cast-weights 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: llmir-opt %s -p 'cast-weights{type=f32}' | filecheck %s
// The values are tested in tests/passes/test_cast_weights.py; here there are no weights to read.

// TYPE: cast-weights: unknown type 'f8', expected one of f16, bf16, f32
// MISSING: there is no tensor 'w'

// weights of the wanted type and quantized weights are left alone
// CHECK: llm.weight @w : tensor<4xf32>
// CHECK-NEXT: llm.weight @q : !llm.quantized_tensor<4x8xi4, scale=f16>
llm.weight @w : tensor<4xf32>
llm.weight @q : !llm.quantized_tensor<4x8xi4, scale=f16>
