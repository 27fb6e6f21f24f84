// RUN: llmir-opt %s | llmir-opt | filecheck %s

// Matrix registers, matrices in vectors, and memory of a function's own.

builtin.module attributes {vk.machine = "x86-amx"} {
  func.func @f(%p: !llvm.ptr, %stride: i64, %acc: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) {
    %m = vk.mmla %acc, %u, %s : vector<4xi32>, vector<16xi8>
    %z = vk.tile_zero : !vk.tile<16, 64>
    %a = vk.tile_load %p, %stride : !vk.tile<16, 32>
    %b = vk.tile_load %p, %stride : !vk.tile<8, 64>
    %c = vk.tile_dot "s8u8" %z, %a, %b : !vk.tile<16, 64>, !vk.tile<16, 32>, !vk.tile<8, 64>
    %q = vk.stack {bytes = 1024 : i64}
    vk.tile_store %c, %q, %stride : !vk.tile<16, 64>
    func.return
  }
}

// CHECK: func.func @f(%[[P:.*]]: !llvm.ptr, %[[STRIDE:.*]]: i64, %[[ACC:.*]]: vector<4xi32>, %[[U:.*]]: vector<16xi8>, %[[S:.*]]: vector<16xi8>) {
// CHECK-NEXT: %{{.*}} = vk.mmla %[[ACC]], %[[U]], %[[S]] : vector<4xi32>, vector<16xi8>
// CHECK-NEXT: %[[Z:.*]] = vk.tile_zero : !vk.tile<16, 64>
// CHECK-NEXT: %[[A:.*]] = vk.tile_load %[[P]], %[[STRIDE]] : !vk.tile<16, 32>
// CHECK-NEXT: %[[B:.*]] = vk.tile_load %[[P]], %[[STRIDE]] : !vk.tile<8, 64>
// CHECK-NEXT: %[[C:.*]] = vk.tile_dot "s8u8" %[[Z]], %[[A]], %[[B]] : !vk.tile<16, 64>, !vk.tile<16, 32>, !vk.tile<8, 64>
// CHECK-NEXT: %[[Q:.*]] = vk.stack {bytes = 1024 : i64}
// CHECK-NEXT: vk.tile_store %[[C]], %[[Q]], %[[STRIDE]] : !vk.tile<16, 64>
