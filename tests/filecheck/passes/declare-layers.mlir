// RUN: llmir-opt %s -p 'declare-layers{weight=table kind=embedding},declare-layers{weight=w bias=b},declare-layers{weight=norm}' | filecheck %s
// RUN: not llmir-opt %s -p 'declare-layers{weight=w kind=conv}' 2>&1 | filecheck %s --check-prefix=KIND
// RUN: not llmir-opt %s -p 'declare-layers{weight=b shape=2,2}' 2>&1 | filecheck %s --check-prefix=SHAPE
// RUN: not llmir-opt %s -p 'declare-layers{weight="fc.weight"}' 2>&1 | filecheck %s --check-prefix=TWICE

// KIND: declare-layers: unknown kind of layer 'conv', expected linear or embedding
// SHAPE: declare-layers.mlir:15:3: error: 'llm.weight' op 'b' is 3, which cannot be 2x2; a layer's weight has two dimensions N,K
// TWICE: declare-layers.mlir:19:3: error: 'llm.weight' op 'fc.weight' is part of a layer already

// CHECK: builtin.module
builtin.module attributes {llm.no_weights} {
  // CHECK: llm.weight @w : tensor<3x4xf16>
  llm.weight @w {llm.remark = "not quantized: its name does not end in .weight"} : tensor<3x4xf16>
  // CHECK-NEXT: llm.weight @b : tensor<3xf32>
  llm.weight @b : tensor<3xf32>
  llm.weight @table : tensor<9x4xf16>
  // CHECK: llm.weight @norm {llm.encoded_shape = array<i64: 5>} : tensor<1x5xf32>
  llm.weight @norm : tensor<5xf32>
  llm.weight @fc.weight : tensor<2x2xf32>
  // CHECK: func.func @flat(%[[X:.*]]: tensor<?x2xf32>, %[[IDS:.*]]: tensor<?xi64>, %[[Y:.*]]: tensor<?x4xf32>, %[[Z:.*]]: tensor<?x5xf32>)
  // CHECK-SAME: -> (tensor<?x2xf32>, tensor<?x4xf32>, tensor<?x3xf32>, tensor<?x1xf32>) attributes {llm.role = "flat"}
  func.func @flat(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.role = "flat"} {
    // CHECK: %[[FC:.*]] = llm.linear(%[[X]],
    %w = llm.load_weight @fc.weight : tensor<2x2xf32>
    %fc = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
    // CHECK-NEXT: %[[TABLE:.*]] = llm.load_weight @table
    // CHECK-NEXT: %[[ROWS:.*]] = llm.embedding(%[[IDS]], %[[TABLE]])
    // CHECK-NEXT: %[[W:.*]] = llm.load_weight @w : tensor<3x4xf16>
    // CHECK-NEXT: %[[B:.*]] = llm.load_weight @b : tensor<3xf32>
    // CHECK-NEXT: %[[OUT:.*]] = llm.linear(%[[Y]], %[[W]]) bias(%[[B]])
    // CHECK-NEXT: %[[NORM:.*]] = llm.load_weight @norm : tensor<1x5xf32>
    // CHECK-NEXT: %[[LAST:.*]] = llm.linear(%[[Z]], %[[NORM]])
    // CHECK-NEXT: func.return %[[FC]], %[[ROWS]], %[[OUT]], %[[LAST]]
    func.return %fc : tensor<?x2xf32>
  }
}
