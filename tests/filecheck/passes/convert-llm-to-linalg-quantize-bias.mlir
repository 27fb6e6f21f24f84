// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// round(bias / (s_x * s_w)), in f64, saturated at the ends of i32.

func.func @f(%b: tensor<4xf32>, %x: !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>, %w: !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<4xi32> {
  %i = llm.quantize_bias(%b, %x, %w) : (tensor<4xf32>, !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<4xi32>
  func.return %i : tensor<4xi32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[B:.*]]: tensor<4xf32>, %[[X:.*]]: tensor<?x8xi8>, %[[X1:.*]]: tensor<1xf32>, %[[X2:.*]]: tensor<1xi8>, %[[W:.*]]: tensor<4x8xi8>, %[[W1:.*]]: tensor<4xf32>) -> tensor<4xi32>
// CHECK:      %[[I:.*]] = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%[[B]], %[[X1]], %[[W1]] : tensor<4xf32>, tensor<1xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<4xi32>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[E3:.*]]: f32, %[[OUT:.*]]: i32):
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[E2]], %[[E3]] : f32
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f32 to f64
// CHECK-NEXT:   %[[WIDE2:.*]] = arith.extf %[[MUL]] : f32 to f64
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[WIDE]], %[[WIDE2]] : f64
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[QUOT]] : f64
// CHECK-NEXT:   %[[C:.*]] = arith.constant 0xC1E0000000000000 : f64
// CHECK-NEXT:   %[[C2:.*]] = arith.constant 0x41DFFFFFFFC00000 : f64
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C]] : f64
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF]], %[[C2]] : f64
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f64 to i32
// CHECK-NEXT:   linalg.yield %[[FPTOSI]] : i32
// CHECK:      func.return %[[I]] : tensor<4xi32>
