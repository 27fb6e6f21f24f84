// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Values in units of the scale are rounded with a scale of 1; the constant scale only goes with the codes.

func.func @f(%x: tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8> {
  %q = llm.encode(%x) {scale = dense<0.25> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  func.return %q : !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>) -> (tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>)
// CHECK:      %[[C:.*]] = arith.constant dense<1.000000e+00> : tensor<1xf32>
// CHECK-NEXT: %[[C2:.*]] = arith.constant dense<-3> : tensor<1xi8>
// CHECK:      %[[Q:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[C]], %[[C2]] : tensor<?x4xf32>, tensor<1xf32>, tensor<1xi8>) outs(%{{.*}} : tensor<?x4xi8>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f32, %[[E2:.*]]: f32, %[[E3:.*]]: i8, %[[OUT:.*]]: i8):
// CHECK-NEXT:   %[[EXT:.*]] = arith.extsi %[[E3]] : i8 to i32
// CHECK-NEXT:   %[[FLOAT:.*]] = arith.sitofp %[[EXT]] : i32 to f32
// CHECK-NEXT:   %[[C3:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:   %[[IS:.*]] = arith.cmpf oeq, %[[E2]], %[[C3]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[E]], %[[E2]] : f32
// CHECK-NEXT:   %[[SEL:.*]] = arith.select %[[IS]], %[[C3]], %[[QUOT]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[SEL]], %[[FLOAT]] : f32
// CHECK-NEXT:   %[[ROUNDEVEN:.*]] = math.roundeven %[[SUM]] : f32
// CHECK-NEXT:   %[[C4:.*]] = arith.constant -1.280000e+02 : f32
// CHECK-NEXT:   %[[MAXIMUMF:.*]] = arith.maximumf %[[ROUNDEVEN]], %[[C4]] : f32
// CHECK-NEXT:   %[[C5:.*]] = arith.constant 1.270000e+02 : f32
// CHECK-NEXT:   %[[MINIMUMF:.*]] = arith.minimumf %[[MAXIMUMF]], %[[C5]] : f32
// CHECK-NEXT:   %[[FPTOSI:.*]] = arith.fptosi %[[MINIMUMF]] : f32 to i32
// CHECK-NEXT:   %[[TRUNCI:.*]] = arith.trunci %[[FPTOSI]] : i32 to i8
// CHECK-NEXT:   linalg.yield %[[TRUNCI]] : i8
// CHECK:      %[[C6:.*]] = arith.constant dense<2.500000e-01> : tensor<1xf32>
// CHECK-NEXT: %[[C7:.*]] = arith.constant dense<-3> : tensor<1xi8>
// CHECK-NEXT: func.return %[[Q]], %[[C6]], %[[C2]] : tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>
