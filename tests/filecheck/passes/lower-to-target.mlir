// RUN: llmir-opt %s -p 'lower-to-target{target=numpy}' | filecheck %s
// RUN: llmir-opt %s -p lower-to-target -t numpy | filecheck %s --check-prefix=SOURCE
// RUN: not llmir-opt %s -p 'lower-to-target{target=abacus}' 2>&1 | filecheck %s --check-prefix=TARGET
// RUN: not llmir-opt %s -t numpy 2>&1 | filecheck %s --check-prefix=LEVEL

// TARGET: unknown target 'abacus', expected one of arm-i8mm, {{.*}}numpy, {{.*}}, or the path of a .toml file
// LEVEL: lower-to-target.mlir:{{[0-9]+}}:3: error: 'llm.load_weight' op is not at kernel level and cannot be emitted; run lower-to-target{target=numpy} first

llm.weight @norm : tensor<8xf16>
llm.weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>

// SOURCE: constant_0 = np.array([1.0, 2.0, 0.5, 1.0], 'float32')
// SOURCE-NEXT: format_1 = quantized_format('i8', scale='float32', axis=0)

// CHECK-LABEL: func.func @block
// CHECK-NEXT: %norm = kernel.load @norm {layout = "dense"} : tensor<8xf16> -> tensor<8xf32>
// CHECK-NEXT: %n = kernel.call @rms_norm(%x, %norm) {epsilon = {{.*}} : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %h = kernel.call @reshape(%n) {shape = array<i64: -1, 2, 4>} : (tensor<?x8xf32>) -> tensor<?x2x4xf32>
// CHECK-NEXT: %r = kernel.call @rope(%h, %position) {theta = 1.000000e+04 : f64} : (tensor<?x2x4xf32>, index) -> tensor<?x2x4xf32>
// CHECK-NEXT: %k = kernel.call @update_cache(%cache, %r, %position) {effect = "writes the cache in place"} : (tensor<?x2x4xf32>, tensor<?x2x4xf32>, index) -> tensor<?x2x4xf32>
// CHECK-NEXT: %a = kernel.call @attention(%r, %k, %k, %position) {scale = 5.000000e-01 : f32, window = 16 : i64}
// CHECK-NEXT: func.return %a
// SOURCE-LABEL: def block(x, position, cache):
// SOURCE-NEXT:     norm = load('norm', 'dense')
// SOURCE-NEXT:     n = kernels.rms_norm(x, norm, epsilon=
// SOURCE-NEXT:     del x, norm
// SOURCE-NEXT:     h = kernels.reshape(n, shape=(-1, 2, 4,))
// SOURCE-NEXT:     del n
// SOURCE-NEXT:     r = kernels.rope(h, position, theta=10000.0)
// SOURCE-NEXT:     del h
// SOURCE-NEXT:     k = kernels.update_cache(cache, r, position)
// SOURCE-NEXT:     del cache
// SOURCE-NEXT:     a = kernels.attention(r, k, k, position, scale=0.5, window=16)
// SOURCE-NEXT:     del r, k, position
// SOURCE-NEXT:     return a
func.func @block(%x: tensor<?x8xf32>, %position: index, %cache: tensor<?x2x4xf32>) -> tensor<?x2x4xf32> {
  %norm = llm.load_weight @norm : tensor<8xf16>
  %n = llm.rms_norm(%x, %norm) {epsilon = 1.0e-05 : f32} : (tensor<?x8xf32>, tensor<8xf16>) -> tensor<?x8xf32>
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %n, %c0 : tensor<?x8xf32>
  %h = tensor.expand_shape %n [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %r = llm.rope(%h, %position) {theta = 1.0e+04 : f64} : (tensor<?x2x4xf32>, index) -> tensor<?x2x4xf32>
  %k = llm.update_cache(%cache, %r, %position) : (tensor<?x2x4xf32>, tensor<?x2x4xf32>, index) -> tensor<?x2x4xf32>
  %a = llm.attention(%r, %k, %k, %position) {scale = 5.0e-01 : f32, window = 16 : i64} : (tensor<?x2x4xf32>, tensor<?x2x4xf32>, tensor<?x2x4xf32>, index) -> tensor<?x2x4xf32>
  func.return %a : tensor<?x2x4xf32>
}

// a real input: the weight is made dense once
// CHECK-LABEL: func.func @dense
// CHECK-NEXT: %w = kernel.load @w {layout = "dense"} : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4> -> tensor<4x8xf32>
// CHECK-NEXT: %y = kernel.call @linear(%x, %w)
// SOURCE-LABEL: def dense(x):
// SOURCE-NEXT:     w = load('w', 'dense')
// SOURCE-NEXT:     y = kernels.linear(x, w)
func.func @dense(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x8xf32>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// codes on both sides: 2^24 / (128 * 8) products are exact in float32
// CHECK-LABEL: func.func @integers
// CHECK: %q = kernel.call @quantize(%x) {format = !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>}
// CHECK-NEXT: %w = kernel.load @w {layout = "codes"} : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4> -> !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
// CHECK-NEXT: %y = kernel.call @integer_matmul(%q, %w, %b) {exact_run = 16384 : i64}
// SOURCE-LABEL: def integers(x):
// SOURCE-NEXT:     b = constant_0
// SOURCE-NEXT:     q = quantized_kernels.quantize(x, format=format_1)
// SOURCE-NEXT:     del x
// SOURCE-NEXT:     w = load('w', 'codes')
// SOURCE-NEXT:     y = quantized_kernels.integer_matmul(q, w, b, exact_run=16384)
func.func @integers(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %b = arith.constant dense<[1.0, 2.0, 0.5, 1.0]> : tensor<4xf32>
  %q = llm.quantize(%x) : (tensor<?x8xf32>) -> !llm.quantized_tensor<?x8xi8, scale=f32, axis=0>
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %y = llm.quantized_matmul(%q, %w) bias(%b) : (!llm.quantized_tensor<?x8xi8, scale=f32, axis=0>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gated
// CHECK-NEXT: %y = kernel.call @gated_activation(%a, %b) {activation = "silu"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %z = kernel.call @gated_activation(%y) {activation = "gelu_tanh"} : (tensor<?x4xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %z
// SOURCE-LABEL: def gated(a, b):
// SOURCE-NEXT:     y = kernels.gated_activation(a, b, activation='silu')
// SOURCE-NEXT:     del a, b
// SOURCE-NEXT:     z = kernels.gated_activation(y, activation='gelu_tanh')
// SOURCE-NEXT:     del y
// SOURCE-NEXT:     return z
func.func @gated(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %y = llm.gated_activation(%a, %b) {activation = "silu"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = llm.gated_activation(%y) {activation = "gelu_tanh"} : (tensor<?x4xf32>) -> tensor<?x2xf32>
  func.return %z : tensor<?x2xf32>
}

// only the rows looked up are unpacked
// CHECK-LABEL: func.func @lookup
// CHECK-NEXT: %w = kernel.load @w {layout = "rows"}
// CHECK-NEXT: %y = kernel.call @embedding_rows(%ids, %w) {bits = 4 : i64, signed = true, hidden = 8 : i64}
// SOURCE-LABEL: def lookup(ids):
// SOURCE-NEXT:     w = load('w', 'rows')
// SOURCE-NEXT:     y = quantized_kernels.embedding_rows(ids, w, bits=4, signed=True, hidden=8)
func.func @lookup(%ids: tensor<?xi64>) -> tensor<?x8xf32> {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>
  %y = llm.embedding(%ids, %w) : (tensor<?xi64>, !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}
