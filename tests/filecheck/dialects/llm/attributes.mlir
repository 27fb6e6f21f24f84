// RUN: %roundtrip
// RUN: %generic-roundtrip

builtin.module attributes {
  a_default = #llm.quantization<i8>,
// CHECK: a_default = #llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>
  b_group = #llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>,
// CHECK-SAME: b_group = #llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>
  c_group_alone = #llm.quantization<i4, group_size=32>,
// CHECK-SAME: c_group_alone = #llm.quantization<i4, scale=f32, granularity=per_group, group_size=32, method=absmax>
  d_zero_point = #llm.quantization<ui4, zp=ui4, granularity=per_channel, method=minmax>,
// CHECK-SAME: d_zero_point = #llm.quantization<ui4, scale=f32, zp=ui4, granularity=per_channel, method=minmax>
  e_minimum = #llm.quantization<ui4, min=f16, granularity=per_token>,
// CHECK-SAME: e_minimum = #llm.quantization<ui4, scale=f32, min=f16, granularity=per_token, method=absmax>
  f_flags = #llm.quantization<i8, narrow_range=true, pad=true, dynamic=true, group_size=8>,
// CHECK-SAME: f_flags = #llm.quantization<i8, scale=f32, granularity=per_group, group_size=8, method=absmax, narrow_range=true, pad=true, dynamic=true>
  g_float = #llm.quantization<f8E4M3FN, scale=bf16>,
// CHECK-SAME: g_float = #llm.quantization<f8E4M3FN, scale=bf16, granularity=per_tensor, method=absmax>
  h_weight = #llm.scheme<weight=#llm.quantization<i4, group_size=32>>,
// CHECK-SAME: h_weight = #llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_group, group_size=32, method=absmax>>
  i_input = #llm.scheme<input=#llm.quantization<i8, granularity=per_token, dynamic=true>>,
// CHECK-SAME: i_input = #llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_token, method=absmax, dynamic=true>>
  j_both = #llm.scheme<input=#llm.quantization<i8>, weight=#llm.quantization<i8, granularity=per_channel>>,
// CHECK-SAME: j_both = #llm.scheme<weight=#llm.quantization<i8, scale=f32, granularity=per_channel, method=absmax>, input=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>>
  k_linear = #llm.rope_scaling<linear, factor=2.0>,
// CHECK-SAME: k_linear = #llm.rope_scaling<linear, factor=2.0>
  l_llama3 = #llm.rope_scaling<llama3, factor=8, low_freq_factor=1.0, high_freq_factor=4.0, original_context=8192>,
// CHECK-SAME: l_llama3 = #llm.rope_scaling<llama3, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_context=8192>
  m_small = #llm.rope_scaling<linear, factor=1.0e-5>,
// CHECK-SAME: m_small = #llm.rope_scaling<linear, factor=1.0e-05>
  n_blocks = #llm.quantization<f8E4M3FN, group_rows=64, group_size=128, pad=true>
// CHECK-SAME: n_blocks = #llm.quantization<f8E4M3FN, scale=f32, granularity=per_group, group_size=128, group_rows=64, method=absmax, pad=true>
} {
}
