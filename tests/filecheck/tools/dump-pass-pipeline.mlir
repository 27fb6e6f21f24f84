// RUN: llmir-opt %s -p 'cse,func.func(canonicalize,cse),lower-to-target{target=numpy}' --dump-pass-pipeline --disable-verify -o /dev/null 2>&1 | filecheck %s

builtin.module {}

// CHECK:      Pass Manager with 3 passes:
// CHECK-NEXT: builtin.module(
// CHECK-NEXT:   cse,
// CHECK-NEXT:   func.func(
// CHECK-NEXT:     canonicalize,
// CHECK-NEXT:     cse
// CHECK-NEXT:   ),
// CHECK-NEXT:   lower-to-target{target="numpy"
// CHECK-NEXT: )
