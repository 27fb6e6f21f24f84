// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers' | filecheck %s
// RUN: not llmir-opt %s -p insert-observers 2>&1 | filecheck %s --check-prefix=NONE
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=ui8 input-zero-point=ui8},insert-observers' 2>&1 | filecheck %s --check-prefix=ZERO

func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [
    [dense<[[1.0, -2.0], [3.0, 0.5]]> : tensor<2x2xf32>],
    [dense<[[-4.0, 1.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[0.0, 2.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// the value is observed before it is quantized with its own scale, and the static scheme stays
// CHECK:      llm.weight @layer.q_calibration_scale : tensor<1xf32>
// CHECK-NEXT: func.func @main(%[[X:.*]]: tensor<?x2xf32>)
// CHECK:      %[[W:.*]] = arith.constant
// CHECK-NEXT: llm.observe(%[[X]]) {site = "layer.input"} : (tensor<?x2xf32>) -> ()
// CHECK-NEXT: %[[Q:.*]] = llm.quantize(%[[X]]) : (tensor<?x2xf32>) -> !llm.quantized_tensor<?x2xi8, scale=f32, symmetric=true>
// CHECK-NEXT: %[[D:.*]] = llm.dequantize(%[[Q]])
// CHECK-NEXT: llm.linear(%[[D]], %[[W]]) {module = "layer", llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>>}

// NONE: error: insert-observers: no layer has a static input scheme; run assign-schemes first
// ZERO: insert-observers.mlir:9:3: error: 'llm.linear' op observed scales are symmetric and per_tensor, its input scheme is #llm.quantization<ui8, scale=f32, zp=ui8, granularity=per_tensor, method=minmax>
