// RUN: llmir-opt %s -p lower-to-target | filecheck %s

// Query, key, value, position; the cache is written in place before it is read.

func.func @f(%q: tensor<?x4x8xf32>, %k: tensor<?x2x8xf32>, %v: tensor<?x2x8xf32>, %kc: tensor<16x2x8xf32>, %vc: tensor<16x2x8xf32>, %p: index) -> tensor<?x4x8xf32> {
  %rq = llm.rope(%q, %p) {theta = 1.0e+04 : f64} : (tensor<?x4x8xf32>, index) -> tensor<?x4x8xf32>
  %ku = llm.update_cache(%kc, %k, %p) : (tensor<16x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<16x2x8xf32>
  %vu = llm.update_cache(%vc, %v, %p) : (tensor<16x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<16x2x8xf32>
  %a = llm.attention(%rq, %ku, %vu, %p) {scale = 0.125 : f32, window = 8 : i64, softcap = 30.0 : f32} : (tensor<?x4x8xf32>, tensor<16x2x8xf32>, tensor<16x2x8xf32>, index) -> tensor<?x4x8xf32>
  func.return %a : tensor<?x4x8xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[Q:.*]]: tensor<?x4x8xf32>, %[[K:.*]]: tensor<?x2x8xf32>, %[[V:.*]]: tensor<?x2x8xf32>, %[[KC:.*]]: tensor<16x2x8xf32>, %[[VC:.*]]: tensor<16x2x8xf32>, %[[P:.*]]: index) -> tensor<?x4x8xf32>
// CHECK-NEXT: %[[RQ:.*]] = kernel.call @rope(%[[Q]], %[[P]]) {theta = 1.000000e+04 : f64} : (tensor<?x4x8xf32>, index) -> tensor<?x4x8xf32>
// CHECK-NEXT: %[[KU:.*]] = kernel.call @update_cache(%[[KC]], %[[K]], %[[P]]) {effect = "writes the cache in place"} : (tensor<16x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<16x2x8xf32>
// CHECK-NEXT: %[[VU:.*]] = kernel.call @update_cache(%[[VC]], %[[V]], %[[P]]) {effect = "writes the cache in place"} : (tensor<16x2x8xf32>, tensor<?x2x8xf32>, index) -> tensor<16x2x8xf32>
// CHECK-NEXT: %[[A:.*]] = kernel.call @attention(%[[RQ]], %[[KU]], %[[VU]], %[[P]]) {scale = 1.250000e-01 : f32, window = 8 : i64, softcap = 3.000000e+01 : f32} : (tensor<?x4x8xf32>, tensor<16x2x8xf32>, tensor<16x2x8xf32>, index) -> tensor<?x4x8xf32>
// CHECK-NEXT: func.return %[[A]] : tensor<?x4x8xf32>
