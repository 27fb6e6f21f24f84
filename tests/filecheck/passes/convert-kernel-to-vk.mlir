// RUN: llmir-opt %s -p convert-kernel-to-vk | filecheck %s

// Buffers and symbols are offsets from pointers of the context, splits are ranges of this thread, layers are a stride
// apart, and a step ends with a barrier.

builtin.module attributes {kernel.target = "x86-avx512-vnni"} {
  kernel.weight @norm {members = [[@n0], [@n1], [@n2]], offset = 128 : i64, stride = 4096 : i64} : memref<64xf32, "weights">
  kernel.weight @up {members = [[@u0], [@u1], [@u2]], offset = 512 : i64, stride = 8192 : i64} : !kernel.tiles<tensor<80x64xf32>, tile=32>
  kernel.step @head(%hidden: memref<?x64xf32, "shared">, %logits: memref<?x80xf32, "shared">) {
    %x = kernel.buffer {offset = 320 : i64} : memref<?x64xf32, "shared">
    %p = kernel.buffer {offset = 64 : i64} : memref<?x80xf32, "private">
    kernel.loop %l = 0 to 3 {
      %n = kernel.weight_at @norm[%l] : memref<64xf32, "weights">
      %w = kernel.weight_at @up[%l] : !kernel.tiles<tensor<80x64xf32>, tile=32>
      kernel.rms_norm(%hidden, %n) into(%x) {epsilon = 0.5 : f32, split = #kernel.split<rows>} : (memref<?x64xf32, "shared">, memref<64xf32, "weights">, memref<?x64xf32, "shared">) -> ()
      kernel.barrier
      kernel.matmul(%x, %w) into(%logits) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=2, n_block=4, k_unroll=4, prefetch=0>, split = #kernel.split<columns 32>} : (memref<?x64xf32, "shared">, !kernel.tiles<tensor<80x64xf32>, tile=32>, memref<?x80xf32, "shared">) -> ()
      kernel.barrier
      kernel.scale(%logits) into(%p) {factor = 2.0 : f32, split = #kernel.split<replicated>} : (memref<?x80xf32, "shared">, memref<?x80xf32, "private">) -> ()
    }
  }
}

// CHECK: func.func private @rms_norm_64_0p5_64_64(%x: !llvm.ptr, %weight: !llvm.ptr {llvm.noalias}, %y: !llvm.ptr, %m0: i64, %m1: i64)
// CHECK: func.func private @[[MATMUL:matmul_80x64_float32_f32_[0-9a-f]+]](%w: !llvm.ptr

// CHECK: func.func public @head(%[[CONTEXT:.*]]: !llvm.ptr, %[[THREAD:.*]]: i64, %[[THREADS:.*]]: i64) {
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : i64
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : i64
// CHECK-DAG: %[[LAYERS:.*]] = arith.constant 3 : i64
// CHECK-DAG: %[[P_OFFSET:.*]] = arith.constant 64 : i64
// CHECK-DAG: %[[X_OFFSET:.*]] = arith.constant 320 : i64
// CHECK-DAG: %[[NORM:.*]] = arith.constant 128 : i64
// CHECK-DAG: %[[NORM_STRIDE:.*]] = arith.constant 4096 : i64
// CHECK-DAG: %[[UP:.*]] = arith.constant 512 : i64
// CHECK-DAG: %[[UP_STRIDE:.*]] = arith.constant 8192 : i64
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 80 : i64
// CHECK: %[[CONTROL:.*]] = vk.load %[[CONTEXT]] {offset = 48 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[ROWS:.*]] = vk.load %[[CONTEXT]] {offset = 56 : i64, align = 8 : i64} : i64
// CHECK: %[[SHARED:.*]] = vk.load %[[CONTEXT]] {offset = 24 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[PRIVATE_STRIDE:.*]] = vk.load %[[CONTEXT]] {offset = 40 : i64, align = 8 : i64} : i64
// CHECK: %[[PRIVATE:.*]] = vk.load %[[CONTEXT]] {offset = 32 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[BEFORE:.*]] = arith.muli %[[THREAD]], %[[PRIVATE_STRIDE]] : i64
// CHECK: %[[OWN:.*]] = vk.offset %[[PRIVATE]], %[[BEFORE]]
// CHECK: %[[HIDDEN:.*]] = vk.load %[[CONTEXT]] {offset = 88 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[LOGITS:.*]] = vk.load %[[CONTEXT]] {offset = 96 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[X_BYTES:.*]] = arith.muli %[[ROWS]], %[[X_OFFSET]] : i64
// CHECK: %[[X:.*]] = vk.offset %[[SHARED]], %[[X_BYTES]]
// CHECK: %[[P_BYTES:.*]] = arith.muli %[[ROWS]], %[[P_OFFSET]] : i64
// CHECK: %[[P:.*]] = vk.offset %[[OWN]], %[[P_BYTES]]
// CHECK: scf.for %[[LAYER:.*]] = %[[C0]] to %[[LAYERS]] step %[[C1]] : i64 {
// CHECK: %[[WEIGHTS:.*]] = vk.load %[[CONTEXT]] {align = 8 : i64} : !llvm.ptr
// CHECK: %[[NORMS:.*]] = vk.offset %[[WEIGHTS]], %[[NORM]]
// CHECK: %[[NORM_BYTES:.*]] = arith.muli %[[LAYER]], %[[NORM_STRIDE]] : i64
// CHECK: %[[N:.*]] = vk.offset %[[NORMS]], %[[NORM_BYTES]]
// CHECK: %[[UPS:.*]] = vk.offset %{{.*}}, %[[UP]]
// CHECK: %[[UP_BYTES:.*]] = arith.muli %[[LAYER]], %[[UP_STRIDE]] : i64
// CHECK: %[[W:.*]] = vk.offset %[[UPS]], %[[UP_BYTES]]

// Rows rows * thread / threads up to rows * (thread + 1) / threads.
// CHECK: %[[FIRST_PART:.*]] = arith.muli %[[ROWS]], %[[THREAD]] : i64
// CHECK: %[[M0:.*]] = arith.divui %[[FIRST_PART]], %[[THREADS]] : i64
// CHECK: %[[NEXT:.*]] = arith.addi %[[THREAD]], %[[C1]] : i64
// CHECK: %[[LAST_PART:.*]] = arith.muli %[[ROWS]], %[[NEXT]] : i64
// CHECK: %[[M1:.*]] = arith.divui %[[LAST_PART]], %[[THREADS]] : i64
// CHECK: func.call @rms_norm_64_0p5_64_64(%[[HIDDEN]], %[[N]], %[[X]], %[[M0]], %[[M1]])
// CHECK: func.call @team_barrier(%[[CONTROL]], %[[THREADS]])

// 80 columns are 3 tiles of 32.
// CHECK: %[[FIRST_TILES:.*]] = arith.muli %[[LAYERS]], %[[THREAD]] : i64
// CHECK: %[[T0:.*]] = arith.divui %[[FIRST_TILES]], %[[THREADS]] : i64
// CHECK: %[[T0_WHOLE:.*]] = arith.muli %[[T0]], %[[C1]] : i64
// CHECK: %[[T1_WHOLE:.*]] = arith.muli %{{.*}}, %[[C1]] : i64
// CHECK: func.call @[[MATMUL]](%[[W]], %[[X]], %{{.*}}, %{{.*}}, %{{.*}}, %[[LOGITS]], %[[C0]], %[[ROWS]], %[[T0_WHOLE]], %[[T1_WHOLE]])
// CHECK: func.call @team_barrier(%[[CONTROL]], %[[THREADS]])
// CHECK: func.call @map_scale_2p0_80_80(%[[LOGITS]], %[[P]], %[[C0]], %[[ROWS]], %[[C0]], %[[COLUMNS]])
// CHECK: }
// CHECK-NEXT: func.call @team_barrier(%[[CONTROL]], %[[THREADS]])
// CHECK-NEXT: func.return
