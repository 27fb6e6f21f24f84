// RUN: llmir-opt %S/Inputs/flattened/model.mlir -p 'pack-kleidiai-weights{nr=4 modules=a}' | filecheck %s --check-prefix=SOME
// RUN: llmir-opt %S/Inputs/flattened/model.mlir -p 'assign-schemes{weight-type=i4 weight-group-size=32 weight-scale=bf16},quantize-weights,pack-kleidiai-weights{nr=4 kr=8 sr=2}' | filecheck %s --check-prefix=CODES

// The layers that are named are packed, their biases with them, and leave the module; KleidiAI's sizes are the options'.

// SOME:      llm.weight @a.weight {llm.encoding = "Byte", llm.encoded_shape = array<i64: 4, 32>, llm.remark = "packed for KleidiAI as f32p with nr=4, its bias folded in"} : tensor<528xui8>
// SOME-NEXT: llm.weight @b.weight : tensor<2x32xf32>
// SOME-LABEL: func.func @flat(
// SOME-SAME: %[[Y:.*]]: tensor<?x32xf32>) -> tensor<?x2xf32> attributes {llm.role = "flat"}
// SOME-NEXT: %[[BW:.*]] = llm.load_weight @b.weight : tensor<2x32xf32>
// SOME-NEXT: %[[B:.*]] = llm.linear(%[[Y]], %[[BW]]) {module = "b"} : (tensor<?x32xf32>, tensor<2x32xf32>) -> tensor<?x2xf32>
// SOME-NEXT: func.return %[[B]] : tensor<?x2xf32>

// CODES:      llm.weight @a.weight {llm.encoding = "Byte", llm.encoded_shape = array<i64: 4, 32>, llm.remark = "packed for KleidiAI as qsi4c32p with nr=4 kr=8 sr=2, its bias folded in"} : tensor<104xui8>
// CODES-NEXT: llm.weight @b.weight {llm.encoding = "Byte", llm.encoded_shape = array<i64: 2, 32>, llm.remark = "packed for KleidiAI as qsi4c32p with nr=4 kr=8 sr=2"} : tensor<104xui8>
// CODES-LABEL: func.func @flat(
// CODES-SAME: ) attributes {llm.role = "flat"}
// CODES-NEXT: func.return
