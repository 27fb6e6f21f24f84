// error: vector<2x2xi32> is no vector of one fixed dimension, as registers hold
func.func @f(%a: vector<2x2xi32>, %b: vector<16xi8>) {
  %c = vk.dot4 %a, %b, %b : vector<2x2xi32>, vector<16xi8>
  func.return
}
// -----
// error: vector<4xf32> and vector<8xi1> have different lanes, expected the same
func.func @f(%a: vector<4xf32>) {
  %c = vk.cmpf "olt" %a, %a : vector<4xf32> -> vector<8xi1>
  func.return
}
// -----
// error: vector<8xi1> and vector<4xf32> have different lanes, expected the same
func.func @f(%m: vector<8xi1>, %a: vector<4xf32>) {
  %c = vk.select %m, %a, %a : vector<8xi1>, vector<4xf32>
  func.return
}
// -----
// error: vector<4xi32> and vector<8xf32> have different lanes, expected the same
func.func @f(%a: vector<4xi32>) {
  %c = vk.sitofp %a : vector<4xi32> to vector<8xf32>
  func.return
}
// -----
// error: align is 3, expected a power of two
func.func @f(%p: !llvm.ptr) {
  %c = vk.load %p {align = 3 : i64} : f32
  func.return
}
// -----
// error: align is 0, expected a power of two
func.func @f(%p: !llvm.ptr, %x: f32) {
  vk.store %x, %p {align = 0 : i64} : f32
  func.return
}
// -----
// error: locality is 4, expected 0 to 3
func.func @f(%p: !llvm.ptr) {
  vk.prefetch %p {locality = 4 : i64}
  func.return
}
// -----
// error: mask names lane 8, expected 0 to 7
func.func @f(%a: vector<4xf32>) {
  %c = vk.shuffle %a, %a [0, 8] : vector<4xf32> -> vector<2xf32>
  func.return
}
// -----
// error: mask names lane -1, expected 0 to 7
func.func @f(%a: vector<4xf32>) {
  %c = vk.shuffle %a, %a [0, -1] : vector<4xf32> -> vector<2xf32>
  func.return
}
// -----
// error: result is vector<3xf32>, but the mask has 2 lanes
func.func @f(%a: vector<4xf32>) {
  %c = vk.shuffle %a, %a [0, 7] : vector<4xf32> -> vector<3xf32>
  func.return
}
// -----
// error: result is vector<2xi32>, expected elements f32
func.func @f(%a: vector<4xf32>) {
  %c = vk.shuffle %a, %a [0, 7] : vector<4xf32> -> vector<2xi32>
  func.return
}
// -----
// error: lane is 4, expected 0 to 3
func.func @f(%a: vector<4xf32>) {
  %c = vk.extract %a {lane = 4 : i64} : vector<4xf32> -> f32
  func.return
}
// -----
// error: lane is -1, expected 0 to 3
func.func @f(%a: vector<4xf32>, %x: f32) {
  %c = vk.insert %x, %a {lane = -1 : i64} : f32, vector<4xf32>
  func.return
}
// -----
// error: 'fadd' does not reduce i32, expected add, mul, and, or, xor, smin, smax, umin, umax
func.func @f(%a: vector<4xi32>) {
  %c = vk.reduce "fadd" %a : vector<4xi32> -> i32
  func.return
}
// -----
// error: 'add' does not reduce f32, expected fadd, fmin, fmax
func.func @f(%a: vector<4xf32>) {
  %c = vk.reduce "add" %a : vector<4xf32> -> f32
  func.return
}
// -----
// error: vector<6xf32> has 6 lanes, expected a power of two
func.func @f(%a: vector<6xf32>) {
  %c = vk.reduce "fadd" %a : vector<6xf32> -> f32
  func.return
}
// -----
// error: !llvm.ptr has no bits, expected integers, floats or vectors of them
func.func @f(%p: !llvm.ptr) {
  %c = vk.bitcast %p : !llvm.ptr to i64
  func.return
}
// -----
// error: vector<4xf32> has 128 bits, vector<4xi16> 64
func.func @f(%a: vector<4xf32>) {
  %c = vk.bitcast %a : vector<4xf32> to vector<4xi16>
  func.return
}
// -----
// error: 'lt' is no predicate, expected one of eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge
func.func @f(%a: vector<4xi32>) {
  %c = vk.cmpi "lt" %a, %a : vector<4xi32> -> vector<4xi1>
  func.return
}
// -----
// error: 'slt' is no predicate, expected one of false, oeq,
func.func @f(%a: vector<4xf32>) {
  %c = vk.cmpf "slt" %a, %a : vector<4xf32> -> vector<4xi1>
  func.return
}
// -----
// error: vector<4xi8> is not wider than vector<4xi8>
func.func @f(%a: vector<4xi8>) {
  %c = vk.extui %a : vector<4xi8> to vector<4xi8>
  func.return
}
// -----
// error: vector<4xi8> is not wider than vector<4xi32>
func.func @f(%a: vector<4xi32>) {
  %c = vk.extsi %a : vector<4xi32> to vector<4xi8>
  func.return
}
// -----
// error: vector<4xi32> is not narrower than vector<4xi32>
func.func @f(%a: vector<4xi32>) {
  %c = vk.trunci %a : vector<4xi32> to vector<4xi32>
  func.return
}
// -----
// error: unsigned_max is 256, expected 1 to 255
func.func @f(%a: vector<4xi32>, %b: vector<16xi8>) {
  %c = vk.dot4 %a, %b, %b {unsigned_max = 256 : i64} : vector<4xi32>, vector<16xi8>
  func.return
}
// -----
// error: vector<8xi8> has 8 lanes, expected 16, 4 for each of vector<4xi32>
func.func @f(%a: vector<4xi32>, %b: vector<8xi8>) {
  %c = vk.dot4 %a, %b, %b : vector<4xi32>, vector<8xi8>
  func.return
}
// -----
// error: vector<16xbf16> has 16 lanes, expected 8, 2 for each of vector<4xf32>
func.func @f(%a: vector<4xf32>, %b: vector<16xbf16>) {
  %c = vk.dot2 %a, %b, %b : vector<4xf32>, vector<16xbf16>
  func.return
}
// -----
// error: table is vector<8xf32>, expected 16 entries
func.func @f(%t: vector<8xf32>, %i: vector<4xi32>) {
  %c = vk.lookup %t, %i : vector<8xf32>, vector<4xi32> -> vector<4xf32>
  func.return
}
// -----
// error: index is vector<4xi8>, expected integers as wide as f32
func.func @f(%t: vector<16xf32>, %i: vector<4xi8>) {
  %c = vk.lookup %t, %i : vector<16xf32>, vector<4xi8> -> vector<4xf32>
  func.return
}
// -----
// error: vector<4xi32> and vector<8xf32> have different lanes, expected the same
func.func @f(%t: vector<16xf32>, %i: vector<4xi32>) {
  %c = vk.lookup %t, %i : vector<16xf32>, vector<4xi32> -> vector<8xf32>
  func.return
}
// -----
// error: table is vector<32xi8>, expected 16 entries
func.func @f(%t: vector<32xi8>, %i: vector<16xi8>) {
  %c = vk.byte_lookup %t, %i : vector<32xi8>, vector<16xi8>
  func.return
}
// -----
// error: ordering is 'relaxed', expected one of monotonic, acquire, release, acq_rel, seq_cst
func.func @f(%p: !llvm.ptr, %x: i64) {
  %c = vk.atomic_add "relaxed" %p, %x : i64
  func.return
}
// -----
// error: ordering is 'release', expected one of monotonic, acquire, seq_cst
func.func @f(%p: !llvm.ptr) {
  %c = vk.atomic_load "release" %p : i64
  func.return
}
// -----
// error: ordering is 'acquire', expected one of monotonic, release, seq_cst
func.func @f(%p: !llvm.ptr, %x: i64) {
  vk.atomic_store "acquire" %x, %p : i64
  func.return
}
// -----
// error: vector<6xi32> has 6 lanes, expected a multiple of 4, a 2x2 matrix each
func.func @f(%a: vector<6xi32>, %b: vector<24xi8>) {
  %c = vk.mmla %a, %b, %b : vector<6xi32>, vector<24xi8>
  func.return
}
// -----
// error: vector<8xi8> has 8 lanes, expected 16, 4 for each of vector<4xi32>
func.func @f(%a: vector<4xi32>, %b: vector<8xi8>) {
  %c = vk.mmla %a, %b, %b : vector<4xi32>, vector<8xi8>
  func.return
}
// -----
// error: a tile of 17 rows, expected 1 to 16
func.func @f() {
  %t = vk.tile_zero : !vk.tile<17, 64>
  func.return
}
// -----
// error: a tile of rows of 66 bytes, expected a multiple of 4 up to 64
func.func @f() {
  %t = vk.tile_zero : !vk.tile<16, 66>
  func.return
}
// -----
// error: kind is 's4s4', expected one of s8s8, s8u8, u8s8, u8u8, bf16
func.func @f(%t: !vk.tile<16, 64>) {
  %c = vk.tile_dot "s4s4" %t, %t, %t : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>
  func.return
}
// -----
// error: !vk.tile<16, 64> += !vk.tile<16, 32> * !vk.tile<16, 64> does not fit, expected tiles [m, 4 n] += [m, 4 k] * [k, 4 n]
func.func @f(%t: !vk.tile<16, 64>, %a: !vk.tile<16, 32>) {
  %c = vk.tile_dot "s8s8" %t, %a, %t : !vk.tile<16, 64>, !vk.tile<16, 32>, !vk.tile<16, 64>
  func.return
}
// -----
// error: bytes is 0, expected at least 1
func.func @f() {
  %p = vk.stack {bytes = 0 : i64}
  func.return
}
// -----
// error: index is in no register, expected an integer, a float, a vector of them or !llvm.ptr
func.func @f(%p: !llvm.ptr) {
  %c = vk.load %p : index
  func.return
}
// -----
// error: memref<4xf32> is in no register, expected an integer, a float, a vector of them or !llvm.ptr
func.func @f(%p: !llvm.ptr, %m: memref<4xf32>) {
  vk.store %m, %p : memref<4xf32>
  func.return
}
// -----
// error: vector<2x4xf32> is no vector of one fixed dimension, as registers hold
func.func @f(%p: !llvm.ptr) {
  %c = vk.load %p : vector<2x4xf32>
  func.return
}
// -----
// error: vector<4xindex> is in no register, expected an integer, a float, a vector of them or !llvm.ptr
func.func @f(%p: !llvm.ptr, %n: i64) {
  %c = vk.load_partial %p, %n : vector<4xindex>
  func.return
}
