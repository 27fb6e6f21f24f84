// error: tiles hold a matrix of floats or an !llm.quantized_tensor, got tensor<64xf32>
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64xf32>, tile=32>
// -----
// error: tiles hold a matrix of static shape, got tensor<?x32xf32>
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<?x32xf32>, tile=32>
// -----
// error: tiles of floats are float32, float16, bfloat16, not float64
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf64>, tile=32>
// -----
// error: tiles need rows, columns and an even number of at least 4 columns, got 64, 32, 3
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=3>
// -----
// error: tiles need parameters that do not change along K, or groups along K
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<!llm.quantized_tensor<64x32xi8, scale=f32, symmetric=true, axis=1>, tile=32>
// -----
// error: tiles need scales and minima with super-blocks of one size
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<!llm.quantized_tensor<64x32xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=1>, group_size=16>, tile=32>
// -----
// error: super-blocks of 2 groups are no whole blocks of 4
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=!llm.scale<ui6, scale=f16, group_size=2>, symmetric=true, group_size=2>, tile=32>
// -----
// error: interleave is 1 or 2 matrices, got 3
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32, interleave=3>
// -----
// error: tiles need tile, the rows of one
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>>
// -----
// error: rows need a start of at least 0, a size and a count of at least 1
kernel.weight @w {members = [[#kernel.rows<@a, start=0, size=0>]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: runs of 16 rows overlap at a stride of 8
kernel.weight @w {members = [[#kernel.rows<@a, start=0, size=16, stride=8, count=2>]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: rows need size
kernel.weight @w {members = [[#kernel.rows<@a, start=0>]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: unknown split 'diagonals', expected one of replicated, rows,
builtin.module attributes {a = #kernel.split<diagonals>} {}
// -----
// error: a split by columns has a number of at least 1
builtin.module attributes {a = #kernel.split<columns>} {}
// -----
// error: a split by rows has no number
builtin.module attributes {a = #kernel.split<rows 3>} {}
// -----
// error: rows of a schedule must be at least 1, got 0
builtin.module attributes {a = #kernel.schedule<rows=0, columns=2, n_block=4, k_unroll=4, prefetch=0>} {}
// -----
// error: a schedule needs prefetch
builtin.module attributes {a = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4>} {}
// -----
// error: unknown activation 'i4', expected i8, bf16, f32
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=i4, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>, many_rows=#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: interleave is 1 or 2 matrices, got 3
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=f32, interleave=3, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>, many_rows=#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: group is a number of at least 1, of i8 codes that share a scale
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=f32, group=32, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>, many_rows=#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: group is a number of at least 1, of i8 codes that share a scale
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=i8, group=0, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>, many_rows=#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: columns of one_row and many_rows must be the same, those of the packed weight, got 2 and 4
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=f32, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>, many_rows=#kernel.schedule<rows=6, columns=4, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: a schedule of products needs many_rows
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=f32, one_row=#kernel.schedule<rows=1, columns=2, n_block=1, k_unroll=8, prefetch=0>>} {}
// -----
// error: expected a #kernel.schedule, got 3 : i64
builtin.module attributes {a = #kernel.schedule_of<tensor<64x32xf32>, activation=f32, one_row=3, many_rows=#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=8, prefetch=0>>} {}
// -----
// error: members of a layer are names of weights or #kernel.rows of them, got []
kernel.weight @w {members = [[]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: members are those of at least one layer
kernel.weight @w {members = [], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: every layer has as many members
kernel.weight @w {members = [[@a], [@b, @c]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: 1 members are not divided by 2 interleaved matrices
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32, interleave=2>
// -----
// error: stride must be a multiple of 64 bytes, got 8
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 8 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: shift is for weights that are not packed
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64, shift = 1.0 : f32} : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: type is memref<32xf32>, expected a memref in space "weights"
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : memref<32xf32>
// -----
// error: kv_heads must be at least 1, got 0
kernel.cache @kv {layers = 2 : i64, kv_heads = 0 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
// -----
// error: element is f64, expected f32 or f16 or f8E4M3FN or i8
kernel.cache @kv {layers = 2 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, element = f64, lanes = 16 : i64}
// -----
// error: dimensions must be even and at least 2, got 3
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 3 : i64}
// -----
// error: long_factors and original_context belong together; give both or neither
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64, original_context = 64 : i64}
// -----
// error: long_factors need the factors of a short context
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64, original_context = 64 : i64, long_factors = @f}
// -----
// error: unknown step @forward, expected one of decode, prefill, head
kernel.step @forward() {
}
// -----
// error: @head is given hidden, logits
kernel.step @head() {
}
// -----
// error: position is i64, expected index
kernel.step @prefill(%ids: memref<?xi64, "shared">, %position: i64, %hidden: memref<?x32xf32, "shared">) {

}
// -----
// error: logits is memref<?x64xf32>, expected a memref in space "shared"
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32>) {

}
// -----
// error: hidden has 2 rows, the step ?
kernel.step @head(%hidden: memref<2x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {

}
// -----
// error: a loop is of at least 1 layer, got 0
kernel.loop %l = 0 to 0 {
}
// -----
// error: a loop goes from 0 on, got 1
kernel.loop %l = 1 to 4 {
}
// -----
// error: a buffer is in shared, private or threads memory, got memref<?x32xf32, "cache">
%b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "cache">
// -----
// error: a buffer is rows of static size, got memref<?x?xf32, "shared">
%b = kernel.buffer {offset = 0 : i64} : memref<?x?xf32, "shared">
// -----
// error: a buffer is contiguous; a view of it may have strides
%b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, strided<[64, 1]>, "shared">
// -----
// error: offset must be a multiple of 64 bytes a row, got 4
%b = kernel.buffer {offset = 4 : i64} : memref<?x32xf32, "shared">
// -----
// error: a view is strided and of a buffer that is not
func.func @f(%x: memref<?x32xf32, "shared">) {
  %v = kernel.view %x : memref<?x32xf32, "shared"> -> memref<?x32xf32, "shared">
  func.return
}
// -----
// error: has its element type and space, got memref<?x8xf16,
func.func @f(%x: memref<?x32xf32, "shared">) {
  %v = kernel.view %x : memref<?x32xf32, "shared"> -> memref<?x8xf16, strided<[32, 1]>, "shared">
  func.return
}
// -----
// error: a view has the rows of its buffer
func.func @f(%x: memref<?x32xf32, "shared">) {
  %v = kernel.view %x : memref<?x32xf32, "shared"> -> memref<?x8xf32, strided<[16, 1]>, "shared">
  func.return
}
// -----
// error: the view's rows are elements 28 to 35, the buffer's have 32
func.func @f(%x: memref<?x32xf32, "shared">) {
  %v = kernel.view %x : memref<?x32xf32, "shared"> -> memref<?x8xf32, strided<[32, 1], offset: 28>, "shared">
  func.return
}
// -----
// error: @rope does not name a kernel.weight of this module
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64}
%w = kernel.weight_at @rope : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: result is memref<32xf32, "weights">, but @w is !kernel.tiles
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
%w = kernel.weight_at @w : memref<32xf32, "weights">
// -----
// error: the symbol has 2 layers; say which by an index
kernel.weight @w {members = [[@a], [@b]], offset = 0 : i64, stride = 64 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
%w = kernel.weight_at @w : !kernel.tiles<tensor<64x32xf32>, tile=32>
// -----
// error: the index is that of a kernel.loop
kernel.weight @w {members = [[@a], [@b]], offset = 0 : i64, stride = 64 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
func.func @f(%i: index) {
  %w = kernel.weight_at @w[%i] : !kernel.tiles<tensor<64x32xf32>, tile=32>
  func.return
}
// -----
// error: the loop is of 3 layers, the symbol has 2
kernel.weight @w {members = [[@a], [@b]], offset = 0 : i64, stride = 64 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
kernel.loop %l = 0 to 3 {
  %w = kernel.weight_at @w[%l] : !kernel.tiles<tensor<64x32xf32>, tile=32>
}
// -----
// error: keys and values of @kv are memref<2x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">
kernel.cache @kv {layers = 1 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
%k, %v = kernel.cache_at @kv : memref<2x?x16xf16, "cache">, memref<2x?x16xf16, "cache">
// -----
// error: result is memref<?x16xf32>, expected a memref in space "tables"
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64}
%t = kernel.table_at @rope : memref<?x16xf32>
// -----
// error: a row of @rope has 16 elements, got memref<?x8xf32, "tables">
kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 16 : i64}
%t = kernel.table_at @rope : memref<?x8xf32, "tables">
// -----
// error: cannot be split by columns, expected replicated or rows
func.func @f(%x: memref<?x32xf32, "shared">, %w: memref<32xf32, "weights">, %y: memref<?x32xf32, "shared">) {
  kernel.rms_norm(%x, %w) into(%y) {epsilon = 1.0e-05 : f32, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, memref<32xf32, "weights">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: is replicated but writes shared memory: every thread would write the same
func.func @f(%x: memref<?x32xf32, "shared">, %w: memref<32xf32, "weights">, %y: memref<?x32xf32, "shared">) {
  kernel.rms_norm(%x, %w) into(%y) {epsilon = 1.0e-05 : f32, split = #kernel.split<replicated>} : (memref<?x32xf32, "shared">, memref<32xf32, "weights">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: input is memref<?x32xf16, "shared">, expected a memref of f32
func.func @f(%x: memref<?x32xf16, "shared">, %w: memref<32xf32, "weights">, %y: memref<?x32xf32, "shared">) {
  kernel.rms_norm(%x, %w) into(%y) {epsilon = 1.0e-05 : f32, split = #kernel.split<rows>} : (memref<?x32xf16, "shared">, memref<32xf32, "weights">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: weight is 16, expected a value for each column = 32
func.func @f(%x: memref<?x32xf32, "shared">, %w: memref<16xf32, "weights">, %y: memref<?x32xf32, "shared">) {
  kernel.rms_norm(%x, %w) into(%y) {epsilon = 1.0e-05 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<16xf32, "weights">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: output is ?x64 but input is ?x32; shapes must agree
func.func @f(%x: memref<?x32xf32, "shared">, %w: memref<32xf32, "weights">, %y: memref<?x64xf32, "shared">) {
  kernel.rms_norm(%x, %w) into(%y) {epsilon = 1.0e-05 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<32xf32, "weights">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: ids are memref<?xi32, "shared">, expected a memref of one dimension of i64
func.func @f(%i: memref<?xi32, "shared">, %t: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x32xf32, "shared">) {
  kernel.embed(%i, %t) into(%y) {split = #kernel.split<rows>} : (memref<?xi32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: 65 rows are needed for count and offset, the table has 64
func.func @f(%t: !kernel.tiles<tensor<64x32xf32>, tile=32>, %p: index, %y: memref<?x32xf32, "shared">) {
  kernel.embed_positions(%t, %p) into(%y) {count = 63 : i64, offset = 2 : i64, split = #kernel.split<rows>} : (!kernel.tiles<tensor<64x32xf32>, tile=32>, index, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: encoded values are in units of a constant scale; give scale
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, encoded, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: codes are memref<?x32xi32, "shared">, expected i8
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi32, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi32, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: scales are ?x3, expected ? by a number of columns that divides 32
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x3xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x3xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: scales and zero points are ?x1, expected ?x2 by a number of columns that divides 32
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, zero_point_type = i8, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: scales and zero points are ?x1, expected ?x2 by a number of columns that divides 32
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, unsigned, scale = 1.0 : f32, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: a constant scale and a zero_point_type come with a zero_point, and it with both
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x2x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale = 1.0 : f32, zero_point_type = i8, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x2x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: a constant scale and a zero_point_type come with a zero_point, and it with both
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, zero_point = 1 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: ranges are for one scale that is chosen from all rows; remove them or scale
func.func @f(%x: memref<?x32xf32, "shared">, %r: memref<?x1xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) ranges(%r) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale = 1.0 : f32, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x1xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: ranges are for one scale that is chosen from all rows; remove them or scale
func.func @f(%x: memref<?x32xf32, "shared">, %r: memref<?x1xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x2xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) ranges(%r) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x1xf32, "shared">, memref<?x32xi8, "shared">, memref<?x2xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: ranges is ?x2, expected [rows, 1], with zero points [rows, 2] = ?x1
func.func @f(%x: memref<?x32xf32, "shared">, %r: memref<?x2xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) ranges(%r) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x2xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: output is ?x3, expected a magnitude ?x1 or a range ?x2 for each row
func.func @f(%x: memref<?x32xf32, "shared">, %r: memref<?x3xf32, "shared">) {
  kernel.row_ranges(%x) into(%r) {split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x3xf32, "shared">) -> ()
  func.return
}
// -----
// error: run must be at least 1, got 0
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 0 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: codes have 2 to 8 bits, got 9
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 9 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: sums is ?x1, expected [rows, K / run] = ?x2
func.func @f(%x: memref<?x32xf32, "shared">, %q: memref<?x32xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 16 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: unknown epilogue 'multiply', expected one of store, add, gated_silu
func.func @f(%x: memref<?x32xf32, "shared">, %w: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x64xf32, "shared">) {
  kernel.matmul(%x, %w) into(%y) {activation = "f32", epilogue = "multiply", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: a gated epilogue is for two interleaved weights, and they for it
func.func @f(%x: memref<?x32xf32, "shared">, %w: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x64xf32, "shared">) {
  kernel.matmul(%x, %w) into(%y) {activation = "f32", epilogue = "gated_silu", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: is split by columns of 16, expected those of a tile, 32
func.func @f(%x: memref<?x32xf32, "shared">, %w: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x64xf32, "shared">) {
  kernel.matmul(%x, %w) into(%y) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 16>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: codes come with quantized(scales, sums), floats without
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x64xf32, "shared">) {
  kernel.matmul(%x, %w) into(%y) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: activation is 'i8', expected f32 or bf16
func.func @f(%x: memref<?x32xf32, "shared">, %w: !kernel.tiles<tensor<64x32xf32>, tile=32>, %y: memref<?x64xf32, "shared">) {
  kernel.matmul(%x, %w) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: sums are ?x2, expected ?x1: one for each run of 32 codes
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x2xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?x1xf32, "shared">, memref<?x2xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: scales are ?x3x1, expected ? or ?x2 by a number of columns that divides 32
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?x3x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?x3x1xf32, "shared">, memref<?x1xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: scales are ?x3, expected ? or ?x2 by a number of columns that divides 32
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?x3xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?x3xf32, "shared">, memref<?x1xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: scales are ?, expected ? or ?x2 by a number of columns that divides 32
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?xf32, "shared">, memref<?x1xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: scales are memref<?x1xi32, "shared">, expected f32
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?x1xi32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?x1xi32, "shared">, memref<?x1xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: sums are ?, expected ?x1: one for each run of 32 codes
func.func @f(%x: memref<?x32xi8, "shared">, %w: !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, %y: memref<?x64xf32, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?xi32, "shared">) {
  kernel.matmul(%x, %w) quantized(%s, %u) into(%y) {activation = "i8", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xi8, "shared">, !kernel.tiles<!llm.quantized_tensor<64x32xi4, scale=f16, symmetric=true, group_size=32>, tile=32>, memref<?x1xf32, "shared">, memref<?xi32, "shared">, memref<?x64xf32, "shared">) -> ()
  func.return
}
// -----
// error: output is ?x3x16, expected [rows, heads, D] with D of at least 32
func.func @f(%t: memref<?x32xf32, "tables">, %p: index, %y: memref<?x3x16xf32, "shared">) {
  kernel.rope(%t, %p) into(%y) {split = #kernel.split<rows>} : (memref<?x32xf32, "tables">, index, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: 3 heads of output are not divided into 2
func.func @f(%t: memref<?x16xf32, "tables">, %p: index, %y: memref<?x3x16xf32, "shared">) {
  kernel.rope(%t, %p) into(%y) {split = #kernel.split<heads 2>} : (memref<?x16xf32, "tables">, index, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: expected those of a kernel.cache_at
func.func @f(%k: memref<?x3x16xf32, "shared">, %v: memref<?x3x16xf32, "shared">, %p: index, %kk: memref<3x?x16x16xf16, "cache">, %vv: memref<2x?x16xf16, "cache">) {
  kernel.append_cache(%k, %v, %p) into(%kk, %vv) {split = #kernel.split<rows>} : (memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">, index, memref<3x?x16x16xf16, "cache">, memref<2x?x16xf16, "cache">) -> ()
  func.return
}
// -----
// error: key is ?x2x16, expected [rows, heads, 16] for a cache of 3 heads
func.func @f(%k: memref<?x2x16xf32, "shared">, %v: memref<?x2x16xf32, "shared">, %p: index, %kk: memref<3x?x16x16xf16, "cache">, %vv: memref<3x?x16xf16, "cache">) {
  kernel.append_cache(%k, %v, %p) into(%kk, %vv) {split = #kernel.split<rows>} : (memref<?x2x16xf32, "shared">, memref<?x2x16xf32, "shared">, index, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">) -> ()
  func.return
}
// -----
// error: is split by 2 heads, the cache has 3
func.func @f(%k: memref<?x3x16xf32, "shared">, %v: memref<?x3x16xf32, "shared">, %p: index, %kk: memref<3x?x16x16xf16, "cache">, %vv: memref<3x?x16xf16, "cache">) {
  kernel.append_cache(%k, %v, %p) into(%kk, %vv) {split = #kernel.split<heads 2>} : (memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">, index, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">) -> ()
  func.return
}
// -----
// error: window must be at least 1, got 0
func.func @f(%q: memref<?x3x16xf32, "shared">, %k: memref<3x?x16x16xf16, "cache">, %v: memref<3x?x16xf16, "cache">, %p: index, %y: memref<?x3x16xf32, "shared">) {
  kernel.attention(%q, %k, %v, %p) into(%y) {scale = 0.25 : f32, window = 0 : i64, split = #kernel.split<heads 3>} : (memref<?x3x16xf32, "shared">, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">, index, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: softcap must be positive, got 0.0
func.func @f(%q: memref<?x3x16xf32, "shared">, %k: memref<3x?x16x16xf16, "cache">, %v: memref<3x?x16xf16, "cache">, %p: index, %y: memref<?x3x16xf32, "shared">) {
  kernel.attention(%q, %k, %v, %p) into(%y) {scale = 0.25 : f32, softcap = 0.0 : f32, split = #kernel.split<heads 3>} : (memref<?x3x16xf32, "shared">, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">, index, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: is split by columns, expected two dimensions, got ?x3x16
func.func @f(%a: memref<?x3x16xf32, "shared">, %b: memref<?x3x16xf32, "shared">, %y: memref<?x3x16xf32, "shared">) {
  kernel.add(%a, %b) into(%y) {split = #kernel.split<columns 16>} : (memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: is split by 2 heads, expected [rows, heads, D] that they divide, got ?x3x16
func.func @f(%a: memref<?x3x16xf32, "shared">, %b: memref<?x3x16xf32, "shared">, %y: memref<?x3x16xf32, "shared">) {
  kernel.add(%a, %b) into(%y) {split = #kernel.split<heads 2>} : (memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">, memref<?x3x16xf32, "shared">) -> ()
  func.return
}
// -----
// error: unknown activation 'elu', expected one of silu, gelu, gelu_tanh, relu
func.func @f(%x: memref<?x32xf32, "shared">, %y: memref<?x32xf32, "shared">) {
  kernel.activate(%x) into(%y) {activation = "elu", split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: unknown activation 'relu', expected one of silu, gelu, gelu_tanh
func.func @f(%a: memref<?x32xf32, "shared">, %b: memref<?x32xf32, "shared">, %y: memref<?x32xf32, "shared">) {
  kernel.gate(%a, %b) into(%y) {activation = "relu", split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: factor must be finite, got inf
func.func @f(%x: memref<?x32xf32, "shared">, %y: memref<?x32xf32, "shared">) {
  kernel.scale(%x) into(%y) {factor = 0x7F800000 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: cap must be positive, got -1.0
func.func @f(%x: memref<?x32xf32, "shared">, %y: memref<?x32xf32, "shared">) {
  kernel.softcap(%x) into(%y) {cap = -1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  func.return
}
// -----
// error: indices are memref<?x1xi32, "threads">, expected ?x1 of i64
func.func @f(%x: memref<?x32xf32, "shared">, %v: memref<?x1xf32, "threads">, %i: memref<?x1xi32, "threads">) {
  kernel.argmax(%x) into(%v, %i) {split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, memref<?x1xf32, "threads">, memref<?x1xi32, "threads">) -> ()
  func.return
}
// -----
// error: token is memref<?xi32, "shared">, expected ? of i64
func.func @f(%v: memref<?x1xf32, "threads">, %i: memref<?x1xi64, "threads">, %t: memref<?xi32, "shared">) {
  kernel.pick(%v, %i) into(%t) {split = #kernel.split<rows>} : (memref<?x1xf32, "threads">, memref<?x1xi64, "threads">, memref<?xi32, "shared">) -> ()
  func.return
}
// -----
// error: 'kernel.matmul' reads %b, which 'kernel.softcap' before it writes in other threads: a kernel.barrier is missing between them
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
  %w = kernel.weight_at @w : !kernel.tiles<tensor<64x32xf32>, tile=32>
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  kernel.matmul(%b, %w) into(%logits) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
}
// -----
// error: 'kernel.softcap' writes %b, which 'kernel.matmul' before it reads in other threads
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
  %w = kernel.weight_at @w : !kernel.tiles<tensor<64x32xf32>, tile=32>
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  kernel.barrier
  kernel.matmul(%b, %w) into(%logits) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
}
// -----
// error: 'kernel.softcap' writes %b, which 'kernel.matmul' before it reads in other threads
kernel.weight @w {members = [[@a]], offset = 0 : i64, stride = 0 : i64} : !kernel.tiles<tensor<64x32xf32>, tile=32>
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  kernel.loop %l = 0 to 2 {
    %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
    %w = kernel.weight_at @w : !kernel.tiles<tensor<64x32xf32>, tile=32>
    kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
    kernel.barrier
    kernel.matmul(%b, %w) into(%logits) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x32xf32, "shared">, !kernel.tiles<tensor<64x32xf32>, tile=32>, memref<?x64xf32, "shared">) -> ()
  }
}
// -----
// error: 'kernel.softcap' reads %b, which holds nothing there: it was not written
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
  kernel.softcap(%b) into(%hidden) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
}
// -----
// error: 'kernel.softcap' reads %b, which holds nothing there
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
  %c = kernel.buffer {offset = 64 : i64} : memref<?x32xf32, "shared">
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  kernel.barrier
  kernel.softcap(%hidden) into(%c) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  kernel.barrier
  kernel.softcap(%b) into(%hidden) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
}
// -----
// error: 'kernel.softcap' writes %c, which 'kernel.softcap' before it writes in other threads
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "shared">
  %c = kernel.buffer {offset = 64 : i64} : memref<?x32xf32, "shared">
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
  kernel.softcap(%hidden) into(%c) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "shared">) -> ()
}
// -----
// error: 'kernel.softcap' reads %b, of which a thread's private memory holds the part it wrote itself
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
  %b = kernel.buffer {offset = 0 : i64} : memref<?x32xf32, "private">
  kernel.softcap(%hidden) into(%b) {cap = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x32xf32, "private">) -> ()
  kernel.softcap(%b) into(%hidden) {cap = 1.0 : f32, split = #kernel.split<columns 32>} : (memref<?x32xf32, "private">, memref<?x32xf32, "shared">) -> ()
}
// -----
// error: an operand is memref<f32, "shared">, expected at least one dimension and none of size 0
func.func @f(%x: memref<f32, "shared">, %y: memref<?x1xf32, "shared">) {
  kernel.row_ranges(%x) into(%y) {split = #kernel.split<rows>} : (memref<f32, "shared">, memref<?x1xf32, "shared">) -> ()
  func.return
}
// -----
// error: an operand is memref<?x0xf32, "shared">, expected at least one dimension and none of size 0
func.func @f(%x: memref<?x0xf32, "shared">, %y: memref<?x1xf32, "shared">) {
  kernel.row_ranges(%x) into(%y) {split = #kernel.split<rows>} : (memref<?x0xf32, "shared">, memref<?x1xf32, "shared">) -> ()
  func.return
}
// -----
// error: an operand is memref<2x4xcomplex<f32>, "shared">, expected elements that are integers or floats
func.func @f(%x: memref<2x4xcomplex<f32>, "shared">, %y: memref<2x4xf32, "shared">) {
  kernel.copy(%x) into(%y) {split = #kernel.split<rows>} : (memref<2x4xcomplex<f32>, "shared">, memref<2x4xf32, "shared">) -> ()
  func.return
}
// -----
// error: input is ?x4x8, expected [rows, K]
func.func @f(%x: memref<?x4x8xf32, "shared">, %q: memref<?x4x8xi8, "shared">, %s: memref<?x1xf32, "shared">, %u: memref<?x1xi32, "shared">) {
  kernel.quantize_rows(%x) into(%q, %s, %u) {bits = 8 : i64, run = 8 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x4x8xf32, "shared">, memref<?x4x8xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  func.return
}
// -----
// error: expected those of a kernel.cache_at
func.func @f(%q: memref<?x4x8xf32, "shared">, %k: memref<?xf16, "cache">, %v: memref<?xf16, "cache">, %p: index, %y: memref<?x4x8xf32, "shared">) {
  kernel.attention(%q, %k, %v, %p) into(%y) {scale = 1.0 : f32, split = #kernel.split<rows>} : (memref<?x4x8xf32, "shared">, memref<?xf16, "cache">, memref<?xf16, "cache">, index, memref<?x4x8xf32, "shared">) -> ()
  func.return
}
