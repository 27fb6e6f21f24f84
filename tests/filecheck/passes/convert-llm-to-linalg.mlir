// RUN: llmir-opt %s -p convert-llm-to-linalg --split-input-file | filecheck %s

// A weight in groups: codes and scales are arguments, read from tensors whose K is split in two.

llm.weight @w : !llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>
func.func @groups(%x: tensor<?x8xf32>) -> tensor<?x6xf32> {
  %w = llm.load_weight @w : !llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>
  %y = llm.quantized_matmul(%x, %w) : (tensor<?x8xf32>, !llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}
// CHECK-LABEL: func.func @groups(%{{.*}}: tensor<?x8xf32>, %{{.*}}: tensor<6x8xi8>, %{{.*}}: tensor<6x2xf16>) -> tensor<?x6xf32>
// CHECK:       %[[CODES:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0 : i64], [1 : i64, 2 : i64]] output_shape [6, 2, 4] : tensor<6x8xi8> into tensor<6x2x4xi8>
// CHECK:       linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-SAME:  ins(%[[CODES]], %{{.*}} : tensor<6x2x4xi8>, tensor<6x2xf16>)
// CHECK:       ^bb0(%[[Q:.*]]: i8, %[[S:.*]]: f16, %{{.*}}: f32):
// CHECK-NEXT:    %[[WIDE:.*]] = arith.extsi %[[Q]] : i8 to i32
// CHECK-NEXT:    %[[CODE:.*]] = arith.sitofp %[[WIDE]] : i32 to f32
// CHECK-NEXT:    %[[SCALE:.*]] = arith.extf %[[S]] : f16 to f32
// CHECK-NEXT:    %[[REAL:.*]] = arith.mulf %[[CODE]], %[[SCALE]] : f32
// CHECK-NEXT:    linalg.yield %[[REAL]] : f32
// CHECK:       %[[W:.*]] = tensor.collapse_shape %{{.*}} : tensor<6x2x4xf32> into tensor<6x8xf32>
// CHECK:       linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK-SAME:  ins(%{{.*}}, %[[W]] : tensor<?x8xf32>, tensor<6x8xf32>)

// -----

// A zero point is subtracted from the code before the scale is multiplied.

func.func @zero_point(%q: !llm.quantized_tensor<4x8xui8, scale=f32, zp=ui8, axis=0>) -> tensor<4x8xf32> {
  %x = llm.dequantize(%q) : (!llm.quantized_tensor<4x8xui8, scale=f32, zp=ui8, axis=0>) -> tensor<4x8xf32>
  func.return %x : tensor<4x8xf32>
}
// CHECK-LABEL: func.func @zero_point(
// CHECK-SAME:  tensor<4x8xi8>, %{{.*}}: tensor<4xf32>, %{{.*}}: tensor<4xi8>) -> tensor<4x8xf32>
// CHECK:       ^bb0(%[[Q:.*]]: i8, %[[S:.*]]: f32, %[[Z:.*]]: i8, %{{.*}}: f32):
// CHECK-NEXT:    %[[QW:.*]] = arith.extui %[[Q]] : i8 to i32
// CHECK-NEXT:    %[[QF:.*]] = arith.sitofp %[[QW]] : i32 to f32
// CHECK-NEXT:    %[[ZW:.*]] = arith.extui %[[Z]] : i8 to i32
// CHECK-NEXT:    %[[ZF:.*]] = arith.sitofp %[[ZW]] : i32 to f32
// CHECK-NEXT:    %[[D:.*]] = arith.subf %[[QF]], %[[ZF]] : f32
// CHECK-NEXT:    arith.mulf %[[D]], %[[S]] : f32

// -----

// Codes on both sides: an exact sum in i32, then the scales.

func.func @integers(%x: !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8, axis=0>, %w: !llm.quantized_tensor<6x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x6xf32> {
  %y = llm.quantized_matmul(%x, %w) : (!llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8, axis=0>, !llm.quantized_tensor<6x8xi8, scale=f32, symmetric=true, axis=0>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}
// CHECK-LABEL: func.func @integers(
// CHECK:       ^bb0(%[[X:.*]]: i8, %[[ZX:.*]]: i8, %[[W:.*]]: i8, %[[SUM:.*]]: i32):
// CHECK-NEXT:    %[[XW:.*]] = arith.extui %[[X]] : i8 to i32
// CHECK-NEXT:    %[[ZW:.*]] = arith.extui %[[ZX]] : i8 to i32
// CHECK-NEXT:    %[[XC:.*]] = arith.subi %[[XW]], %[[ZW]] : i32
// CHECK-NEXT:    %[[WW:.*]] = arith.extsi %[[W]] : i8 to i32
// CHECK-NEXT:    %[[P:.*]] = arith.muli %[[XC]], %[[WW]] : i32
// CHECK-NEXT:    %[[NEW:.*]] = arith.addi %[[SUM]], %[[P]] : i32
// CHECK-NEXT:    linalg.yield %[[NEW]] : i32
// CHECK:       ^bb0(%[[T:.*]]: f32, %[[SX:.*]]: f32, %[[SW:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT:    %[[A:.*]] = arith.mulf %[[T]], %[[SX]] : f32
// CHECK-NEXT:    arith.mulf %[[A]], %[[SW]] : f32

// -----

// Near miss: minima are not part of an integer sum, so both sides are dequantized first.

func.func @minima(%x: !llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>, %w: !llm.quantized_tensor<6x8xui4, scale=f32, min=f32, axis=0>) -> tensor<?x6xf32> {
  %y = llm.quantized_matmul(%x, %w) : (!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true, axis=0>, !llm.quantized_tensor<6x8xui4, scale=f32, min=f32, axis=0>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}
// CHECK-LABEL: func.func @minima(
// CHECK-NOT:   arith.muli
// CHECK:       ^bb0(%[[Q:.*]]: i8, %[[S:.*]]: f32, %[[MIN:.*]]: f32, %{{.*}}: f32):
// CHECK:         %[[SCALED:.*]] = arith.mulf %{{.*}}, %[[S]] : f32
// CHECK-NEXT:    arith.addf %[[SCALED]], %[[MIN]] : f32
// CHECK:       func.return

// -----

// Rounding to nearest even, the zero point, saturation; the operand of the division is the scale.

func.func @quantize(%x: tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8> {
  %q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, zero_point = dense<-3> : tensor<1xi8>} : (tensor<?x4xf32>) -> !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
  func.return %q : !llm.quantized_tensor<?x4xi8, scale=f32, zp=i8>
}
// CHECK-LABEL: func.func @quantize(%{{.*}}: tensor<?x4xf32>) -> (tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>)
// CHECK:       %[[SCALE:.*]] = arith.constant dense<5.000000e-01> : tensor<1xf32>
// CHECK:       %[[ZERO:.*]] = arith.constant dense<-3> : tensor<1xi8>
// CHECK:       ^bb0(%[[X:.*]]: f32, %[[S:.*]]: f32, %[[Z:.*]]: i8, %{{.*}}: i8):
// CHECK:         %[[DIV:.*]] = arith.divf %[[X]], %[[S]] : f32
// CHECK:         %[[UNITS:.*]] = arith.select %{{.*}}, %{{.*}}, %[[DIV]] : f32
// CHECK:         %[[ADDED:.*]] = arith.addf %[[UNITS]], %{{.*}} : f32
// CHECK:         %[[ROUNDED:.*]] = math.roundeven %[[ADDED]] : f32
// CHECK:         %[[LOW:.*]] = arith.constant -1.280000e+02 : f32
// CHECK:         %[[ATLEAST:.*]] = arith.maximumf %[[ROUNDED]], %[[LOW]] : f32
// CHECK:         %[[HIGH:.*]] = arith.constant 1.270000e+02 : f32
// CHECK:         arith.minimumf %[[ATLEAST]], %[[HIGH]] : f32
// CHECK:       func.return %{{.*}}, %[[SCALE]], %[[ZERO]] : tensor<?x4xi8>, tensor<1xf32>, tensor<1xi8>

// -----

// Causal attention: keys up to position + row are seen, of a window only the last.

func.func @attention(%q: tensor<2x2x4xf32>, %k: tensor<5x1x4xf32>, %v: tensor<5x1x4xf32>, %p: index) -> tensor<2x2x4xf32> {
  %a = llm.attention(%q, %k, %v, %p) {scale = 0.5 : f32, window = 3 : i64} : (tensor<2x2x4xf32>, tensor<5x1x4xf32>, tensor<5x1x4xf32>, index) -> tensor<2x2x4xf32>
  func.return %a : tensor<2x2x4xf32>
}
// CHECK-LABEL: func.func @attention(
// CHECK-SAME:  tensor<5x1x4xf32>, %[[P:[a-z0-9]+]]: index)
// CHECK:       tensor.expand_shape {{.*}} output_shape [2, 1, 2, 4]
// CHECK:         %[[ROW:.*]] = linalg.index 0 : index
// CHECK-NEXT:    %[[AT:.*]] = arith.addi %[[P]], %[[ROW]] : index
// CHECK-NEXT:    %[[COLUMN:.*]] = linalg.index 3 : index
// CHECK-NEXT:    %[[PAST:.*]] = arith.cmpi sle, %[[COLUMN]], %[[AT]] : index
// CHECK-NEXT:    %[[COLUMN2:.*]] = linalg.index 3 : index
// CHECK-NEXT:    %[[W:.*]] = arith.constant 3 : index
// CHECK-NEXT:    %[[END:.*]] = arith.addi %[[COLUMN2]], %[[W]] : index
// CHECK-NEXT:    %[[NEAR:.*]] = arith.cmpi sgt, %[[END]], %[[AT]] : index
// CHECK-NEXT:    %[[SEEN:.*]] = arith.andi %[[PAST]], %[[NEAR]] : i1
