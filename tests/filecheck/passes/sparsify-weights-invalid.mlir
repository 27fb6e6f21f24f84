// RUN: llmir-opt %s -p sparsify-weights --split-input-file --verify-diagnostics

func.func @dense(%x: tensor<?x4xf32>) {
  // expected-error@below {{'llm.constant' op 3 of the elements [0, 0] to [0, 3] are not zero, 2:4 has room for 2; prune the tensor first}}
  %q = llm.constant {codes = dense<[[1, 0, 2, 3]]> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  %y = llm.quantized_matmul(%x, %q) : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @asymmetric(%x: tensor<?x4xf32>) {
  %q = llm.constant {codes = dense<1> : tensor<1x4xui8>, scale = dense<0.25> : tensor<1xf32>, zero_point = dense<1> : tensor<1xui8>} : !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>
  // expected-error@below {{'llm.quantized_matmul' op sparse codes need a symmetric format, whose code 0 is zero; remove zero point or minimum}}
  %y = llm.quantized_matmul(%x, %q) {module = "a"} : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xui8, scale=f32, zp=ui8>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @rest(%x: tensor<?x6xf32>) {
  %q = llm.constant {codes = dense<0> : tensor<1x6xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x6xi8, scale=f32>
  // expected-error@below {{2:4 needs a last dimension that 4 divides, got 6}}
  %y = llm.quantized_matmul(%x, %q) {module = "a"} : (tensor<?x6xf32>, !llm.quantized_tensor<1x6xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}

// -----

// expected-error@unknown {{no layer has a quantized weight; run quantize-weights first}}
func.func @floats(%x: tensor<?x4xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x4xf32>
  %y = llm.linear(%x, %w) : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

func.func @requantized(%x: !llm.quantized_tensor<2x4xi8, scale=f32>) {
  %q = llm.constant {codes = dense<0> : tensor<1x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi8, scale=f32>
  // expected-error@below {{reads dense codes; run sparsify-weights before fuse-quantized-ops, or exclude the layer}}
  %y = llm.quantized_matmul(%x, %q) {out_scale = dense<1.0> : tensor<1xf32>} : (!llm.quantized_tensor<2x4xi8, scale=f32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> !llm.quantized_tensor<2x1xi8, scale=f32>
  func.return
}

// -----

func.func @lookup(%ids: tensor<?xi64>) {
  %q = llm.constant {codes = dense<0> : tensor<3x4xi8>, scale = dense<0.25> : tensor<1xf32>} : !llm.quantized_tensor<3x4xi8, scale=f32>
  // expected-error@below {{reads dense codes; run sparsify-weights before fuse-quantized-ops, or exclude the layer}}
  %y = llm.embedding(%ids, %q) : (tensor<?xi64>, !llm.quantized_tensor<3x4xi8, scale=f32>) -> tensor<?x4xf32>
  func.return
}

// -----

func.func @argument(%x: tensor<?x4xf32>, %q: !llm.quantized_tensor<1x4xi8, scale=f32>) {
  // expected-error@below {{sparsify-weights takes only weights from llm.load_weight and constants}}
  %y = llm.quantized_matmul(%x, %q) : (tensor<?x4xf32>, !llm.quantized_tensor<1x4xi8, scale=f32>) -> tensor<?x1xf32>
  func.return
}
