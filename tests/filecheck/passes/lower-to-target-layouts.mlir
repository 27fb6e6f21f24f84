// RUN: llmir-opt %s -p 'lower-to-target{target=x86-avx2}' | filecheck %s --check-prefix=AVX2
// RUN: llmir-opt %s -p 'lower-to-target{target=x86-avx512-vnni}' | filecheck %s --check-prefix=VNNI
// RUN: llmir-opt %s -p 'lower-to-target{target=x86-amx}' | filecheck %s --check-prefix=AMX
// RUN: llmir-opt %s -p 'lower-to-target{target=arm-neon-dotprod}' | filecheck %s --check-prefix=DOT
// RUN: llmir-opt %s -p 'lower-to-target{target=arm-i8mm}' | filecheck %s --check-prefix=I8MM
// RUN: llmir-opt %s -p 'lower-to-target{target=nvidia-sm80}' | filecheck %s --check-prefix=SM80
// RUN: llmir-opt %s -p 'lower-to-target{target=nvidia-sm90}' | filecheck %s --check-prefix=SM90
// RUN: llmir-opt %s -p 'lower-to-target{target=nvidia-sm80 compute-type=bf16}' | filecheck %s --check-prefix=HALF
// RUN: not llmir-opt %s -p 'lower-to-target{target=arm-i8mm}' -t numpy 2>&1 | filecheck %s --check-prefix=BACKEND
// RUN: not llmir-opt %s -p 'lower-to-target,lower-to-target{target=arm-i8mm}' 2>&1 | filecheck %s --check-prefix=TWICE

// BACKEND: the module is lowered to target 'arm-i8mm', which has no backend yet; the numpy backend runs what lower-to-target{target=numpy} makes
// TWICE: lower-to-target: the module was lowered to target 'numpy' already

// I8MM: builtin.module attributes {kernel.target = "arm-i8mm"}

llm.weight @i4 : !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64>
llm.weight @marlin : !llm.quantized_tensor<64x128xi4, scale=f16, symmetric=true, group_size=64>
llm.weight @float : tensor<64x128xbf16>

// AVX2-LABEL: func.func @integers
// AVX2:      %[[Q:.*]] = kernel.call @quantize(%x)
// AVX2-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<interleaved, nr=8, kr=2, k_tile=2>} : !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64> -> tensor<9216xui8>
// AVX2-NEXT: kernel.call @gemm_s8s8s32_madd(%[[Q]], %[[W]]) {tile = array<i64: 4, 8, 2>}

// VNNI-LABEL: func.func @integers
// VNNI:      %[[Q:.*]] = kernel.call @quantize(%x)
// VNNI-NEXT: %[[U:.*]] = kernel.call @cast_codes(%[[Q]]) {format = !llm.quantized_tensor<?x128xui8, scale=f32, zp=ui8, axis=0>}
// VNNI-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<interleaved, nr=16, kr=4, k_tile=4>, cast = !llm.quantized_tensor<64x128xi8, scale=bf16, symmetric=true, group_size=64>}
// VNNI-NEXT: kernel.call @gemm_u8s8s32_vnni(%[[U]], %[[W]]) {tile = array<i64: 6, 32, 4>, llm.remark = "input i8 -> ui8, codes +128; weight i4 -> i8; target 'x86-avx512-vnni' has no kernel for i8 inputs and i4 weights"}

// AMX-LABEL: func.func @integers
// AMX:      %[[Q:.*]] = kernel.call @quantize(%x)
// AMX-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<interleaved, nr=16, kr=4, k_tile=64>, cast = !llm.quantized_tensor<64x128xi8, scale=bf16, symmetric=true, group_size=64>}
// AMX-NEXT: kernel.call @gemm_s8s8s32_amx(%[[Q]], %[[W]]) {tile = array<i64: 16, 16, 64>, llm.remark = "weight i4 -> i8; 

// DOT-LABEL: func.func @integers
// DOT:      %[[Q:.*]] = kernel.call @quantize(%x)
// DOT-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<kleidiai_qsi4c32p, nr=4, kr=16, sr=2>} : !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64> -> tensor<4864xui8>
// DOT-NEXT: kernel.call @kai_matmul_clamp_f32_qai8dxp1x8_qsi4c32p4x8_1x4x32_neon_dotprod(%[[Q]], %[[W]]) {tile = array<i64: 1, 4, 32>}

// the same packed weight, other kernels
// I8MM-LABEL: func.func @integers
// I8MM:      %[[Q:.*]] = kernel.call @quantize(%x)
// I8MM-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<kleidiai_qsi4c32p, nr=4, kr=16, sr=2>} : !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64> -> tensor<4864xui8>
// I8MM-NEXT: kernel.call @kai_matmul_clamp_f32_qai8dxp4x8_qsi4c32p4x8_8x4x32_neon_i8mm(%[[Q]], %[[W]]) {tile = array<i64: 8, 4, 32>}

// SM80-LABEL: func.func @integers
// SM80:      %[[Q:.*]] = kernel.call @quantize(%x)
// SM80-NEXT: %[[W:.*]] = kernel.load @i4 {layout = #kernel.layout<mma, k=32>, cast = !llm.quantized_tensor<64x128xi8, scale=bf16, symmetric=true, group_size=64>}
// SM80-NEXT: kernel.call @gemm_s8s8s32_mma(%[[Q]], %[[W]]) {tile = array<i64: 16, 8, 32>, llm.remark = "weight i4 -> i8; 

// SM90-LABEL: func.func @integers
// SM90:      %[[Q:.*]] = kernel.call @quantize(%x)
// SM90-NEXT: %[[L:.*]] = kernel.load @i4 {layout = "codes"}
// SM90-NEXT: %[[W:.*]] = kernel.call @cast_codes(%[[L]]) {format = !llm.quantized_tensor<64x128xi8, scale=bf16, symmetric=true, group_size=64>}
// SM90-NEXT: kernel.call @gemm_s8s8s32_wgmma(%[[Q]], %[[W]]) {tile = array<i64: 64, 128, 32>, llm.remark = "weight i4 -> i8; 
func.func @integers(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %q = llm.quantize(%x) : (tensor<?x128xf32>) -> !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>
  %w = llm.load_weight @i4 : !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64>
  %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// SM80-LABEL: func.func @weight_only
// SM80-NEXT: %[[W:.*]] = kernel.load @marlin {layout = #kernel.layout<marlin>} : !llm.quantized_tensor<64x128xi4, scale=f16, symmetric=true, group_size=64> -> tensor<4352xui8>
// SM80-NEXT: kernel.call @gemm_f16s4_marlin(%x, %[[W]]) {tile = array<i64: 16, 64, 16>} : (tensor<?x128xf16>, tensor<4352xui8>) -> tensor<?x64xf32>
// SM90-LABEL: func.func @weight_only
// SM90-NEXT: %[[W:.*]] = kernel.load @marlin {layout = "codes"}
// SM90-NEXT: kernel.call @gemm_dequantizing(%x, %[[W]])
// VNNI-LABEL: func.func @weight_only
// VNNI-NEXT: %[[E:.*]] = kernel.call @cast(%x) {dtype = "float32"} : (tensor<?x128xf16>) -> tensor<?x128xf32>
// VNNI-NEXT: %[[W:.*]] = kernel.load @marlin {layout = "codes"}
// VNNI-NEXT: kernel.call @gemm_f32_dequantizing(%[[E]], %[[W]])
func.func @weight_only(%x: tensor<?x128xf16>) -> tensor<?x64xf32> {
  %w = llm.load_weight @marlin : !llm.quantized_tensor<64x128xi4, scale=f16, symmetric=true, group_size=64>
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x128xf16>, !llm.quantized_tensor<64x128xi4, scale=f16, symmetric=true, group_size=64>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// AMX-LABEL: func.func @floats
// AMX-NEXT: %[[W:.*]] = kernel.load @float {layout = #kernel.layout<interleaved, nr=16, kr=2, k_tile=32>} : tensor<64x128xbf16> -> tensor<16384xui8>
// AMX-NEXT: kernel.call @gemm_bf16_amx(%x, %[[W]]) {tile = array<i64: 16, 16, 32>}
// SM80-LABEL: func.func @floats
// SM80-NEXT: %[[W:.*]] = kernel.load @float {layout = #kernel.layout<mma, k=16>} : tensor<64x128xbf16> -> tensor<16384xui8>
// SM80-NEXT: kernel.call @gemm_bf16_mma(%x, %[[W]])
// DOT-LABEL: func.func @floats
// DOT:      %[[W:.*]] = kernel.load @float {layout = #kernel.layout<kleidiai_float, nr=8>, cast = tensor<64x128xf32>} : tensor<64x128xbf16> -> tensor<33024xui8>
// DOT-NEXT: kernel.call @kai_matmul_clamp_f32_f32_f32p8x1biasf32_6x8x4_neon_mla(%{{.*}}, %[[W]])
func.func @floats(%x: tensor<?x128xbf16>) -> tensor<?x64xf32> {
  %w = llm.load_weight @float : tensor<64x128xbf16>
  %y = llm.linear(%x, %w) : (tensor<?x128xbf16>, tensor<64x128xbf16>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// f32 inputs go to tensor cores when they may be rounded
// SM80-LABEL: func.func @rounded
// SM80-NEXT: %[[W:.*]] = kernel.load @float {layout = "dense"}
// SM80-NEXT: kernel.call @gemm_f32(%x, %[[W]])
// HALF-LABEL: func.func @rounded
// HALF-NEXT: %[[X:.*]] = kernel.call @cast(%x) {dtype = "bfloat16"} : (tensor<?x128xf32>) -> tensor<?x128xbf16>
// HALF-NEXT: %[[W:.*]] = kernel.load @float {layout = #kernel.layout<mma, k=16>}
// HALF-NEXT: kernel.call @gemm_bf16_mma(%[[X]], %[[W]])
func.func @rounded(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.load_weight @float : tensor<64x128xbf16>
  %y = llm.linear(%x, %w) : (tensor<?x128xf32>, tensor<64x128xbf16>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}

// a value that is no weight is packed by a kernel
// AMX-LABEL: func.func @computed
// AMX-NEXT: %[[P:.*]] = kernel.call @pack(%w) {layout = #kernel.layout<interleaved, nr=16, kr=4, k_tile=64>} : (!llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<8704xui8>
// AMX-NEXT: kernel.call @gemm_s8s8s32_amx(%q, %[[P]])
func.func @computed(%q: !llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, %w: !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32> {
  %y = llm.quantized_matmul(%q, %w) : (!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}
