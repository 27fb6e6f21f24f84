// RUN: not llmir-opt %s -p convert-kernel-to-vk 2>&1 | filecheck %s --check-prefix=TARGET
// RUN: not llmir-opt %s -p 'convert-kernel-to-vk{machine=x86-avx2}' 2>&1 | filecheck %s --check-prefix=STEPS
// RUN: not llmir-opt %s -p 'convert-kernel-to-vk{machine=numpy}' 2>&1 | filecheck %s --check-prefix=MACHINE

// TARGET: convert-kernel-to-vk: the module has no kernel.target; name a machine: convert-kernel-to-vk{machine=...}
// STEPS: convert-kernel-to-vk: the module has no kernel.step to lower; convert-llm-to-kernel makes them
// MACHINE: convert-kernel-to-vk: target 'numpy' has no [machine] table
builtin.module {
}
