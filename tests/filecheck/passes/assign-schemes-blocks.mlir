// RUN: llmir-opt %s -p 'assign-schemes{weight-type=f8E4M3FN weight-group-size=4 weight-group-rows=2 weight-pad=true input-type=f8E4M3FN input-group-size=4 input-pad=true input-dynamic=true},quantize-activations' | filecheck %s
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=3 weight-group-rows=2}' 2>&1 | filecheck %s --check-prefix=ROWS
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8 input-group-size=4 input-dynamic=true}' 2>&1 | filecheck %s --check-prefix=INPUT
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-rows=2}' 2>&1 | filecheck %s --check-prefix=COLUMNS
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=2 weight-group-rows=2 weight-group-axis=0}' 2>&1 | filecheck %s --check-prefix=AXIS

// ROWS: group_rows 2 does not divide its output size 5; use a divisor, or allow a last block of fewer rows with weight-pad (llmir quantize --pad)
// INPUT: group_size 4 of its input does not divide the input size 6; use a divisor, or allow a short last group with input-pad (llmir quantize --pad)
// COLUMNS: assign-schemes: group_rows is for groups; give group_size too, or remove group_rows
// AXIS: assign-schemes: blocks lie in the last two dimensions; remove axis or group_rows

func.func @f(%x: tensor<?x6xf32>, %w: tensor<5x6xf32>) -> tensor<?x5xf32> {
  %y = llm.linear(%x, %w) {module = "m"} : (tensor<?x6xf32>, tensor<5x6xf32>) -> tensor<?x5xf32>
  func.return %y : tensor<?x5xf32>
}

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[X:.*]]: tensor<?x6xf32>, %[[W:.*]]: tensor<5x6xf32>) -> tensor<?x5xf32>
// CHECK-NEXT: %[[QUANTIZED:.*]] = llm.quantize(%[[X]]) : (tensor<?x6xf32>) -> !llm.quantized_tensor<?x6xf8E4M3FN, scale=f32, group_size=4, pad=2>
// CHECK-NEXT: %[[DEQUANTIZED:.*]] = llm.dequantize(%[[QUANTIZED]]) : (!llm.quantized_tensor<?x6xf8E4M3FN, scale=f32, group_size=4, pad=2>) -> tensor<?x6xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear(%[[DEQUANTIZED]], %[[W]]) {module = "m", llm.scheme = #llm.scheme<weight=#llm.quantization<f8E4M3FN, scale=f32, granularity=per_group, group_size=4, group_rows=2, method=absmax, pad=true>>} : (tensor<?x6xf32>, tensor<5x6xf32>) -> tensor<?x5xf32>
// CHECK-NEXT: func.return %[[Y]] : tensor<?x5xf32>
