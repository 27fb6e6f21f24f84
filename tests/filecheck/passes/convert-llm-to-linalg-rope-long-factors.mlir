// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// The long factors where position + rows is more than the original context, the short ones elsewhere.

func.func @f(%x: tensor<3x2x4xf32>, %p: index, %short: tensor<2xf32>, %long: tensor<2xf32>) -> tensor<3x2x4xf32> {
  %y = llm.rope(%x, %p) factors(%short) long_factors(%long) {theta = 100.0 : f64, original_context = 16 : i64} : (tensor<3x2x4xf32>, index, tensor<2xf32>, tensor<2xf32>) -> tensor<3x2x4xf32>
  func.return %y : tensor<3x2x4xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<3x2x4xf32>, %[[P:.*]]: index, %[[SHORT:.*]]: tensor<2xf32>, %[[LONG:.*]]: tensor<2xf32>) -> tensor<3x2x4xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant 3 : index
// CHECK-NEXT: %[[ADDI:.*]] = arith.addi %[[P]], %[[C]] : index
// CHECK-NEXT: %[[C2:.*]] = arith.constant 16 : index
// CHECK-NEXT: %[[IS:.*]] = arith.cmpi sgt, %[[ADDI]], %[[C2]] : index
// CHECK-NEXT: %[[SEL:.*]] = arith.select %[[IS]], %[[LONG]], %[[SHORT]] : tensor<2xf32>
// CHECK-NEXT: %[[C3:.*]] = arith.constant dense<[1.000000e+00, 1.000000e-01]> : tensor<2xf64>
// CHECK-NEXT: %[[SLICE:.*]] = tensor.extract_slice %[[X]][0, 0, 0] [3, 2, 2] [1, 1, 1] : tensor<3x2x4xf32> to tensor<3x2x2xf32>
// CHECK-NEXT: %[[SLICE2:.*]] = tensor.extract_slice %[[X]][0, 0, 2] [3, 2, 2] [1, 1, 1] : tensor<3x2x4xf32> to tensor<3x2x2xf32>
// CHECK:      %[[G:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d2)>, affine_map<(d0, d1, d2) -> (d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SLICE]], %[[SLICE2]], %[[C3]], %[[SEL]] : tensor<3x2x2xf32>, tensor<3x2x2xf32>, tensor<2xf64>, tensor<2xf32>) outs(%{{.*}} : tensor<3x2x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[E3:.*]]: f64, %[[E4:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:   %[[I:.*]] = linalg.index 0 : index
// CHECK-NEXT:   %[[ADDI2:.*]] = arith.addi %[[P]], %[[I]] : index
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E4]] : f32 to f64
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E3]], %[[WIDE]] : f64
// CHECK-NEXT:   %[[INDEXCAST:.*]] = arith.index_cast %[[ADDI2]] : index to i64
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[INDEXCAST]] : i64 to f64
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[FLOAT]], %[[QUOT]] : f64
// CHECK-NEXT:   %[[C4:.*]] = arith.constant 1.000000e+00 : f64
// CHECK-NEXT:   %[[COS:.*]] = math.cos %[[MUL]] : f64
// CHECK-NEXT:   %[[MUL2:.*]] = arith.mulf %[[COS]], %[[C4]] : f64
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[MUL2]] : f64 to f32
// CHECK-NEXT:   %[[SIN:.*]] = math.sin %[[MUL]] : f64
// CHECK-NEXT:   %[[MUL3:.*]] = arith.mulf %[[SIN]], %[[C4]] : f64
// CHECK-NEXT:   %[[NARROW2:.*]] = arith.truncf %[[MUL3]] : f64 to f32
// CHECK-NEXT:   %[[MUL4:.*]] = arith.mulf %[[E]], %[[NARROW]] : f32
// CHECK-NEXT:   %[[MUL5:.*]] = arith.mulf %[[E2]], %[[NARROW2]] : f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[MUL4]], %[[MUL5]] : f32
// CHECK-NEXT:   linalg.yield %[[DIFF]] : f32
// CHECK:      %[[INSERTED:.*]] = tensor.insert_slice %[[G]] into %[[X]][0, 0, 0] [3, 2, 2] [1, 1, 1] : tensor<3x2x2xf32> into tensor<3x2x4xf32>
// CHECK:      %[[G2:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d2)>, affine_map<(d0, d1, d2) -> (d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[SLICE2]], %[[SLICE]], %[[C3]], %[[SEL]] : tensor<3x2x2xf32>, tensor<3x2x2xf32>, tensor<2xf64>, tensor<2xf32>) outs(%{{.*}} : tensor<3x2x2xf32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E5:.*]]: f32, %[[E6:.*]]: f32, %[[E7:.*]]: f64, %[[E8:.*]]: f32, %[[OUT2:.*]]: f32):
// CHECK-NEXT:   %[[I2:.*]] = linalg.index 0 : index
// CHECK-NEXT:   %[[ADDI3:.*]] = arith.addi %[[P]], %[[I2]] : index
// CHECK-NEXT:   %[[WIDE2:.*]] = arith.extf %[[E8]] : f32 to f64
// CHECK-NEXT:   %[[QUOT2:.*]] = arith.divf %[[E7]], %[[WIDE2]] : f64
// CHECK-NEXT:   %[[INDEXCAST2:.*]] = arith.index_cast %[[ADDI3]] : index to i64
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[INDEXCAST2]] : i64 to f64
// CHECK-NEXT:   %[[MUL6:.*]] = arith.mulf %[[FLOAT2]], %[[QUOT2]] : f64
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 1.000000e+00 : f64
// CHECK-NEXT:   %[[COS2:.*]] = math.cos %[[MUL6]] : f64
// CHECK-NEXT:   %[[MUL7:.*]] = arith.mulf %[[COS2]], %[[C5]] : f64
// CHECK-NEXT:   %[[NARROW3:.*]] = arith.truncf %[[MUL7]] : f64 to f32
// CHECK-NEXT:   %[[SIN2:.*]] = math.sin %[[MUL6]] : f64
// CHECK-NEXT:   %[[MUL8:.*]] = arith.mulf %[[SIN2]], %[[C5]] : f64
// CHECK-NEXT:   %[[NARROW4:.*]] = arith.truncf %[[MUL8]] : f64 to f32
// CHECK-NEXT:   %[[MUL9:.*]] = arith.mulf %[[E5]], %[[NARROW3]] : f32
// CHECK-NEXT:   %[[MUL10:.*]] = arith.mulf %[[E6]], %[[NARROW4]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[MUL9]], %[[MUL10]] : f32
// CHECK-NEXT:   linalg.yield %[[SUM]] : f32
// CHECK:      %[[Y:.*]] = tensor.insert_slice %[[G2]] into %[[INSERTED]][0, 0, 2] [3, 2, 2] [1, 1, 1] : tensor<3x2x2xf32> into tensor<3x2x4xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<3x2x4xf32>
