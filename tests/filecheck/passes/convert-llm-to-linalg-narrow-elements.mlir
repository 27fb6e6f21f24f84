// RUN: llmir-opt %s -p convert-llm-to-linalg | filecheck %s

// Elements narrower than f32 are widened, computed with, and rounded once.

func.func @f(%x: tensor<?x6xf16>) -> tensor<?x6xf16> {
  %y = llm.silu(%x) : (tensor<?x6xf16>) -> tensor<?x6xf16>
  func.return %y : tensor<?x6xf16>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf16>) -> tensor<?x6xf16>
// CHECK:      %[[Y:.*]] = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%[[X]] : tensor<?x6xf16>) outs(%{{.*}} : tensor<?x6xf16>)
// CHECK-NEXT: ^bb{{.*}}(%[[E:.*]]: f16, %[[OUT:.*]]: f16):
// CHECK-NEXT:   %[[WIDE:.*]] = arith.extf %[[E]] : f16 to f32
// CHECK-NEXT:   %[[NEGF:.*]] = arith.negf %[[WIDE]] : f32
// CHECK-NEXT:   %[[EXP:.*]] = math.exp %[[NEGF]] : f32
// CHECK-NEXT:   %[[C:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %[[SUM:.*]] = arith.addf %[[C]], %[[EXP]] : f32
// CHECK-NEXT:   %[[QUOT:.*]] = arith.divf %[[WIDE]], %[[SUM]] : f32
// CHECK-NEXT:   %[[NARROW:.*]] = arith.truncf %[[QUOT]] : f32 to f16
// CHECK-NEXT:   linalg.yield %[[NARROW]] : f16
// CHECK:      func.return %[[Y]] : tensor<?x6xf16>
