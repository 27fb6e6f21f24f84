// Arguments of a function as data, in the text or in a file.
// RUN: llmir-opt %s -p calibrate | filecheck %s --check-prefix=MINMAX
// RUN: llmir-opt %s -p 'calibrate{statistic=absmax granularity=channel}' | filecheck %s --check-prefix=CHANNEL
// RUN: llmir-opt %s -p 'calibrate{granularity=token samples=1}' | filecheck %s --check-prefix=TOKEN
// RUN: llmir-opt %s -p 'calibrate{statistic=percentile percentile=75}' | filecheck %s --check-prefix=PERCENTILE
// RUN: llmir-opt %s -p 'calibrate{statistic=moving_average momentum=0.5}' | filecheck %s --check-prefix=MOVING
// RUN: llmir-opt %s -p 'calibrate{inputs="%S/Inputs/calibrate/x.npy"}' | filecheck %s --check-prefix=NPY
// RUN: llmir-opt %s -p 'calibrate{inputs="%S/Inputs/calibrate/arguments.npz" function=two}' | filecheck %s --check-prefix=NPZ
// RUN: llmir-opt %s -p 'assign-schemes{modules="z" input-type=i8},calibrate' | filecheck %s --check-prefix=STATIC

// two samples of two and one token; y = x with its channels exchanged and doubled
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x1xf32> attributes {llm.calibration = [
    [dense<[[1.0, -2.0], [3.0, 0.5]]> : tensor<2x2xf32>],
    [dense<[[-4.0, 1.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[0.0, 2.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %v = arith.constant dense<1.0> : tensor<1x2xf32>
  %z = llm.linear(%y, %v) : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  func.return %z : tensor<?x1xf32>
}
func.func @two(%x: tensor<?x2xf32>, %scale: tensor<2xf32>) -> tensor<?x2xf32> {
  %c = llm.rms_norm(%x, %scale) {epsilon = 1.0e+00 : f32} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %w = arith.constant dense<[[0.0, 2.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %other = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %other : tensor<?x2xf32>
}

// smallest and largest value over both samples; what @main does not run has no statistics
// MINMAX:      %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 2 : i64, absmax = dense<4.000000e+00> : tensor<1xf32>, min = dense<-4.000000e+00> : tensor<1xf32>, max = dense<3.000000e+00> : tensor<1xf32>}}
// MINMAX:      %z = llm.linear(%y, %v) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 2 : i64, absmax = dense<8.000000e+00> : tensor<1xf32>, min = dense<-8.000000e+00> : tensor<1xf32>, max = dense<6.000000e+00> : tensor<1xf32>}}
// MINMAX:      %other = llm.linear(%x, %w) : (

// CHANNEL:      %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "absmax", granularity = "channel", windows = 2 : i64, absmax = dense<[4.000000e+00, 2.000000e+00]> : tensor<2xf32>}}
// CHANNEL:      %z = llm.linear(%y, %v) {llm.input_statistics = {statistic = "absmax", granularity = "channel", windows = 2 : i64, absmax = dense<[4.000000e+00, 8.000000e+00]> : tensor<2xf32>}}

// TOKEN:      %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "token", windows = 1 : i64, absmax = dense<[2.000000e+00, 3.000000e+00]> : tensor<2xf32>, min = dense<[-2.000000e+00, 5.000000e-01]> : tensor<2xf32>, max = dense<[1.000000e+00, 3.000000e+00]> : tensor<2xf32>}}

// the third smallest of four magnitudes is 2, the second of two 4: 3 on average; likewise -2 and -4, 1 and 1
// PERCENTILE: %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "percentile", granularity = "tensor", windows = 2 : i64, absmax = dense<3.000000e+00> : tensor<1xf32>, min = dense<-3.000000e+00> : tensor<1xf32>, max = dense<1.000000e+00> : tensor<1xf32>}}

// halfway from the first sample's to the second's
// MOVING: %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "moving_average", granularity = "tensor", windows = 2 : i64, absmax = dense<3.500000e+00> : tensor<1xf32>, min = dense<-3.000000e+00> : tensor<1xf32>, max = dense<2.000000e+00> : tensor<1xf32>}}

// an array of one dimension more than the argument: two samples of three tokens
// NPY: %y = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 2 : i64, absmax = dense<6.000000e+00> : tensor<1xf32>, min = dense<-4.000000e+00> : tensor<1xf32>, max = dense<6.000000e+00> : tensor<1xf32>}}

// the arguments of @two by name
// NPZ:      %y = llm.linear(%x, %w) : (
// NPZ:      %other = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 1 : i64, absmax = dense<3.000000e+00> : tensor<1xf32>, min = dense<-2.000000e+00> : tensor<1xf32>, max = dense<3.000000e+00> : tensor<1xf32>}}

// only layers with a static input scheme where there are any
// STATIC:      %y = llm.linear(%x, %w) {llm.remark = {{.*}}} :
// STATIC:      %z = llm.linear(%y, %v) {llm.scheme = {{.*}}, llm.input_statistics = {statistic = "minmax"
// STATIC:      %other = llm.linear(%x, %w) {llm.remark = {{.*}}} :
