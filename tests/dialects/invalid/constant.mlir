// error: a constant has a static shape, got !llm.quantized_tensor<?x4xi4, scale=f32>
%w = llm.constant {codes = dense<1> : tensor<2x4xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<?x4xi4, scale=f32>
// -----
// error: !llm.quantized_tensor<2x4xi4, scale=f32> has no zero_point, remove it
%w = llm.constant {codes = dense<1> : tensor<2x4xi8>, scale = dense<1.0> : tensor<1xf32>, zero_point = dense<1> : tensor<1xi8>} : !llm.quantized_tensor<2x4xi4, scale=f32>
// -----
// error: !llm.quantized_tensor<2x4xi4, scale=f32> has no min_scale, remove it
%w = llm.constant {codes = dense<1> : tensor<2x4xi8>, scale = dense<1.0> : tensor<1xf32>, min_scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32>
// -----
// error: !llm.quantized_tensor<2x4xui4, scale=f32, min=f16> needs min
%w = llm.constant {codes = dense<1> : tensor<2x4xui8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<2x4xui4, scale=f32, min=f16>
// -----
// error: needs scale_scale
%w = llm.constant {codes = dense<1> : tensor<2x4xi8>, scale = dense<1> : tensor<2xui8>} : !llm.quantized_tensor<2x4xi4, scale=!llm.scale<ui6, scale=f16>, axis=0>
// -----
// error: codes is 4x2, expected 2x4
%w = llm.constant {codes = dense<1> : tensor<4x2xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32>
// -----
// error: scale is 4, expected 2
%w = llm.constant {codes = dense<1> : tensor<2x4xi8>, scale = dense<1.0> : tensor<4xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, axis=0>
// -----
// error: codes must be integers, got f32
%w = llm.constant {codes = dense<1.0> : tensor<2x4xf32>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32>
// -----
// error: codes holds 8, expected -8 to 7 for i4
%w = llm.constant {codes = dense<[[0, 1, 2, 8]]> : tensor<1x4xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi4, scale=f32>
// -----
// error: codes holds 16, expected 0 to 15 for f4E2M1FN
%w = llm.constant {codes = dense<16> : tensor<1x4xui8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xf4E2M1FN, scale=f32>
// -----
// error: zero_point holds -1, expected 0 to 15 for ui4
%w = llm.constant {codes = dense<1> : tensor<1x4xui8>, scale = dense<1.0> : tensor<1xf32>, zero_point = dense<-1> : tensor<1xi8>} : !llm.quantized_tensor<1x4xui4, scale=f32, zp=ui4>
// -----
// error: scale is of f32, expected f16 as the result type says
%w = llm.constant {codes = dense<1> : tensor<1x4xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi4, scale=f16>
// -----
// error: min must be finite
%w = llm.constant {codes = dense<1> : tensor<1x4xui8>, scale = dense<1.0> : tensor<1xf32>, min = dense<0x7F800000> : tensor<1xf32>} : !llm.quantized_tensor<1x4xui4, scale=f32, min=f32>
// -----
// error: a constant is an !llm quantized, mixed_quantized or sparse_quantized tensor
%w = llm.constant {codes = dense<1> : tensor<1x4xi8>, scale = dense<1.0> : tensor<1xf32>} : tensor<1x4xi8>
// -----
// error: expected dense<...>
%w = llm.constant {codes = 1 : i8, scale = dense<1.0> : tensor<1xf32>} : !llm.quantized_tensor<1x4xi4, scale=f32>
// -----
// error: !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32> needs selector
%w = llm.constant {codes = dense<1> : tensor<2x2xi8>, scale = dense<1.0> : tensor<2xf32>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// -----
// error: has no selector, remove it
%w = llm.constant {codes = dense<1> : tensor<2x2xi8>, scale = dense<1.0> : tensor<1xf32>, selector = dense<0> : tensor<2xui8>} : !llm.quantized_tensor<2x2xi4, scale=f32>
// -----
// error: selector is 1, expected 2
%w = llm.constant {codes = dense<1> : tensor<2x2xi8>, scale = dense<1.0> : tensor<2xf32>, selector = dense<0> : tensor<1xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// -----
// error: the selector holds 2, expected 0 to 1
%w = llm.constant {codes = dense<1> : tensor<2x2xi8>, scale = dense<1.0> : tensor<2xf32>, selector = dense<2> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// -----
// error: codes holds 8, expected -8 to 7 for i4
%w = llm.constant {codes = dense<8> : tensor<2x2xi8>, scale = dense<1.0> : tensor<2xf32>, selector = dense<[0, 1]> : tensor<2xui8>} : !llm.mixed_quantized_tensor<2x2x!llm.mixed<i8,i4>, scale=f32>
// -----
// error: codes: 3 of the elements [1, 4] to [1, 7] are not zero, 2:4 has room for 2; prune the tensor first
%w = llm.constant {codes = dense<[[0, 1, 2, 0, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0, 2, 3]]> : tensor<2x8xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x8xi4, scale=f32>>
// -----
// error: codes holds 8, expected -8 to 7 for i4
%w = llm.constant {codes = dense<[[0, 0, 0, 8]]> : tensor<1x4xi8>, scale = dense<1.0> : tensor<1xf32>} : !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<1x4xi4, scale=f32>>
// -----
// error: has no selector, remove it
%w = llm.constant {codes = dense<[[0, 0, 0, 1]]> : tensor<1x4xi8>, scale = dense<1.0> : tensor<1xf32>, selector = dense<0> : tensor<1xui8>} : !llm.sparse_quantized_tensor<bitmask, !llm.quantized_tensor<1x4xi4, scale=f32>>
