// RUN: llmir-opt %s -p merge-projections | filecheck %s

// Weights with one scale each get it for each of their rows.

!w = !llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>
!v = !llm.quantized_tensor<2x2xi8, scale=f32, symmetric=true>
func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x2xf32>) {
  %a = llm.constant {codes = dense<[[1, 2]]> : tensor<1x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !w
  %ya = llm.quantized_matmul(%x, %a) : (tensor<?x2xf32>, !w) -> tensor<?x1xf32>
  %b = llm.constant {codes = dense<[[3, 4], [5, 6]]> : tensor<2x2xi8>, scale = dense<0.25> : tensor<1xf32>} : !v
  %yb = llm.quantized_matmul(%x, %b) : (tensor<?x2xf32>, !v) -> tensor<?x2xf32>
  func.return %ya, %yb : tensor<?x1xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x2xf32>)
// CHECK-NEXT: %[[CONSTANT:.*]] = llm.constant {codes = dense<{{\[\[}}1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8>, scale = dense<[5.000000e-01, 2.500000e-01, 2.500000e-01]> : tensor<3xf32>} : !llm.quantized_tensor<3x2xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %[[YAYB:.*]] = llm.quantized_matmul(%[[X]], %[[CONSTANT]]) : (tensor<?x2xf32>, !llm.quantized_tensor<3x2xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x3xf32>
// CHECK:      %[[YA:.*]] = tensor.extract_slice %[[YAYB]][0, 0] [%{{.*}}, 1] [1, 1] : tensor<?x3xf32> to tensor<?x1xf32>
// CHECK-NEXT: %[[YB:.*]] = tensor.extract_slice %[[YAYB]][0, 1] [%{{.*}}, 2] [1, 1] : tensor<?x3xf32> to tensor<?x2xf32>
// CHECK-NEXT: func.return %[[YA]], %[[YB]] : tensor<?x1xf32>, tensor<?x2xf32>
