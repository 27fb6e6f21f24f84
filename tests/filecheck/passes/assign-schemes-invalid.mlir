// What an option refuses is a message that names it and says what it takes.
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i9}' 2>&1 | filecheck %s --check-prefix=TYPE
// RUN: not llmir-opt %s -p 'assign-schemes{ops=conv weight-type=i8}' 2>&1 | filecheck %s --check-prefix=OPS
// RUN: not llmir-opt %s -p 'assign-schemes{exclude="z" weight-type=i8}' 2>&1 | filecheck %s --check-prefix=EXCLUDE
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i8 weight-scale=f8}' 2>&1 | filecheck %s --check-prefix=SCALE
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i8 weight-zero-point=i4}' 2>&1 | filecheck %s --check-prefix=ZERO
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=ui4 weight-min=f16}' 2>&1 | filecheck %s --check-prefix=MIN
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i8 weight-granularity=per_row}' 2>&1 | filecheck %s --check-prefix=GRANULARITY
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=i8 weight-granularity=per_tensor weight-group-size=4}' 2>&1 | filecheck %s --check-prefix=GROUP
// RUN: not llmir-opt %s -p 'assign-schemes{weight-type=ui4 weight-zero-point=ui4 weight-method=absmax}' 2>&1 | filecheck %s --check-prefix=METHOD
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8 input-granularity=per_channel}' 2>&1 | filecheck %s --check-prefix=INPUT
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8 input-group-size=3}' 2>&1 | filecheck %s --check-prefix=INPUT-GROUP
// RUN: not llmir-opt %s -p 'assign-schemes' 2>&1 | filecheck %s --check-prefix=NOTHING

// TYPE: assign-schemes: unknown element format 'i9'
// OPS: assign-schemes: unknown kind of layer 'conv', expected linear
// EXCLUDE: assign-schemes: pattern 'z' matches none of 1 layers; the nearest layer is 'y'
// SCALE: assign-schemes: unknown float type 'f8' of weight-scale, expected one of f16, bf16, f32, f64
// ZERO: assign-schemes: zero point type i4 cannot hold every i8 code; use i8 or a wider type
// MIN: assign-schemes: zp and min exclude each other
// GRANULARITY: assign-schemes: unknown granularity 'per_row', expected one of per_tensor, per_channel, per_group, per_token
// GROUP: assign-schemes: group_size is given exactly when granularity is per_group
// METHOD: assign-schemes: absmax scales are symmetric and have no zero point; use minmax or mse
// INPUT: assign-schemes: an input's rows are tokens: use per_token instead of per_channel
// INPUT-GROUP: assign-schemes-invalid.mlir:30:3: error: 'llm.linear' op group_size 3 of its input does not divide the input size 8
// NOTHING: assign-schemes: a scheme quantizes the weight, the input or both; leave it out otherwise

func.func @main(%x: tensor<?x8xf32>) {
  %w = arith.constant dense<1.0> : tensor<4x8xf32>
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}
