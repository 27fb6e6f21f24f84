// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Weights of a callee are arguments of the caller, after its own, in the order of their declarations, and are handed on.

llm.weight @b : tensor<4xf32>
llm.weight @w : !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>
func.func @inner(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>
  %b = llm.load_weight @b : tensor<4xf32>
  %y = llm.quantized_matmul(%x, %w) bias(%b) : (tensor<?x4xf32>, !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = func.call @inner(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = func.call @inner(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %b : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @inner(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>, %[[B:.*]]: tensor<4xf32>, %[[W:.*]]: tensor<4x4xi8>, %[[W1:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[W]], %[[W1]] : tensor<4x4xi8>, tensor<4xf32>) outs(%{{.*}} : tensor<4x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[FLOAT]], %[[E2]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL]] : f32
// CHECK:      %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : f32) outs(%{{.*}} : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[G]] : tensor<?x4xf32>, tensor<4x4xf32>) outs(%[[FILLED]] : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E3:.*]]: f32, %[[E4:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[E3]], %[[E4]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[OUT2]], %[[MUL2]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G2]], %[[B]] : tensor<?x4xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[SUM2:.*]] = arith.addf %[[E5]], %[[E6]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM2]] : f32
// CHECK:      func.return %[[Y]] : tensor<?x4xf32>
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>, %[[B:.*]]: tensor<4xf32>, %[[W:.*]]: tensor<4x4xi8>, %[[W1:.*]]: tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[A:.*]] = func.call @inner(%[[X]], %[[B]], %[[W]], %[[W1]]) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4x4xi8>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[B1:.*]] = func.call @inner(%[[A]], %[[B]], %[[W]], %[[W1]]) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4x4xi8>, tensor<4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: func.return %[[B1]] : tensor<?x4xf32>
