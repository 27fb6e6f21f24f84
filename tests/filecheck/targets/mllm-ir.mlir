// RUN: llmir-opt %s -t mllm-ir | filecheck %s --match-full-lines --strict-whitespace

//      CHECK:@main () -> () {
// CHECK-NEXT:    graph.CallGraphOp @<QUANT ANONYMOUS FLAT MODULE> () -> ()
// CHECK-NEXT:    graph.SubGraphOp @<QUANT ANONYMOUS FLAT MODULE> <CPU> {
// CHECK-NEXT:        () -> () {
// CHECK-NEXT:            linalg.CPU.LinearOp <name="fc"> () -> ()
// CHECK-NEXT:        }
// CHECK-NEXT:    }
// CHECK-NEXT:    graph.SubGraphOp @init_params <CPU> {
// CHECK-NEXT:        () -> () {
// CHECK-NEXT:            tensor.CPU.AllocGlobalOp() -> (%0:tensor<[5], Fp32, CPU>[@norm.weight])
// CHECK-NEXT:            tensor.CPU.AllocGlobalOp() -> (%1:tensor<[2, 64], Q8_0, CPU>[@other])
// CHECK-NEXT:        }
// CHECK-NEXT:    }
// CHECK-NEXT:}
llm.weight @fc.weight : tensor<2x2xf32>
llm.weight @norm.weight : tensor<5xf32>
llm.weight @other : !llm.quantized_tensor<2x64xi8, scale=f16, symmetric=true, group_size=32>
func.func @flat(%x: tensor<?x2xf32>) -> tensor<?x2xf32> attributes {llm.role = "flat"} {
  %w = llm.load_weight @fc.weight : tensor<2x2xf32>
  %fc = llm.linear(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  func.return %fc : tensor<?x2xf32>
}
