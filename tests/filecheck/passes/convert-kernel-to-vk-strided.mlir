// RUN: not llmir-opt %s -p 'convert-kernel-to-vk{machine=x86-avx2}' 2>&1 | filecheck %s

// Rows that are a part of wider ones are not quantized as if they lay one behind the other.

// CHECK: kernel.step @head cannot be lowered: rows of memref<?x32xf32, strided<[64, 1]>, "shared"> are quantized where they lie one behind the other only; copy them
builtin.module {
  kernel.step @head(%hidden: memref<?x64xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
    %h = kernel.view %hidden : memref<?x64xf32, "shared"> -> memref<?x32xf32, strided<[64, 1]>, "shared">
    %q = kernel.buffer {offset = 0 : i64} : memref<?x32xi8, "shared">
    %s = kernel.buffer {offset = 64 : i64} : memref<?x1xf32, "shared">
    %u = kernel.buffer {offset = 128 : i64} : memref<?x1xi32, "shared">
    kernel.quantize_rows(%h) into(%q, %s, %u) {bits = 8 : i64, run = 32 : i64, scale_type = f32, split = #kernel.split<rows>} : (memref<?x32xf32, strided<[64, 1]>, "shared">, memref<?x32xi8, "shared">, memref<?x1xf32, "shared">, memref<?x1xi32, "shared">) -> ()
  }
}
