// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Zero points of the weight are subtracted from its codes, not from the input.

!w = !llm.quantized_tensor<4x8xui8, scale=f32, zp=ui8, axis=0>
func.func @f(%x: !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, %w: !w, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>, !w, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xi8>, %[[X1:.*]]: tensor<1xf32>, %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4xf32>, %[[W2:.*]]: tensor<4xi8>, %[[B:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK:      %[[C:.*]] = arith.constant 0 : i32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : i32) outs(%{{.*}} : tensor<?x4xi32>) -> tensor<?x4xi32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[W]], %[[W2]] : tensor<?x8xi8>, tensor<4x8xi8>, tensor<4xi8>) outs(%[[FILLED]] : tensor<?x4xi32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: i8, %[[E3:.*]]: i8, %[[OUT:.*]]: i32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extui %[[E2]] : i8 to i32
// CHECK-NEXT:   %[[EXT3:.*]] = arith.extui %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[SUBI:.*]] = arith.subi %[[EXT2]], %[[EXT3]] : i32
// CHECK-NEXT:   %[[MULI:.*]] = arith.muli %[[EXT]], %[[SUBI]] : i32
// CHECK-NEXT:   %[[ADDI:.*]] = arith.addi %[[OUT]], %[[MULI]] : i32
// CHECK-NEXT:   linalg.yield %[[ADDI]] : i32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G]] : tensor<?x4xi32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: i32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[E4]] : i32 to f32
// CHECK-NEXT:   linalg.yield %[[FLOAT]] : f32
// CHECK:      %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G2]], %[[X1]], %[[W1]] : tensor<?x4xf32>, tensor<1xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[E7:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E5]], %[[E6]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[MUL]], %[[E7]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL2]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G3]], %[[B]] : tensor<?x4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[E8]], %[[E9]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
