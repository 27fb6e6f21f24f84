// RUN: llmir-opt %s -p convert-vk-to-llvm | filecheck %s

// AVX2: pairs of products in i16 where they fit, as many after each other as fit; tables in two halves.

builtin.module attributes {vk.machine = "x86-avx2"} {
  func.func @small(%a: vector<8xi32>, %u: vector<32xi8>, %s: vector<32xi8>, %p: !llvm.ptr) {
    %0 = vk.dot4 %a, %u, %s {unsigned_max = 15 : i64} : vector<8xi32>, vector<32xi8>
    %1 = vk.dot4 %0, %s, %u {unsigned_max = 15 : i64} : vector<8xi32>, vector<32xi8>
    vk.store %1, %p : vector<8xi32>
    func.return
  }
  func.func @two_users(%a: vector<8xi32>, %u: vector<32xi8>, %s: vector<32xi8>, %p: !llvm.ptr) {
    %0 = vk.dot4 %a, %u, %s {unsigned_max = 15 : i64} : vector<8xi32>, vector<32xi8>
    %1 = vk.dot4 %0, %s, %u {unsigned_max = 15 : i64} : vector<8xi32>, vector<32xi8>
    vk.store %0, %p : vector<8xi32>
    vk.store %1, %p : vector<8xi32>
    func.return
  }
  func.func @large(%a: vector<8xi32>, %u: vector<32xi8>, %s: vector<32xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<8xi32>, vector<32xi8>
    func.return
  }
  func.func @lookup(%t: vector<16xf32>, %i: vector<8xi32>) {
    %0 = vk.lookup %t, %i : vector<16xf32>, vector<8xi32> -> vector<8xf32>
    func.return
  }
}

// CHECK: llvm.func @small(%[[A:.*]]: vector<8xi32>, %[[U:.*]]: vector<32xi8>, %[[S:.*]]: vector<32xi8>
// CHECK: %[[ONES:.*]] = llvm.mlir.constant(dense<1> : vector<16xi16>)
// CHECK: %[[V0:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[U]], %[[S]])
// CHECK-NEXT: %[[V1:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[S]], %[[U]])
// CHECK-NEXT: %[[V2:.*]] = llvm.add %[[V0]], %[[V1]]
// CHECK-NEXT: %[[V3:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[V2]], %[[ONES]])
// CHECK-NEXT: %[[V4:.*]] = llvm.add %[[A]], %[[V3]]
// CHECK-NEXT: llvm.store %[[V4]]
// CHECK: llvm.func @two_users(%[[A1:.*]]: vector<8xi32>, %[[U1:.*]]: vector<32xi8>, %[[S1:.*]]: vector<32xi8>
// CHECK: %[[W0:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[U1]], %[[S1]])
// CHECK-NEXT: %[[W1:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[W0]],
// CHECK-NEXT: %[[W2:.*]] = llvm.add %[[A1]], %[[W1]]
// CHECK-NEXT: %[[W3:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[S1]], %[[U1]])
// CHECK-NEXT: %[[W4:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[W3]],
// CHECK-NEXT: %[[W5:.*]] = llvm.add %[[W2]], %[[W4]]
// CHECK-NEXT: llvm.store %[[W2]]
// CHECK-NEXT: llvm.store %[[W5]]
// CHECK: llvm.func @large(%[[A2:.*]]: vector<8xi32>
// CHECK-NOT: pmadd.ub.sw
// CHECK: %[[EVEN:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK-NEXT: %[[T0:.*]] = llvm.add %[[A2]], %[[EVEN]]
// CHECK-NEXT: %[[ODD:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK-NEXT: llvm.add %[[T0]], %[[ODD]]
// CHECK: llvm.func @lookup(%[[TABLE:.*]]: vector<16xf32>, %[[I:.*]]: vector<8xi32>)
// CHECK: %[[LOW:.*]] = llvm.shufflevector %[[TABLE]], %[[TABLE]] [0, 1, 2, 3, 4, 5, 6, 7]
// CHECK-NEXT: %[[HIGH:.*]] = llvm.shufflevector %[[TABLE]], %[[TABLE]] [8, 9, 10, 11, 12, 13, 14, 15]
// CHECK-NEXT: %[[L:.*]] = llvm.call_intrinsic "llvm.x86.avx2.permps"(%[[LOW]], %[[I]])
// CHECK-NEXT: %[[H:.*]] = llvm.call_intrinsic "llvm.x86.avx2.permps"(%[[HIGH]], %[[I]])
// CHECK-NEXT: %[[BIT:.*]] = llvm.shl %[[I]],
// CHECK-NEXT: %[[SIGN:.*]] = llvm.bitcast %[[BIT]] : vector<8xi32> to vector<8xf32>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.avx.blendv.ps.256"(%[[L]], %[[H]], %[[SIGN]])
