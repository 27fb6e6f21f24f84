// RUN: llmir-opt %s -p 'convert-llm-to-kernel' | filecheck %s

// Schedules that the program names are those of its products, for one row and for many, with the tiles they ask for;
// the table's are for the others. An embedding reads the tiles of the product it shares its table with.

// CHECK: builtin.module attributes {kernel.target = "x86-avx512-vnni"} {
// CHECK: kernel.weight @packed.embed {{.*}} : !kernel.tiles<tensor<64x32xf32>, tile=64>
// CHECK: kernel.weight @packed.block.gate_up {{.*}} : !kernel.tiles<tensor<64x32xf32>, tile=16, interleave=2>
// CHECK: kernel.weight @packed.block.down {{.*}} : !kernel.tiles<tensor<32x64xf32>, tile=[[TILE:[0-9]+]]>

// CHECK: kernel.step @decode
// CHECK: kernel.matmul(%[[X:.*]], %[[GATE_UP:.*]]) into(%[[GATED:.*]]) {activation = "f32", epilogue = "gated_silu", schedule = #kernel.schedule<rows=1, columns=1, n_block=2, k_unroll=16, prefetch=512>, split = #kernel.split<columns 16>}
// CHECK: kernel.matmul(%[[GATED]], %[[DOWN:.*]]) into(%[[Y:.*]]) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=1, columns={{[24]}}, {{.*}}>, split = #kernel.split<columns [[TILE]]>}
// CHECK: kernel.matmul(%[[Y]], %[[TABLE:.*]]) into(%{{.*}}) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=1, columns=4, n_block=1, k_unroll=8, prefetch=1024>, split = #kernel.split<columns 64>}

// CHECK: kernel.step @prefill
// CHECK: kernel.matmul({{.*}}) {activation = "f32", epilogue = "gated_silu", schedule = #kernel.schedule<rows=5, columns=1, n_block=3, k_unroll=4, prefetch=0>, split = #kernel.split<columns 16>}
// CHECK: kernel.step @head
// CHECK: kernel.matmul({{.*}}) {activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=3, columns=4, n_block=8, k_unroll=8, prefetch=0>, split = #kernel.split<columns 64>}

builtin.module attributes {kernel.schedules = [
  #kernel.schedule_of<tensor<64x32xf32>, activation=f32, interleave=2, one_row=#kernel.schedule<rows=1, columns=1, n_block=2, k_unroll=16, prefetch=512>, many_rows=#kernel.schedule<rows=5, columns=1, n_block=3, k_unroll=4, prefetch=0>>,
  #kernel.schedule_of<tensor<64x32xf32>, activation=f32, one_row=#kernel.schedule<rows=1, columns=4, n_block=1, k_unroll=8, prefetch=1024>, many_rows=#kernel.schedule<rows=3, columns=4, n_block=8, k_unroll=8, prefetch=0>>
]} {
  llm.weight @embed.weight : tensor<64x32xf32>
  llm.weight @gate.weight : tensor<64x32xf32>
  llm.weight @up.weight : tensor<64x32xf32>
  llm.weight @down.weight : tensor<32x64xf32>
  func.func @embed(%ids: tensor<?xi64>) -> tensor<?x32xf32> attributes {llm.role = "embed"} {
    %table = llm.load_weight @embed.weight : tensor<64x32xf32>
    %x = llm.embedding(%ids, %table) : (tensor<?xi64>, tensor<64x32xf32>) -> tensor<?x32xf32>
    func.return %x : tensor<?x32xf32>
  }
  func.func @block(%x: tensor<?x32xf32>, %position: index, %k: tensor<?x1x16xf32>, %v: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "block"} {
    %gate.weight = llm.load_weight @gate.weight : tensor<64x32xf32>
    %up.weight = llm.load_weight @up.weight : tensor<64x32xf32>
    %down.weight = llm.load_weight @down.weight : tensor<32x64xf32>
    %gate = llm.linear(%x, %gate.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %up = llm.linear(%x, %up.weight) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %activated = llm.silu(%gate) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %gated = arith.mulf %activated, %up : tensor<?x64xf32>
    %y = llm.linear(%gated, %down.weight) : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
    func.return %y, %k, %v : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
  func.func @head(%x: tensor<?x32xf32>) -> tensor<?x64xf32> attributes {llm.role = "head"} {
    %table = llm.load_weight @embed.weight : tensor<64x32xf32>
    %logits = llm.linear(%x, %table) : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    func.return %logits : tensor<?x64xf32>
  }
  func.func @backbone(%ids: tensor<?xi64>, %position: index, %k0: tensor<?x1x16xf32>, %v0: tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>) attributes {llm.role = "backbone"} {
    %x = func.call @embed(%ids) : (tensor<?xi64>) -> tensor<?x32xf32>
    %y, %k, %v = func.call @block(%x, %position, %k0, %v0) : (tensor<?x32xf32>, index, tensor<?x1x16xf32>, tensor<?x1x16xf32>) -> (tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>)
    func.return %y, %k, %v : tensor<?x32xf32>, tensor<?x1x16xf32>, tensor<?x1x16xf32>
  }
}
