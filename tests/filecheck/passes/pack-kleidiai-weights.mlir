// RUN: not llmir-opt %s -p 'pack-kleidiai-weights{nr=4}' 2>&1 | filecheck %s --check-prefix=MODULE
// RUN: not llmir-opt %s -p 'pack-kleidiai-weights' 2>&1 | filecheck %s --check-prefix=NR
// RUN: not llmir-opt %s -p 'pack-kleidiai-weights{nr=0}' 2>&1 | filecheck %s --check-prefix=MODULE
// The bytes are tested in tests/passes/test_pack_kleidiai_weights.py; here there are no weights to pack.

// MODULE: pack-kleidiai-weights: packed weights cannot be computed with, it is for flattened modules
// NR: pass 'pack-kleidiai-weights' needs the option 'nr', int
llm.weight @a.weight : tensor<2x3xf32>
