// error: unknown packing 'origami', expected one of kleidiai_qsi4c32p,
builtin.module attributes {a = #kernel.layout<origami>} {}
// -----
// error: size 'depth' of mma is unknown, expected k
builtin.module attributes {a = #kernel.layout<mma, depth=16>} {}
// -----
// error: size 'k' of mma is given twice
builtin.module attributes {a = #kernel.layout<mma, k=16, k=32>} {}
// -----
// error: kleidiai_qsi8cxp needs the size kr
builtin.module attributes {a = #kernel.layout<kleidiai_qsi8cxp, nr=4>} {}
// -----
// error: there is no mma.m16n8k8 layout, expected k16, k32 or k64
builtin.module attributes {a = #kernel.layout<mma, k=8>} {}
// -----
// error: result is tensor<9xui8>, but #kernel.layout<mma, k=16> of tensor<8x16xf16> is tensor<256xui8>
%w = kernel.load @w {layout = #kernel.layout<mma, k=16>} : tensor<8x16xf16> -> tensor<9xui8>
// -----
// error: #kernel.layout<mma, k=16> cannot hold tensor<8x16xf32>: the weight is float32, expected float16 or bfloat16
%w = kernel.load @w {layout = #kernel.layout<mma, k=16>} : tensor<8x16xf32> -> tensor<512xui8>
// -----
// error: only a matrix of static shape is packed, got tensor<8xf16>
%w = kernel.load @w {layout = #kernel.layout<mma, k=16>} : tensor<8xf16> -> tensor<16xui8>
// -----
// error: cast is for weights that are packed when they are loaded, remove it
%w = kernel.load @w {layout = "dense", cast = tensor<8x16xf32>} : tensor<8x16xf16> -> tensor<8x16xf32>
