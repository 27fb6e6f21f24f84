// RUN: llmir-opt %s -p convert-vk-to-llvm --split-input-file | filecheck %s

// SDOT multiplies signed bytes: unsigned ones above 127 are taken as 128 less, and 128 times the others added.

builtin.module attributes {vk.machine = "arm-neon-dotprod"} {
  func.func @small(%a: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) {
    %0 = vk.dot4 %a, %u, %s {unsigned_max = 127 : i64} : vector<4xi32>, vector<16xi8>
    func.return
  }
  func.func @large(%a: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<4xi32>, vector<16xi8>
    func.return
  }
}

// CHECK: llvm.func @small(%[[A:.*]]: vector<4xi32>, %[[U:.*]]: vector<16xi8>, %[[S:.*]]: vector<16xi8>)
// CHECK-NEXT: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%[[A]], %[[U]], %[[S]])
// CHECK: llvm.func @large(%[[A1:.*]]: vector<4xi32>, %[[U1:.*]]: vector<16xi8>, %[[S1:.*]]: vector<16xi8>)
// CHECK: %[[ZERO:.*]] = llvm.mlir.constant(dense<0> : vector<4xi32>)
// CHECK-NEXT: %[[LEAST:.*]] = llvm.mlir.constant(dense<-128> : vector<16xi8>)
// CHECK-NEXT: %[[LESS:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%[[ZERO]], %[[LEAST]], %[[S1]])
// CHECK-NEXT: %[[SIGNED:.*]] = llvm.xor %[[U1]], %[[LEAST]]
// CHECK-NEXT: %[[SUM:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%[[A1]], %[[SIGNED]], %[[S1]])
// CHECK-NEXT: llvm.sub %[[SUM]], %[[LESS]]

// -----

builtin.module attributes {vk.machine = "arm-i8mm+bf16"} {
  func.func @dot4(%a: vector<8xi32>, %u: vector<32xi8>, %s: vector<32xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<8xi32>, vector<32xi8>
    func.return
  }
  func.func @mmla(%a: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) {
    %0 = vk.mmla %a, %u, %s : vector<4xi32>, vector<16xi8>
    func.return
  }
  func.func @dot2(%a: vector<4xf32>, %x: vector<8xbf16>, %y: vector<8xbf16>) {
    %0 = vk.dot2 %a, %x, %y : vector<4xf32>, vector<8xbf16>
    func.return
  }
  func.func @byte_lookup(%t: vector<16xi8>, %b: vector<16xi8>) {
    %0 = vk.byte_lookup %t, %b : vector<16xi8>, vector<16xi8>
    func.return
  }
}

// CHECK: llvm.func @dot4(%[[A:.*]]: vector<8xi32>, %[[U:.*]]: vector<32xi8>, %[[S:.*]]: vector<32xi8>)
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"(%{{.*}}, %{{.*}}, %{{.*}})
// CHECK-NEXT: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"(%{{.*}}, %{{.*}}, %{{.*}})
// CHECK: llvm.func @mmla(%[[A1:.*]]: vector<4xi32>, %[[U1:.*]]: vector<16xi8>, %[[S1:.*]]: vector<16xi8>)
// CHECK-NEXT: llvm.call_intrinsic "llvm.aarch64.neon.usmmla.v4i32.v16i8"(%[[A1]], %[[U1]], %[[S1]])
// CHECK: llvm.func @dot2(%[[A2:.*]]: vector<4xf32>, %[[X:.*]]: vector<8xbf16>, %[[Y:.*]]: vector<8xbf16>)
// CHECK-NEXT: llvm.call_intrinsic "llvm.aarch64.neon.bfdot.v4f32.v8bf16"(%[[A2]], %[[X]], %[[Y]])
// CHECK: llvm.func @byte_lookup(%[[T:.*]]: vector<16xi8>, %[[B:.*]]: vector<16xi8>)
// CHECK-NEXT: llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"(%[[T]], %[[B]])
