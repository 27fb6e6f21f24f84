// RUN: %roundtrip
// RUN: %generic-roundtrip

builtin.module attributes {llm.weights = "weights.safetensors"} {
  // CHECK: builtin.module attributes {llm.weights = "weights.safetensors"} {

  llm.weight @model.norm.weight : tensor<576xf32>
  // CHECK-NEXT: llm.weight @model.norm.weight : tensor<576xf32>
  llm.weight @"odd name" {key = "a.b"} : tensor<4xf32>
  // CHECK-NEXT: llm.weight @"odd name" {key = "a.b"} : tensor<4xf32>
  llm.weight @q : !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>
  // CHECK-NEXT: llm.weight @q : !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>
  llm.weight @m : !llm.mixed_quantized_tensor<4x1024x!llm.mixed<i8,i4>, scale=f32>
  // CHECK-NEXT: llm.weight @m : !llm.mixed_quantized_tensor<4x1024x!llm.mixed<i8,i4>, scale=f32>

  // the forms the design promises
  func.func @promised(%input: tensor<1x256xf16>, %x: tensor<?x?xf16>, %weight: tensor<?x?xi8>, %scales: tensor<?xf32>, %zero_points: tensor<?xi8>, %y: tensor<?x576xf32>, %w: !llm.quantized_tensor<1536x576xi4, scale=f16, symmetric=true, group_size=64>) {
    %quantized = llm.quantize(%input) {
      scale = dense<0.01> : tensor<256xf32>, zero_point = dense<-2> : tensor<256xi8>,
      bits = 8 : i32, symmetric = false } : (tensor<1x256xf16>) -> tensor<1x256xi8>
    %dequantized = llm.dequantize(%quantized) {
      scale = dense<0.01> : tensor<256xf32>, zero_point = dense<-2> : tensor<256xi8> } : (tensor<1x256xi8>) -> tensor<1x256xf16>
    %result = llm.quantized_matmul(%x, %weight, %scales, %zero_points) {
      bits = 8 : i32, group_size = 128 : i32
    } : (tensor<?x?xf16>, tensor<?x?xi8>, tensor<?xf32>, tensor<?xi8>) -> tensor<?x?xf16>
    %z = llm.quantized_matmul(%y, %w) : (tensor<?x576xf32>, !llm.quantized_tensor<1536x576xi4, scale=f16, symmetric=true, group_size=64>) -> tensor<?x1536xf32>
    func.return
  }
  // CHECK: func.func @promised
  // CHECK-NEXT: %quantized = llm.quantize(%input) {scale = dense<{{.*}}> : tensor<256xf32>, zero_point = dense<-2> : tensor<256xi8>, bits = 8 : i32, symmetric = false} : (tensor<1x256xf16>) -> tensor<1x256xi8>
  // CHECK-NEXT: %dequantized = llm.dequantize(%quantized) {scale = dense<{{.*}}> : tensor<256xf32>, zero_point = dense<-2> : tensor<256xi8>} : (tensor<1x256xi8>) -> tensor<1x256xf16>
  // CHECK-NEXT: %result = llm.quantized_matmul(%x, %weight, %scales, %zero_points) {bits = 8 : i32, group_size = 128 : i32} : (tensor<?x?xf16>, tensor<?x?xi8>, tensor<?xf32>, tensor<?xi8>) -> tensor<?x?xf16>
  // CHECK-NEXT: %z = llm.quantized_matmul(%y, %w) : (tensor<?x576xf32>, !llm.quantized_tensor<1536x576xi4, scale=f16, symmetric=true, group_size=64>) -> tensor<?x1536xf32>

  func.func @quantization(%x: tensor<?x64xf32>, %x3: tensor<2x64xf32>, %w: !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32>, %codes: tensor<8x64xi4>, %scales: tensor<8xf32>, %bias: tensor<8xf32>) {
    // CHECK: func.func @quantization
    %dynamic = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>
    // CHECK-NEXT: %dynamic = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, axis=0>
    %static = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32>
    // CHECK-NEXT: %static = llm.quantize(%x) {scale = dense<5.000000e-01> : tensor<1xf32>} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32>
    %static_zp = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>, bits = 8 : i32} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
    // CHECK-NEXT: %static_zp = llm.quantize(%x) {scale = dense<5.000000e-01> : tensor<1xf32>, zero_point = dense<3> : tensor<1xui8>, bits = 8 : i32} : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
    %mixed = llm.quantize(%x3) {average_bits = 6.000000e+00 : f32} : (tensor<2x64xf32>) -> !llm.mixed_quantized_tensor<2x64x!llm.mixed<i8,i4>, scale=f32>
    // CHECK-NEXT: %mixed = llm.quantize(%x3) {average_bits = 6.000000e+00 : f32} : (tensor<2x64xf32>) -> !llm.mixed_quantized_tensor<2x64x!llm.mixed<i8,i4>, scale=f32>
    %real = llm.dequantize(%dynamic) : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>) -> tensor<?x64xf16>
    // CHECK-NEXT: %real = llm.dequantize(%dynamic) : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>) -> tensor<?x64xf16>
    %real_mixed = llm.dequantize(%mixed) : (!llm.mixed_quantized_tensor<2x64x!llm.mixed<i8,i4>, scale=f32>) -> tensor<2x64xf32>
    // CHECK-NEXT: %real_mixed = llm.dequantize(%mixed) : (!llm.mixed_quantized_tensor<2x64x!llm.mixed<i8,i4>, scale=f32>) -> tensor<2x64xf32>
    %integer = llm.quantized_matmul(%dynamic, %w) bias(%bias) {module = "model.layers.0.mlp.up_proj"} : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32>, tensor<8xf32>) -> tensor<?x8xf32>
    // CHECK-NEXT: %integer = llm.quantized_matmul(%dynamic, %w) bias(%bias) {module = "model.layers.0.mlp.up_proj"} : (!llm.quantized_tensor<?x64xi8, scale=f32, axis=0>, !llm.quantized_tensor<8x64xi4, scale=f16, symmetric=true, group_size=32>, tensor<8xf32>) -> tensor<?x8xf32>
    %plain = llm.quantized_matmul(%x, %codes, %scales) bias(%bias) {bits = 4 : i32} : (tensor<?x64xf32>, tensor<8x64xi4>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    // CHECK-NEXT: %plain = llm.quantized_matmul(%x, %codes, %scales) bias(%bias) {bits = 4 : i32} : (tensor<?x64xf32>, tensor<8x64xi4>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    llm.observe(%x) {site = "model.layers.0.mlp.up_proj.input"} : (tensor<?x64xf32>) -> ()
    // CHECK-NEXT: llm.observe(%x) {site = "model.layers.0.mlp.up_proj.input"} : (tensor<?x64xf32>) -> ()
    func.return
  }

  func.func @model(%ids: tensor<?xi64>, %position: index, %factors: tensor<32xf32>, %cache: tensor<2048x3x64xf16>) {
    // CHECK: func.func @model
    %norm = llm.load_weight @model.norm.weight : tensor<576xf32>
    // CHECK-NEXT: %norm = llm.load_weight @model.norm.weight : tensor<576xf32>
    %odd = llm.load_weight @"odd name" : tensor<4xf32>
    // CHECK-NEXT: %odd = llm.load_weight @"odd name" : tensor<4xf32>
    %table = llm.load_weight @q : !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>
    // CHECK-NEXT: %table = llm.load_weight @q : !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>
    %x = llm.embedding(%ids, %table) {module = "model.embed_tokens"} : (tensor<?xi64>, !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>) -> tensor<?x576xf32>
    // CHECK-NEXT: %x = llm.embedding(%ids, %table) {module = "model.embed_tokens"} : (tensor<?xi64>, !llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>) -> tensor<?x576xf32>
    %n = llm.rms_norm(%x, %norm) {epsilon = 1.000000e-05 : f32} : (tensor<?x576xf32>, tensor<576xf32>) -> tensor<?x576xf32>
    // CHECK-NEXT: %n = llm.rms_norm(%x, %norm) {epsilon = {{.*}} : f32} : (tensor<?x576xf32>, tensor<576xf32>) -> tensor<?x576xf32>
    %real = llm.dequantize(%table) : (!llm.quantized_tensor<1536x576xi8, scale=f32, zp=i8, group_size=64>) -> tensor<1536x576xf32>
    // CHECK-NEXT: llm.dequantize
    %bias = tensor.empty() : tensor<1536xf32>
    // CHECK-NEXT: tensor.empty
    %l = llm.linear(%n, %real) : (tensor<?x576xf32>, tensor<1536x576xf32>) -> tensor<?x1536xf32>
    // CHECK-NEXT: %l = llm.linear(%n, %real) : (tensor<?x576xf32>, tensor<1536x576xf32>) -> tensor<?x1536xf32>
    %lb = llm.linear(%n, %real) bias(%bias) {module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, group_size=32>>} : (tensor<?x576xf32>, tensor<1536x576xf32>, tensor<1536xf32>) -> tensor<?x1536xf32>
    // CHECK-NEXT: %lb = llm.linear(%n, %real) bias(%bias) {module = "lm_head", llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=32, method=absmax>>} : (tensor<?x576xf32>, tensor<1536x576xf32>, tensor<1536xf32>) -> tensor<?x1536xf32>
    %s = llm.silu(%l) : (tensor<?x1536xf32>) -> tensor<?x1536xf32>
    // CHECK-NEXT: %s = llm.silu(%l) : (tensor<?x1536xf32>) -> tensor<?x1536xf32>
    %heads = tensor.empty() : tensor<4x9x64xf16>
    // CHECK-NEXT: tensor.empty
    %kv = tensor.empty() : tensor<4x3x64xf16>
    // CHECK-NEXT: tensor.empty
    %r = llm.rope(%heads) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %r = llm.rope(%heads) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>) -> tensor<4x9x64xf16>
    %r_at = llm.rope(%heads, %position) {theta = 1.000000e+05 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>} : (tensor<4x9x64xf16>, index) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %r_at = llm.rope(%heads, %position) {theta = 1.000000e+05 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>} : (tensor<4x9x64xf16>, index) -> tensor<4x9x64xf16>
    %r_factors = llm.rope(%heads) factors(%factors) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>, tensor<32xf32>) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %r_factors = llm.rope(%heads) factors(%factors) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>, tensor<32xf32>) -> tensor<4x9x64xf16>
    %r_both = llm.rope(%heads, %position) factors(%factors) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>, index, tensor<32xf32>) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %r_both = llm.rope(%heads, %position) factors(%factors) {theta = 1.000000e+05 : f64} : (tensor<4x9x64xf16>, index, tensor<32xf32>) -> tensor<4x9x64xf16>
    %updated = llm.update_cache(%cache, %kv, %position) : (tensor<2048x3x64xf16>, tensor<4x3x64xf16>, index) -> tensor<2048x3x64xf16>
    // CHECK-NEXT: %updated = llm.update_cache(%cache, %kv, %position) : (tensor<2048x3x64xf16>, tensor<4x3x64xf16>, index) -> tensor<2048x3x64xf16>
    %a = llm.attention(%r, %kv, %kv) {scale = 1.250000e-01 : f32} : (tensor<4x9x64xf16>, tensor<4x3x64xf16>, tensor<4x3x64xf16>) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %a = llm.attention(%r, %kv, %kv) {scale = 1.250000e-01 : f32} : (tensor<4x9x64xf16>, tensor<4x3x64xf16>, tensor<4x3x64xf16>) -> tensor<4x9x64xf16>
    %a_cached = llm.attention(%r_at, %updated, %updated, %position) {scale = 1.250000e-01 : f32, window = 512 : i64} : (tensor<4x9x64xf16>, tensor<2048x3x64xf16>, tensor<2048x3x64xf16>, index) -> tensor<4x9x64xf16>
    // CHECK-NEXT: %a_cached = llm.attention(%r_at, %updated, %updated, %position) {scale = 1.250000e-01 : f32, window = 512 : i64} : (tensor<4x9x64xf16>, tensor<2048x3x64xf16>, tensor<2048x3x64xf16>, index) -> tensor<4x9x64xf16>
    func.return
  }
}
