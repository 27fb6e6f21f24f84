// One layer for each option, in a module without a program: layers go by the names of their results.
// RUN: llmir-opt %s -p 'assign-schemes{modules="type" weight-type=ui3 weight-zero-point=ui3},assign-schemes{modules="scale" weight-type=i4 weight-scale=bf16},assign-schemes{modules="zero" weight-type=i8 weight-zero-point=f16},assign-schemes{modules="minimum" weight-type=ui4 weight-min=f16 weight-scale=f16 weight-group-size=4},assign-schemes{modules="whole" weight-type=i8 weight-granularity=per_tensor},assign-schemes{modules="groups" weight-type=i4 weight-granularity=per_group weight-group-size=2},assign-schemes{modules="method" weight-type=i4 weight-method=mse},assign-schemes{modules="narrow" weight-type=i4 weight-narrow-range=true},assign-schemes{modules="rows" weight-type=i4 weight-group-size=2 weight-group-axis=0},assign-schemes{modules="pad" weight-type=i4 weight-group-size=3 weight-pad=true}' | filecheck %s --check-prefix=WEIGHT
// RUN: llmir-opt %s -p 'assign-schemes{modules="type" input-type=f8E4M3FN},assign-schemes{modules="scale" input-type=i8 input-scale=f16},assign-schemes{modules="zero" input-type=ui8 input-zero-point=ui8},assign-schemes{modules="whole" input-type=i8 input-granularity=per_tensor},assign-schemes{modules="groups" input-type=i8 input-group-size=4 input-dynamic=true},assign-schemes{modules="method" input-type=i8 input-granularity=per_token input-dynamic=true},assign-schemes{modules="narrow" input-type=i8 input-scale=f8E8M0FNU input-scale-rounding=ceil}' | filecheck %s --check-prefix=INPUT
// RUN: llmir-opt %s -p 'assign-schemes{ops=linear,embedding exclude="type","s*","z*","m*","w*","g*","n*","rows" weight-type=i8}' | filecheck %s --check-prefix=OPS

func.func @main(%ids: tensor<?xi64>, %x: tensor<?x8xf32>) {
  %w = arith.constant dense<1.0> : tensor<4x8xf32>
  %table = llm.embedding(%ids, %w) : (tensor<?xi64>, tensor<4x8xf32>) -> tensor<?x8xf32>
  %type = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %scale = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %zero = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %minimum = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %whole = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %groups = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %method = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %narrow = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %rows = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %pad = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  // two layers of one name are meant by it, both
  %pad_1 = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  func.return
}

// WEIGHT:      %[[W:.*]] = arith.constant
// WEIGHT-NEXT: %table = llm.embedding(%ids, %[[W]]) {llm.remark = "not quantized: the recipe is for linear layers"}
// WEIGHT-NEXT: %type = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui3, scale=f32, zp=ui3, granularity=per_channel, method=minmax>>}
// WEIGHT-NEXT: %scale = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=bf16, granularity=per_channel, method=absmax>>}
// WEIGHT-NEXT: %zero = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f32, zp=f16, granularity=per_channel, method=minmax>>}
// WEIGHT-NEXT: %minimum = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<ui4, scale=f16, min=f16, granularity=per_group, group_size=4, method=minmax>>}
// WEIGHT-NEXT: %whole = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>>}
// WEIGHT-NEXT: %groups = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=2, method=absmax>>}
// WEIGHT-NEXT: %method = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=mse>>}
// WEIGHT-NEXT: %narrow = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax, narrow_range=true>>}
// WEIGHT-NEXT: %rows = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=2, axis=0, method=absmax>>}
// WEIGHT-NEXT: %pad = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=3, method=absmax, pad=true>>}
// WEIGHT-NEXT: llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=3, method=absmax, pad=true>>}

// INPUT:      %[[W:.*]] = arith.constant
// INPUT:      %type = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<f8E4M3FN, scale=f32, granularity=per_tensor, method=absmax>>}
// INPUT-NEXT: %scale = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f16, granularity=per_tensor, method=absmax>>}
// INPUT-NEXT: %zero = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<ui8, scale=f32, zp=ui8, granularity=per_tensor, method=minmax>>}
// INPUT-NEXT: %minimum = llm.linear(%x, %[[W]]) {llm.remark = "not quantized: matched by no rule of the recipe"}
// INPUT-NEXT: %whole = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>>}
// INPUT-NEXT: %groups = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_group, group_size=4, method=absmax, dynamic=true>>}
// INPUT-NEXT: %method = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>>}

// INPUT-NEXT: %narrow = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<input=#llm.quantization<i8, scale=f8E8M0FNU, granularity=per_tensor, method=absmax, scale_rounding=ceil>>}

// OPS:      %[[W:.*]] = arith.constant
// OPS-NEXT: %table = llm.embedding(%ids, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f32, granularity=per_channel, method=absmax>>}
// OPS-NEXT: %type = llm.linear(%x, %[[W]]) {llm.remark = "not quantized: excluded by the recipe"}
// OPS:      %pad = llm.linear(%x, %[[W]]) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f32, granularity=per_channel, method=absmax>>}
