// Of two functions and five ops stays what the script looks for, an exponential.
// REQUIRES: qcc-reduce
// RUN: qcc-reduce %s '-reduction-tree=traversal-mode=0 test=%S/Inputs/has_exp.sh' | FileCheck %s
// RUN: not qcc-reduce %s '-opt-reduction-pass=opt-pass=absent test=%S/Inputs/has_exp.sh' 2>&1 | FileCheck %s --check-prefix=ABSENT

// CHECK-NOT: qnt.neg
// CHECK-NOT: @unrelated
// CHECK: qnt.exp
// CHECK-NOT: qnt.neg
// ABSENT: absent

func.func @unrelated(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "qnt.neg"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "qnt.neg"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

func.func @faulty(%a: tensor<4xf32>) {
  %0 = "qnt.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "qnt.neg"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "qnt.neg"(%1) : (tensor<4xf32>) -> tensor<4xf32>
  return
}
