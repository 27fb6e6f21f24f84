// RUN: llmir-opt %s -t llvm-ir | filecheck %s

// Every operation of the llvm dialect that has a form in LLVM IR, with whatever it may say.

builtin.module attributes {llvm.target_triple = "x86_64-unknown-linux-gnu"} {
  llvm.mlir.global internal constant @table(dense<[1.0, -2.0]> : tensor<2xf32>) {addr_space = 0 : i32, alignment = 64 : i64} : !llvm.array<2 x f32>
  llvm.func @external(!llvm.ptr {llvm.nonnull, llvm.align = 64 : i64}, ...) -> i32
  llvm.func internal @integers(%a: i32, %b: i32, %v: vector<4xi32>, %c: vector<4xi8>) -> i32 attributes {no_unwind, no_inline, target_cpu = "x86-64-v4", target_features = #llvm.target_features<["+avx512vnni", "-sse4a"]>, passthrough = ["cold"]} {
    %0 = llvm.add %a, %b overflow<nsw, nuw> : i32
    %1 = llvm.sub %0, %b : i32
    %2 = llvm.mul %v, %v overflow<nsw> : vector<4xi32>
    %3 = llvm.udiv exact %1, %b : i32
    %4 = llvm.sdiv %3, %b : i32
    %5 = llvm.urem %4, %b : i32
    %6 = llvm.srem %5, %b : i32
    %7 = llvm.and %6, %b : i32
    %8 = llvm.or disjoint %7, %b : i32
    %9 = llvm.xor %8, %b : i32
    %10 = llvm.shl %9, %b : i32
    %11 = llvm.lshr %10, %b : i32
    %12 = llvm.ashr exact %11, %b : i32
    %13 = llvm.trunc %12 : i32 to i8
    %14 = llvm.zext nneg %13 : i8 to i32
    %15 = llvm.sext %c : vector<4xi8> to vector<4xi32>
    %16 = llvm.icmp "ugt" %v, %15 : vector<4xi32>
    %17 = llvm.select %16, %v, %15 : vector<4xi1>, vector<4xi32>
    %18 = llvm.mlir.constant(-7 : i32) : i32
    %19 = llvm.add %14, %18 : i32
    %20 = llvm.mlir.constant(dense<[1, -2, 3, 4]> : vector<4xi32>) : vector<4xi32>
    %21 = llvm.mlir.constant(dense<5> : vector<4xi32>) : vector<4xi32>
    %22 = llvm.mlir.constant(dense<[true, false, true, true]> : vector<4xi1>) : vector<4xi1>
    %23 = llvm.select %22, %20, %21 : vector<4xi1>, vector<4xi32>
    %24 = llvm.freeze %19 : i32
    llvm.return %24 : i32
  }
  llvm.func @floats(%x: f32, %h: f16, %b: bf16, %v: vector<4xf32>, %w: vector<4xf32>, %i: i32) -> f32 {
    %0 = llvm.fadd %x, %x {fastmathFlags = #llvm.fastmath<nnan, contract>} : f32
    %1 = llvm.fsub %v, %w : vector<4xf32>
    %2 = llvm.fmul %1, %w {fastmathFlags = #llvm.fastmath<fast>} : vector<4xf32>
    %3 = llvm.fdiv %2, %v : vector<4xf32>
    %4 = llvm.frem %x, %x : f32
    %5 = llvm.fneg %3 : vector<4xf32>
    %6 = llvm.fpext %h : f16 to f32
    %7 = llvm.fptrunc %x : f32 to bf16
    %8 = llvm.sitofp %i : i32 to f32
    %9 = llvm.uitofp %i : i32 to f32
    %10 = llvm.fptosi %x : f32 to i32
    %11 = llvm.fptoui %x : f32 to i32
    %12 = llvm.bitcast %v : vector<4xf32> to vector<16xi8>
    %13 = llvm.intr.fabs(%v) : (vector<4xf32>) -> vector<4xf32>
    %14 = llvm.intr.sqrt(%x) : (f32) -> f32
    %15 = llvm.intr.floor(%v) : (vector<4xf32>) -> vector<4xf32>
    %16 = llvm.intr.fma(%v, %w, %13) : (vector<4xf32>, vector<4xf32>, vector<4xf32>) -> vector<4xf32>
    %17 = llvm.intr.maxnum(%v, %w) : (vector<4xf32>, vector<4xf32>) -> vector<4xf32>
    %18 = "llvm.intr.vector.reduce.fadd"(%x, %v) <{fastmathFlags = #llvm.fastmath<reassoc>}> : (f32, vector<4xf32>) -> f32
    %19 = llvm.call_intrinsic "llvm.rint.v4f32"(%v) : (vector<4xf32>) -> vector<4xf32>
    %20 = llvm.fcmp "uno" %v, %w : vector<4xf32>
    %21 = llvm.fcmp "_true" %x, %18 : f32
    %22 = llvm.mlir.constant(1.5 : f32) : f32
    %23 = llvm.fadd %x, %22 : f32
    %24 = llvm.mlir.constant(1.5 : bf16) : bf16
    %25 = llvm.fadd %b, %24 : bf16
    %26 = llvm.mlir.constant(1.5 : f16) : f16
    %27 = llvm.fadd %h, %26 : f16
    %28 = llvm.mlir.constant(dense<[1.0, 2.0, 3.0, 4.0]> : vector<4xf32>) : vector<4xf32>
    %29 = llvm.fadd %28, %v : vector<4xf32>
    %30 = llvm.mlir.constant(dense<-0.0> : vector<4xf32>) : vector<4xf32>
    %31 = llvm.fadd %30, %v : vector<4xf32>
    %32 = llvm.mlir.constant(dense<0.0> : vector<4xf32>) : vector<4xf32>
    %33 = llvm.fadd %32, %v : vector<4xf32>
    llvm.return %23 : f32
  }
  llvm.func @vectors(%v: vector<4xf32>, %w: vector<4xf32>, %x: f32, %i: i32) {
    %0 = llvm.mlir.poison : vector<4xf32>
    %1 = llvm.insertelement %x, %0[%i : i32] : vector<4xf32>
    %2 = llvm.extractelement %1[%i : i32] : vector<4xf32>
    %3 = llvm.shufflevector %v, %w [0, -1, 7] : vector<4xf32>
    %4 = llvm.mlir.undef : vector<4xf32>
    %5 = llvm.fadd %4, %v : vector<4xf32>
    llvm.return
  }
  llvm.func @memory(%p: !llvm.ptr {llvm.noalias}, %q: !llvm.ptr<3>, %n: i64, %v: vector<4xf32>) {
    %0 = llvm.getelementptr %p[%n] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %1 = llvm.getelementptr inbounds %p[0, 1, %n] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.struct<(i32, !llvm.array<4 x f32>)>
    %2 = llvm.load %1 {alignment = 4 : i64} : !llvm.ptr -> f32
    %3 = llvm.load %p atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
    %4 = llvm.load %q : !llvm.ptr<3> -> i64
    llvm.store %v, %0 {alignment = 1 : i64} : vector<4xf32>, !llvm.ptr
    llvm.store %n, %p atomic release {alignment = 8 : i64} : i64, !llvm.ptr
    llvm.store volatile %2, %p : f32, !llvm.ptr
    %5 = llvm.atomicrmw add %p, %n acq_rel {alignment = 8 : i64} : !llvm.ptr, i64
    %6 = llvm.atomicrmw _and %p, %n monotonic : !llvm.ptr, i64
    %7 = llvm.cmpxchg %p, %n, %5 acq_rel monotonic {alignment = 8 : i64} : !llvm.ptr, i64
    %8 = llvm.extractvalue %7[1] : !llvm.struct<(i64, i1)>
    %9 = llvm.insertvalue %8, %7[1] : !llvm.struct<(i64, i1)>
    llvm.fence seq_cst
    %10 = llvm.mlir.addressof @table : !llvm.ptr
    %11 = llvm.load %10 : !llvm.ptr -> f32
    %12 = llvm.mlir.zero : !llvm.ptr
    %13 = llvm.ptrtoint %12 : !llvm.ptr to i64
    %14 = llvm.inttoptr %13 : i64 to !llvm.ptr
    %15 = llvm.alloca %n x f32 {alignment = 64 : i64} : (i64) -> !llvm.ptr
    llvm.call_intrinsic "llvm.x86.sse2.pause"() : () -> ()
    llvm.return
  }
  llvm.func @control(%c: i1, %n: i64, %s: i32) -> i64 {
    %0 = llvm.mlir.constant(0) : i64
    llvm.cond_br %c, ^bb1(%n : i64), ^bb2(%0 : i64)
  ^bb1(%i: i64):
    %1 = llvm.add %i, %n : i64
    %2 = llvm.icmp "slt" %1, %0 : i64
    llvm.cond_br %2, ^bb1(%1 : i64), ^bb2(%1 : i64)
  ^bb2(%r: i64):
    %3 = llvm.call @again(%c, %r) : (i1, i64) -> i64
    "llvm.switch"(%s)[^bb3, ^bb4, ^bb4] <{case_values = dense<[1, -2]> : tensor<2xi32>, case_operand_segments = array<i32: 0, 0>, operandSegmentSizes = array<i32: 1, 0, 0>}> : (i32) -> ()
  ^bb3:
    llvm.br ^bb5(%3 : i64)
  ^bb4:
    llvm.unreachable
  ^bb5(%e: i64):
    llvm.return %e : i64
  }
  llvm.func @again(%c: i1, %n: i64) -> i64 {
    llvm.return %n : i64
  }
  llvm.func @tiles(%r: i16) {
    %0 = llvm.call_intrinsic "llvm.x86.tilezero.internal"(%r, %r) : (i16, i16) -> !llvm.x86_amx
    llvm.return
  }
}

// CHECK: target triple = "x86_64-unknown-linux-gnu"
// CHECK: @table = internal constant [2 x float] [float 0x3FF0000000000000, float 0xC000000000000000], align 64
// CHECK-NEXT: declare i32 @external(ptr, ...)
// CHECK: define internal i32 @integers(i32 %[[A:.*]], i32 %[[B:.*]], <4 x i32> %[[V:.*]], <4 x i8> %[[C:.*]]) #0 {
// CHECK-NEXT: .b0:
// CHECK-NEXT: %[[V0:.*]] = add nuw nsw i32 %[[A]], %[[B]]
// CHECK-NEXT: %[[V1:.*]] = sub i32 %[[V0]], %[[B]]
// CHECK-NEXT: %[[V2:.*]] = mul nsw <4 x i32> %[[V]], %[[V]]
// CHECK-NEXT: %[[V3:.*]] = udiv exact i32 %[[V1]], %[[B]]
// CHECK-NEXT: %[[V4:.*]] = sdiv i32 %[[V3]], %[[B]]
// CHECK-NEXT: %[[V5:.*]] = urem i32 %[[V4]], %[[B]]
// CHECK-NEXT: %[[V6:.*]] = srem i32 %[[V5]], %[[B]]
// CHECK-NEXT: %[[V7:.*]] = and i32 %[[V6]], %[[B]]
// CHECK-NEXT: %[[V8:.*]] = or disjoint i32 %[[V7]], %[[B]]
// CHECK-NEXT: %[[V9:.*]] = xor i32 %[[V8]], %[[B]]
// CHECK-NEXT: %[[V10:.*]] = shl i32 %[[V9]], %[[B]]
// CHECK-NEXT: %[[V11:.*]] = lshr i32 %[[V10]], %[[B]]
// CHECK-NEXT: %[[V12:.*]] = ashr exact i32 %[[V11]], %[[B]]
// CHECK-NEXT: %[[V13:.*]] = trunc i32 %[[V12]] to i8
// CHECK-NEXT: %[[V14:.*]] = zext nneg i8 %[[V13]] to i32
// CHECK-NEXT: %[[V15:.*]] = sext <4 x i8> %[[C]] to <4 x i32>
// CHECK-NEXT: %[[V16:.*]] = icmp ugt <4 x i32> %[[V]], %[[V15]]
// CHECK-NEXT: %[[V17:.*]] = select <4 x i1> %[[V16]], <4 x i32> %[[V]], <4 x i32> %[[V15]]
// CHECK-NEXT: %[[V18:.*]] = add i32 %[[V14]], -7
// CHECK-NEXT: %[[V19:.*]] = select <4 x i1> <i1 true, i1 false, i1 true, i1 true>, <4 x i32> <i32 1, i32 -2, i32 3, i32 4>, <4 x i32> splat (i32 5)
// CHECK-NEXT: %[[V20:.*]] = freeze i32 %[[V18]]
// CHECK-NEXT: ret i32 %[[V20]]
// CHECK-NEXT: }
// CHECK: define float @floats(float %[[X:.*]], half %[[H:.*]], bfloat %[[B:.*]], <4 x float> %[[V:.*]], <4 x float> %[[W:.*]], i32 %[[I:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: %[[V0:.*]] = fadd nnan contract float %[[X]], %[[X]]
// CHECK-NEXT: %[[V1:.*]] = fsub <4 x float> %[[V]], %[[W]]
// CHECK-NEXT: %[[V2:.*]] = fmul fast <4 x float> %[[V1]], %[[W]]
// CHECK-NEXT: %[[V3:.*]] = fdiv <4 x float> %[[V2]], %[[V]]
// CHECK-NEXT: %[[V4:.*]] = frem float %[[X]], %[[X]]
// CHECK-NEXT: %[[V5:.*]] = fneg <4 x float> %[[V3]]
// CHECK-NEXT: %[[V6:.*]] = fpext half %[[H]] to float
// CHECK-NEXT: %[[V7:.*]] = fptrunc float %[[X]] to bfloat
// CHECK-NEXT: %[[V8:.*]] = sitofp i32 %[[I]] to float
// CHECK-NEXT: %[[V9:.*]] = uitofp i32 %[[I]] to float
// CHECK-NEXT: %[[V10:.*]] = fptosi float %[[X]] to i32
// CHECK-NEXT: %[[V11:.*]] = fptoui float %[[X]] to i32
// CHECK-NEXT: %[[V12:.*]] = bitcast <4 x float> %[[V]] to <16 x i8>
// CHECK-NEXT: %[[V13:.*]] = call <4 x float> @llvm.fabs.v4f32(<4 x float> %[[V]])
// CHECK-NEXT: %[[V14:.*]] = call float @llvm.sqrt.f32(float %[[X]])
// CHECK-NEXT: %[[V15:.*]] = call <4 x float> @llvm.floor.v4f32(<4 x float> %[[V]])
// CHECK-NEXT: %[[V16:.*]] = call <4 x float> @llvm.fma.v4f32(<4 x float> %[[V]], <4 x float> %[[W]], <4 x float> %[[V13]])
// CHECK-NEXT: %[[V17:.*]] = call <4 x float> @llvm.maxnum.v4f32(<4 x float> %[[V]], <4 x float> %[[W]])
// CHECK-NEXT: %[[V18:.*]] = call reassoc float @llvm.vector.reduce.fadd.v4f32(float %[[X]], <4 x float> %[[V]])
// CHECK-NEXT: %[[V19:.*]] = call <4 x float> @llvm.rint.v4f32(<4 x float> %[[V]])
// CHECK-NEXT: %[[V20:.*]] = fcmp uno <4 x float> %[[V]], %[[W]]
// CHECK-NEXT: %[[V21:.*]] = fcmp true float %[[X]], %[[V18]]
// CHECK-NEXT: %[[V22:.*]] = fadd float %[[X]], 0x3FF8000000000000
// CHECK-NEXT: %[[V23:.*]] = fadd bfloat %[[B]], 0xR3FC0
// CHECK-NEXT: %[[V24:.*]] = fadd half %[[H]], 0xH3E00
// CHECK-NEXT: %[[V25:.*]] = fadd <4 x float> <float 0x3FF0000000000000, float 0x4000000000000000, float 0x4008000000000000, float 0x4010000000000000>, %[[V]]
// CHECK-NEXT: %[[V26:.*]] = fadd <4 x float> splat (float 0x8000000000000000), %[[V]]
// CHECK-NEXT: %[[V27:.*]] = fadd <4 x float> zeroinitializer, %[[V]]
// CHECK-NEXT: ret float %[[V22]]
// CHECK-NEXT: }
// CHECK: define void @vectors(<4 x float> %[[V:.*]], <4 x float> %[[W:.*]], float %[[X:.*]], i32 %[[I:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: %[[V0:.*]] = insertelement <4 x float> poison, float %[[X]], i32 %[[I]]
// CHECK-NEXT: %[[V1:.*]] = extractelement <4 x float> %[[V0]], i32 %[[I]]
// CHECK-NEXT: %[[V2:.*]] = shufflevector <4 x float> %[[V]], <4 x float> %[[W]], <3 x i32> <i32 0, i32 poison, i32 7>
// CHECK-NEXT: %[[V3:.*]] = fadd <4 x float> undef, %[[V]]
// CHECK-NEXT: ret void
// CHECK-NEXT: }
// CHECK: define void @memory(ptr noalias %[[P:.*]], ptr addrspace(3) %[[Q:.*]], i64 %[[N:.*]], <4 x float> %[[V:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: %[[V0:.*]] = getelementptr i8, ptr %[[P]], i64 %[[N]]
// CHECK-NEXT: %[[V1:.*]] = getelementptr inbounds { i32, [4 x float] }, ptr %[[P]], i32 0, i32 1, i64 %[[N]]
// CHECK-NEXT: %[[V2:.*]] = load float, ptr %[[V1]], align 4
// CHECK-NEXT: %[[V3:.*]] = load atomic i64, ptr %[[P]] acquire, align 8
// CHECK-NEXT: %[[V4:.*]] = load i64, ptr addrspace(3) %[[Q]]
// CHECK-NEXT: store <4 x float> %[[V]], ptr %[[V0]], align 1
// CHECK-NEXT: store atomic i64 %[[N]], ptr %[[P]] release, align 8
// CHECK-NEXT: store volatile float %[[V2]], ptr %[[P]]
// CHECK-NEXT: %[[V5:.*]] = atomicrmw add ptr %[[P]], i64 %[[N]] acq_rel, align 8
// CHECK-NEXT: %[[V6:.*]] = atomicrmw and ptr %[[P]], i64 %[[N]] monotonic
// CHECK-NEXT: %[[V7:.*]] = cmpxchg ptr %[[P]], i64 %[[N]], i64 %[[V5]] acq_rel monotonic, align 8
// CHECK-NEXT: %[[V8:.*]] = extractvalue { i64, i1 } %[[V7]], 1
// CHECK-NEXT: %[[V9:.*]] = insertvalue { i64, i1 } %[[V7]], i1 %[[V8]], 1
// CHECK-NEXT: fence seq_cst
// CHECK-NEXT: %[[V10:.*]] = load float, ptr @table
// CHECK-NEXT: %[[V11:.*]] = ptrtoint ptr null to i64
// CHECK-NEXT: %[[V12:.*]] = inttoptr i64 %[[V11]] to ptr
// CHECK-NEXT: %[[V13:.*]] = alloca float, i64 %[[N]], align 64
// CHECK-NEXT: call void @llvm.x86.sse2.pause()
// CHECK-NEXT: ret void
// CHECK-NEXT: }
// CHECK: define i64 @control(i1 %[[C:.*]], i64 %[[N:.*]], i32 %[[S:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: br i1 %[[C]], label %.b1, label %.b2
// CHECK-NEXT: .b1:
// CHECK-NEXT: %[[V1:.*]] = phi i64 [ %[[N]], %.b0 ], [ %[[V0:.*]], %.b1 ]
// CHECK-NEXT: %[[V0]] = add i64 %[[V1]], %[[N]]
// CHECK-NEXT: %[[V2:.*]] = icmp slt i64 %[[V0]], 0
// CHECK-NEXT: br i1 %[[V2]], label %.b1, label %.b2
// CHECK-NEXT: .b2:
// CHECK-NEXT: %[[V3:.*]] = phi i64 [ 0, %.b0 ], [ %[[V0]], %.b1 ]
// CHECK-NEXT: %[[V4:.*]] = call i64 @again(i1 %[[C]], i64 %[[V3]])
// CHECK-NEXT: switch i32 %[[S]], label %.b3 [ i32 1, label %.b4 i32 -2, label %.b4 ]
// CHECK-NEXT: .b3:
// CHECK-NEXT: br label %.b5
// CHECK-NEXT: .b4:
// CHECK-NEXT: unreachable
// CHECK-NEXT: .b5:
// CHECK-NEXT: %[[V5:.*]] = phi i64 [ %[[V4]], %.b3 ]
// CHECK-NEXT: ret i64 %[[V5]]
// CHECK-NEXT: }
// CHECK: define i64 @again(i1 %[[C:.*]], i64 %[[N:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: ret i64 %[[N]]
// CHECK-NEXT: }
// CHECK: define void @tiles(i16 %[[R:.*]]) {
// CHECK-NEXT: .b0:
// CHECK-NEXT: %[[V0:.*]] = call x86_amx @llvm.x86.tilezero.internal(i16 %[[R]], i16 %[[R]])
// CHECK-NEXT: ret void
// CHECK-NEXT: }
// CHECK: declare <4 x float> @llvm.fabs.v4f32(<4 x float>)
// CHECK-NEXT: declare float @llvm.sqrt.f32(float)
// CHECK-NEXT: declare <4 x float> @llvm.floor.v4f32(<4 x float>)
// CHECK-NEXT: declare <4 x float> @llvm.fma.v4f32(<4 x float>, <4 x float>, <4 x float>)
// CHECK-NEXT: declare <4 x float> @llvm.maxnum.v4f32(<4 x float>, <4 x float>)
// CHECK-NEXT: declare float @llvm.vector.reduce.fadd.v4f32(float, <4 x float>)
// CHECK-NEXT: declare <4 x float> @llvm.rint.v4f32(<4 x float>)
// CHECK-NEXT: declare void @llvm.x86.sse2.pause()
// CHECK-NEXT: declare x86_amx @llvm.x86.tilezero.internal(i16, i16)
// CHECK: attributes #0 = { nounwind noinline "target-cpu"="x86-64-v4" "target-features"="+avx512vnni,-sse4a" cold }
