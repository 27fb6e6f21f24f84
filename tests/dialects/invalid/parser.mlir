// error: Expected memref, vector or tensor type of integer, index, float, or complex
builtin.module attributes {a = dense<1.0> : i32} {}
// -----
// error: Dense literal attribute should have a static shape.
builtin.module attributes {a = dense<1.0> : tensor<?xf32>} {}
// -----
// error: Integer value 300 is out of range for type i8
builtin.module attributes {a = dense<300> : tensor<2xi8>} {}
// -----
// error: 0x1FFFFFFFF has more bits than f32
builtin.module attributes {a = dense<0x1FFFFFFFF> : tensor<2xf32>} {}
// -----
// error: 0x1FFFF has more bits than f16
builtin.module attributes {a = dense<[0x1FFFF, 0x0]> : tensor<2xf16>} {}
// -----
// error: a dense literal of 16777217 elements, expected at most 16777216; keep weights in llm.weight
builtin.module attributes {a = dense<0.5> : tensor<16777217xf32>} {}
// -----
// error: float too large to pack with f format
builtin.module attributes {a = dense<1.0e39> : tensor<2xf32>} {}
// -----
// error: float too large to pack with f format
builtin.module attributes {a = 1.0e39 : f32} {}
// -----
// error: not supported
builtin.module attributes {a = dense<1.0> : tensor<4xf80>} {}
// -----
// error: expected an operation, the text has none
// -----
// error: expected an operation
func.func private @f()
}
// -----
// error: expected an operation, a block label or '}'
func.func @f() {
  func.return
// -----
// error: operation 'llm.silo' is not registered, did you mean 'llm.silu'?
func.func @f() {
  llm.silo
}
// -----
// error: use of undeclared SSA value name %z
func.func @f() {
  %y = llm.silu(%z) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
func.func @g(%x: tensor<4xf32>) {
  %z = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// -----
// error: the values of this constant were left out when the text was printed
builtin.module attributes {a = dense_resource<__elided__> : tensor<4xf32>} {}
// -----
// error: integers have at most 16777215 bits
func.func private @f(i16777216)
// -----
// error: numbers of type f80 and f128 are not supported, use f64
builtin.module attributes {test.a = 1.0 : f80} {}
