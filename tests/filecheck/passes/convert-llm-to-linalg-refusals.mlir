// RUN: llmir-opt %s -p 'convert-llm-to-linalg' --split-input-file --verify-diagnostics

// What has no form in linalg is refused where it stands, with the reason.

func.func @f(%x: tensor<?x8xf32>, %e: tensor<?x2xi64>) -> tensor<?x8xf32> {
  // expected-error@below {{'llm.dispatch' op has no form in linalg, arith and tensor}}
  %y = llm.dispatch(%x, %e) {expert = 0 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// -----

func.func @f(%x: tensor<?x8xf32>) {
  // expected-error@below {{'llm.observe' op has no form in linalg, arith and tensor}}
  llm.observe(%x) {site = "x"} : (tensor<?x8xf32>) -> ()
  func.return
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xf4E2M1FN, scale=f32, axis=0> {
  // expected-error@below {{upstream MLIR has no conversion of a float to f4E2M1FN}}
  %q = llm.quantize(%x) : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xf4E2M1FN, scale=f32, axis=0>
  func.return %q : !llm.quantized_tensor<4x8xf4E2M1FN, scale=f32, axis=0>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0> {
  // expected-error@below {{scales that are quantized themselves or powers of two are not chosen at run time}}
  %q = llm.quantize(%x) : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0>
  func.return %q : !llm.quantized_tensor<4x8xi8, scale=f8E8M0FNU, symmetric=true, axis=0>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xui8, scale=f32, zp=!llm.scale<ui8, scale=f32>, group_size=4> {
  // expected-error@below {{parameters that are quantized themselves are not chosen at run time}}
  %q = llm.quantize(%x) : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xui8, scale=f32, zp=!llm.scale<ui8, scale=f32>, group_size=4>
  func.return %q : !llm.quantized_tensor<4x8xui8, scale=f32, zp=!llm.scale<ui8, scale=f32>, group_size=4>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2, axis=0> {
  // expected-error@below {{groups along another dimension than the last have no run-time parameters in linalg}}
  %q = llm.quantize(%x) : (tensor<4x8xf32>) -> !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2, axis=0>
  func.return %q : !llm.quantized_tensor<4x8xi8, scale=f32, symmetric=true, group_size=2, axis=0>
}

// -----

func.func @f(%x: tensor<4x8xui8>) -> tensor<4x4xui8> {
  // expected-error@below {{cannot be kept, since tensor<4x8xui8> is not an upstream type}}
  %y = tensor.extract_slice %x[0, 0] [4, 4] [1, 1] : tensor<4x8xui8> to tensor<4x4xui8>
  func.return %y : tensor<4x4xui8>
}

// -----

!m = !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32>
func.func @f(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // expected-error@below {{'llm.quantize' op !llm.mixed_quantized_tensor<3x4x!llm.mixed<i8,i4>, scale=f32> has no form in upstream MLIR}}
  %a = llm.quantize(%x) {selector = dense<[1, 0, 1]> : tensor<3xi8>} : (tensor<3x4xf32>) -> !m
  %b = llm.dequantize(%a) : (!m) -> tensor<3x4xf32>
  func.return %b : tensor<3x4xf32>
}

// -----

!s = !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>>
// expected-error@below {{'func.func' op !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<8x16xi4, scale=f16, symmetric=true, axis=0>> has no form in upstream MLIR}}
func.func @f(%s: !s) -> tensor<8x16xf32> {
  %b = llm.dequantize(%s) : (!s) -> tensor<8x16xf32>
  func.return %b : tensor<8x16xf32>
}
