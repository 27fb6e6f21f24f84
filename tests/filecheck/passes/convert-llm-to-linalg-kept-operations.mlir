// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// What is upstream MLIR already stays, without the llm attributes; what becomes of its operands takes their place.

func.func @f(%x: tensor<2x4xf32>, %y: tensor<2x4xf32>) -> tensor<2x2xf32> {
  %s = llm.relu(%x) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %d = arith.subf %y, %s {llm.remark = "kept"} : tensor<2x4xf32>
  %z = tensor.extract_slice %d[0, 2] [2, 2] [1, 1] : tensor<2x4xf32> to tensor<2x2xf32>
  func.return %z : tensor<2x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<2x4xf32>, %[[Y:.*]]: tensor<2x4xf32>) -> tensor<2x2xf32>
// CHECK:      %[[S:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<2x4xf32>) outs(%{{.*}} : tensor<2x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[C:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[E]], %[[C]] : f32
// CHECK-NEXT:   linalg.yield %[[MAXIMUMF]] : f32
// CHECK:      %[[D:.*]] = arith.subf %[[Y]], %[[S]] : tensor<2x4xf32>
// CHECK-NEXT: %[[Z:.*]] = tensor.extract_slice %[[D]][0, 2] [2, 2] [1, 1] : tensor<2x4xf32> to tensor<2x2xf32>
// CHECK-NEXT: func.return %[[Z]] : tensor<2x2xf32>
