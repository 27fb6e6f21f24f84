// error: logits is 2x?, expected [T, E] with a static E
func.func @f(%l: tensor<2x?xf32>) {
  %e, %w = llm.route(%l) {top_k = 2 : i64, normalize = true} : (tensor<2x?xf32>) -> (tensor<2x2xi64>, tensor<2x2xf32>)
  func.return
}
// -----
// error: top_k is 5, expected 1 to the number of experts, 4
func.func @f(%l: tensor<2x4xf32>) {
  %e, %w = llm.route(%l) {top_k = 5 : i64, normalize = true} : (tensor<2x4xf32>) -> (tensor<2x5xi64>, tensor<2x5xf32>)
  func.return
}
// -----
// error: experts is 3x2, expected [T, top_k] = 2x2
func.func @f(%l: tensor<2x4xf32>) {
  %e, %w = llm.route(%l) {top_k = 2 : i64, normalize = true} : (tensor<2x4xf32>) -> (tensor<3x2xi64>, tensor<2x2xf32>)
  func.return
}
// -----
// error: weights is 2x1, expected [T, top_k] = 2x2
func.func @f(%l: tensor<2x4xf32>) {
  %e, %w = llm.route(%l) {top_k = 2 : i64, normalize = true} : (tensor<2x4xf32>) -> (tensor<2x2xi64>, tensor<2x1xf32>)
  func.return
}
// -----
// error: input is 2x8 and experts is 3x2, expected [T, H] and [T, top_k]
func.func @f(%x: tensor<2x8xf32>, %e: tensor<3x2xi64>) {
  %r = llm.dispatch(%x, %e) {expert = 0 : i64} : (tensor<2x8xf32>, tensor<3x2xi64>) -> tensor<?x8xf32>
  func.return
}
// -----
// error: expert must not be negative, got -1
func.func @f(%x: tensor<2x8xf32>, %e: tensor<2x2xi64>) {
  %r = llm.dispatch(%x, %e) {expert = -1 : i64} : (tensor<2x8xf32>, tensor<2x2xi64>) -> tensor<?x8xf32>
  func.return
}
// -----
// error: result is 2x8, expected [?, H] = ?x8
func.func @f(%x: tensor<2x8xf32>, %e: tensor<2x2xi64>) {
  %r = llm.dispatch(%x, %e) {expert = 0 : i64} : (tensor<2x8xf32>, tensor<2x2xi64>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: experts is 2x2 but weights is 2x3; shapes must agree
func.func @f(%y: tensor<?x8xf32>, %e: tensor<2x2xi64>, %w: tensor<2x3xf32>) {
  %r = llm.combine(%y, %e, %w) {expert = 0 : i64}
      : (tensor<?x8xf32>, tensor<2x2xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: result is 3x8 and experts is 2x2, expected [T, H] and [T, top_k]
func.func @f(%y: tensor<?x8xf32>, %e: tensor<2x2xi64>, %w: tensor<2x2xf32>) {
  %r = llm.combine(%y, %e, %w) {expert = 0 : i64}
      : (tensor<?x8xf32>, tensor<2x2xi64>, tensor<2x2xf32>) -> tensor<3x8xf32>
  func.return
}
// -----
// error: update is ?x7, expected [n, H] = ?x8
func.func @f(%y: tensor<?x7xf32>, %e: tensor<2x2xi64>, %w: tensor<2x2xf32>) {
  %r = llm.combine(%y, %e, %w) {expert = 0 : i64}
      : (tensor<?x7xf32>, tensor<2x2xi64>, tensor<2x2xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: total is 2x9 but result is 2x8; shapes must agree
func.func @f(%t: tensor<2x9xf32>, %y: tensor<?x8xf32>, %e: tensor<2x2xi64>, %w: tensor<2x2xf32>) {
  %r = llm.combine(%y, %e, %w) into(%t) {expert = 0 : i64}
      : (tensor<?x8xf32>, tensor<2x2xi64>, tensor<2x2xf32>, tensor<2x9xf32>) -> tensor<2x8xf32>
  func.return
}
// -----
// error: the total has another use, but its storage is overwritten here
func.func @f(%t: tensor<2x8xf32>, %y: tensor<?x8xf32>, %e: tensor<2x2xi64>, %w: tensor<2x2xf32>) {
  %r = llm.combine(%y, %e, %w) into(%t) {expert = 0 : i64}
      : (tensor<?x8xf32>, tensor<2x2xi64>, tensor<2x2xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %s = llm.silu(%t) : (tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return
}
