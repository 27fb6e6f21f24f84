// RUN: llmir-opt %s --assign-schemes='weight-type=i4 exclude=b' --verify-diagnostics --split-input-file
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 exclude=b},cse,canonicalize' --verify-diagnostics
// RUN: llmir-opt %s --assign-schemes='weight-type=i4 exclude=b' --remarks -o /dev/null 2>&1 | filecheck %s
// RUN: llmir-opt %s --assign-schemes='weight-type=i4 exclude=b' --mlir-emit-remarks -o /dev/null 2>&1 | filecheck %s
// RUN: not llmir-opt %s --verify-diagnostics 2>&1 | filecheck %s --check-prefix=MISSING

builtin.module {
  llm.weight @a : tensor<8x64xf32>
  llm.weight @b : tensor<8x64xf32>
  func.func @f(%x: tensor<?x64xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %a = llm.load_weight @a : tensor<8x64xf32>
    %b = llm.load_weight @b : tensor<8x64xf32>
    %y = llm.linear(%x, %a) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    // expected-remark@+1 {{not quantized}}
    %z = llm.linear(%x, %b) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
  }
}

// CHECK:      remarks.mlir:15:5: remark: not quantized: {{.*}}
// CHECK-NEXT:     %z = llm.linear(%x, %b)
// CHECK-NEXT:     ^
// MISSING: remarks.mlir:14:8: error: expected remark "not quantized" was not produced
