// RUN: llmir-opt %s -p lower-to-target --split-input-file --verify-diagnostics

func.func @rows(%x: tensor<8x96xf32>) -> tensor<4x96xf32> {
  // expected-error@below {{only a run of the last dimension, known when compiled, can be cut out}}
  %k = tensor.extract_slice %x[0, 0] [4, 96] [1, 1] : tensor<8x96xf32> to tensor<4x96xf32>
  func.return %k : tensor<4x96xf32>
}

// -----

func.func @strided(%x: tensor<8x96xf32>) -> tensor<8x48xf32> {
  // expected-error@below {{only a run of the last dimension, known when compiled, can be cut out}}
  %k = tensor.extract_slice %x[0, 0] [8, 48] [1, 2] : tensor<8x96xf32> to tensor<8x48xf32>
  func.return %k : tensor<8x48xf32>
}

// -----

func.func @some_rows(%x: tensor<?x96xf32>, %n: index) -> tensor<?x48xf32> {
  // expected-error@below {{only a run of the last dimension, known when compiled, can be cut out}}
  %k = tensor.extract_slice %x[0, 0] [%n, 48] [1, 1] : tensor<?x96xf32> to tensor<?x48xf32>
  func.return %k : tensor<?x48xf32>
}
