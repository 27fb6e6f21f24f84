// error: input is 4x8 but result is 8x4
func.func @f(%a: !llm.quantized_tensor<4x8xi4, scale=f32>) { %b = llm.cast_codes(%a) : (!llm.quantized_tensor<4x8xi4, scale=f32>) -> !llm.quantized_tensor<8x4xi4, scale=f32>
func.return }
// -----
// error: !llm.quantized_tensor<4x8xi8, scale=f32> has no exact equal in !llm.quantized_tensor<4x8xi4, scale=f32>: i8 codes do not fit i4
func.func @f(%a: !llm.quantized_tensor<4x8xi8, scale=f32>) { %b = llm.cast_codes(%a) : (!llm.quantized_tensor<4x8xi8, scale=f32>) -> !llm.quantized_tensor<4x8xi4, scale=f32>
func.return }
