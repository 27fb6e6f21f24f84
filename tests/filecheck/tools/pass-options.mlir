// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight_group_size=32 exclude=lm_*,"no such"}' --dump-pass-pipeline -o /dev/null 2>&1 | filecheck %s
// RUN: llmir-opt %s --assign-schemes='weight-type=i4 weight_group_size=32 exclude=[lm_*, "no such"]' --dump-pass-pipeline -o /dev/null 2>&1 | filecheck %s
// RUN: llmir-opt %s --assign-schemes="weight-type=i4 weight_group_size=32 exclude={lm_*,'no such'}" --dump-pass-pipeline -o /dev/null 2>&1 | filecheck %s
// RUN: llmir-opt %s -p 'assign-schemes{weight-type=i4 weight-group-size=32 weight-pad}' --dump-pass-pipeline -o /dev/null 2>&1 | filecheck %s --check-prefix=BARE
// RUN: not llmir-opt %s -p 'assign-schemes{weight-group-size=1e3}' 2>&1 | filecheck %s --check-prefix=TYPE

builtin.module {
  llm.weight @lm_head : tensor<8x64xf32>
  llm.weight @"no such" : tensor<8x64xf32>
  func.func @f(%x: tensor<?x64xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %a = llm.load_weight @lm_head : tensor<8x64xf32>
    %b = llm.load_weight @"no such" : tensor<8x64xf32>
    %y = llm.linear(%x, %a) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    %z = llm.linear(%x, %b) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
  }
}

// CHECK: exclude="lm_*","no such"
// CHECK-SAME: weight_type="i4"
// CHECK-SAME: weight_group_size=32
// BARE: exclude=[]
// BARE-SAME: weight_pad=true
// TYPE: error: pass 'assign-schemes': 'weight-group-size=1e3' is not valid, expected int or none
