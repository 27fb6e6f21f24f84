// RUN: not llmir-opt %s -p 'rename-weights{weight="a.wieght" to=b}' 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: not llmir-opt %s -p 'rename-weights{weight="a.weight" to="b.weight"}' 2>&1 | filecheck %s --check-prefix=TAKEN
// RUN: not llmir-opt %s -p 'rename-weights{weight="a.weight" to=c}' 2>&1 | filecheck %s --check-prefix=VALUES
// The values are tested in tests/passes/test_rename_weights.py; here there are no weights to rename.

// MISSING: rename-weights: there is no weight 'a.wieght', the nearest is 'a.weight'
// TAKEN: rename-weights.mlir:10:1: error: 'llm.weight' op 'b.weight' is the name of another weight already
// VALUES: rename-weights.mlir:9:1: error: 'llm.weight' op {{.*}}there is no tensor 'a.weight'
llm.weight @a.weight : tensor<2x3xf32>
llm.weight @b.weight : tensor<2x3xf32>
