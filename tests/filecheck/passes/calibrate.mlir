// Data from files for a model in plain text: its functions by role, weights inline. See Inputs/calibrate/model.mlir.
// Windows of 3 tokens: 1 3 0 | 2 2 1, the last token does not fill one. Embedded: (1, -2) (-4, 8) (0, 0.5) | (3, 0.25)
// twice (1, -2); the block doubles the first and negates the second channel.
// RUN: llmir-opt %S/Inputs/calibrate/model.mlir -p 'calibrate{text="%S/Inputs/calibrate/text.txt" context=3}' | filecheck %s --check-prefix=WINDOWS
// RUN: llmir-opt %S/Inputs/calibrate/model.mlir -p 'calibrate{tokens="%S/Inputs/calibrate/tokens.txt" context=3}' | filecheck %s --check-prefix=WINDOWS
// RUN: llmir-opt %S/Inputs/calibrate/model.mlir -p 'calibrate{tokens="%S/Inputs/calibrate/tokens.txt" context=2 samples=1 statistic=absmax granularity=channel}' | filecheck %s --check-prefix=FEW
// RUN: not llmir-opt %S/Inputs/calibrate/model.mlir -p calibrate 2>&1 | filecheck %s --check-prefix=NONE
// RUN: not llmir-opt %s -p 'calibrate{tokens="none.npy"}' 2>&1 | filecheck %s --check-prefix=FILE
// RUN: not llmir-opt %s -p 'calibrate{text="%s"}' 2>&1 | filecheck %s --check-prefix=TOKENIZER
// RUN: not llmir-opt %s -p 'calibrate{tokens="%S/Inputs/calibrate/tokens.txt"}' 2>&1 | filecheck %s --check-prefix=SHORT
// RUN: not llmir-opt %s -p 'calibrate{tokens="%S/Inputs/calibrate/tokens.txt" context=3}' 2>&1 | filecheck %s --check-prefix=MODEL

// WINDOWS:      %layer = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 2 : i64, context = 3 : i64, absmax = dense<8.000000e+00> : tensor<1xf32>, min = dense<-4.000000e+00> : tensor<1xf32>, max = dense<8.000000e+00> : tensor<1xf32>}}
// WINDOWS:      %lm_head = llm.linear(%x, %w) {llm.input_statistics = {statistic = "minmax", granularity = "tensor", windows = 2 : i64, context = 3 : i64, absmax = dense<8.000000e+00> : tensor<1xf32>, min = dense<-8.000000e+00> : tensor<1xf32>, max = dense<6.000000e+00> : tensor<1xf32>}}

// FEW:      %layer = llm.linear(%x, %w) {llm.input_statistics = {statistic = "absmax", granularity = "channel", windows = 1 : i64, context = 2 : i64, absmax = dense<[4.000000e+00, 8.000000e+00]> : tensor<2xf32>}}
// FEW:      %lm_head = llm.linear(%x, %w) {llm.input_statistics = {statistic = "absmax", granularity = "channel", windows = 1 : i64, context = 2 : i64, absmax = dense<8.000000e+00> : tensor<2xf32>}}

// NONE: calibrate: give the data as text=FILE, tokens=FILE, inputs=FILE, or as llm.calibration of @main
// FILE: none.npy: the token ids cannot be read: No such file or directory
// TOKENIZER: has no tokenizer.json, which text needs; give token ids, or add the file
// SHORT: calibrate: the data are shorter than one window of 512 tokens
// MODEL: the module has no function with llm.role = embed or block or head; calibration needs a model

func.func @main() {
  func.return
}
