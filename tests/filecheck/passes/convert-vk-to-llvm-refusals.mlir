// RUN: llmir-opt %s -p convert-vk-to-llvm --split-input-file --verify-diagnostics

// What has no lowering is refused where it stands.

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func @f(%x: f64) {
    // expected-error@below {{'math.exp' op has no lowering to LLVM, expected an operation of func, scf, arith or vk}}
    %y = math.exp %x : f64
    func.return
  }
}

// -----

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  // expected-error@below {{'memref.global' op has no lowering to LLVM}}
  "memref.global"() <{sym_name = "g", sym_visibility = "private", type = memref<4xf32>, initial_value = dense<0.0> : tensor<4xf32>}> : () -> ()
}

// -----

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  // expected-error@below {{'func.func' op @f returns 2 values, expected at most one}}
  func.func @f(%x: f32) -> (f32, f32) {
    func.return %x, %x : f32, f32
  }
}

// -----

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  // expected-error@below {{'func.func' op @f has the attribute noinline, expected at most vk.inline}}
  func.func @f() attributes {noinline} {
    func.return
  }
}

// -----

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func @f(%x: f32, %n: i32) {
    // expected-error@below {{'arith.addf' op has flags #arith.fastmath<fast>, expected none}}
    %y = arith.addf %x, %x fastmath<fast> : f32
    func.return
  }
}

// -----

builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func @f(%x: f32, %n: i32) {
    // expected-error@below {{'arith.addi' op has flags #arith.overflow<nsw>, expected none}}
    %m = arith.addi %n, %n overflow<nsw> : i32
    func.return
  }
}
