// RUN: llmir-opt %s -p 'legalize-for-target{target=x86-avx512-vnni}' | filecheck %s
// RUN: llmir-opt %s -p legalize-for-target | filecheck %s --check-prefix=NUMPY

// A kernel that reads groups along K gets the scale of a block once for each of its rows.

!x = !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>
!w = !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, group_size=32, group_rows=8>
llm.weight @w : !w
func.func @f(%x: !x) -> tensor<?x16xf32> {
  %w = llm.load_weight @w : !w
  %y = llm.quantized_matmul(%x, %w) : (!x, !w) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>) -> tensor<?x16xf32>
// CHECK-NEXT: %[[W:.*]] = llm.load_weight @w : !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, group_size=32, group_rows=8>
// CHECK-NEXT: %[[W_1:.*]] = llm.cast_codes(%[[W]]) : (!llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, group_size=32, group_rows=8>) -> !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, group_size=32>
// CHECK-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W_1]]) {llm.remark = "weight i4 -> i8 and scales for blocks of 8x32 -> for groups of 32; target 'x86-avx512-vnni' has no kernel for ui8 inputs and i4 weights"} : (!llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>, !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, group_size=32>) -> tensor<?x16xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x16xf32>

// NUMPY-LABEL: func.func @f(
// NUMPY-SAME: %[[X:.*]]: !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>) -> tensor<?x16xf32>
// NUMPY-NEXT: %[[W:.*]] = llm.load_weight @w : !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, group_size=32, group_rows=8>
// NUMPY-NEXT: %[[Y:.*]] = llm.quantized_matmul(%[[X]], %[[W]]) : (!llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>, !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, group_size=32, group_rows=8>) -> tensor<?x16xf32>
// NUMPY-NEXT: func.return %[[Y]] : tensor<?x16xf32>
