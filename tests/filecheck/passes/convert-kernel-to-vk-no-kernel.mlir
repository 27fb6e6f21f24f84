// RUN: not llmir-opt %s -p 'convert-kernel-to-vk{machine=x86-avx2}' 2>&1 | filecheck %s

// What no generated function computes is said with its step.

// CHECK: convert-kernel-to-vk: kernel.step @head cannot be lowered: kernel.layer_norm of heads has no native kernel
builtin.module {
  kernel.step @head(%hidden: memref<?x64xf32, "shared">, %logits: memref<?x64xf32, "shared">) {
    %h = kernel.view %hidden : memref<?x64xf32, "shared"> -> memref<?x4x16xf32, strided<[64, 16, 1]>, "shared">
    kernel.layer_norm(%h) into(%h) {epsilon = 1.0e-05 : f32, split = #kernel.split<rows>} : (memref<?x4x16xf32, strided<[64, 16, 1]>, "shared">, memref<?x4x16xf32, strided<[64, 16, 1]>, "shared">) -> ()
  }
}
