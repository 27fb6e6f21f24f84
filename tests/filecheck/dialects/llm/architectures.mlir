// RUN: %roundtrip
// RUN: %generic-roundtrip

func.func @ops(%ids: tensor<?xi64>, %position: index, %x: tensor<?x64xf32>, %w: tensor<64xf16>, %b: tensor<64xf32>) {
  // CHECK-LABEL: func.func @ops(%ids: tensor<?xi64>, %position: index, %x: tensor<?x64xf32>, %w: tensor<64xf16>, %b: tensor<64xf32>) {
  %rows = llm.positions(%ids, %position) {count = 2048 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  // CHECK-NEXT: %rows = llm.positions(%ids, %position) {count = 2048 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  %plain = llm.layer_norm(%x) {epsilon = 0.5 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %plain = llm.layer_norm(%x) {epsilon = 5.000000e-01 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %weighted = llm.layer_norm(%plain, %w) {epsilon = 0.5 : f32} : (tensor<?x64xf32>, tensor<64xf16>) -> tensor<?x64xf32>
  // CHECK-NEXT: %weighted = llm.layer_norm(%plain, %w) {epsilon = 5.000000e-01 : f32} : (tensor<?x64xf32>, tensor<64xf16>) -> tensor<?x64xf32>
  %normed = llm.layer_norm(%weighted, %w) bias(%b) {epsilon = 0.5 : f32} : (tensor<?x64xf32>, tensor<64xf16>, tensor<64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %normed = llm.layer_norm(%weighted, %w) bias(%b) {epsilon = 5.000000e-01 : f32} : (tensor<?x64xf32>, tensor<64xf16>, tensor<64xf32>) -> tensor<?x64xf32>
  %exact = llm.gelu(%normed) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %exact = llm.gelu(%normed) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %approximate = llm.gelu(%exact) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %approximate = llm.gelu(%exact) {approximate = "tanh"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %positive = llm.relu(%approximate) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %positive = llm.relu(%approximate) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %scaled = llm.scale(%positive) {factor = 8.0 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %scaled = llm.scale(%positive) {factor = 8.000000e+00 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %shifted = llm.shift(%w) {offset = 1.0 : f32} : (tensor<64xf16>) -> tensor<64xf32>
  // CHECK-NEXT: %shifted = llm.shift(%w) {offset = 1.000000e+00 : f32} : (tensor<64xf16>) -> tensor<64xf32>
  %capped = llm.softcap(%scaled) {cap = 30.0 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %capped = llm.softcap(%scaled) {cap = 3.000000e+01 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  func.return
}

func.func @attention(%q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>, %position: index, %short: tensor<16xf32>, %long: tensor<16xf32>) {
  // CHECK: func.func @attention
  %rotated = llm.rope(%q, %position) factors(%short) long_factors(%long) {theta = 1.0e+04 : f64, dimensions = 32 : i64, original_context = 4096 : i64, magnitude = 1.25 : f64} : (tensor<?x4x64xf32>, index, tensor<16xf32>, tensor<16xf32>) -> tensor<?x4x64xf32>
  // CHECK-NEXT: %rotated = llm.rope(%q, %position) factors(%short) long_factors(%long) {theta = 1.000000e+04 : f64, dimensions = 32 : i64, original_context = 4096 : i64, magnitude = 1.250000e+00 : f64} : (tensor<?x4x64xf32>, index, tensor<16xf32>, tensor<16xf32>) -> tensor<?x4x64xf32>
  %a = llm.attention(%rotated, %k, %k, %position) {scale = 0.125 : f32, window = 512 : i64, softcap = 50.0 : f32} : (tensor<?x4x64xf32>, tensor<?x2x64xf32>, tensor<?x2x64xf32>, index) -> tensor<?x4x64xf32>
  // CHECK-NEXT: %a = llm.attention(%rotated, %k, %k, %position) {scale = 1.250000e-01 : f32, window = 512 : i64, softcap = 5.000000e+01 : f32} : (tensor<?x4x64xf32>, tensor<?x2x64xf32>, tensor<?x2x64xf32>, index) -> tensor<?x4x64xf32>
  func.return
}

func.func @mixture(%x: tensor<?x64xf32>, %logits: tensor<?x8xf32>) -> tensor<?x64xf32> {
  // CHECK: func.func @mixture(%x: tensor<?x64xf32>, %logits: tensor<?x8xf32>) -> tensor<?x64xf32> {
  %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  // CHECK-NEXT: %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  %x0 = llm.dispatch(%x, %experts) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  // CHECK-NEXT: %x0 = llm.dispatch(%x, %experts) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  %first = llm.combine(%x0, %experts, %weights) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %first = llm.combine(%x0, %experts, %weights) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x64xf32>
  %x1 = llm.dispatch(%x, %experts) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  // CHECK-NEXT: %x1 = llm.dispatch(%x, %experts) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  %second = llm.combine(%x1, %experts, %weights) into(%first) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %second = llm.combine(%x1, %experts, %weights) into(%first) {expert = 1 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  func.return %second : tensor<?x64xf32>
}
