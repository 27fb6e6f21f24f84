// RUN: llmir-opt %s -p cast-weights | filecheck %s --check-prefixes=CHECK,F16
// RUN: llmir-opt %s -p 'cast-weights{type=f16}' | filecheck %s --check-prefixes=CHECK,F16
// RUN: llmir-opt %s -p 'cast-weights{type=bf16}' | filecheck %s --check-prefixes=CHECK,BF16
// RUN: llmir-opt %s -p 'cast-weights{type=f32}' | filecheck %s --check-prefixes=F32
// RUN: not llmir-opt %s -p 'cast-weights{type=f8}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not llmir-opt %s -p 'cast-weights{type=f32},cast-weights{type=f64}' 2>&1 | filecheck %s --check-prefix=WIDE

// UNKNOWN: cast-weights: unknown type 'f8', expected one of f16, bf16, f32
// WIDE: cast-weights: unknown type 'f64', expected one of f16, bf16, f32

// weights, biases and tables; 1/3 is rounded, as is 65519 in f16, which 65520 would not be
// F16: %[[T:.*]] = arith.constant dense<{{\[\[}}3.332520e-01, 6.550400e+04]]> : tensor<1x2xf16>
// BF16: %[[T:.*]] = arith.constant dense<{{\[\[}}3.339840e-01, 6.553600e+04]]> : tensor<1x2xbf16>
// F32: %[[T:.*]] = arith.constant dense<{{\[\[}}0.333333343, 6.551900e+04]]> : tensor<1x2xf32>
// F32: %[[W:.*]] = arith.constant dense<2.500000e-01> : tensor<2x2xf32>
// CHECK: %[[W:.*]] = arith.constant dense<2.500000e-01> : tensor<2x2x[[TYPE:b?f16]]>
// CHECK: %[[B:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2x[[TYPE]]>
// a quantized weight, an operand that is no weight, and a constant with other uses stay
// CHECK: %[[Q:.*]] = llm.constant {{.*}} scale = dense<5.000000e-01> : tensor<1xf32>
// CHECK: %[[C:.*]] = arith.constant dense<3.000000e+00> : tensor<1x2xf32>
// CHECK: %[[V:.*]] = arith.constant dense<4.000000e+00> : tensor<2x2xf32>
// CHECK: %[[X:.*]] = llm.embedding(%ids, %[[T]]) : (tensor<1xi64>, tensor<1x2x[[TYPE]]>) -> tensor<1x2xf32>
// CHECK: %[[S:.*]] = arith.addf %[[X]], %[[C]] : tensor<1x2xf32>
// CHECK: %[[Y:.*]] = llm.linear(%[[S]], %[[W]]) bias(%[[B]]) : (tensor<1x2xf32>, tensor<2x2x[[TYPE]]>, tensor<2x[[TYPE]]>) -> tensor<1x2xf32>
// CHECK: llm.quantized_matmul(%[[Y]], %[[Q]])
// CHECK: llm.linear(%[[Y]], %[[V]]) {llm.remark = "weight not cast: the constant has other uses"}
func.func @main(%ids: tensor<1xi64>) -> tensor<2x2xf32> {
  %t = arith.constant dense<[[0.33333334, 65519.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<0.25> : tensor<2x2xf64>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %q = llm.constant {codes = dense<1> : tensor<2x2xi8>, scale = dense<0.5> : tensor<1xf32>} : !llm.quantized_tensor<2x2xi4, scale=f32>
  %c = arith.constant dense<3.0> : tensor<1x2xf32>
  %v = arith.constant dense<4.0> : tensor<2x2xf32>
  %x = llm.embedding(%ids, %t) : (tensor<1xi64>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %s = arith.addf %x, %c : tensor<1x2xf32>
  %y = llm.linear(%s, %w) bias(%b) : (tensor<1x2xf32>, tensor<2x2xf64>, tensor<2xf32>) -> tensor<1x2xf32>
  %z = llm.quantized_matmul(%y, %q) : (tensor<1x2xf32>, !llm.quantized_tensor<2x2xi4, scale=f32>) -> tensor<1x2xf32>
  %u = llm.linear(%y, %v) : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %v : tensor<2x2xf32>
}
