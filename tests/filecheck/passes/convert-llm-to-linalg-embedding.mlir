// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Row ids[i] of the table; the id is the row and the loop the column.

func.func @f(%ids: tensor<?xi64>, %table: tensor<9x8xf16>) -> tensor<?x8xf32> {
  %y = llm.embedding(%ids, %table) : (tensor<?xi64>, tensor<9x8xf16>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi64>, %[[TABLE:.*]]: tensor<9x8xf16>) -> tensor<?x8xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[IDS]] : tensor<?xi64>) outs(%{{.*}} : tensor<?x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i64, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[E]] : i64 to index
// CHECK-NEXT:   %[[I:.*]] = linalg.index 1 : index
// CHECK-NEXT:   %[[EXTRACT:.*]] = tensor.extract %[[TABLE]][%[[INDEXCAST]], %[[I]]] : tensor<9x8xf16>
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[EXTRACT]] : f16 to f32
// CHECK-NEXT:   linalg.yield %[[WIDE]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x8xf32>
