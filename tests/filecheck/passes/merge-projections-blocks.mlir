// RUN: llmir-opt %s -p merge-projections | filecheck %s

// Rows of blocks are not joined with those of another weight: a block would have rows of both.

!w = !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>
func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %a = llm.constant {codes = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, scale = dense<0.5> : tensor<1x1xf32>} : !w
  %ya = llm.quantized_matmul(%x, %a) : (tensor<?x2xf32>, !w) -> tensor<?x2xf32>
  %b = llm.constant {codes = dense<[[5, 6], [7, 8]]> : tensor<2x2xi8>, scale = dense<0.25> : tensor<1x1xf32>} : !w
  %yb = llm.quantized_matmul(%x, %b) : (tensor<?x2xf32>, !w) -> tensor<?x2xf32>
  func.return %ya, %yb : tensor<?x2xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>)
// CHECK-NEXT: %[[A:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2], [3, 4]]> : tensor<2x2xi8>, scale = dense<5.000000e-01> : tensor<1x1xf32>} : !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>
// CHECK-NEXT: %[[YA:.*]] = llm.quantized_matmul(%[[X]], %[[A]]) {llm.remark = "not merged with other layers of its input: its weight has scales that blocks of 2 rows share"} : (tensor<?x2xf32>, !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>) -> tensor<?x2xf32>
// CHECK-NEXT: %[[B:.*]] = llm.constant {codes = dense<{{\[\[}}5, 6], [7, 8]]> : tensor<2x2xi8>, scale = dense<2.500000e-01> : tensor<1x1xf32>} : !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>
// CHECK-NEXT: %[[YB:.*]] = llm.quantized_matmul(%[[X]], %[[B]]) {llm.remark = "not merged with other layers of its input: its weight has scales that blocks of 2 rows share"} : (tensor<?x2xf32>, !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true, group_size=2, group_rows=2>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %[[YA]], %[[YB]] : tensor<?x2xf32>, tensor<?x2xf32>
