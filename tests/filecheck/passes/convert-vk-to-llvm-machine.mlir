// RUN: llmir-opt %s -p 'convert-vk-to-llvm{machine=scalar}' | filecheck %s

// Another machine than the module's, one without instructions of its own.

builtin.module attributes {vk.machine = "x86-avx512-vnni+bf16"} {
  func.func private @dot4(%a: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) -> vector<4xi32> {
    %0 = vk.dot4 %a, %u, %s : vector<4xi32>, vector<16xi8>
    func.return %0 : vector<4xi32>
  }
  func.func private @dot2(%f: vector<4xf32>, %a: vector<8xbf16>, %b: vector<8xbf16>) -> vector<4xf32> {
    %0 = vk.dot2 %f, %a, %b : vector<4xf32>, vector<8xbf16>
    func.return %0 : vector<4xf32>
  }
  func.func private @lookup(%t: vector<16xf32>, %i: vector<2xi32>) -> vector<2xf32> {
    %0 = vk.lookup %t, %i : vector<16xf32>, vector<2xi32> -> vector<2xf32>
    func.return %0 : vector<2xf32>
  }
  func.func private @pause() {
    vk.pause
    func.return
  }
  func.func private @widen(%h: vector<4xf16>, %b: vector<4xbf16>) {
    %0 = arith.extf %h : vector<4xf16> to vector<4xf32>
    %1 = arith.extf %b : vector<4xbf16> to vector<4xf32>
    func.return
  }
  func.func private @narrow(%f: f32) {
    %0 = arith.truncf %f : f32 to f16
    %1 = arith.truncf %f : f32 to bf16
    func.return
  }
}

// CHECK: builtin.module attributes {vk.machine = "x86-avx512-vnni+bf16", llvm.target_triple = "x86_64-unknown-linux-gnu"} {
// CHECK: llvm.func internal @dot4(%[[A:.*]]: vector<4xi32>, %[[U:.*]]: vector<16xi8>, %[[S:.*]]: vector<16xi8>) -> vector<4xi32> attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V0:.*]] = llvm.mlir.constant(dense<0> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V1:.*]] = llvm.mlir.constant(dense<255> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V2:.*]] = llvm.mlir.constant(dense<24> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V3:.*]] = llvm.mlir.constant(dense<8> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V4:.*]] = llvm.mlir.constant(dense<16> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V5:.*]] = llvm.bitcast %[[U]] : vector<16xi8> to vector<4xi32>
// CHECK-NEXT: %[[V6:.*]] = llvm.bitcast %[[S]] : vector<16xi8> to vector<4xi32>
// CHECK-NEXT: %[[V7:.*]] = llvm.lshr %[[V5]], %[[V0]] : vector<4xi32>
// CHECK-NEXT: %[[V8:.*]] = llvm.and %[[V7]], %[[V1]] : vector<4xi32>
// CHECK-NEXT: %[[V9:.*]] = llvm.shl %[[V6]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V10:.*]] = llvm.ashr %[[V9]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V11:.*]] = llvm.mul %[[V8]], %[[V10]] : vector<4xi32>
// CHECK-NEXT: %[[V12:.*]] = llvm.add %[[A]], %[[V11]] : vector<4xi32>
// CHECK-NEXT: %[[V13:.*]] = llvm.lshr %[[V5]], %[[V3]] : vector<4xi32>
// CHECK-NEXT: %[[V14:.*]] = llvm.and %[[V13]], %[[V1]] : vector<4xi32>
// CHECK-NEXT: %[[V15:.*]] = llvm.shl %[[V6]], %[[V4]] : vector<4xi32>
// CHECK-NEXT: %[[V16:.*]] = llvm.ashr %[[V15]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V17:.*]] = llvm.mul %[[V14]], %[[V16]] : vector<4xi32>
// CHECK-NEXT: %[[V18:.*]] = llvm.add %[[V12]], %[[V17]] : vector<4xi32>
// CHECK-NEXT: %[[V19:.*]] = llvm.lshr %[[V5]], %[[V4]] : vector<4xi32>
// CHECK-NEXT: %[[V20:.*]] = llvm.and %[[V19]], %[[V1]] : vector<4xi32>
// CHECK-NEXT: %[[V21:.*]] = llvm.shl %[[V6]], %[[V3]] : vector<4xi32>
// CHECK-NEXT: %[[V22:.*]] = llvm.ashr %[[V21]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V23:.*]] = llvm.mul %[[V20]], %[[V22]] : vector<4xi32>
// CHECK-NEXT: %[[V24:.*]] = llvm.add %[[V18]], %[[V23]] : vector<4xi32>
// CHECK-NEXT: %[[V25:.*]] = llvm.lshr %[[V5]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V26:.*]] = llvm.and %[[V25]], %[[V1]] : vector<4xi32>
// CHECK-NEXT: %[[V27:.*]] = llvm.shl %[[V6]], %[[V0]] : vector<4xi32>
// CHECK-NEXT: %[[V28:.*]] = llvm.ashr %[[V27]], %[[V2]] : vector<4xi32>
// CHECK-NEXT: %[[V29:.*]] = llvm.mul %[[V26]], %[[V28]] : vector<4xi32>
// CHECK-NEXT: %[[V30:.*]] = llvm.add %[[V24]], %[[V29]] : vector<4xi32>
// CHECK-NEXT: llvm.return %[[V30]] : vector<4xi32>
// CHECK-NEXT: }
// CHECK: llvm.func internal @dot2(%[[F:.*]]: vector<4xf32>, %[[A1:.*]]: vector<8xbf16>, %[[B:.*]]: vector<8xbf16>) -> vector<4xf32> attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V31:.*]] = llvm.mlir.constant(dense<16> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V32:.*]] = llvm.mlir.constant(dense<-65536> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V33:.*]] = llvm.bitcast %[[A1]] : vector<8xbf16> to vector<4xi32>
// CHECK-NEXT: %[[V34:.*]] = llvm.bitcast %[[B]] : vector<8xbf16> to vector<4xi32>
// CHECK-NEXT: %[[V35:.*]] = llvm.shl %[[V33]], %[[V31]] : vector<4xi32>
// CHECK-NEXT: %[[V36:.*]] = llvm.bitcast %[[V35]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V37:.*]] = llvm.shl %[[V34]], %[[V31]] : vector<4xi32>
// CHECK-NEXT: %[[V38:.*]] = llvm.bitcast %[[V37]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V39:.*]] = llvm.call_intrinsic "llvm.fmuladd.v4f32"(%[[V36]], %[[V38]], %[[F]]) : (vector<4xf32>, vector<4xf32>, vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: %[[V40:.*]] = llvm.and %[[V33]], %[[V32]] : vector<4xi32>
// CHECK-NEXT: %[[V41:.*]] = llvm.bitcast %[[V40]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V42:.*]] = llvm.and %[[V34]], %[[V32]] : vector<4xi32>
// CHECK-NEXT: %[[V43:.*]] = llvm.bitcast %[[V42]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V44:.*]] = llvm.call_intrinsic "llvm.fmuladd.v4f32"(%[[V41]], %[[V43]], %[[V39]]) : (vector<4xf32>, vector<4xf32>, vector<4xf32>) -> vector<4xf32>
// CHECK-NEXT: llvm.return %[[V44]] : vector<4xf32>
// CHECK-NEXT: }
// CHECK: llvm.func internal @lookup(%[[T:.*]]: vector<16xf32>, %[[I:.*]]: vector<2xi32>) -> vector<2xf32> attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V45:.*]] = llvm.mlir.constant(dense<15> : vector<2xi32>) : vector<2xi32>
// CHECK-NEXT: %[[V46:.*]] = llvm.mlir.poison : vector<2xf32>
// CHECK-NEXT: %[[V47:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-NEXT: %[[V48:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-NEXT: %[[V49:.*]] = llvm.and %[[I]], %[[V45]] : vector<2xi32>
// CHECK-NEXT: %[[V50:.*]] = llvm.extractelement %[[V49]][%[[V47]] : i32] : vector<2xi32>
// CHECK-NEXT: %[[V51:.*]] = llvm.extractelement %[[T]][%[[V50]] : i32] : vector<16xf32>
// CHECK-NEXT: %[[V52:.*]] = llvm.insertelement %[[V51]], %[[V46]][%[[V47]] : i32] : vector<2xf32>
// CHECK-NEXT: %[[V53:.*]] = llvm.extractelement %[[V49]][%[[V48]] : i32] : vector<2xi32>
// CHECK-NEXT: %[[V54:.*]] = llvm.extractelement %[[T]][%[[V53]] : i32] : vector<16xf32>
// CHECK-NEXT: %[[V55:.*]] = llvm.insertelement %[[V54]], %[[V52]][%[[V48]] : i32] : vector<2xf32>
// CHECK-NEXT: llvm.return %[[V55]] : vector<2xf32>
// CHECK-NEXT: }
// CHECK: llvm.func internal @pause() attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @widen(%[[H:.*]]: vector<4xf16>, %[[B1:.*]]: vector<4xbf16>) attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V56:.*]] = llvm.mlir.constant(dense<32768> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V57:.*]] = llvm.mlir.constant(dense<16> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V58:.*]] = llvm.mlir.constant(dense<32767> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V59:.*]] = llvm.mlir.constant(dense<13> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V60:.*]] = llvm.mlir.constant(dense<5.19229686e+33> : vector<4xf32>) : vector<4xf32>
// CHECK-NEXT: %[[V61:.*]] = llvm.mlir.constant(dense<260046848> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V62:.*]] = llvm.mlir.constant(dense<2139095040> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V63:.*]] = llvm.mlir.constant(dense<0> : vector<4xi32>) : vector<4xi32>
// CHECK-NEXT: %[[V64:.*]] = llvm.bitcast %[[H]] : vector<4xf16> to vector<4xi16>
// CHECK-NEXT: %[[V65:.*]] = llvm.zext %[[V64]] : vector<4xi16> to vector<4xi32>
// CHECK-NEXT: %[[V66:.*]] = llvm.and %[[V65]], %[[V56]] : vector<4xi32>
// CHECK-NEXT: %[[V67:.*]] = llvm.shl %[[V66]], %[[V57]] : vector<4xi32>
// CHECK-NEXT: %[[V68:.*]] = llvm.and %[[V65]], %[[V58]] : vector<4xi32>
// CHECK-NEXT: %[[V69:.*]] = llvm.shl %[[V68]], %[[V59]] : vector<4xi32>
// CHECK-NEXT: %[[V70:.*]] = llvm.bitcast %[[V69]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V71:.*]] = llvm.fmul %[[V70]], %[[V60]] : vector<4xf32>
// CHECK-NEXT: %[[V72:.*]] = llvm.bitcast %[[V71]] : vector<4xf32> to vector<4xi32>
// CHECK-NEXT: %[[V73:.*]] = llvm.icmp "uge" %[[V69]], %[[V61]] : vector<4xi32>
// CHECK-NEXT: %[[V74:.*]] = llvm.select %[[V73]], %[[V62]], %[[V63]] : vector<4xi1>, vector<4xi32>
// CHECK-NEXT: %[[V75:.*]] = llvm.or %[[V72]], %[[V74]] : vector<4xi32>
// CHECK-NEXT: %[[V76:.*]] = llvm.or %[[V75]], %[[V67]] : vector<4xi32>
// CHECK-NEXT: %[[V77:.*]] = llvm.bitcast %[[V76]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: %[[V78:.*]] = llvm.bitcast %[[B1]] : vector<4xbf16> to vector<4xi16>
// CHECK-NEXT: %[[V79:.*]] = llvm.zext %[[V78]] : vector<4xi16> to vector<4xi32>
// CHECK-NEXT: %[[V80:.*]] = llvm.shl %[[V79]], %[[V57]] : vector<4xi32>
// CHECK-NEXT: %[[V81:.*]] = llvm.bitcast %[[V80]] : vector<4xi32> to vector<4xf32>
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK: llvm.func internal @narrow(%[[F1:.*]]: f32) attributes {no_unwind, target_cpu = "generic"} {
// CHECK-NEXT: %[[V82:.*]] = llvm.mlir.constant(2147483647 : i32) : i32
// CHECK-NEXT: %[[V83:.*]] = llvm.mlir.constant(13 : i32) : i32
// CHECK-NEXT: %[[V84:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-NEXT: %[[V85:.*]] = llvm.mlir.constant(-939520001 : i32) : i32
// CHECK-NEXT: %[[V86:.*]] = llvm.mlir.constant(5.000000e-01 : f32) : f32
// CHECK-NEXT: %[[V87:.*]] = llvm.mlir.constant(1056964608 : i32) : i32
// CHECK-NEXT: %[[V88:.*]] = llvm.mlir.constant(947912704 : i32) : i32
// CHECK-NEXT: %[[V89:.*]] = llvm.mlir.constant(32256 : i32) : i32
// CHECK-NEXT: %[[V90:.*]] = llvm.mlir.constant(31744 : i32) : i32
// CHECK-NEXT: %[[V91:.*]] = llvm.mlir.constant(2139095040 : i32) : i32
// CHECK-NEXT: %[[V92:.*]] = llvm.mlir.constant(16 : i32) : i32
// CHECK-NEXT: %[[V93:.*]] = llvm.mlir.constant(32768 : i32) : i32
// CHECK-NEXT: %[[V94:.*]] = llvm.mlir.constant(1199570944 : i32) : i32
// CHECK-NEXT: %[[V95:.*]] = llvm.mlir.constant(32767 : i32) : i32
// CHECK-NEXT: %[[V96:.*]] = llvm.mlir.constant(64 : i32) : i32
// CHECK-NEXT: %[[V97:.*]] = llvm.bitcast %[[F1]] : f32 to i32
// CHECK-NEXT: %[[V98:.*]] = llvm.and %[[V97]], %[[V82]] : i32
// CHECK-NEXT: %[[V99:.*]] = llvm.lshr %[[V98]], %[[V83]] : i32
// CHECK-NEXT: %[[V100:.*]] = llvm.and %[[V99]], %[[V84]] : i32
// CHECK-NEXT: %[[V101:.*]] = llvm.add %[[V98]], %[[V85]] : i32
// CHECK-NEXT: %[[V102:.*]] = llvm.add %[[V101]], %[[V100]] : i32
// CHECK-NEXT: %[[V103:.*]] = llvm.lshr %[[V102]], %[[V83]] : i32
// CHECK-NEXT: %[[V104:.*]] = llvm.bitcast %[[V98]] : i32 to f32
// CHECK-NEXT: %[[V105:.*]] = llvm.fadd %[[V104]], %[[V86]] : f32
// CHECK-NEXT: %[[V106:.*]] = llvm.bitcast %[[V105]] : f32 to i32
// CHECK-NEXT: %[[V107:.*]] = llvm.sub %[[V106]], %[[V87]] : i32
// CHECK-NEXT: %[[V108:.*]] = llvm.icmp "ult" %[[V98]], %[[V88]] : i32
// CHECK-NEXT: %[[V109:.*]] = llvm.select %[[V108]], %[[V107]], %[[V103]] : i1, i32
// CHECK-NEXT: %[[V110:.*]] = llvm.icmp "ugt" %[[V98]], %[[V91]] : i32
// CHECK-NEXT: %[[V111:.*]] = llvm.select %[[V110]], %[[V89]], %[[V90]] : i1, i32
// CHECK-NEXT: %[[V112:.*]] = llvm.lshr %[[V97]], %[[V92]] : i32
// CHECK-NEXT: %[[V113:.*]] = llvm.and %[[V112]], %[[V93]] : i32
// CHECK-NEXT: %[[V114:.*]] = llvm.icmp "uge" %[[V98]], %[[V94]] : i32
// CHECK-NEXT: %[[V115:.*]] = llvm.select %[[V114]], %[[V111]], %[[V109]] : i1, i32
// CHECK-NEXT: %[[V116:.*]] = llvm.or %[[V115]], %[[V113]] : i32
// CHECK-NEXT: %[[V117:.*]] = llvm.trunc %[[V116]] : i32 to i16
// CHECK-NEXT: %[[V118:.*]] = llvm.bitcast %[[V117]] : i16 to f16
// CHECK-NEXT: %[[V119:.*]] = llvm.bitcast %[[F1]] : f32 to i32
// CHECK-NEXT: %[[V120:.*]] = llvm.lshr %[[V119]], %[[V92]] : i32
// CHECK-NEXT: %[[V121:.*]] = llvm.add %[[V119]], %[[V95]] : i32
// CHECK-NEXT: %[[V122:.*]] = llvm.and %[[V120]], %[[V84]] : i32
// CHECK-NEXT: %[[V123:.*]] = llvm.add %[[V121]], %[[V122]] : i32
// CHECK-NEXT: %[[V124:.*]] = llvm.lshr %[[V123]], %[[V92]] : i32
// CHECK-NEXT: %[[V125:.*]] = llvm.and %[[V119]], %[[V82]] : i32
// CHECK-NEXT: %[[V126:.*]] = llvm.icmp "ugt" %[[V125]], %[[V91]] : i32
// CHECK-NEXT: %[[V127:.*]] = llvm.or %[[V120]], %[[V96]] : i32
// CHECK-NEXT: %[[V128:.*]] = llvm.select %[[V126]], %[[V127]], %[[V124]] : i1, i32
// CHECK-NEXT: %[[V129:.*]] = llvm.trunc %[[V128]] : i32 to i16
// CHECK-NEXT: %[[V130:.*]] = llvm.bitcast %[[V129]] : i16 to bf16
// CHECK-NEXT: llvm.return
// CHECK-NEXT: }
// CHECK-NEXT: }
