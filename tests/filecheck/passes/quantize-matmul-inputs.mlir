// RUN: llmir-opt %s -p quantize-matmul-inputs | filecheck %s
// RUN: llmir-opt %s -p 'quantize-matmul-inputs{type=i4 group-size=16}' | filecheck %s --check-prefix=GROUPS
// RUN: not llmir-opt %s -p 'quantize-matmul-inputs{group-size=24}' 2>&1 | filecheck %s --check-prefix=DIVIDE
// RUN: not llmir-opt %s -p 'quantize-matmul-inputs{group-size=0}' 2>&1 | filecheck %s --check-prefix=LEAST
// RUN: not llmir-opt %s -p 'quantize-matmul-inputs{type=ui8}' 2>&1 | filecheck %s --check-prefix=TYPE
// RUN: not llmir-opt %s -p 'quantize-matmul-inputs{type=i9}' 2>&1 | filecheck %s --check-prefix=UNKNOWN

// DIVIDE: :23:3: error: 'llm.quantized_matmul' op group-size 24 does not divide its input size 32
// LEAST: quantize-matmul-inputs: group-size must be at least 1, got 0
// TYPE: quantize-matmul-inputs: type 'ui8' is not for inputs with scales alone, expected i2 to i8
// UNKNOWN: quantize-matmul-inputs: type: unknown element format 'i9'

// two products share the codes of their input; one of codes and one of floats are left alone
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x32xf32>, %[[C:.*]]: !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true>, %[[W:.*]]: !llm.quantized_tensor<8x32xi4, scale=f16, symmetric=true, group_size=32>, %[[B:.*]]: tensor<8xf32>, %[[F:.*]]: tensor<8x32xf32>)
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true, axis=0>
// CHECK-NEXT: %{{.*}} = llm.quantized_matmul(%[[Q]], %[[W]]) :
// CHECK-NEXT: %{{.*}} = llm.quantized_matmul(%[[Q]], %[[W]]) bias(%[[B]]) :
// CHECK-NEXT: %{{.*}} = llm.quantized_matmul(%[[C]], %[[W]]) :
// CHECK-NEXT: %{{.*}} = llm.linear(%[[X]], %[[F]]) :
// GROUPS: llm.quantize(%{{.*}}) : (tensor<?x32xf32>) -> !llm.quantized_tensor<?x32xi4, scale=f32, symmetric=true, group_size=16>
func.func @f(%x: tensor<?x32xf32>, %c: !llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true>, %w: !llm.quantized_tensor<8x32xi4, scale=f16, symmetric=true, group_size=32>, %b: tensor<8xf32>, %f: tensor<8x32xf32>) {
  %0 = llm.quantized_matmul(%x, %w) : (tensor<?x32xf32>, !llm.quantized_tensor<8x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x8xf32>
  %1 = llm.quantized_matmul(%x, %w) bias(%b) : (tensor<?x32xf32>, !llm.quantized_tensor<8x32xi4, scale=f16, symmetric=true, group_size=32>, tensor<8xf32>) -> tensor<?x8xf32>
  %2 = llm.quantized_matmul(%c, %w) : (!llm.quantized_tensor<?x32xi8, scale=f32, symmetric=true>, !llm.quantized_tensor<8x32xi4, scale=f16, symmetric=true, group_size=32>) -> tensor<?x8xf32>
  %3 = llm.linear(%x, %f) : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  func.return
}
