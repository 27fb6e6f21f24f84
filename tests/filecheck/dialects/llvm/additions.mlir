// RUN: %roundtrip
// RUN: %generic-roundtrip

// What xDSL's llvm dialect lacks, in MLIR's text.

llvm.func @f(%p: !llvm.ptr, %n: i64, %x: f32, %v: vector<4xf32>, %w: vector<4xf32>, %m: vector<4xi1>, %i: vector<4xi32>) {
  %0 = llvm.fptosi %v : vector<4xf32> to vector<4xi32>
  %1 = llvm.fptoui %x : f32 to i32
  %2 = llvm.uitofp %i : vector<4xi32> to vector<4xf32>
  %3 = llvm.extractelement %v[%n : i64] : vector<4xf32>
  %4 = llvm.freeze %x : f32
  %5 = llvm.mlir.poison : vector<4xf32>
  %6 = llvm.fcmp "olt" %v, %w : vector<4xf32>
  %7 = llvm.fcmp "uno" %x, %x {fastmathFlags = #llvm.fastmath<nsz>} : f32
  %8 = llvm.select %m, %v, %w : vector<4xi1>, vector<4xf32>
  llvm.store %n, %p atomic release {alignment = 8 : i64} : i64, !llvm.ptr
  llvm.store volatile %x, %p : f32, !llvm.ptr
  llvm.store %v, %p {alignment = 1 : i64, nontemporal} : vector<4xf32>, !llvm.ptr
  %9 = llvm.atomicrmw add %p, %n acq_rel {alignment = 8 : i64} : !llvm.ptr, i64
  %10 = llvm.atomicrmw _and %p, %n monotonic : !llvm.ptr, i64
  %11 = llvm.cmpxchg %p, %n, %n acq_rel monotonic {alignment = 8 : i64} : !llvm.ptr, i64
  llvm.fence seq_cst
  llvm.return
}
llvm.func @g(%x: i32, %r: i16) {
  %t = llvm.call_intrinsic "llvm.x86.tilezero.internal"(%r, %r) : (i16, i16) -> !llvm.x86_amx
  "llvm.switch"(%x)[^a, ^b, ^b] <{case_values = dense<[1, 2]> : tensor<2xi32>, case_operand_segments = array<i32: 0, 0>, operandSegmentSizes = array<i32: 1, 0, 0>}> : (i32) -> ()
^a:
  llvm.return
^b:
  llvm.return
}

// CHECK: builtin.module {
// CHECK: llvm.func @f(%[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[X:.*]]: f32, %[[V:.*]]: vector<4xf32>, %[[W:.*]]: vector<4xf32>, %[[M:.*]]: vector<4xi1>, %[[I:.*]]: vector<4xi32>) {
// CHECK-NEXT: %[[V0:.*]] = llvm.fptosi %[[V]] : vector<4xf32> to vector<4xi32>
// CHECK-NEXT: %[[V1:.*]] = llvm.fptoui %[[X]] : f32 to i32
// CHECK-NEXT: %[[V2:.*]] = llvm.uitofp %[[I]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V3:.*]] = llvm.extractelement %[[V]][%[[N]] : i64] : vector<4xf32>
// CHECK-NEXT: %[[V4:.*]] = llvm.freeze %[[X]] : f32
// CHECK-NEXT: %[[V5:.*]] = llvm.mlir.poison : vector<4xf32>
// CHECK-NEXT: %[[V6:.*]] = llvm.fcmp "olt" %[[V]], %[[W]] : vector<4xf32>
// CHECK-NEXT: %[[V7:.*]] = llvm.fcmp "uno" %[[X]], %[[X]] {fastmathFlags = #llvm.fastmath<nsz>} : f32
// CHECK-NEXT: %[[V8:.*]] = llvm.select %[[M]], %[[V]], %[[W]] : vector<4xi1>, vector<4xf32>
// CHECK-NEXT: llvm.store %[[N]], %[[P]] atomic release {alignment = 8 : i64} : i64, !llvm.ptr
// CHECK-NEXT: llvm.store volatile %[[X]], %[[P]] : f32, !llvm.ptr
// CHECK-NEXT: llvm.store %[[V]], %[[P]] {alignment = 1 : i64, nontemporal} : vector<4xf32>, !llvm.ptr
// CHECK-NEXT: %[[V9:.*]] = llvm.atomicrmw add %[[P]], %[[N]] acq_rel {alignment = 8 : i64} : !llvm.ptr, i64
// CHECK-NEXT: %[[V10:.*]] = llvm.atomicrmw _and %[[P]], %[[N]] monotonic : !llvm.ptr, i64
// CHECK-NEXT: %[[V11:.*]] = llvm.cmpxchg %[[P]], %[[N]], %[[N]] acq_rel monotonic {alignment = 8 : i64} : !llvm.ptr, i64
// CHECK-NEXT: llvm.fence seq_cst
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func @g(%[[X1:.*]]: i32, %[[R:.*]]: i16) {
// CHECK-NEXT: %[[T:.*]] = llvm.call_intrinsic "llvm.x86.tilezero.internal"(%[[R]], %[[R]]) : (i16, i16) -> !llvm.x86_amx
// CHECK-NEXT: "llvm.switch"(%[[X1]]) [^a, ^b, ^b] <{case_values = dense<[1, 2]> : tensor<2xi32>, case_operand_segments = array<i32: 0, 0>, operandSegmentSizes = array<i32: 1, 0, 0>}> : (i32) -> ()
// CHECK-NEXT: ^a:
// CHECK-NEXT: llvm.return
// CHECK-NEXT: ^b:
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK-NEXT: }
