// RUN: not llmir-opt %s --split-input-file -p lower-to-target 2>&1 | filecheck %s

// CHECK: only a run of the last dimension, known when compiled, can be cut out
func.func @rows(%x: tensor<8x96xf32>) -> tensor<4x96xf32> {
  %k = tensor.extract_slice %x[0, 0] [4, 96] [1, 1] : tensor<8x96xf32> to tensor<4x96xf32>
  func.return %k : tensor<4x96xf32>
}

// -----

// CHECK: only a run of the last dimension, known when compiled, can be cut out
func.func @strided(%x: tensor<8x96xf32>) -> tensor<8x48xf32> {
  %k = tensor.extract_slice %x[0, 0] [8, 48] [1, 2] : tensor<8x96xf32> to tensor<8x48xf32>
  func.return %k : tensor<8x48xf32>
}

// -----

// CHECK: only a run of the last dimension, known when compiled, can be cut out
func.func @some_rows(%x: tensor<?x96xf32>, %n: index) -> tensor<?x48xf32> {
  %k = tensor.extract_slice %x[0, 0] [%n, 48] [1, 1] : tensor<?x96xf32> to tensor<?x48xf32>
  func.return %k : tensor<?x48xf32>
}
