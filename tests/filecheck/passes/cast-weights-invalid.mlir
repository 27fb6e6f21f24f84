// RUN: not llmir-opt %s -p cast-weights 2>&1 | filecheck %s

// CHECK: cast-weights-invalid.mlir:5:3: 'arith.constant': a magnitude of 65520 does not fit float16; keep a wider type
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = arith.constant dense<[[1.0, 65520.0]]> : tensor<1x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
