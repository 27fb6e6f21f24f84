// RUN: not llmir-opt %s -p unpack-weights --split-input-file 2>&1 | filecheck %s
// What is stored is tested in tests/passes/test_pack_weights.py; here there are no weights to read.

// CHECK: weight 'a' says kernel.unpacked but not kernel.layout
llm.weight @a {kernel.unpacked = tensor<8x16xf16>} : tensor<256xui8>

// -----

// CHECK: there is no tensor 'b'
llm.weight @b {kernel.layout = #kernel.layout<mma, k=16>, kernel.unpacked = tensor<8x16xf16>} : tensor<256xui8>
