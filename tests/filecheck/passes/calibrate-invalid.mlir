// RUN: llmir-opt %s -p calibrate --split-input-file --verify-diagnostics
// RUN: not llmir-opt %s -p 'calibrate{statistic=mean}' --split-input-file 2>&1 | filecheck %s --check-prefix=STATISTIC
// RUN: not llmir-opt %s -p 'calibrate{granularity=row}' --split-input-file 2>&1 | filecheck %s --check-prefix=GRANULARITY
// RUN: not llmir-opt %s -p 'calibrate{statistic=percentile percentile=50}' --split-input-file 2>&1 | filecheck %s --check-prefix=PERCENTILE
// RUN: not llmir-opt %s -p 'calibrate{statistic=moving_average momentum=0}' --split-input-file 2>&1 | filecheck %s --check-prefix=MOMENTUM
// RUN: not llmir-opt %s -p 'calibrate{samples=0}' --split-input-file 2>&1 | filecheck %s --check-prefix=SAMPLES
// RUN: not llmir-opt %s -p 'calibrate{function=nope inputs="%S/Inputs/calibrate/x.npy"}' --split-input-file 2>&1 | filecheck %s --check-prefix=FUNCTION
// RUN: not llmir-opt %s -p 'calibrate{inputs="none.npy"}' --split-input-file 2>&1 | filecheck %s --check-prefix=FILE
// RUN: not llmir-opt %s -p 'calibrate{inputs="%s"}' --split-input-file 2>&1 | filecheck %s --check-prefix=SUFFIX
// RUN: not llmir-opt %s -p 'calibrate{inputs="%S/Inputs/calibrate/arguments.npz"}' --split-input-file 2>&1 | filecheck %s --check-prefix=NAMES
// RUN: not llmir-opt %s -p 'calibrate{inputs="%S/Inputs/calibrate/x.npy" tokens="t.txt"}' --split-input-file 2>&1 | filecheck %s --check-prefix=ONCE

// STATISTIC: calibrate: unknown statistic 'mean', expected one of absmax, minmax, percentile, moving_average
// GRANULARITY: calibrate: unknown granularity 'row', expected one of tensor, channel, token
// PERCENTILE: calibrate: percentile must be above 50 and at most 100, got 50.0
// MOMENTUM: calibrate: momentum must be above 0 and at most 1, got 0.0
// SAMPLES: calibrate: samples must be at least 1, got 0
// FUNCTION: the module has no function @nope; its functions: @main
// FILE: none.npy: the arrays cannot be read: No such file or directory
// SUFFIX: calibrate-invalid.mlir: arrays are read from .npy, .npz, .safetensors files
// NAMES: arguments.npz: has x, scale, but @main takes x
// ONCE: calibrate: give the data in one way, as text=FILE, tokens=FILE or inputs=FILE

// expected-error@below {{'func.func' op llm.calibration of @main is "x", expected [[dense<...>, ...], ...]}}
func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = "x"} {
  func.return
}

// -----

// expected-error@below {{a sample of llm.calibration of @main is dense<1.000000e+00> : tensor<1x2xf32>, expected [dense<...>, ...]}}
func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = [dense<1.0> : tensor<1x2xf32>]} {
  func.return
}

// -----

// expected-error@unknown {{calibrate: argument 0 of @main is 1x3, expected ?x2}}
func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = [[dense<1.0> : tensor<1x3xf32>]]} {
  func.return
}

// -----

func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = [[dense<0x7FC00000> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<1.0> : tensor<2x2xf32>
  // expected-error@below {{'llm.linear' op input: a value is not finite}}
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return
}

// -----

func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = [[dense<1.0> : tensor<1x2xf32>]]} {
  func.return
}
func.func @other(%x: tensor<?x2xf32>) {
  %w = arith.constant dense<1.0> : tensor<2x2xf32>
  // expected-error@below {{is not run by @main, or no token is routed to it; give more data or use a dynamic scheme}}
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<input=#llm.quantization<i8>>} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return
}
