// error: unknown granularity 'per_row', expected one of per_tensor, per_channel, per_group, per_token
builtin.module attributes {a = #llm.quantization<i8, granularity=per_row>} {}
// -----
// error: method 'a.b' is not a word, expected a name such as absmax
builtin.module attributes {a = #llm.quantization<i8, method=a.b>} {}
// -----
// error: group_size is given exactly when granularity is per_group
builtin.module attributes {a = #llm.quantization<i8, granularity=per_group>} {}
// -----
// error: group_size is given exactly when granularity is per_group
builtin.module attributes {a = #llm.quantization<i8, granularity=per_tensor, group_size=4>} {}
// -----
// error: group_size must be at least 1, got 0
builtin.module attributes {a = #llm.quantization<i8, group_size=0>} {}
// -----
// error: zp and min exclude each other
builtin.module attributes {a = #llm.quantization<i8, zp=i8, min=f32>} {}
// -----
// error: unknown element format 'i9'
builtin.module attributes {a = #llm.quantization<i9>} {}
// -----
// error: a scheme quantizes the weight, the input or both; leave it out otherwise
builtin.module attributes {a = #llm.scheme<>} {}
// -----
// error: a weight's parameters are never dynamic
builtin.module attributes {a = #llm.scheme<weight=#llm.quantization<i8, dynamic=true>>} {}
// -----
// error: per_token is for inputs; a weight's rows are its channels: use per_channel
builtin.module attributes {a = #llm.scheme<weight=#llm.quantization<i8, granularity=per_token>>} {}
// -----
// error: an input's rows are tokens: use per_token instead of per_channel
builtin.module attributes {a = #llm.scheme<input=#llm.quantization<i8, granularity=per_channel>>} {}
// -----
// error: unknown parameter 'output', expected weight or input
builtin.module attributes {a = #llm.scheme<output=#llm.quantization<i8>>} {}
// -----
// error: parameter 'input' is given twice
builtin.module attributes {a = #llm.scheme<input=#llm.quantization<i8>, input=#llm.quantization<i8>>} {}
// -----
// error: unknown rope scaling 'yarn', expected linear or llama3
builtin.module attributes {a = #llm.rope_scaling<yarn, factor=2.0>} {}
// -----
// error: rope scaling factor must be finite and positive, got 0.0
builtin.module attributes {a = #llm.rope_scaling<linear, factor=0.0>} {}
// -----
// error: rope scaling low_freq_factor must be finite and positive, got -1.0
builtin.module attributes {a = #llm.rope_scaling<llama3,
  factor=8.0, low_freq_factor=-1, high_freq_factor=4, original_context=8>} {}
// -----
// error: linear rope scaling has a factor and nothing else
builtin.module attributes {a = #llm.rope_scaling<linear, factor=2.0, original_context=8>} {}
// -----
// error: llama3 rope scaling needs low_freq_factor, high_freq_factor and original_context
builtin.module attributes {a = #llm.rope_scaling<llama3, factor=8.0, low_freq_factor=1.0>} {}
// -----
// error: rope scaling needs factor=...
builtin.module attributes {a = #llm.rope_scaling<linear>} {}
// -----
// error: smallest_range must be finite and not negative, got -1.0
builtin.module attributes {a = #llm.quantization<i8, smallest_range=-1.0>} {}
// -----
// error: unknown scale rounding 'up', expected one of mx, floor, ceil, round, midmax
builtin.module attributes {a = #llm.quantization<i8, scale=f8E8M0FNU, scale_rounding=up>} {}
// -----
// error: scale_rounding is for scales that are powers of two, f32 scales are not; use scale=f8E8M0FNU
builtin.module attributes {a = #llm.quantization<i8, scale=f32, scale_rounding=ceil>} {}
// -----
// error: axis=0 is for groups along the rows; leave axis out for everything else
builtin.module attributes {a = #llm.quantization<i8, group_size=4, axis=1>} {}
// -----
// error: axis=0 is for groups along the rows; leave axis out for everything else
builtin.module attributes {a = #llm.quantization<i8, granularity=per_channel, axis=0>} {}
// -----
// error: an input's groups run along its last dimension; remove axis
builtin.module attributes {a = #llm.scheme<input=#llm.quantization<i8, group_size=4, axis=0, dynamic=true>>} {}
// -----
// error: group_rows is for groups; give group_size too, or remove group_rows
builtin.module attributes {a = #llm.quantization<i8, group_rows=4>} {}
// -----
// error: blocks lie in the last two dimensions; remove axis or group_rows
builtin.module attributes {a = #llm.quantization<i8, group_size=4, axis=0, group_rows=4>} {}
// -----
// error: group_rows must be at least 2, got 0; remove it for groups of one row
builtin.module attributes {a = #llm.quantization<i8, group_size=4, group_rows=0>} {}
// -----
// error: an input's groups are parts of one row; remove group_rows
builtin.module attributes {a = #llm.scheme<input=#llm.quantization<i8, group_size=4, group_rows=4>>} {}
