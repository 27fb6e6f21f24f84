// What a pass makes of an operation stands where that operation stood.
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4},quantize-weights' --mlir-print-debuginfo | filecheck %s --check-prefix=WEIGHTS
// RUN: llmir-opt %s -p merge-projections --mlir-print-debuginfo | filecheck %s --check-prefix=MERGED
// RUN: llmir-opt %s -p canonicalize,lower-to-target --mlir-print-debuginfo | filecheck %s --check-prefix=LOWERED
// RUN: llmir-opt %s -p convert-llm-to-linalg --mlir-print-debuginfo | filecheck %s --check-prefix=LINALG
// RUN: llmir-opt %s -p canonicalize --mlir-print-debuginfo | filecheck %s --check-prefix=FOLDED
// RUN: llmir-opt %s -p merge-projections --mlir-print-debuginfo | llmir-opt -p 'convert-llm-to-linalg,canonicalize,cse' --mlir-print-debuginfo | filecheck %s --check-prefix=KEPT

func.func @main(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, i32) {
  %v = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %w = arith.constant dense<[[5.0, 6.0], [7.0, 8.0]]> : tensor<2x2xf32>
  %a = llm.linear(%x, %v) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>

  %b = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>

  %two = arith.constant 2 : i32
  %four = arith.addi %two, %two : i32
  func.return %a, %b, %four : tensor<?x2xf32>, tensor<?x2xf32>, i32
}

// WEIGHTS:      %[[V:.*]] = llm.constant {{.*}} loc("{{.*}}locations.mlir":10:3)
// WEIGHTS-NEXT: llm.dequantize(%[[V]]) {{.*}} loc("{{.*}}locations.mlir":10:3)
// WEIGHTS-NEXT: %[[W:.*]] = llm.constant {{.*}} loc("{{.*}}locations.mlir":11:3)
// WEIGHTS-NEXT: llm.dequantize(%[[W]]) {{.*}} loc("{{.*}}locations.mlir":11:3)

// MERGED:      arith.constant dense<{{.*}}> : tensor<4x2xf32> loc(fused["{{.*}}locations.mlir":10:3, "{{.*}}locations.mlir":11:3])
// MERGED-NEXT: %[[Y:.*]] = llm.linear({{.*}} loc(fused["{{.*}}locations.mlir":12:3, "{{.*}}locations.mlir":14:3])
// MERGED-NEXT: arith.constant 0 : index loc("{{.*}}locations.mlir":12:3)
// MERGED-NEXT: tensor.dim {{.*}} loc("{{.*}}locations.mlir":12:3)
// MERGED-NEXT: tensor.extract_slice %[[Y]][0, 0] {{.*}} loc("{{.*}}locations.mlir":12:3)
// MERGED-NEXT: tensor.extract_slice %[[Y]][0, 2] {{.*}} loc("{{.*}}locations.mlir":14:3)

// LOWERED: kernel.call @{{.*}} loc("{{.*}}locations.mlir":12:3)
// LOWERED: kernel.call @{{.*}} loc("{{.*}}locations.mlir":14:3)

// LINALG:      linalg.yield {{.*}} loc("{{.*}}locations.mlir":12:3)
// LINALG:      linalg.yield {{.*}} loc("{{.*}}locations.mlir":14:3)
// LINALG:      func.return {{.*}} loc("{{.*}}locations.mlir":18:3)

// FOLDED:      arith.constant 4 : i32 loc("{{.*}}locations.mlir":17:3)

// KEPT:        linalg.yield {{.*}} loc(fused["{{.*}}locations.mlir":12:3, "{{.*}}locations.mlir":14:3])
// KEPT:        func.return {{.*}} loc("{{.*}}locations.mlir":18:3)
