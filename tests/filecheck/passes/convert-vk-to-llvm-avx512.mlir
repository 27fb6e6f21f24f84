// RUN: llmir-opt %s -p convert-vk-to-llvm | filecheck %s

// Instructions of AVX-512 with VNNI and BF16: vectors of one register, narrower ones, and wider ones in parts.

builtin.module attributes {vk.machine = "x86-avx512-vnni+bf16"} {
  func.func private @dot4(%a: vector<16xi32>, %u: vector<64xi8>, %s: vector<64xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<16xi32>, vector<64xi8>
    func.return
  }
  func.func private @narrow_dot4(%a: vector<8xi32>, %u: vector<32xi8>, %s: vector<32xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<8xi32>, vector<32xi8>
    func.return
  }
  func.func private @wide_dot4(%a: vector<32xi32>, %u: vector<128xi8>, %s: vector<128xi8>) {
    %0 = vk.dot4 %a, %u, %s : vector<32xi32>, vector<128xi8>
    func.return
  }
  func.func private @dot2(%f: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) {
    %0 = vk.dot2 %f, %a, %b : vector<16xf32>, vector<32xbf16>
    func.return
  }
  func.func private @lookup(%t: vector<16xf32>, %i: vector<16xi32>) {
    %0 = vk.lookup %t, %i : vector<16xf32>, vector<16xi32> -> vector<16xf32>
    func.return
  }
  func.func private @bf16_lookup(%t: vector<16xbf16>, %i: vector<32xi16>) {
    %0 = vk.lookup %t, %i : vector<16xbf16>, vector<32xi16> -> vector<32xbf16>
    func.return
  }
  func.func private @byte_lookup(%t: vector<16xi8>, %b: vector<32xi8>) {
    %0 = vk.byte_lookup %t, %b : vector<16xi8>, vector<32xi8>
    func.return
  }
  func.func private @narrow(%f: vector<4xf32>) {
    %0 = arith.truncf %f : vector<4xf32> to vector<4xbf16>
    vk.pause
    func.return
  }
}

// CHECK: builtin.module attributes {vk.machine = "x86-avx512-vnni+bf16", llvm.target_triple = "x86_64-unknown-linux-gnu"} {
// CHECK: llvm.func internal @dot4(%[[A:.*]]: vector<16xi32>, %[[U:.*]]: vector<64xi8>, %[[S:.*]]: vector<64xi8>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V0:.*]] = llvm.bitcast %[[U]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V1:.*]] = llvm.bitcast %[[S]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V2:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[A]], %[[V0]], %[[V1]]) : (vector<16xi32>, vector<16xi32>, vector<16xi32>) -> vector<16xi32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @narrow_dot4(%[[A1:.*]]: vector<8xi32>, %[[U1:.*]]: vector<32xi8>, %[[S1:.*]]: vector<32xi8>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V3:.*]] = llvm.bitcast %[[U1]] : vector<32xi8> to vector<8xi32>
// CHECK-NEXT: %[[V4:.*]] = llvm.bitcast %[[S1]] : vector<32xi8> to vector<8xi32>
// CHECK-NEXT: %[[V5:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%[[A1]], %[[V3]], %[[V4]]) : (vector<8xi32>, vector<8xi32>, vector<8xi32>) -> vector<8xi32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @wide_dot4(%[[A2:.*]]: vector<32xi32>, %[[U2:.*]]: vector<128xi8>, %[[S2:.*]]: vector<128xi8>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V6:.*]] = llvm.shufflevector %[[A2]], %[[A2]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] : vector<32xi32>
// CHECK-NEXT: %[[V7:.*]] = llvm.shufflevector %[[A2]], %[[A2]] [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31] : vector<32xi32>
// CHECK-NEXT: %[[V8:.*]] = llvm.shufflevector %[[U2]], %[[U2]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63] : vector<128xi8>
// CHECK-NEXT: %[[V9:.*]] = llvm.shufflevector %[[U2]], %[[U2]] [64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127] : vector<128xi8>
// CHECK-NEXT: %[[V10:.*]] = llvm.shufflevector %[[S2]], %[[S2]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63] : vector<128xi8>
// CHECK-NEXT: %[[V11:.*]] = llvm.shufflevector %[[S2]], %[[S2]] [64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127] : vector<128xi8>
// CHECK-NEXT: %[[V12:.*]] = llvm.bitcast %[[V8]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V13:.*]] = llvm.bitcast %[[V10]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V14:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[V6]], %[[V12]], %[[V13]]) : (vector<16xi32>, vector<16xi32>, vector<16xi32>) -> vector<16xi32>
// CHECK-NEXT: %[[V15:.*]] = llvm.bitcast %[[V9]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V16:.*]] = llvm.bitcast %[[V11]] : vector<64xi8> to vector<16xi32>
// CHECK-NEXT: %[[V17:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[V7]], %[[V15]], %[[V16]]) : (vector<16xi32>, vector<16xi32>, vector<16xi32>) -> vector<16xi32>
// CHECK-NEXT: %[[V18:.*]] = llvm.shufflevector %[[V14]], %[[V17]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31] : vector<16xi32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @dot2(%[[F:.*]]: vector<16xf32>, %[[A3:.*]]: vector<32xbf16>, %[[B:.*]]: vector<32xbf16>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V19:.*]] = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%[[F]], %[[A3]], %[[B]]) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @lookup(%[[T:.*]]: vector<16xf32>, %[[I:.*]]: vector<16xi32>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V20:.*]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%[[T]], %[[I]]) : (vector<16xf32>, vector<16xi32>) -> vector<16xf32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @bf16_lookup(%[[T1:.*]]: vector<16xbf16>, %[[I1:.*]]: vector<32xi16>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V21:.*]] = llvm.shufflevector %[[T1]], %[[T1]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] : vector<16xbf16>
// CHECK-NEXT: %[[V22:.*]] = llvm.bitcast %[[V21]] : vector<32xbf16> to vector<32xi16>
// CHECK-NEXT: %[[V23:.*]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.hi.512"(%[[V22]], %[[I1]]) : (vector<32xi16>, vector<32xi16>) -> vector<32xi16>
// CHECK-NEXT: %[[V24:.*]] = llvm.bitcast %[[V23]] : vector<32xi16> to vector<32xbf16>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @byte_lookup(%[[T2:.*]]: vector<16xi8>, %[[B1:.*]]: vector<32xi8>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V25:.*]] = llvm.shufflevector %[[T2]], %[[T2]] [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] : vector<16xi8>
// CHECK-NEXT: %[[V26:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%[[V25]], %[[B1]]) : (vector<32xi8>, vector<32xi8>) -> vector<32xi8>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @narrow(%[[F1:.*]]: vector<4xf32>) attributes {no_unwind, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "+avx512bf16"]>} {
// CHECK-NEXT: %[[V27:.*]] = llvm.fptrunc %[[F1]] : vector<4xf32> to vector<4xbf16>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.sse2.pause"() : () -> ()
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK-NEXT: }
