// RUN: llmir-opt %s --mlir-print-op-generic | filecheck %s --check-prefix=GENERIC
// RUN: llmir-opt %s --mlir-print-debuginfo | filecheck %s --check-prefix=DEBUG
// RUN: llmir-opt %s --print-op-generic --print-no-properties | filecheck %s --check-prefix=ATTRIBUTES
// RUN: llmir-opt %s --mlir-elide-elementsattrs-if-larger=4 | filecheck %s --check-prefix=ELIDED
// RUN: llmir-opt %s --mlir-elide-elementsattrs-if-larger=5 | filecheck %s --check-prefix=WHOLE
// RUN: llmir-opt %s --mlir-elide-elementsattrs-if-larger=4 | not llmir-opt 2>&1 | filecheck %s --check-prefix=BACK
// RUN: llmir-opt %s --mlir-elide-resource-strings-if-larger=10 | filecheck %s --check-prefix=RESOURCES

func.func @f() -> tensor<5xf32> {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %b = arith.constant dense<1.5> : tensor<100xf32>
  %c = arith.constant dense_resource<blob> : tensor<2xf32>
  func.return %a : tensor<5xf32>
}

{-#
  dialect_resources: {
    builtin: {
      blob: "0x040000000000803F00000040"
    }
  }
#-}

// GENERIC: "arith.constant"() <{value = dense<[1.000000e+00,
// ATTRIBUTES: "arith.constant"() {value = dense<[1.000000e+00,
// DEBUG: arith.constant dense<1.500000e+00> : tensor<100xf32> loc("{{.*}}printing.mlir":11:3)

// ELIDED: arith.constant dense_resource<__elided__> : tensor<5xf32>
// ELIDED: arith.constant dense<1.500000e+00> : tensor<100xf32>
// ELIDED: blob: "0x040000000000803F00000040"

// WHOLE: arith.constant dense<[1.000000e+00,

// BACK: <stdin>:3:{{[0-9]+}}: error: the values of this constant were left out when the text was printed

// RESOURCES: arith.constant dense_resource<blob> : tensor<2xf32>
// RESOURCES-NOT: 0x0400
