// RUN: not llmir-opt %s -p 'convert-kernel-to-vk{machine=x86-avx2}' 2>&1 | filecheck %s

// The parts of one row's attention are merged by the threads that have its heads.

// CHECK: kernel.step @decode cannot be lowered: attention of one row is split by heads, not rows
builtin.module {
  kernel.cache @kv {layers = 1 : i64, kv_heads = 1 : i64, head_dim = 16 : i64, element = f16, lanes = 8 : i64}
  kernel.step @decode(%ids: memref<1xi64, "shared">, %position: index, %logits: memref<1x16xf32, "shared">, %token: memref<1xi64, "shared">) attributes {rows = 1 : i64} {
    %keys, %values = kernel.cache_at @kv : memref<1x?x16x8xf16, "cache">, memref<1x?x16xf16, "cache">
    %x = kernel.buffer {offset = 0 : i64} : memref<1x16xf32, "shared">
    %q = kernel.view %x : memref<1x16xf32, "shared"> -> memref<1x1x16xf32, strided<[16, 16, 1]>, "shared">
    kernel.copy(%logits) into(%x) {split = #kernel.split<rows>} : (memref<1x16xf32, "shared">, memref<1x16xf32, "shared">) -> ()
    kernel.barrier
    kernel.attention(%q, %keys, %values, %position) into(%q) {scale = 0.25 : f32, split = #kernel.split<rows>} : (memref<1x1x16xf32, strided<[16, 16, 1]>, "shared">, memref<1x?x16x8xf16, "cache">, memref<1x?x16xf16, "cache">, index, memref<1x1x16xf32, strided<[16, 16, 1]>, "shared">) -> ()
  }
}
