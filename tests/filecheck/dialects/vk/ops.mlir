// RUN: %roundtrip
// RUN: %generic-roundtrip

// Every operation, its operands in order, with and without what may be left out.

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func @memory(%p: !llvm.ptr, %n: i64, %x: f32) {
    %q = vk.offset %p, %n
    %a = vk.load %q : f32
    %v = vk.load %p {offset = 64 : i64, align = 4 : i64} : vector<16xf32>
    vk.store %v, %q : vector<16xf32>
    vk.store %x, %p {offset = 8 : i64, align = 8 : i64} : f32
    %w = vk.load_partial %q, %n : vector<16xf32>
    vk.store_partial %w, %p, %n {offset = 4 : i64} : vector<16xf32>
    vk.prefetch %p
    vk.prefetch %q {offset = 8192 : i64, locality = 0 : i64}
    func.return
  }
  func.func @lanes(%x: f32, %a: vector<4xf32>, %b: vector<4xf32>) {
    %v = vk.broadcast %x : vector<4xf32>
    %s = vk.shuffle %a, %b [0, 4, 7] : vector<4xf32> -> vector<3xf32>
    %e = vk.extract %a {lane = 3 : i64} : vector<4xf32> -> f32
    %i = vk.insert %x, %a {lane = 2 : i64} : f32, vector<4xf32>
    %r = vk.reduce "fadd" %b : vector<4xf32> -> f32
    %c = vk.bitcast %a : vector<4xf32> to vector<16xi8>
    func.return
  }
  func.func @floats(%a: vector<4xf32>, %b: vector<4xf32>, %c: vector<4xf32>, %m: vector<4xi1>) {
    %0 = vk.abs %a : vector<4xf32>
    %1 = vk.round %a : vector<4xf32>
    %2 = vk.floor %a : vector<4xf32>
    %3 = vk.sqrt %a : vector<4xf32>
    %4 = vk.fma %a, %b, %c : vector<4xf32>
    %5 = vk.cmpf "olt" %a, %b : vector<4xf32> -> vector<4xi1>
    %6 = vk.select %m, %a, %b : vector<4xi1>, vector<4xf32>
    %7 = vk.fptosi %a : vector<4xf32> to vector<4xi32>
    func.return
  }
  func.func @integers(%a: vector<4xi32>, %b: vector<4xi32>, %c: vector<4xi8>) {
    %0 = vk.cmpi "ult" %a, %b : vector<4xi32> -> vector<4xi1>
    %1 = vk.extui %c : vector<4xi8> to vector<4xi32>
    %2 = vk.extsi %c : vector<4xi8> to vector<4xi32>
    %3 = vk.trunci %a : vector<4xi32> to vector<4xi8>
    %4 = vk.sitofp %a : vector<4xi32> to vector<4xf32>
    %5 = vk.uitofp %a : vector<4xi32> to vector<4xf32>
    func.return
  }
  func.func @instructions(%i: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>, %f: vector<4xf32>, %a: vector<8xbf16>, %b: vector<8xbf16>, %t: vector<16xf32>) {
    %0 = vk.dot4 %i, %u, %s : vector<4xi32>, vector<16xi8>
    %1 = vk.dot4 %i, %u, %s {unsigned_max = 15 : i64} : vector<4xi32>, vector<16xi8>
    %2 = vk.dot2 %f, %a, %b : vector<4xf32>, vector<8xbf16>
    %3 = vk.lookup %t, %i : vector<16xf32>, vector<4xi32> -> vector<4xf32>
    %4 = vk.byte_lookup %u, %s : vector<16xi8>, vector<16xi8>
    func.return
  }
  func.func @threads(%p: !llvm.ptr, %n: i64) {
    %0 = vk.atomic_add "acq_rel" %p, %n : i64
    %1 = vk.atomic_load "acquire" %p : i32
    vk.atomic_store "release" %n, %p : i64
    vk.pause
    func.return
  }
}

// CHECK: builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
// CHECK: func.func @memory(%[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64, %[[X:.*]]: f32) {
// CHECK-NEXT: %[[Q:.*]] = vk.offset %[[P]], %[[N]]
// CHECK-NEXT: %[[A:.*]] = vk.load %[[Q]] : f32
// CHECK-NEXT: %[[V:.*]] = vk.load %[[P]] {offset = 64 : i64, align = 4 : i64} : vector<16xf32>
// CHECK-NEXT: vk.store %[[V]], %[[Q]] : vector<16xf32>
// CHECK-NEXT: vk.store %[[X]], %[[P]] {offset = 8 : i64, align = 8 : i64} : f32
// CHECK-NEXT: %[[W:.*]] = vk.load_partial %[[Q]], %[[N]] : vector<16xf32>
// CHECK-NEXT: vk.store_partial %[[W]], %[[P]], %[[N]] {offset = 4 : i64} : vector<16xf32>
// CHECK-NEXT: vk.prefetch %[[P]]
// CHECK-NEXT: vk.prefetch %[[Q]] {offset = 8192 : i64, locality = 0 : i64}
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK: func.func @lanes(%[[X:.*]]: f32, %[[A:.*]]: vector<4xf32>, %[[B:.*]]: vector<4xf32>) {
// CHECK-NEXT: %[[V:.*]] = vk.broadcast %[[X]] : vector<4xf32>
// CHECK-NEXT: %[[S:.*]] = vk.shuffle %[[A]], %[[B]] [0, 4, 7] : vector<4xf32> -> vector<3xf32>
// CHECK-NEXT: %[[E:.*]] = vk.extract %[[A]] {lane = 3 : i64} : vector<4xf32> -> f32
// CHECK-NEXT: %[[I:.*]] = vk.insert %[[X]], %[[A]] {lane = 2 : i64} : f32, vector<4xf32>
// CHECK-NEXT: %[[R:.*]] = vk.reduce "fadd" %[[B]] : vector<4xf32> -> f32
// CHECK-NEXT: %[[C:.*]] = vk.bitcast %[[A]] : vector<4xf32> to vector<16xi8>
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK: func.func @floats(%[[A:.*]]: vector<4xf32>, %[[B:.*]]: vector<4xf32>, %[[C:.*]]: vector<4xf32>, %[[M:.*]]: vector<4xi1>) {
// CHECK-NEXT: %[[V0:.*]] = vk.abs %[[A]] : vector<4xf32>
// CHECK-NEXT: %[[V1:.*]] = vk.round %[[A]] : vector<4xf32>
// CHECK-NEXT: %[[V2:.*]] = vk.floor %[[A]] : vector<4xf32>
// CHECK-NEXT: %[[V3:.*]] = vk.sqrt %[[A]] : vector<4xf32>
// CHECK-NEXT: %[[V4:.*]] = vk.fma %[[A]], %[[B]], %[[C]] : vector<4xf32>
// CHECK-NEXT: %[[V5:.*]] = vk.cmpf "olt" %[[A]], %[[B]] : vector<4xf32> -> vector<4xi1>
// CHECK-NEXT: %[[V6:.*]] = vk.select %[[M]], %[[A]], %[[B]] : vector<4xi1>, vector<4xf32>
// CHECK-NEXT: %[[V7:.*]] = vk.fptosi %[[A]] : vector<4xf32> to vector<4xi32>
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK: func.func @integers(%[[A:.*]]: vector<4xi32>, %[[B:.*]]: vector<4xi32>, %[[C:.*]]: vector<4xi8>) {
// CHECK-NEXT: %[[V0:.*]] = vk.cmpi "ult" %[[A]], %[[B]] : vector<4xi32> -> vector<4xi1>
// CHECK-NEXT: %[[V1:.*]] = vk.extui %[[C]] : vector<4xi8> to vector<4xi32>
// CHECK-NEXT: %[[V2:.*]] = vk.extsi %[[C]] : vector<4xi8> to vector<4xi32>
// CHECK-NEXT: %[[V3:.*]] = vk.trunci %[[A]] : vector<4xi32> to vector<4xi8>
// CHECK-NEXT: %[[V4:.*]] = vk.sitofp %[[A]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V5:.*]] = vk.uitofp %[[A]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK: func.func @instructions(%[[I:.*]]: vector<4xi32>, %[[U:.*]]: vector<16xi8>, %[[S:.*]]: vector<16xi8>, %[[F:.*]]: vector<4xf32>, %[[A:.*]]: vector<8xbf16>, %[[B:.*]]: vector<8xbf16>, %[[T:.*]]: vector<16xf32>) {
// CHECK-NEXT: %[[V0:.*]] = vk.dot4 %[[I]], %[[U]], %[[S]] : vector<4xi32>, vector<16xi8>
// CHECK-NEXT: %[[V1:.*]] = vk.dot4 %[[I]], %[[U]], %[[S]] {unsigned_max = 15 : i64} : vector<4xi32>, vector<16xi8>
// CHECK-NEXT: %[[V2:.*]] = vk.dot2 %[[F]], %[[A]], %[[B]] : vector<4xf32>, vector<8xbf16>
// CHECK-NEXT: %[[V3:.*]] = vk.lookup %[[T]], %[[I]] : vector<16xf32>, vector<4xi32> -> vector<4xf32>
// CHECK-NEXT: %[[V4:.*]] = vk.byte_lookup %[[U]], %[[S]] : vector<16xi8>, vector<16xi8>
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK: func.func @threads(%[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64) {
// CHECK-NEXT: %[[V0:.*]] = vk.atomic_add "acq_rel" %[[P]], %[[N]] : i64
// CHECK-NEXT: %[[V1:.*]] = vk.atomic_load "acquire" %[[P]] : i32
// CHECK-NEXT: vk.atomic_store "release" %[[N]], %[[P]] : i64
// CHECK-NEXT: vk.pause
// CHECK-NEXT: func.return
// CHECK-NEXT: }
// CHECK-NEXT: }
