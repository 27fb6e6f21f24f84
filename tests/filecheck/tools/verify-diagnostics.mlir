// RUN: llmir-opt %s --verify-diagnostics --split-input-file

// expected-error@+2 {{Expected}}
func.func private @a(
func.func private @b()
func.func private @c() -> tensor<4xfloat>
// expected-error@above {{Expected shape type}}

// -----

func.func @f(%x: tensor<4xf32>) {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32> // expected-error {{'llm.silu' op input is 4 but result is 5}}
  // expected-error-re@+1 {{input is {{[0-9]}} but result is {{6|7}}; shapes}}
  %z = llm.silu(%x) : (tensor<4xf32>) -> tensor<6xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error@+2 2 {{shapes must agree}}
  // expected-error@below 0+ {{never said}}
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32> %z = llm.silu(%x) : (tensor<4xf32>) -> tensor<6xf32>
  func.return
}
