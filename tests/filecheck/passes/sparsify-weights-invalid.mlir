// RUN: not llmir-opt %s -p sparsify-weights --split-input-file 2>&1 | filecheck %s

// CHECK: sparsify-weights-invalid.mlir:5:3: 'llm.constant': 3 of the elements [0, 0] to [0, 3] are not zero, 2:4 has room for 2; prune the tensor first
func.func @dense(%x: tensor<?x4xf32>) {
  %q = llm.constant {codes = dense<[[1, 0, 2, 3]]> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %y = llm.quantized_matmul(%x, %q) : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: sparsify-weights: layer 'a': sparse codes need a symmetric format, whose code 0 is zero; remove zero point or minimum
func.func @asymmetric(%x: tensor<?x4xf32>) {
  %q = llm.constant {codes = dense<1> : tensor<1x4xui8>, scale = dense<0.25> : tensor<1xf32>, zero_point = dense<1> : tensor<1xui8>} : !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
  %y = llm.quantized_matmul(%x, %q) {module = "a"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>) -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: sparsify-weights: layer 'a': 2:4 needs a last dimension that 4 divides, got 6
func.func @rest(%x: tensor<?x6xf32>) {
  %q = llm.constant {codes = dense<0> : tensor<1x6xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x6xi8, scale=f32>
  %y = llm.quantized_matmul(%x, %q) {module = "a"} : (tensor<?x6xf32>, !llm.quantized_tensor<1x6xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: sparsify-weights: no layer has a quantized weight; run quantize-weights first
func.func @floats(%x: tensor<?x4xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: sparsify-weights-invalid.mlir:42:3: 'llm.quantized_matmul': reads dense codes; run sparsify-weights before fuse-quantized-ops, or exclude the layer
func.func @requantized(%x: !llm.quantized_tensor<2x4xi8, scale=f32>) {
  %q = llm.constant {codes = dense<0> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %y = llm.quantized_matmul(%x, %q) {out_scale = dense<1.0> : tensor<1xf32>} : (!llm.quantized_tensor<2x4xi8, scale=f32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> !llm.quantized_tensor<2x1xi8, scale=f32>
  func.return
}

// -----

// CHECK: sparsify-weights-invalid.mlir:51:3: 'llm.embedding': reads dense codes; run sparsify-weights before fuse-quantized-ops, or exclude the layer
func.func @lookup(%ids: tensor<?xi64>) {
  %q = llm.constant {codes = dense<0> : tensor<3x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<3x4xi8, scale=f32>
  %y = llm.embedding(%ids, %q) : (tensor<?xi64>, !llm.quantized_tensor<3x4xi8, scale=f32>) -> tensor<?x4xf32>
  func.return
}

// -----

// CHECK: sparsify-weights-invalid.mlir:59:3: 'llm.quantized_matmul': sparsify-weights takes only weights from llm.load_weight and constants
func.func @argument(%x: tensor<?x4xf32>, %q: !llm.quantized_tensor<1x4xi8, scale=f32>) {
  %y = llm.quantized_matmul(%x, %q) : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}
