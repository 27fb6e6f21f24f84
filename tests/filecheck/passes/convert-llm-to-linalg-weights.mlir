// RUN: llmir-opt %S/Inputs/cast-weights/model.mlir -p convert-llm-to-linalg | filecheck %s --check-prefix=ARGUMENTS
// RUN: llmir-opt %S/Inputs/cast-weights/model.mlir -p 'convert-llm-to-linalg{weights=constants}' | filecheck %s --check-prefix=CONSTANTS
// RUN: not llmir-opt %S/Inputs/cast-weights/model.mlir -p 'convert-llm-to-linalg{weights=inline}' 2>&1 | filecheck %s --check-prefix=OPTION

// Weights are arguments in the order of their declarations, or the values of the file.

// ARGUMENTS-LABEL: func.func @main(
// ARGUMENTS-SAME:  %[[A:.*]]: tensor<2xf32>, %[[B:.*]]: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
// ARGUMENTS:       %[[X:.*]] = linalg.generic {{.*}} ins(%[[A]] : tensor<2xf32>)
// ARGUMENTS:       %[[Y:.*]] = linalg.generic {{.*}} ins(%[[B]] : tensor<2xf32>)
// ARGUMENTS:       func.return %[[X]], %[[Y]] : tensor<2xf32>, tensor<2xf32>

// CONSTANTS-NOT:   llm.
// CONSTANTS-LABEL: func.func @main() -> (tensor<2xf32>, tensor<2xf32>)
// CONSTANTS:       %[[A:.*]] = arith.constant dense<[1.000000e-01, 7.000000e+04]> : tensor<2xf32>
// CONSTANTS-NEXT:  %[[B:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CONSTANTS:       %[[X:.*]] = linalg.generic {{.*}} ins(%[[A]] : tensor<2xf32>)
// CONSTANTS:       %[[Y:.*]] = linalg.generic {{.*}} ins(%[[B]] : tensor<2xf32>)
// CONSTANTS:       func.return %[[X]], %[[Y]] : tensor<2xf32>, tensor<2xf32>

// OPTION: convert-llm-to-linalg{{.*}}weights{{.*}}inline
