// RUN: %roundtrip
// RUN: %generic-roundtrip

// One scale and zero point for all rows: their ranges, a barrier, then codes less 128, scales with zero points behind.

// CHECK: %[[RANGES:.*]] = kernel.buffer
// CHECK: kernel.row_ranges(%[[HIDDEN:.*]]) into(%[[RANGES]]) {split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x2xf32, "shared">) -> ()
// CHECK-NEXT: kernel.barrier
// CHECK-NEXT: kernel.quantize_rows(%[[HIDDEN]]) ranges(%[[RANGES]]) into(%[[CODES:.*]], %[[SCALES:.*]], %[[SUMS:.*]]) {bits = 8 : i64, unsigned, run = 32 : i64, scale_type = f32, zero_point_type = ui8, split = #kernel.split<rows>}
kernel.step @head(%hidden: memref<?x32xf32, "shared">, %logits: memref<?x32xf32, "shared">) {
  %ranges = kernel.buffer {offset = 0 : i64} : memref<?x2xf32, "shared">
  %codes = kernel.buffer {offset = 64 : i64} : memref<?x32xi8, "shared">
  %scales = kernel.buffer {offset = 128 : i64} : memref<?x2x1xf32, "shared">
  %sums = kernel.buffer {offset = 192 : i64} : memref<?x1xi32, "shared">
  kernel.row_ranges(%hidden) into(%ranges) {split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x2xf32, "shared">) -> ()
  kernel.barrier
  kernel.quantize_rows(%hidden) ranges(%ranges) into(%codes, %scales, %sums) {bits = 8 : i64, unsigned, run = 32 : i64, scale_type = f32, zero_point_type = ui8, split = #kernel.split<rows>} : (memref<?x32xf32, "shared">, memref<?x2xf32, "shared">, memref<?x32xi8, "shared">, memref<?x2x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
}
