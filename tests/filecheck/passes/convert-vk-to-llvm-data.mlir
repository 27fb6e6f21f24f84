// RUN: llmir-opt %s -p 'convert-vk-to-llvm{machine=scalar}' | filecheck %s
// RUN: llmir-opt %s -p 'convert-vk-to-llvm{machine=scalar}' -t llvm-ir | filecheck %s --check-prefix TEXT

// Data in memory stands at the vk level as it does in the llvm dialect: constants, and variables of threads.

// CHECK: llvm.mlir.global internal constant @numbers(dense<[1, -2]> : tensor<2xi32>)
// CHECK: llvm.mlir.global internal thread_local @seen(dense<0> : tensor<1xi64>)
// TEXT: @numbers = internal constant [2 x i32] [i32 1, i32 -2], align 4
// TEXT: @seen = internal thread_local global [1 x i64] [i64 0], align 8
llvm.mlir.global internal constant @numbers(dense<[1, -2]> : tensor<2xi32>) {alignment = 4 : i64} : !llvm.array<2 x i32>
llvm.mlir.global internal thread_local @seen(dense<0> : tensor<1xi64>) {alignment = 8 : i64} : !llvm.array<1 x i64>

// CHECK: llvm.func @first(%[[OUT:.*]]: !llvm.ptr)
// CHECK-DAG: %[[NUMBERS:.*]] = llvm.mlir.addressof @numbers
// CHECK-DAG: %[[SEEN:.*]] = llvm.mlir.addressof @seen
// CHECK-DAG: %[[NULL:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK: %[[ADDRESS:.*]] = llvm.ptrtoint %[[OUT]] : !llvm.ptr to i64
// CHECK: llvm.store %[[ADDRESS]], %[[SEEN]]
// CHECK: llvm.load %[[NUMBERS]]
// CHECK: llvm.store %[[NULL]], %[[OUT]]
// TEXT: %[[ADDRESS:.*]] = ptrtoint ptr %{{.*}} to i64
// TEXT: store i64 %[[ADDRESS]], ptr @seen
// TEXT: load i32, ptr @numbers
// TEXT: store ptr null, ptr
func.func @first(%out: !llvm.ptr) -> i32 {
  %numbers = llvm.mlir.addressof @numbers : !llvm.ptr
  %seen = llvm.mlir.addressof @seen : !llvm.ptr
  %null = llvm.mlir.zero : !llvm.ptr
  %address = llvm.ptrtoint %out : !llvm.ptr to i64
  vk.store %address, %seen : i64
  %number = vk.load %numbers : i32
  vk.store %null, %out : !llvm.ptr
  func.return %number : i32
}
