// RUN: llmir-opt %s -p convert-kernel-to-vk | filecheck %s

// Heads, folded rows, runs of columns; views of a buffer; caches and tables by capacity; memory all threads may read.

builtin.module attributes {kernel.target = "x86-avx512-vnni"} {
  kernel.cache @first {layers = 1 : i64, kv_heads = 1 : i64, head_dim = 16 : i64, element = f32, lanes = 16 : i64}
  kernel.cache @kv {layers = 4 : i64, kv_heads = 3 : i64, head_dim = 16 : i64, element = f16, lanes = 16 : i64}
  kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 8 : i64}
  kernel.rope_table @other {theta = 1.0e+06 : f64, dimensions = 16 : i64}
  kernel.step @prefill(%ids: memref<?xi64, "shared">, %position: index, %hidden: memref<?x96xf32, "shared">) {
    %q = kernel.view %hidden : memref<?x96xf32, "shared"> -> memref<?x3x16xf32, strided<[96, 16, 1]>, "shared">
    %k = kernel.view %hidden : memref<?x96xf32, "shared"> -> memref<?x3x16xf32, strided<[96, 16, 1], offset: 48>, "shared">
    %table = kernel.table_at @other : memref<?x16xf32, "tables">
    kernel.loop %l = 0 to 4 {
      kernel.rope(%table, %position) into(%k) {split = #kernel.split<heads 3>} : (memref<?x16xf32, "tables">, index, memref<?x3x16xf32, strided<[96, 16, 1], offset: 48>, "shared">) -> ()
      %keys, %values = kernel.cache_at @kv[%l] : memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">
      kernel.append_cache(%k, %k, %position) into(%keys, %values) {split = #kernel.split<heads 3>} : (memref<?x3x16xf32, strided<[96, 16, 1], offset: 48>, "shared">, memref<?x3x16xf32, strided<[96, 16, 1], offset: 48>, "shared">, index, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">) -> ()
      kernel.barrier
      kernel.attention(%q, %keys, %values, %position) into(%q) {scale = 0.25 : f32, split = #kernel.split<folded_rows>} : (memref<?x3x16xf32, strided<[96, 16, 1]>, "shared">, memref<3x?x16x16xf16, "cache">, memref<3x?x16xf16, "cache">, index, memref<?x3x16xf32, strided<[96, 16, 1]>, "shared">) -> ()
      kernel.barrier
    }
  }
}

// CHECK: func.func public @prefill(%[[CONTEXT:.*]]: !llvm.ptr, %[[THREAD:.*]]: i64, %[[THREADS:.*]]: i64) {
// CHECK-DAG: %[[VIEW:.*]] = arith.constant 192 : i64
// CHECK-DAG: %[[TABLE_BYTES:.*]] = arith.constant 32 : i64
// CHECK-DAG: %[[BEFORE_BYTES:.*]] = arith.constant 128 : i64
// CHECK-DAG: %[[KEY_BYTES:.*]] = arith.constant 96 : i64
// CHECK-DAG: %[[HEADS:.*]] = arith.constant 3 : i64
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : i64
// CHECK: %[[ROWS:.*]] = vk.load %[[CONTEXT]] {offset = 56 : i64, align = 8 : i64} : i64
// CHECK: %[[CAPACITY:.*]] = vk.load %[[CONTEXT]] {offset = 72 : i64, align = 8 : i64} : i64
// CHECK: %[[POSITION:.*]] = vk.load %[[CONTEXT]] {offset = 64 : i64, align = 8 : i64} : i64
// CHECK: %[[Q:.*]] = vk.load %[[CONTEXT]] {offset = 88 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[K:.*]] = vk.offset %[[Q]], %[[VIEW]]
// CHECK: %[[TABLES:.*]] = vk.load %[[CONTEXT]] {offset = 16 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[OTHER:.*]] = arith.muli %[[CAPACITY]], %[[TABLE_BYTES]] : i64
// CHECK: %[[TABLE:.*]] = vk.offset %[[TABLES]], %[[OTHER]]
// CHECK: scf.for %[[LAYER:.*]] =
// CHECK: %[[H0_PART:.*]] = arith.muli %[[HEADS]], %[[THREAD]] : i64
// CHECK: %[[H0_UNITS:.*]] = arith.divui %[[H0_PART]], %[[THREADS]] : i64
// CHECK: %[[H0:.*]] = arith.muli %[[H0_UNITS]], %{{.*}} : i64
// CHECK: func.call @rope_16_96_16(%[[K]], %[[TABLE]], %[[POSITION]], %{{.*}}, %[[ROWS]], %[[H0]], %{{.*}})
// CHECK: %[[LAYERS_BEFORE:.*]] = arith.muli %[[LAYER]], %[[VIEW]] : i64
// CHECK: %[[KEYS_PLACE:.*]] = arith.addi %[[LAYERS_BEFORE]], %[[BEFORE_BYTES]] : i64
// CHECK: %[[VALUES_PLACE:.*]] = arith.addi %[[KEYS_PLACE]], %[[KEY_BYTES]] : i64
// CHECK: %[[CACHE:.*]] = vk.load %[[CONTEXT]] {offset = 8 : i64, align = 8 : i64} : !llvm.ptr
// CHECK: %[[KEYS_AT:.*]] = arith.muli %[[KEYS_PLACE]], %[[CAPACITY]] : i64
// CHECK: %[[KEYS:.*]] = vk.offset %[[CACHE]], %[[KEYS_AT]]
// CHECK: %[[VALUES_AT:.*]] = arith.muli %[[VALUES_PLACE]], %[[CAPACITY]] : i64
// CHECK: %[[VALUES:.*]] = vk.offset %[[CACHE]], %[[VALUES_AT]]
// CHECK: func.call @append_3_16_f16_96_96(%[[K]], %[[K]], %[[KEYS]], %[[VALUES]], %[[POSITION]], %[[CAPACITY]],

// Parts thread and 2 threads - 1 - thread of 2 threads parts.
// CHECK: %[[PARTS:.*]] = arith.muli %[[THREADS]], %[[C2]] : i64
// CHECK: %[[LAST:.*]] = arith.subi %[[PARTS]], %{{.*}} : i64
// CHECK: %[[MIRRORED:.*]] = arith.subi %[[LAST]], %[[THREAD]] : i64
// CHECK: %[[LOW_PART:.*]] = arith.muli %[[ROWS]], %[[THREAD]] : i64
// CHECK: %[[LOW:.*]] = arith.divui %[[LOW_PART]], %[[PARTS]] : i64
// CHECK: func.call @[[ATTENTION:attention_[a-z0-9_]+]](%[[Q]], %[[KEYS]], %[[VALUES]], %[[Q]], %{{.*}}, %[[POSITION]], %[[CAPACITY]], %[[LOW]], %{{.*}}, %{{.*}}, %[[HEADS]])
// CHECK: %[[HIGH_PART:.*]] = arith.muli %[[ROWS]], %[[MIRRORED]] : i64
// CHECK: %[[HIGH:.*]] = arith.divui %[[HIGH_PART]], %[[PARTS]] : i64
// CHECK: func.call @[[ATTENTION]](%[[Q]], %[[KEYS]], %[[VALUES]], %[[Q]], %{{.*}}, %[[POSITION]], %[[CAPACITY]], %[[HIGH]],
