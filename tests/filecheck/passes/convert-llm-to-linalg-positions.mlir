// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Row i stands at position + i + offset.

func.func @f(%ids: tensor<?xi64>, %p: index) -> tensor<?xi64> {
  %y = llm.positions(%ids, %p) {count = 9 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  func.return %y : tensor<?xi64>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi64>, %[[P:.*]]: index) -> tensor<?xi64>
// CHECK-NEXT: %[[C:.*]] = arith.constant 2 : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[P]], %[[C]] : index
// CHECK-NEXT: %[[C2:.*]] = arith.constant 0 : index
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[IDS]] : tensor<?xi64>) outs(%{{.*}} : tensor<?xi64>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i64, %[[OUT:.*]]: i64):
// CHECK-NEXT:   %[[I:.*]] = linalg.index 0 : index
// CHECK-NEXT:   %[[ADDI2:.*]] = arith.addi %[[ADDI]], %[[I]] : index
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[ADDI2]] : index to i64
// CHECK-NEXT:   linalg.yield %[[INDEXCAST]] : i64
// CHECK:      func.return %[[Y]] : tensor<?xi64>
