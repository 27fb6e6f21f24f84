// RUN: llmir-opt %s -p convert-vk-to-llvm | filecheck %s

// Scalars, vectors and memory, on a machine whose instructions they do not need.

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func public @memory(%p: !llvm.ptr {llvm.noalias}, %n: i64, %x: f32) {
    %q = vk.offset %p, %n
    %a = vk.load %q : f32
    %v = vk.load %p {offset = 64 : i64, align = 4 : i64} : vector<4xf32>
    vk.store %a, %q {offset = 8 : i64} : f32
    %w = vk.load_partial %q, %n : vector<4xf32>
    vk.store_partial %w, %p, %n : vector<4xf32>
    vk.prefetch %q {locality = 1 : i64}
    func.return
  }
  func.func private @known_counts(%p: !llvm.ptr) {
    %c1 = arith.constant 1 : i64
    %c3 = arith.constant 3 : i64
    %c9 = arith.constant 9 : i64
    %a = vk.load_partial %p, %c3 {align = 4 : i64} : vector<4xf32>
    %b = vk.load_partial %p, %c9 : vector<4xf32>
    vk.store_partial %a, %p, %c1 : vector<4xf32>
    vk.store_partial %b, %p, %c9 : vector<4xf32>
    vk.store_partial %b, %p, %c3 : vector<4xf32>
    func.return
  }
  func.func private @lanes(%x: f32, %a: vector<4xf32>, %b: vector<4xf32>, %i: vector<4xi32>) -> f32 {
    %v = vk.broadcast %x : vector<4xf32>
    %s = vk.shuffle %a, %b [0, 4, 7] : vector<4xf32> -> vector<3xf32>
    %e = vk.extract %a {lane = 3 : i64} : vector<4xf32> -> f32
    %j = vk.insert %x, %a {lane = 2 : i64} : f32, vector<4xf32>
    %r = vk.reduce "umax" %i : vector<4xi32> -> i32
    %t = vk.reduce "fmax" %b : vector<4xf32> -> f32
    %u = vk.reduce "fadd" %b : vector<4xf32> -> f32
    %c = vk.bitcast %a : vector<4xf32> to vector<16xi8>
    func.return %u : f32
  }
  func.func private @integers(%x: i32, %y: i32, %a: vector<4xi32>, %b: vector<4xi32>, %c: vector<4xi8>) {
    %0 = arith.addi %x, %y : i32
    %1 = arith.subi %a, %b : vector<4xi32>
    %2 = arith.divui %x, %y : i32
    %3 = arith.shrsi %a, %b : vector<4xi32>
    %4 = arith.maxui %a, %b : vector<4xi32>
    %5 = arith.cmpi slt, %x, %y : i32
    %6 = arith.select %5, %y, %x : i32
    %7 = vk.cmpi "ule" %a, %b : vector<4xi32> -> vector<4xi1>
    %8 = vk.select %7, %b, %a : vector<4xi1>, vector<4xi32>
    %9 = vk.extui %c : vector<4xi8> to vector<4xi32>
    %10 = vk.extsi %c : vector<4xi8> to vector<4xi32>
    %11 = vk.trunci %a : vector<4xi32> to vector<4xi8>
    %12 = vk.sitofp %a : vector<4xi32> to vector<4xf32>
    %13 = vk.uitofp %b : vector<4xi32> to vector<4xf32>
    func.return
  }
  func.func private @floats(%a: vector<4xf32>, %b: vector<4xf32>, %c: vector<4xf32>, %x: f32, %y: f32) {
    %0 = arith.subf %a, %b : vector<4xf32>
    %1 = arith.negf %a : vector<4xf32>
    %2 = vk.abs %a : vector<4xf32>
    %3 = vk.round %b : vector<4xf32>
    %4 = vk.floor %c : vector<4xf32>
    %5 = vk.sqrt %a : vector<4xf32>
    %6 = vk.fma %a, %b, %c : vector<4xf32>
    %7 = vk.cmpf "ult" %a, %b : vector<4xf32> -> vector<4xi1>
    %8 = arith.cmpf oge, %x, %y : f32
    %9 = vk.fptosi %a : vector<4xf32> to vector<4xi32>
    %10 = arith.extf %a : vector<4xf32> to vector<4xf64>
    %11 = arith.truncf %b : vector<4xf32> to vector<4xf16>
    func.return
  }
  func.func private @threads(%p: !llvm.ptr, %n: i64, %m: i32) {
    %0 = vk.atomic_add "acq_rel" %p, %n : i64
    %1 = vk.atomic_load "acquire" %p : i32
    vk.atomic_store "release" %m, %p : i32
    func.return
  }
}

// CHECK: builtin.module attributes {vk.machine = "x86-avx512-vnni", llvm.target_triple = "x86_64-unknown-linux-gnu"} {
// CHECK: llvm.func @memory(%[[P:.*]]: !llvm.ptr {llvm.noalias}, %[[N:.*]]: i64, %[[X:.*]]: f32) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V0:.*]] = llvm.mlir.constant(64) : i64
// CHECK-NEXT: %[[V1:.*]] = llvm.mlir.constant(8) : i64
// CHECK-NEXT: %[[V2:.*]] = llvm.mlir.constant(dense<0.000000e+00> : vector<4xf32>) : vector<4xf32>
// CHECK-NEXT: %[[V3:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-NEXT: %[[V4:.*]] = llvm.mlir.constant(0) : i64
// CHECK-NEXT: %[[V5:.*]] = llvm.mlir.constant(4) : i64
// CHECK-NEXT: %[[V6:.*]] = llvm.mlir.poison : vector<4xi32>
// CHECK-NEXT: %[[V7:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-NEXT: %[[V8:.*]] = llvm.mlir.constant(dense<[0, 1, 2, 3]> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V9:.*]] = llvm.getelementptr %[[P]][%[[N]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK-NEXT: %[[V10:.*]] = llvm.load %[[V9]] {alignment = 1 : i64} : !llvm.ptr -> f32
// CHECK-NEXT: %[[V11:.*]] = llvm.getelementptr %[[P]][%[[V0]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK-NEXT: %[[V12:.*]] = llvm.load %[[V11]] {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK-NEXT: %[[V13:.*]] = llvm.getelementptr %[[V9]][%[[V1]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK-NEXT: llvm.store %[[V10]], %[[V13]] {alignment = 1 : i64} : f32, !llvm.ptr
// CHECK-NEXT: %[[V14:.*]] = llvm.call_intrinsic "llvm.smax.i64"(%[[N]], %[[V4]]) : (i64, i64) -> i64
// CHECK-NEXT: %[[V15:.*]] = llvm.call_intrinsic "llvm.smin.i64"(%[[V14]], %[[V5]]) : (i64, i64) -> i64
// CHECK-NEXT: %[[V16:.*]] = llvm.trunc %[[V15]] : i64 to i32
// CHECK-NEXT: %[[V17:.*]] = llvm.insertelement %[[V16]], %[[V6]][%[[V7]] : i32] : vector<4xi32>
// CHECK-NEXT: %[[V18:.*]] = llvm.shufflevector %[[V17]], %[[V17]] [0, 0, 0, 0] : vector<4xi32>
// CHECK-NEXT: %[[V19:.*]] = llvm.icmp "ult" %[[V8]], %[[V18]] : vector<4xi32>
// CHECK-NEXT: %[[V20:.*]] = llvm.call_intrinsic "llvm.masked.load.v4f32.p0"(%[[V9]], %[[V3]], %[[V19]], %[[V2]]) : (!llvm.ptr, i32, vector<4xi1>, vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V21:.*]] = llvm.call_intrinsic "llvm.smax.i64"(%[[N]], %[[V4]]) : (i64, i64) -> i64
// CHECK-NEXT: %[[V22:.*]] = llvm.call_intrinsic "llvm.smin.i64"(%[[V21]], %[[V5]]) : (i64, i64) -> i64
// CHECK-NEXT: %[[V23:.*]] = llvm.trunc %[[V22]] : i64 to i32
// CHECK-NEXT: %[[V24:.*]] = llvm.insertelement %[[V23]], %[[V6]][%[[V7]] : i32] : vector<4xi32>
// CHECK-NEXT: %[[V25:.*]] = llvm.shufflevector %[[V24]], %[[V24]] [0, 0, 0, 0] : vector<4xi32>
// CHECK-NEXT: %[[V26:.*]] = llvm.icmp "ult" %[[V8]], %[[V25]] : vector<4xi32>
// CHECK-NEXT: llvm.call_intrinsic "llvm.masked.store.v4f32.p0"(%[[V20]], %[[P]], %[[V3]], %[[V26]]) : (vector<4xf32>, !llvm.ptr, i32, vector<4xi1>) -> ()
// CHECK-NEXT: llvm.call_intrinsic "llvm.prefetch.p0"(%[[V9]], %[[V7]], %[[V3]], %[[V3]]) : (!llvm.ptr, i32, i32, i32) -> ()
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @known_counts(%[[P1:.*]]: !llvm.ptr) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V27:.*]] = llvm.mlir.constant(1) : i64
// CHECK-NEXT: %[[V28:.*]] = llvm.mlir.constant(3) : i64
// CHECK-NEXT: %[[V29:.*]] = llvm.mlir.constant(9) : i64
// CHECK-NEXT: %[[V30:.*]] = llvm.mlir.constant(dense<0.000000e+00> : vector<4xf32>) : vector<4xf32>
// CHECK-NEXT: %[[V31:.*]] = llvm.mlir.constant(4 : i32) : i32
// CHECK-NEXT: %[[V32:.*]] = llvm.mlir.constant(dense<[true, true, true, false]> : vector<4xi1>) : vector<4xi1>
// CHECK-NEXT: %[[V33:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-NEXT: %[[V34:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-NEXT: %[[V35:.*]] = llvm.call_intrinsic "llvm.masked.load.v4f32.p0"(%[[P1]], %[[V31]], %[[V32]], %[[V30]]) : (!llvm.ptr, i32, vector<4xi1>, vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V36:.*]] = llvm.load %[[P1]] {alignment = 1 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK-NEXT: %[[V37:.*]] = llvm.extractelement %[[V35]][%[[V33]] : i32] : vector<4xf32>
// CHECK-NEXT: llvm.store %[[V37]], %[[P1]] {alignment = 1 : i64} : f32, !llvm.ptr
// CHECK-NEXT: llvm.store %[[V36]], %[[P1]] {alignment = 1 : i64} : vector<4xf32>, !llvm.ptr
// CHECK-NEXT: llvm.call_intrinsic "llvm.masked.store.v4f32.p0"(%[[V36]], %[[P1]], %[[V34]], %[[V32]]) : (vector<4xf32>, !llvm.ptr, i32, vector<4xi1>) -> ()
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @lanes(%[[X1:.*]]: f32, %[[A:.*]]: vector<4xf32>, %[[B:.*]]: vector<4xf32>, %[[I:.*]]: vector<4xi32>) -> f32 attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V38:.*]] = llvm.mlir.poison : vector<4xf32>
// CHECK-NEXT: %[[V39:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-NEXT: %[[V40:.*]] = llvm.mlir.constant(3 : i32) : i32
// CHECK-NEXT: %[[V41:.*]] = llvm.mlir.constant(2 : i32) : i32
// CHECK-NEXT: %[[V42:.*]] = llvm.insertelement %[[X1]], %[[V38]][%[[V39]] : i32] : vector<4xf32>
// CHECK-NEXT: %[[V43:.*]] = llvm.shufflevector %[[V42]], %[[V42]] [0, 0, 0, 0] : vector<4xf32>
// CHECK-NEXT: %[[V44:.*]] = llvm.shufflevector %[[A]], %[[B]] [0, 4, 7] : vector<4xf32>
// CHECK-NEXT: %[[V45:.*]] = llvm.extractelement %[[A]][%[[V40]] : i32] : vector<4xf32>
// CHECK-NEXT: %[[V46:.*]] = llvm.insertelement %[[X1]], %[[A]][%[[V41]] : i32] : vector<4xf32>
// CHECK-NEXT: %[[V47:.*]] = llvm.call_intrinsic "llvm.vector.reduce.umax.v4i32"(%[[I]]) : (vector<4xi32>) -> i32
// CHECK-NEXT: %[[V48:.*]] = llvm.shufflevector %[[B]], %[[B]] [0, 1] : vector<4xf32>
// CHECK-NEXT: %[[V49:.*]] = llvm.shufflevector %[[B]], %[[B]] [2, 3] : vector<4xf32>
// CHECK-NEXT: %[[V50:.*]] = llvm.fcmp "ogt" %[[V48]], %[[V49]] : vector<2xf32>
// CHECK-NEXT: %[[V51:.*]] = llvm.select %[[V50]], %[[V48]], %[[V49]] : vector<2xi1>, vector<2xf32>
// CHECK-NEXT: %[[V52:.*]] = llvm.shufflevector %[[V51]], %[[V51]] [0] : vector<2xf32>
// CHECK-NEXT: %[[V53:.*]] = llvm.shufflevector %[[V51]], %[[V51]] [1] : vector<2xf32>
// CHECK-NEXT: %[[V54:.*]] = llvm.fcmp "ogt" %[[V52]], %[[V53]] : vector<1xf32>
// CHECK-NEXT: %[[V55:.*]] = llvm.select %[[V54]], %[[V52]], %[[V53]] : vector<1xi1>, vector<1xf32>
// CHECK-NEXT: %[[V56:.*]] = llvm.extractelement %[[V55]][%[[V39]] : i32] : vector<1xf32>
// CHECK-NEXT: %[[V57:.*]] = llvm.shufflevector %[[B]], %[[B]] [0, 1] : vector<4xf32>
// CHECK-NEXT: %[[V58:.*]] = llvm.shufflevector %[[B]], %[[B]] [2, 3] : vector<4xf32>
// CHECK-NEXT: %[[V59:.*]] = llvm.fadd %[[V57]], %[[V58]] : vector<2xf32>
// CHECK-NEXT: %[[V60:.*]] = llvm.shufflevector %[[V59]], %[[V59]] [0] : vector<2xf32>
// CHECK-NEXT: %[[V61:.*]] = llvm.shufflevector %[[V59]], %[[V59]] [1] : vector<2xf32>
// CHECK-NEXT: %[[V62:.*]] = llvm.fadd %[[V60]], %[[V61]] : vector<1xf32>
// CHECK-NEXT: %[[V63:.*]] = llvm.extractelement %[[V62]][%[[V39]] : i32] : vector<1xf32>
// CHECK-NEXT: %[[V64:.*]] = llvm.bitcast %[[A]] : vector<4xf32> to vector<16xi8>
// CHECK-NEXT: llvm.return %[[V63]] : f32
// CHECK-NEXT: }
// CHECK: llvm.func internal @integers(%[[X2:.*]]: i32, %[[Y:.*]]: i32, %[[A1:.*]]: vector<4xi32>, %[[B1:.*]]: vector<4xi32>, %[[C:.*]]: vector<4xi8>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V65:.*]] = llvm.add %[[X2]], %[[Y]] : i32
// CHECK-NEXT: %[[V66:.*]] = llvm.sub %[[A1]], %[[B1]] : vector<4xi32>
// CHECK-NEXT: %[[V67:.*]] = llvm.udiv %[[X2]], %[[Y]] : i32
// CHECK-NEXT: %[[V68:.*]] = llvm.ashr %[[A1]], %[[B1]] : vector<4xi32>
// CHECK-NEXT: %[[V69:.*]] = llvm.call_intrinsic "llvm.umax.v4i32"(%[[A1]], %[[B1]]) : (vector<4xi32>, vector<4xi32>) -> vector<4xi32>
// CHECK-NEXT: %[[V70:.*]] = llvm.icmp "slt" %[[X2]], %[[Y]] : i32
// CHECK-NEXT: %[[V71:.*]] = llvm.select %[[V70]], %[[Y]], %[[X2]] : i1, i32
// CHECK-NEXT: %[[V72:.*]] = llvm.icmp "ule" %[[A1]], %[[B1]] : vector<4xi32>
// CHECK-NEXT: %[[V73:.*]] = llvm.select %[[V72]], %[[B1]], %[[A1]] : vector<4xi1>, vector<4xi32>
// CHECK-NEXT: %[[V74:.*]] = llvm.zext %[[C]] : vector<4xi8> to vector<4xi32>
// CHECK-NEXT: %[[V75:.*]] = llvm.sext %[[C]] : vector<4xi8> to vector<4xi32>
// CHECK-NEXT: %[[V76:.*]] = llvm.trunc %[[A1]] : vector<4xi32> to vector<4xi8>
// CHECK-NEXT: %[[V77:.*]] = llvm.sitofp %[[A1]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V78:.*]] = llvm.uitofp %[[B1]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @floats(%[[A2:.*]]: vector<4xf32>, %[[B2:.*]]: vector<4xf32>, %[[C1:.*]]: vector<4xf32>, %[[X3:.*]]: f32, %[[Y1:.*]]: f32) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V79:.*]] = llvm.fsub %[[A2]], %[[B2]] : vector<4xf32>
// CHECK-NEXT: %[[V80:.*]] = llvm.fneg %[[A2]] : vector<4xf32>
// CHECK-NEXT: %[[V81:.*]] = llvm.intr.fabs(%[[A2]]) : (vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V82:.*]] = llvm.call_intrinsic "llvm.rint.v4f32"(%[[B2]]) : (vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V83:.*]] = llvm.intr.floor(%[[C1]]) : (vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V84:.*]] = llvm.intr.sqrt(%[[A2]]) : (vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V85:.*]] = llvm.intr.fma(%[[A2]], %[[B2]], %[[C1]]) : (vector<4xf32>, vector<4xf32>, vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V86:.*]] = llvm.fcmp "ult" %[[A2]], %[[B2]] : vector<4xf32>
// CHECK-NEXT: %[[V87:.*]] = llvm.fcmp "oge" %[[X3]], %[[Y1]] : f32
// CHECK-NEXT: %[[V88:.*]] = llvm.fptosi %[[A2]] : vector<4xf32> to vector<4xi32>
// CHECK-NEXT: %[[V89:.*]] = llvm.fpext %[[A2]] : vector<4xf32> to vector<4xf64>
// CHECK-NEXT: %[[V90:.*]] = llvm.fptrunc %[[B2]] : vector<4xf32> to vector<4xf16>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @threads(%[[P2:.*]]: !llvm.ptr, %[[N1:.*]]: i64, %[[M:.*]]: i32) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni"]>} {
// CHECK-NEXT: %[[V91:.*]] = llvm.atomicrmw add %[[P2]], %[[N1]] acq_rel {alignment = 8 : i64} : !llvm.ptr, i64
// CHECK-NEXT: %[[V92:.*]] = llvm.load %[[P2]] atomic acquire {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK-NEXT: llvm.store %[[M]], %[[P2]] atomic release {alignment = 4 : i64} : i32, !llvm.ptr
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK-NEXT: }
