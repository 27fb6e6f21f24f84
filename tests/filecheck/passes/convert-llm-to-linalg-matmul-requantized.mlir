// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// An integer bias is added to the i32 sum; the result is divided by its own scale.

!x = !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>
!w = !llm.quantized_tensor<4x8xi4, scale=f32, symmetric=true, axis=0>
!y = !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
func.func @f(%x: !x, %w: !w, %b: tensor<4xi32>) -> !y {
  %y = llm.quantized_matmul(%x, %w) bias(%b) {out_scale = dense<0.25> : tensor<1xf32>, out_zero_point = dense<-3> : tensor<1xi8>} : (!x, !w, tensor<4xi32>) -> !y
  func.return %y : !y
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xi8>, %[[X1:.*]]: tensor<1xf32>, %[[X2:.*]]: tensor<1xi8>, %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<4xi32>) -> (tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>)
// CHECK:      %[[C:.*]] = arith.constant 0 : i32
// CHECK:      %[[FILLED:.*]] = linalg.fill ins(%[[C]] : i32) outs(%{{.*}} : tensor<?x4xi32>) -> tensor<?x4xi32>
// CHECK-NEXT: %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (0)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[X2]], %[[W]] : tensor<?x8xi8>, tensor<1xi8>, tensor<4x8xi8>) outs(%[[FILLED]] : tensor<?x4xi32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: i8, %[[E3:.*]]: i8, %[[OUT:.*]]: i32):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[E]] : i8 to i32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extui %[[E2]] : i8 to i32
// CHECK-NEXT:   %[[SUBI:.*]] = arith.subi %[[EXT]], %[[EXT2]] : i32
// CHECK-NEXT:   %[[EXT3:.*]] = arith.extsi %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[MULI:.*]] = arith.muli %[[SUBI]], %[[EXT3]] : i32
// CHECK-NEXT:   %[[ADDI:.*]] = arith.addi %[[OUT]], %[[MULI]] : i32
// CHECK-NEXT:   linalg.yield %[[ADDI]] : i32
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G]], %[[B]] : tensor<?x4xi32>, tensor<4xi32>) outs(%{{.*}} : tensor<?x4xi32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E4:.*]]: i32, %[[E5:.*]]: i32, %[[OUT2:.*]]: i32):
// CHECK-NEXT:   %[[ADDI2:.*]] = arith.addi %[[E4]], %[[E5]] : i32
// CHECK-NEXT:   linalg.yield %[[ADDI2]] : i32
// CHECK:      %[[G3:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G2]] : tensor<?x4xi32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E6:.*]]: i32, %[[OUT3:.*]]: f32):
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[E6]] : i32 to f32
// CHECK-NEXT:   linalg.yield %[[FLOAT]] : f32
// CHECK:      %[[G4:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G3]], %[[X1]], %[[W1]] : tensor<?x4xf32>, tensor<1xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<?x4xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E7:.*]]: f32, %[[E8:.*]]: f32, %[[E9:.*]]: f32, %[[OUT4:.*]]: f32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E7]], %[[E8]] : f32
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[MUL]], %[[E9]] : f32
// CHECK-NEXT:   linalg.yield %[[MUL2]] : f32
// CHECK:      %[[C2:.*]] = arith.constant dense<2.500000e-01> : tensor<1xf32>
// CHECK-NEXT: %[[C3:.*]] = arith.constant dense<-3> : tensor<1xi8>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[G4]], %[[C2]], %[[C3]] : tensor<?x4xf32>, tensor<1xf32>, tensor<1xi8>) outs(%{{.*}} : tensor<?x4xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E10:.*]]: f32, %[[E11:.*]]: f32, %[[E12:.*]]: i8, %[[OUT5:.*]]: i8):
// CHECK-NEXT:   %[[EXT4:.*]] = arith.extsi %[[E12]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT4]] : i32 to f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E11]], %[[C4]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E10]], %[[E11]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C4]], %[[QUOT]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[SEL]], %[[FLOAT2]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SUM]] : f32
// CHECK-NEXT:   %[[C5:.*]] = arith.constant -1.280000e+02 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C5]] : f32
// CHECK-NEXT:   %[[C6:.*]] = arith.constant 1.270000e+02 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF]], %[[C6]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      func.return %[[Y]], %[[C2]], %[[C3]] : tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>
