// error: unknown element format 'i9', expected i1..i8, ui1..ui8 or one of f8E4M3FN
func.func private @f(!llm.quantized_tensor<4xi9, scale=f32>)
// -----
// error: unknown element format 'f32'
func.func private @f(!llm.quantized_tensor<4xf32, scale=f32>)
// -----
// error: expected one of f16, bf16, f32, f64, got f8E5M2
func.func private @f(!llm.quantized_tensor<4xi8, scale=f8E5M2>)
// -----
// error: Unexpected attribute i8
func.func private @f(!llm.quantized_tensor<4xi8, scale=i8>)
// -----
// error: a symmetric quantized tensor has no zero point; remove zp
func.func private @f(!llm.quantized_tensor<4xi8, zp=i8, symmetric=true>)
// -----
// error: a symmetric quantized tensor has no minimum; remove min
func.func private @f(!llm.quantized_tensor<4xui8, min=f32, symmetric=true>)
// -----
// error: zp and min exclude each other: real is (code - zp) * scale or code * scale
func.func private @f(!llm.quantized_tensor<4xui8, zp=ui8, min=f32>)
// -----
// error: f8E5M2 codes are floats and have no zero point; remove zp and min
func.func private @f(!llm.quantized_tensor<4xf8E5M2, zp=f16>)
// -----
// error: zero point type i4 cannot hold every i8 code; use i8 or a wider type
func.func private @f(!llm.quantized_tensor<4xi8, zp=i4>)
// -----
// error: zero point type ui8 cannot hold every i8 code; use i8 or a wider type
func.func private @f(!llm.quantized_tensor<4xi8, zp=ui8>)
// -----
// error: expected one of f16, bf16, f32, f64, got f8E5M2
func.func private @f(!llm.quantized_tensor<4xi8, zp=f8E5M2>)
// -----
// error: expected one of f16, bf16, f32, f64, got f8E5M2
func.func private @f(!llm.quantized_tensor<4xi8, min=f8E5M2>)
// -----
// error: axis 2 is out of range for rank 2, expected 0 to 1
func.func private @f(!llm.quantized_tensor<4x8xi8, axis=2>)
// -----
// error: axis -1 is out of range for rank 2, expected 0 to 1
func.func private @f(!llm.quantized_tensor<4x8xi8, axis=-1>)
// -----
// error: pad is for groups; give group_size too, or remove pad
func.func private @f(!llm.quantized_tensor<4x8xi8, pad=1>)
// -----
// error: group_size must be at least 1, got 0
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=0>)
// -----
// error: group_size needs a dimension to group along, the tensor is a scalar
func.func private @f(!llm.quantized_tensor<i8, group_size=4>)
// -----
// error: pad needs a static size, dimension 1 is dynamic
func.func private @f(!llm.quantized_tensor<4x?xi8, group_size=8, pad=1>)
// -----
// error: group_size 128 does not divide dimension 1 of size 1000; use a divisor, or say pad=24
func.func private @f(!llm.quantized_tensor<4x1000xi8, group_size=128>)
// -----
// error: group_size 128 does not divide dimension 0 of size 1000
func.func private @f(!llm.quantized_tensor<1000x4xi8, group_size=128, axis=0>)
// -----
// error: pad is 8, but groups of 128 over dimension 1 of size 1000 need pad=24
func.func private @f(!llm.quantized_tensor<4x1000xi8, group_size=128, pad=8>)
// -----
// error: unknown parameter 'zero', expected one of scale, zp, min, symmetric, group_size, axis, pad, group_rows, pad_rows
func.func private @f(!llm.quantized_tensor<4xi8, zero=i8>)
// -----
// error: parameter 'axis' is given twice
func.func private @f(!llm.quantized_tensor<4xi8, axis=0, axis=0>)
// -----
// error: codebook:[0.0, 1.0] codes are entries of a codebook and have no zero point; remove zp and min
func.func private @f(!llm.quantized_tensor<4x!llm.codebook<1, [0.0, 1.0]>, min=f16>)
// -----
// error: unknown minifloat variant 'mx', expected ocp or fnuz
func.func private @f(!llm.minifloat<e4m3, mx>)
// -----
// error: minifloat e4m4 has 9 bits and 4 for the exponent; expected at most 8 bits, sign included, and at least 1
func.func private @f(!llm.minifloat<e4m4>)
// -----
// error: minifloat e0m3 has 4 bits and 0 for the exponent; expected at most 8 bits, sign included, and at least 1
func.func private @f(!llm.minifloat<e0m3>)
// -----
// error: 'fp8' is not a float's shape, expected eXmY such as e4m3
func.func private @f(!llm.minifloat<fp8>)
// -----
// error: unknown codebook 'nf3', expected nf4, iq4_nl or bits and a list of entries
func.func private @f(!llm.codebook<nf3>)
// -----
// error: a codebook of 2 bits has 2^2 entries, got 3
func.func private @f(!llm.codebook<2, [0.0, 1.0, 2.0]>)
// -----
// error: a codebook has 2^bits entries for 1 to 8 bits, got 1
func.func private @f(!llm.codebook<0, [0.0]>)
// -----
// error: codebook entry inf is not a finite float32
func.func private @f(!llm.codebook<1, [0.0, 1.0e999]>)
// -----
// error: codebook entries 1 and 3 are both 0.5; they must be distinct
func.func private @f(!llm.codebook<2, [0.0, 0.5, 1.0, 0.5]>)
// -----
// error: group_size of a scale must be at least 1, got 0
func.func private @f(!llm.scale<ui6, scale=f16, group_size=0>)
// -----
// error: unknown element format 'i9'
func.func private @f(!llm.scale<i9, scale=f16>)
// -----
// error: expected one of f16, bf16, f32, f64, got f8E8M0FNU
func.func private @f(!llm.scale<ui6, scale=f8E8M0FNU>)
// -----
// error: expected one of f16, bf16, f32, f64, got f8E8M0FNU
func.func private @f(!llm.quantized_tensor<4xui4, min=f8E8M0FNU>)
// -----
// error: unknown parameter 'axis', expected one of scale, group_size
func.func private @f(!llm.scale<ui6, axis=0>)
// -----
// error: scale is !llm.scale<ui6, scale=f16>, but a tensor with one scale has no second level of scales; give axis or
func.func private @f(!llm.quantized_tensor<4x8xi8, scale=!llm.scale<ui6, scale=f16>>)
// -----
// error: min is !llm.scale<ui6, scale=f16>, but a tensor with one scale has no second level of scales
func.func private @f(!llm.quantized_tensor<4x8xui8, min=!llm.scale<ui6, scale=f16>>)
// -----
// error: group_size 8 of !llm.scale<ui6, scale=f16, group_size=8> does not divide the 18 groups of dimension 1; use a
func.func private @f(!llm.quantized_tensor<4x576xui4, scale=!llm.scale<ui6, scale=f16, group_size=8>, group_size=32>)
// -----
// error: group_size 3 of !llm.scale<ui6, scale=f16, group_size=3> does not divide the 4 groups of dimension 0
func.func private @f(!llm.quantized_tensor<4x576xi4, scale=!llm.scale<ui6, scale=f16, group_size=3>, axis=0>)
// -----
// error: a mixed element type needs at least two formats, got 1
func.func private @f(!llm.mixed<i8>)
// -----
// error: a mixed element type lists each format once, got i8, i4, i8
func.func private @f(!llm.mixed<i8,i4,i8>)
// -----
// error: a mixed quantized tensor chooses a format for each row, it cannot be a
func.func private @f(!llm.mixed_quantized_tensor<!llm.mixed<i8,i4>, scale=f32>)
// -----
// error: unknown parameter 'axis', expected one of scale
func.func private @f(!llm.mixed_quantized_tensor<4x!llm.mixed<i8,i4>, axis=0>)
// -----
// error: group_rows is for groups; give group_size too, or remove group_rows
func.func private @f(!llm.quantized_tensor<4x8xi8, group_rows=2>)
// -----
// error: pad_rows is for blocks; give group_rows too, or remove pad_rows
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=4, pad_rows=2>)
// -----
// error: blocks lie in the last two dimensions; remove axis or group_rows
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=4, axis=1, group_rows=2>)
// -----
// error: group_rows needs two dimensions, the tensor has 1
func.func private @f(!llm.quantized_tensor<8xi8, group_size=4, group_rows=2>)
// -----
// error: group_rows must be at least 2, got 1; remove it for groups of one row
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=4, group_rows=1>)
// -----
// error: blocks of one column are groups of rows: say group_size=2, axis=0
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=1, group_rows=2>)
// -----
// error: group_rows 3 does not divide dimension 0 of size 4; use a divisor, or say pad_rows=2
func.func private @f(!llm.quantized_tensor<4x8xi8, group_size=4, group_rows=3>)
// -----
// error: pad_rows is 1, but groups of 3 over dimension 1 of size 4 need pad_rows=2
func.func private @f(!llm.quantized_tensor<2x4x8xi8, group_size=4, group_rows=3, pad_rows=1>)
// -----
// error: pad_rows needs a static size, dimension 0 is dynamic
func.func private @f(!llm.quantized_tensor<?x8xi8, group_size=4, group_rows=3, pad_rows=1>)
// -----
// error: group_size 128 does not divide dimension 1 of size 1000; use a divisor, or say pad=24
func.func private @f(!llm.quantized_tensor<4x1000xi8, group_size=128, group_rows=2>)
