// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Each run of 4 along K is an i32 sum of its own, multiplied by both scales before the runs are added.

!w = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
func.func @f(%x: !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>, %w: !w, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>, !w, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xi8>, %[[X1:.*]]: tensor<?xf32>, %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4x2xf16>, %[[B:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK:      %[[SPLIT:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [%{{.*}}, 2, 4] : tensor<?x8xi8> into tensor<?x2x4xi8>
// CHECK-NEXT: %[[SPLIT2:.*]] = tensor.expand_shape %[[W]] {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [4, 2, 4] : tensor<4x8xi8> into tensor<4x2x4xi8>
// CHECK:      %[[C:.*]] = arith.constant 0 : i32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : i32) outs(%{{.*}} : tensor<?x4x2xi32>) -> tensor<?x4x2xi32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%[[SPLIT]], %[[SPLIT2]] : tensor<?x2x4xi8>, tensor<4x2x4xi8>) outs(%[[FILLED]] : tensor<?x4x2xi32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: i8, %[[OUT:.*]]: i32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extsi %[[E2]] : i8 to i32
// CHECK-NEXT:   %[[MULI:.*]] = arith.muli %[[EXT]], %[[EXT2]] : i32
// CHECK-NEXT:   %[[ADDI:.*]] = arith.addi %[[OUT]], %[[MULI]] : i32
// CHECK-NEXT:   linalg.yield %[[ADDI]] : i32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[W1]] : tensor<4x2xf16>) outs(%{{.*}} : tensor<4x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f16, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E3]] : f16 to f32
// CHECK-NEXT:   linalg.yield %[[WIDE]] : f32
// CHECK:      %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[G]] : tensor<?x4x2xi32>) outs(%{{.*}} : tensor<?x4x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: i32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[E4]] : i32 to f32
// CHECK-NEXT:   linalg.yield %[[FLOAT]] : f32
// CHECK:      %[[C2:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED2:.*]] = linalg.fill ins(%[[C2]] : f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[G4:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[G3]], %[[X1]], %[[G2]] : tensor<?x4x2xf32>, tensor<?xf32>, tensor<4x2xf32>) outs(%[[FILLED2]] : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[E7:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E5]], %[[E6]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[MUL]], %[[E7]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT4]], %[[MUL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G4]], %[[B]] : tensor<?x4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[OUT5:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E8]], %[[E9]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
