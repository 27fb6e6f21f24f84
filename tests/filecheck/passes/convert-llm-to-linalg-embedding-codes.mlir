// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Of a table of codes only the rows that are looked up are dequantized: (code - zero point) * scale of group column / 4.

func.func @f(%ids: tensor<?xi64>, %table: !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4>) -> tensor<?x8xf32> {
  %y = llm.embedding(%ids, %table) : (tensor<?xi64>, !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[IDS:.*]]: tensor<?xi64>, %[[TABLE:.*]]: tensor<9x8xi8>, %[[TABLE1:.*]]: tensor<9x2xf16>, %[[TABLE2:.*]]: tensor<9x2xi8>) -> tensor<?x8xf32>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[IDS]] : tensor<?xi64>) outs(%{{.*}} : tensor<?x8xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i64, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[E]] : i64 to index
// CHECK-NEXT:   %[[I:.*]] = linalg.index 1 : index
// CHECK:        %[[DIVUI:.*]] = arith.divui %[[I]], %{{.*}} : index
// CHECK-NEXT:   %[[EXTRACT:.*]] = tensor.extract %[[TABLE]][%[[INDEXCAST]], %[[I]]] : tensor<9x8xi8>
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[EXTRACT]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[EXTRACT2:.*]] = tensor.extract %[[TABLE2]][%[[INDEXCAST]], %[[DIVUI]]] : tensor<9x2xi8>
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extui %[[EXTRACT2]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT2]] : i32 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[FLOAT2]] : f32
// CHECK-NEXT:   %[[EXTRACT3:.*]] = tensor.extract %[[TABLE1]][%[[INDEXCAST]], %[[DIVUI]]] : tensor<9x2xf16>
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[EXTRACT3]] : f16 to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[WIDE]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x8xf32>
