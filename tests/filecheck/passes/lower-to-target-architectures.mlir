// RUN: llmir-opt %s --split-input-file -p lower-to-target | filecheck %s
// RUN: llmir-opt %s --split-input-file -p lower-to-target -t numpy | filecheck %s --check-prefix=SOURCE

func.func @norms(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %weight = llm.shift(%w) {offset = 1.0 : f32} : (tensor<64xf32>) -> tensor<64xf32>
  %n = llm.layer_norm(%x, %weight) bias(%b) {epsilon = 0.5 : f32} : (tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %g = llm.gelu(%n) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %r = llm.relu(%g) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = llm.scale(%r) {factor = 8.0 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %c = llm.softcap(%s) {cap = 30.0 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  func.return %c : tensor<?x64xf32>
}
// CHECK:      func.func @norms(%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>, %[[B:.*]]: tensor<64xf32>)
// CHECK-NEXT: %[[WEIGHT:.*]] = kernel.call @shift(%[[W]]) {offset = 1.000000e+00 : f32}
// CHECK-NEXT: %[[N:.*]] = kernel.call @layer_norm(%[[X]], %[[WEIGHT]], %[[B]]) {epsilon = 5.000000e-01 : f32}
// CHECK-NEXT: %[[G:.*]] = kernel.call @gelu(%[[N]]) {approximate = "tanh"}
// CHECK-NEXT: %[[R:.*]] = kernel.call @relu(%[[G]])
// CHECK-NEXT: %[[S:.*]] = kernel.call @scale(%[[R]]) {factor = 8.000000e+00 : f32}
// CHECK-NEXT: %[[C:.*]] = kernel.call @softcap(%[[S]]) {cap = 3.000000e+01 : f32}
// CHECK-NEXT: func.return %[[C]]
// SOURCE:      kernels.layer_norm(x, weight, b, epsilon=0.5)
// SOURCE:      kernels.gelu(n, approximate='tanh')

// -----

// learned positions are looked up like tokens
func.func @embed(%ids: tensor<?xi64>, %position: index, %t: tensor<50x64xf32>) -> tensor<?x64xf32> {
  %rows = llm.positions(%ids, %position) {count = 48 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  %x = llm.embedding(%rows, %t) : (tensor<?xi64>, tensor<50x64xf32>) -> tensor<?x64xf32>
  func.return %x : tensor<?x64xf32>
}
// CHECK:      func.func @embed(%[[IDS:.*]]: tensor<?xi64>, %[[P:.*]]: index, %[[T:.*]]: tensor<50x64xf32>)
// CHECK-NEXT: %[[ROWS:.*]] = kernel.call @positions(%[[IDS]], %[[P]]) {count = 48 : i64, offset = 2 : i64}
// CHECK-NEXT: kernel.call @embedding(%[[ROWS]], %[[T]])

// -----

// long factors stand behind the short ones, also where the position is left out
func.func @rope(%q: tensor<?x4x64xf32>, %p: index, %s: tensor<16xf32>, %l: tensor<16xf32>) -> (tensor<?x4x64xf32>, tensor<?x4x64xf32>) {
  %a = llm.rope(%q, %p) factors(%s) long_factors(%l) {theta = 1.0e+04 : f64, dimensions = 32 : i64, original_context = 4096 : i64, magnitude = 1.25 : f64} : (tensor<?x4x64xf32>, index, tensor<16xf32>, tensor<16xf32>) -> tensor<?x4x64xf32>
  %b = llm.rope(%a) factors(%s) long_factors(%l) {theta = 1.0e+04 : f64, dimensions = 32 : i64, original_context = 4096 : i64} : (tensor<?x4x64xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x4x64xf32>
  func.return %a, %b : tensor<?x4x64xf32>, tensor<?x4x64xf32>
}
// CHECK:      func.func @rope(%[[Q:.*]]: tensor<?x4x64xf32>, %[[P:.*]]: index, %[[S:.*]]: tensor<16xf32>, %[[L:.*]]: tensor<16xf32>)
// CHECK-NEXT: %[[A:.*]] = kernel.call @rope(%[[Q]], %[[P]], %[[S]], %[[L]]) {theta = 1.000000e+04 : f64, dimensions = 32 : i64, original_context = 4096 : i64, magnitude = 1.250000e+00 : f64}
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT: kernel.call @rope(%[[A]], %[[ZERO]], %[[S]], %[[L]])

// -----

// a run of the last dimension
func.func @split(%x: tensor<?x4x96xf32>) -> tensor<?x4x32xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4x96xf32>
  %k = tensor.extract_slice %x[0, 0, 32] [%n, 4, 32] [1, 1, 1] : tensor<?x4x96xf32> to tensor<?x4x32xf32>
  func.return %k : tensor<?x4x32xf32>
}
// CHECK:      func.func @split(%[[X:.*]]: tensor<?x4x96xf32>)
// CHECK-NEXT: %[[K:.*]] = kernel.call @slice_last(%[[X]]) {start = 32 : i64, stop = 64 : i64}
// CHECK-NEXT: func.return %[[K]]

// -----

// an expert's layers are those of any model; its total is written in place
func.func @mixture(%x: tensor<?x64xf32>, %gate: tensor<8x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %logits = llm.linear(%x, %gate) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  %x0 = llm.dispatch(%x, %experts) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  %y0 = llm.linear(%x0, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %t0 = llm.combine(%y0, %experts, %weights) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x64xf32>
  %x1 = llm.dispatch(%x, %experts) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  %t1 = llm.combine(%x1, %experts, %weights) into(%t0) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  func.return %t1 : tensor<?x64xf32>
}
// CHECK:      func.func @mixture(%[[X:.*]]: tensor<?x64xf32>, %[[GATE:.*]]: tensor<8x64xf32>, %[[W:.*]]: tensor<64x64xf32>)
// CHECK-NEXT: %[[LOGITS:.*]] = kernel.call @linear(%[[X]], %[[GATE]])
// CHECK-NEXT: %[[E:.*]], %[[S:.*]] = kernel.call @route(%[[LOGITS]]) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
// CHECK-NEXT: %[[X0:.*]] = kernel.call @dispatch(%[[X]], %[[E]]) {expert = 0 : i64}
// CHECK-NEXT: %[[Y0:.*]] = kernel.call @linear(%[[X0]], %[[W]])
// CHECK-NEXT: %[[T0:.*]] = kernel.call @combine(%[[Y0]], %[[E]], %[[S]]) {expert = 0 : i64, effect = "adds to the total in place"}
// CHECK-NEXT: %[[X1:.*]] = kernel.call @dispatch(%[[X]], %[[E]]) {expert = 1 : i64}
// CHECK-NEXT: %[[T1:.*]] = kernel.call @combine(%[[X1]], %[[E]], %[[S]], %[[T0]]) {expert = 1 : i64, effect = "adds to the total in place"}
// CHECK-NEXT: func.return %[[T1]]
// SOURCE:      experts, weights = kernels.route(logits, top_k=2, normalize=True)
// SOURCE:      kernels.combine(x1, experts, weights, t0, expert=1)
