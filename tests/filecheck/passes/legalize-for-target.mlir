// RUN: llmir-opt %s -p 'legalize-for-target{target=x86-avx512-vnni}' | filecheck %s --check-prefix=VNNI
// RUN: llmir-opt %s -p 'legalize-for-target{target=x86-avx2}' | filecheck %s --check-prefix=AVX2
// RUN: llmir-opt %s -p 'legalize-for-target{target=x86-amx}' | filecheck %s --check-prefix=AMX
// RUN: llmir-opt %s -p 'legalize-for-target{target=arm-i8mm}' | filecheck %s --check-prefix=ARM
// RUN: llmir-opt %s -p 'legalize-for-target{target=nvidia-sm80}' | filecheck %s --check-prefix=SM80
// RUN: llmir-opt %s -p 'legalize-for-target{target=nvidia-sm90}' | filecheck %s --check-prefix=SM90
// RUN: llmir-opt %s -p 'legalize-for-target{target=nvidia-sm80 compute-type=f16}' | filecheck %s --check-prefix=HALF
// RUN: llmir-opt %s -p legalize-for-target | filecheck %s --check-prefix=NUMPY
// RUN: not llmir-opt %s -p 'legalize-for-target{target=abacus}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not llmir-opt %s -p 'legalize-for-target{target=abacus.toml}' 2>&1 | filecheck %s --check-prefix=FILE

// UNKNOWN: legalize-for-target: unknown target 'abacus', expected one of arm-i8mm,
// FILE: legalize-for-target: abacus.toml: cannot be read: No such file or directory

// NUMPY-NOT: llm.cast_codes
// NUMPY-NOT: llm.remark

llm.weight @i8 : !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, axis=0>
llm.weight @i4 : !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, axis=0>
llm.weight @ui4 : !llm.quantized_tensor<16x64xui4, scale=f16, zp=ui4, group_size=32>
llm.weight @f8 : !llm.quantized_tensor<16x64xf8E4M3FN, scale=f32, axis=0>

// signed inputs where only unsigned ones exist (VNNI), and unsigned where only signed ones do (AVX2, weights of 8 bits)
// VNNI-LABEL: func.func @signs
// VNNI:      %[[S:.*]] = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>
// VNNI-NEXT: %[[U:.*]] = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
// VNNI-NEXT: %[[W:.*]] = llm.load_weight @i8
// VNNI-NEXT: %[[C:.*]] = llm.cast_codes(%[[S]]) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8, axis=0>
// VNNI-NEXT: llm.quantized_matmul(%[[C]], %[[W]]) {llm.remark = "input i8 -> ui8, codes +128; target 'x86-avx512-vnni' has no kernel for i8 inputs and i8 weights"}
// VNNI-NEXT: llm.quantized_matmul(%[[U]], %[[W]]) : 
// AVX2-LABEL: func.func @signs
// AVX2:      %[[S:.*]] = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>
// AVX2-NEXT: %[[U:.*]] = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
// AVX2-NEXT: %[[W:.*]] = llm.load_weight @i8
// AVX2-NEXT: llm.quantized_matmul(%[[S]], %[[W]]) : 
// AVX2-NEXT: %[[C:.*]] = llm.cast_codes(%[[U]]) : (!llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>) -> !llm.quantized_tensor<?x64xi8, scale=f32, zp=i8>
// AVX2-NEXT: llm.quantized_matmul(%[[C]], %[[W]]) {llm.remark = "input ui8 -> i8, codes -128; target 'x86-avx2' has no kernel for ui8 inputs and i8 weights"}
// both signs have tiles (AMX) and tensor cores (SM80, SM90)
// AMX-LABEL: func.func @signs
// AMX-NOT:   llm.cast_codes
// AMX-NOT:   llm.remark
// AMX:       func.return
// SM80-LABEL: func.func @signs
// SM80-NOT:   llm.cast_codes
// SM80-NOT:   llm.remark
// SM80:       func.return
// one scale for each token, where the input has one for all
// ARM-LABEL: func.func @signs
// ARM:       %[[U:.*]] = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
// ARM:       %[[C:.*]] = llm.cast_codes(%[[U]]) : (!llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>) -> !llm.quantized_tensor<?x64xi8, scale=f32, zp=i8, axis=0>
// ARM-NEXT:  llm.quantized_matmul(%[[C]], %{{.*}}) {llm.remark = "input ui8 -> i8, codes -128 and scales per_tensor -> per_row; target 'arm-i8mm' has no kernel for ui8 inputs and i8 weights"}
func.func @signs(%x: tensor<?x64xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %s = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>
  %u = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>
  %w = llm.load_weight @i8 : !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, axis=0>
  %y = llm.quantized_matmul(%s, %w) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x16xf32>
  %z = llm.quantized_matmul(%u, %w) : (!llm.quantized_tensor<?x64xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x16xf32>
  func.return %y, %z : tensor<?x16xf32>, tensor<?x16xf32>
}

// 4-bit weights become wider where there are no 4-bit products
// SM90-LABEL: func.func @four_bits
// SM90:      %[[Q:.*]] = llm.quantize
// SM90-NEXT: %[[W:.*]] = llm.load_weight @i4
// SM90-NEXT: %[[C:.*]] = llm.cast_codes(%[[W]]) : (!llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, axis=0>) -> !llm.quantized_tensor<16x64xi8, scale=f32, symmetric=true, axis=0>
// SM90-NEXT: llm.quantized_matmul(%[[Q]], %[[C]]) {llm.remark = "weight i4 -> i8; target 'nvidia-sm90' has no kernel for i8 inputs and i4 weights"}
// kernels that take them (vpmaddwd on bytes, KleidiAI's qsi4cxp)
// AVX2-LABEL: func.func @four_bits
// AVX2-NOT:   llm.cast_codes
// AVX2:       func.return
// ARM-LABEL: func.func @four_bits
// ARM-NOT:   llm.cast_codes
// ARM:       func.return
func.func @four_bits(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %q = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>
  %w = llm.load_weight @i4 : !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, axis=0>
  %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<16x64xi4, scale=f32, symmetric=true, axis=0>) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}

// zero points are taken off codes that become wider; where kernels take them they stay
// SM80-LABEL: func.func @zero_points
// SM80:      %[[C:.*]] = llm.cast_codes(%{{.*}}) : (!llm.quantized_tensor<16x64xui4, scale=f16, zp=ui4, group_size=32>) -> !llm.quantized_tensor<16x64xi8, scale=f16, symmetric=true, group_size=32>
// SM80-NEXT: llm.quantized_matmul(%{{.*}}, %[[C]]) {llm.remark = "weight ui4 -> i8 less zero points; target 'nvidia-sm80' has no kernel for i8 inputs and ui4 weights"}
// VNNI-LABEL: func.func @zero_points
// VNNI:       llm.cast_codes(%{{.*}}) : (!llm.quantized_tensor<16x64xui4, scale=f16, zp=ui4, group_size=32>) -> !llm.quantized_tensor<16x64xi8, scale=f16, zp=i8, group_size=32>
// scales of the input are repeated for each group
// ARM-LABEL: func.func @zero_points
// ARM:       %[[C:.*]] = llm.cast_codes(%{{.*}}) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, group_size=32>
// ARM-NEXT:  llm.quantized_matmul(%[[C]], %{{.*}}) {llm.remark = "input scales per_row -> for groups of 32; target 'arm-i8mm' has no kernel for i8 inputs and ui4 weights
func.func @zero_points(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %q = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>
  %w = llm.load_weight @ui4 : !llm.quantized_tensor<16x64xui4, scale=f16, zp=ui4, group_size=32>
  %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<16x64xui4, scale=f16, zp=ui4, group_size=32>) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}

// 8-bit floats are dequantized where there are none
// SM80-LABEL: func.func @floats
// SM80-SAME:  (%[[X:.*]]: tensor<?x64xf32>, %[[B:.*]]: tensor<16xf32>)
// SM80:      %[[Q:.*]] = llm.quantize(%[[X]])
// SM80-NEXT: %[[W:.*]] = llm.load_weight @f8
// SM80-NEXT: %[[RX:.*]] = llm.dequantize(%[[Q]])
// SM80-NEXT: %[[RW:.*]] = llm.dequantize(%[[W]])
// SM80-NEXT: llm.linear(%[[RX]], %[[RW]]) bias(%[[B]]) {llm.remark = "input and weight dequantized: target 'nvidia-sm80' has no kernel for f8E4M3FN inputs and f8E4M3FN weights"}
// SM90-LABEL: func.func @floats
// SM90-NOT:   llm.dequantize
// SM90:       func.return
func.func @floats(%x: tensor<?x64xf32>, %b: tensor<16xf32>) -> tensor<?x16xf32> {
  %q = llm.quantize(%x) : (tensor<?x64xf32>) -> !llm.quantized_tensor<?x64xf8E4M3FN, scale=f32, axis=0>
  %w = llm.load_weight @f8 : !llm.quantized_tensor<16x64xf8E4M3FN, scale=f32, axis=0>
  %y = llm.quantized_matmul(%q, %w) bias(%b) : (!llm.quantized_tensor<?x64xf8E4M3FN, scale=f32, axis=0>, !llm.quantized_tensor<16x64xf8E4M3FN, scale=f32, axis=0>, tensor<16xf32>) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}

// float weights narrower than their kernel's become wider
// ARM-LABEL: func.func @narrow
// ARM:       %[[E:.*]] = arith.extf %w : tensor<16x64xf16> to tensor<16x64xf32>
// ARM-NEXT:  llm.linear(%x, %[[E]]) {llm.remark = "weight f16 -> f32; target 'arm-i8mm' has no kernel for f32 inputs and f16 weights"}
// HALF-LABEL: func.func @narrow
// HALF-NEXT: %[[H:.*]] = arith.truncf %x : tensor<?x64xf32> to tensor<?x64xf16>
// HALF-NEXT: llm.linear(%[[H]], %w) {llm.remark = "input rounded to f16 as compute-type says"}
// SM80-LABEL: func.func @narrow
// SM80-NEXT: llm.linear(%x, %w) :
// AVX2-LABEL: func.func @narrow
// AVX2-NOT:   arith.extf
// AVX2:       func.return
func.func @narrow(%x: tensor<?x64xf32>, %w: tensor<16x64xf16>) -> tensor<?x16xf32> {
  %y = llm.linear(%x, %w) : (tensor<?x64xf32>, tensor<16x64xf16>) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}
