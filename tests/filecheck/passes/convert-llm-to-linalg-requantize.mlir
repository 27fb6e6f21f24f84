// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Codes to real values to codes: the scale of the input multiplies, that of the result divides.

func.func @f(%q: !llm.quantized_tensor<?x4xui8, scale=f32, zp=ui8>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8> {
  %r = llm.requantize(%q) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (!llm.quantized_tensor<?x4xui8, scale=f32, zp=ui8>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  func.return %r : !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<?x4xi8>, %[[Q1:.*]]: tensor<1xf32>, %[[Q2:.*]]: tensor<1xi8>) -> (tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>)
// CHECK:      %[[C:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
// CHECK-NEXT: %[[C2:.*]] = arith.constant dense<-3> : tensor<1xi8>
// CHECK:      %[[R:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[Q]], %[[Q1]], %[[Q2]], %[[C]], %[[C2]] : tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>, tensor<1xf32>, tensor<1xi8>) outs(%{{.*}} : tensor<?x4xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: i8, %[[E2:.*]]: f32, %[[E3:.*]]: i8, %[[E4:.*]]: f32, %[[E5:.*]]: i8, %[[OUT:.*]]: i8):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extui %[[E]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[EXT2:.*]] = arith.extui %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT2:.*]] = arith.sitofp %[[EXT2]] : i32 to f32
// CHECK-NEXT:   %[[DIFF:.*]] = arith.subf %[[FLOAT]], %[[FLOAT2]] : f32
// CHECK-NEXT:   %[[MUL:.*]] = arith.mulf %[[DIFF]], %[[E2]] : f32
// CHECK-NEXT:   %[[EXT3:.*]] = arith.extsi %[[E5]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT3:.*]] = arith.sitofp %[[EXT3]] : i32 to f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E4]], %[[C3]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[MUL]], %[[E4]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C3]], %[[QUOT]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[SEL]], %[[FLOAT3]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SUM]] : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant -1.280000e+02 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C4]] : f32
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 1.270000e+02 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF]], %[[C5]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      func.return %[[R]], %[[C]], %[[C2]] : tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>
