// RUN: not llmir-opt %s -p calibrate 2>&1 | filecheck %s --check-prefix=DATA
// RUN: not llmir-opt %s -p 'calibrate{text="none.txt" tokens="none.npy"}' 2>&1 | filecheck %s --check-prefix=DATA
// RUN: not llmir-opt %s -p 'calibrate{tokens="none.npy"}' 2>&1 | filecheck %s --check-prefix=FILE
// RUN: not llmir-opt %s -p 'calibrate{text="%s"}' 2>&1 | filecheck %s --check-prefix=TOKENIZER
// RUN: echo "1 2 3 4 5 6" > %t.txt
// RUN: not llmir-opt %s -p 'calibrate{tokens="%t.txt"}' 2>&1 | filecheck %s --check-prefix=SHORT
// RUN: not llmir-opt %s -p 'calibrate{tokens="%t.txt" context=3}' 2>&1 | filecheck %s --check-prefix=MODEL
// The statistics are tested in tests/passes/test_calibrate.py; here there is no model to run.

// DATA: calibrate: give the data as either text=FILE or tokens=FILE
// FILE: none.npy: the token ids cannot be read: No such file or directory
// TOKENIZER: has no tokenizer.json, which text needs; give token ids, or add the file
// SHORT: calibrate: the data are shorter than one window of 512 tokens
// MODEL: the module has no function with llm.role = embed or block or head; calibration needs a model

func.func @main() {
  func.return
}
