// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i8}' | filecheck %s
// RUN: llmir-opt %s -p 'assign-schemes{ops=router weight-type=i8}' | filecheck %s --check-prefix=ROUTER

// the layer that chooses experts is left alone unless it is asked for
func.func @mixture(%x: tensor<?x64xf32>, %gate: tensor<8x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %logits = llm.linear(%x, %gate) {module = "gate"} : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  %experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true} : (tensor<?x8xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  %x0 = llm.dispatch(%x, %experts) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
  %y0 = llm.linear(%x0, %w) {module = "experts.0"} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %t0 = llm.combine(%y0, %experts, %weights) {expert = 0 : i64} : (tensor<?x64xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x64xf32>
  func.return %t0 : tensor<?x64xf32>
}
// CHECK:  %{{.*}} = llm.linear(%x, %gate) {module = "gate", llm.remark = "not quantized: router of a mixture of experts"}
// CHECK:  %{{.*}} = llm.linear(%x0, %w) {module = "experts.0", llm.scheme = #llm.scheme<weight=#llm.quantization<i8
// ROUTER: %{{.*}} = llm.linear(%x, %gate) {module = "gate", llm.scheme = #llm.scheme<weight=#llm.quantization<i8
// ROUTER: %{{.*}} = llm.linear(%x0, %w) {module = "experts.0", llm.remark = "not quantized: the recipe is for router layers"}
