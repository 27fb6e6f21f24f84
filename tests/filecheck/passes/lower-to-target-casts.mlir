// RUN: llmir-opt %s -p lower-to-target | filecheck %s

// Wider and narrower floats are one kernel, which is told the type.

func.func @f(%a: tensor<?x4xf16>) -> tensor<?x4xbf16> {
  %w = arith.extf %a : tensor<?x4xf16> to tensor<?x4xf32>
  %n = arith.truncf %w : tensor<?x4xf32> to tensor<?x4xbf16>
  func.return %n : tensor<?x4xbf16>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: tensor<?x4xf16>) -> tensor<?x4xbf16>
// CHECK-NEXT: %[[W:.*]] = kernel.call @cast(%[[A]]) {dtype = "float32"} : (tensor<?x4xf16>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[N:.*]] = kernel.call @cast(%[[W]]) {dtype = "bfloat16"} : (tensor<?x4xf32>) -> tensor<?x4xbf16>
// CHECK-NEXT: func.return %[[N]] : tensor<?x4xbf16>
