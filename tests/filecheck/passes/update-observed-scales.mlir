// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales,use-observed-scales' | filecheck %s --check-prefix=ALL
// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales{samples=1},use-observed-scales' | filecheck %s --check-prefix=FIRST
// RUN: llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales{inputs="%S/Inputs/calibrate/x.npy" function=main},use-observed-scales' | filecheck %s --check-prefix=FILE
// RUN: llmir-opt %S/Inputs/calibrate/model.mlir -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales{tokens="%S/Inputs/calibrate/tokens.txt" context=3 samples=2},use-observed-scales' | filecheck %s --check-prefix=WINDOWS
// RUN: llmir-opt %S/Inputs/calibrate/model.mlir -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales{text="%S/Inputs/calibrate/text.txt" context=3},use-observed-scales' | filecheck %s --check-prefix=WINDOWS
// RUN: not llmir-opt %s -p 'assign-schemes{input-type=i8},insert-observers,update-observed-scales{text="%S/Inputs/calibrate/text.txt"}' 2>&1 | filecheck %s --check-prefix=TEXT
// RUN: not llmir-opt %s -p update-observed-scales 2>&1 | filecheck %s --check-prefix=NONE

func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.calibration = [
    [dense<[[1.0, -2.0], [3.0, 0.5]]> : tensor<2x2xf32>],
    [dense<[[-4.0, 1.0]]> : tensor<1x2xf32>]]} {
  %w = arith.constant dense<[[0.0, 2.0], [2.0, 0.0]]> : tensor<2x2xf32>
  %y = llm.linear(%x, %w) {module = "layer"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// 4 / 128, 3 / 128, and a file's own
// ALL:   llm.quantize(%x) {scale = dense<3.125000e-02> : tensor<1xf32>}
// FIRST: llm.quantize(%x) {scale = dense<2.343750e-02> : tensor<1xf32>}
// FILE:  llm.quantize(%x) {scale = dense<4.687500e-02> : tensor<1xf32>}
// WINDOWS: llm.quantize(%x) {scale = dense<6.250000e-02> : tensor<1xf32>}
// TEXT: has no tokenizer.json, which text needs
// NONE: error: update-observed-scales: the program has no observers; make one that has with llmir quantize -q e4m3_e4m3_f16_max_calibrate
