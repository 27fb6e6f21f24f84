// error: 'lt' is no predicate, expected one of _false, oeq, ogt,
func.func @f(%a: f32) {
  %c = llvm.fcmp "lt" %a, %a : f32
  func.return
}
// -----
// error: result is i1, expected vector<4xi1>
func.func @f(%a: vector<4xf32>) {
  %c = "llvm.fcmp"(%a, %a) <{predicate = 1 : i64}> : (vector<4xf32>, vector<4xf32>) -> i1
  func.return
}
// -----
// error: condition is vector<8xi1>, expected vector<4xi1>
func.func @f(%m: vector<8xi1>, %a: vector<4xf32>) {
  %c = llvm.select %m, %a, %a : vector<8xi1>, vector<4xf32>
  func.return
}
// -----
// error: 'relaxed' is no ordering, expected one of unordered, monotonic, acquire, release, acq_rel, seq_cst
func.func @f() {
  llvm.fence relaxed
  func.return
}
// -----
// error: ordering is 'monotonic', expected one of acquire, release, acq_rel, seq_cst
func.func @f() {
  llvm.fence monotonic
  func.return
}
// -----
// error: ordering is '9', expected one of monotonic, acquire, release, acq_rel, seq_cst
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = "llvm.atomicrmw"(%p, %x) <{bin_op = 1 : i64, ordering = 9 : i64}> : (!llvm.ptr, i64) -> i64
  func.return
}
// -----
// error: 'and' is no atomic operation, expected one of xchg, add, sub, _and,
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = llvm.atomicrmw and %p, %x acq_rel : !llvm.ptr, i64
  func.return
}
// -----
// error: bin_op is 99, expected 0 to 14
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = "llvm.atomicrmw"(%p, %x) <{bin_op = 99 : i64, ordering = 2 : i64}> : (!llvm.ptr, i64) -> i64
  func.return
}
// -----
// error: failure_ordering is 'release', expected one of monotonic, acquire, seq_cst
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = llvm.cmpxchg %p, %x, %x acq_rel release : !llvm.ptr, i64
  func.return
}
// -----
// error: result is !llvm.struct<(i32, i1)>, expected !llvm.struct<(i64, i1)>
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = "llvm.cmpxchg"(%p, %x, %x) <{success_ordering = 2 : i64, failure_ordering = 2 : i64}> : (!llvm.ptr, i64, i64) -> !llvm.struct<(i32, i1)>
  func.return
}
// -----
// error: has 1 case values and 2 destinations
func.func @f(%x: i32) {
  "llvm.switch"(%x)[^a, ^a, ^a] <{case_values = dense<1> : tensor<1xi32>, case_operand_segments = array<i32: 0>, operandSegmentSizes = array<i32: 1, 0, 0>}> : (i32) -> ()
^a:
  func.return
}
// -----
// error: goes to a block with arguments, expected none
func.func @f(%x: i32) {
  "llvm.switch"(%x)[^a] <{operandSegmentSizes = array<i32: 1, 0, 0>}> : (i32) -> ()
^a(%y: i32):
  func.return
}
// -----
// error: predicate is 99, expected 0 to 15
func.func @f(%x: f32) {
  %c = "llvm.fcmp"(%x, %x) <{predicate = 99 : i64, fastmathFlags = #llvm.fastmath<none>}> : (f32, f32) -> i1
  func.return
}
// -----
// error: ordering is 'acquire', expected one of monotonic, release, seq_cst
func.func @f(%p: !llvm.ptr, %x: i32) {
  "llvm.store"(%x, %p) <{ordering = 4 : i64}> : (i32, !llvm.ptr) -> ()
  func.return
}
// -----
// error: ordering is '99', expected one of monotonic, release, seq_cst
func.func @f(%p: !llvm.ptr, %x: i32) {
  "llvm.store"(%x, %p) <{ordering = 99 : i64}> : (i32, !llvm.ptr) -> ()
  func.return
}
