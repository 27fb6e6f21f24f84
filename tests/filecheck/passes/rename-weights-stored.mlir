// RUN: llmir-opt %S/Inputs/stored/model.mlir -p 'rename-weights{weight=a.weight to=b.weight}' | filecheck %s
// RUN: llmir-opt %S/Inputs/flattened/model.mlir -p 'rename-weights{weight=a.weight to=c.weight keep=true}' | filecheck %s --check-prefix=KEEP

// Loads follow the name; a copy that is kept is a layer of its own in a flattened module.

// CHECK:      llm.weight @n.weight : tensor<32xf32>
// CHECK-NEXT: llm.weight @b.weight : tensor<4x32xf32>
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x32xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[N:.*]] = llm.load_weight @n.weight : tensor<32xf32>
// CHECK-NEXT: %[[H:.*]] = llm.rms_norm(%[[X]], %[[N]]) {epsilon = 5.000000e-01 : f32} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
// CHECK-NEXT: %[[A:.*]] = llm.load_weight @b.weight : tensor<4x32xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[H]], %[[A]]) : (tensor<?x32xf32>, tensor<4x32xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x4xf32>

// KEEP:      llm.weight @a.weight : tensor<4x32xf32>
// KEEP-NEXT: llm.weight @c.weight : tensor<4x32xf32>
// KEEP-NEXT: llm.weight @a.bias : tensor<4xf32>
// KEEP-NEXT: llm.weight @b.weight : tensor<2x32xf32>
// KEEP-LABEL: func.func @flat(
// KEEP-SAME: %[[X:.*]]: tensor<?x32xf32>, %[[Y:.*]]: tensor<?x32xf32>, %[[X1:.*]]: tensor<?x32xf32>) -> (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x4xf32>) attributes {llm.role = "flat"}
// KEEP-NEXT: %[[AW:.*]] = llm.load_weight @a.weight : tensor<4x32xf32>
// KEEP-NEXT: %[[AB:.*]] = llm.load_weight @a.bias : tensor<4xf32>
// KEEP-NEXT: %[[A:.*]] = llm.linear(%[[X]], %[[AW]]) bias(%[[AB]]) {module = "a"} : (tensor<?x32xf32>, tensor<4x32xf32>, tensor<4xf32>) -> tensor<?x4xf32>
// KEEP-NEXT: %[[BW:.*]] = llm.load_weight @b.weight : tensor<2x32xf32>
// KEEP-NEXT: %[[B:.*]] = llm.linear(%[[Y]], %[[BW]]) {module = "b"} : (tensor<?x32xf32>, tensor<2x32xf32>) -> tensor<?x2xf32>
// KEEP-NEXT: %[[CWEIGHT:.*]] = llm.load_weight @c.weight : tensor<4x32xf32>
// KEEP-NEXT: %[[ABIAS:.*]] = llm.load_weight @a.bias : tensor<4xf32>
// KEEP-NEXT: %[[C:.*]] = llm.linear(%[[X1]], %[[CWEIGHT]]) bias(%[[ABIAS]]) : (tensor<?x32xf32>, tensor<4x32xf32>, tensor<4xf32>) -> tensor<?x4xf32>
// KEEP-NEXT: func.return %[[A]], %[[B]], %[[C]] : tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x4xf32>
