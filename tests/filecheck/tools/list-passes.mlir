// RUN: llmir-opt --list-passes | filecheck %s
// RUN: llmir-opt --help | filecheck %s
// RUN: llmir-opt --help | filecheck %s --check-prefix=HELP
// RUN: llmir-opt --list-passes=canonicalize | filecheck %s --check-prefix=PREFIX
// RUN: llmir-opt --show-dialects | filecheck %s --check-prefix=DIALECTS
// RUN: llmir-opt --version | filecheck %s --check-prefix=VERSION

// CHECK:      assign-schemes
// CHECK-NEXT:     {{[A-Z].*}}.
// CHECK:          weight-group-size: int or none (default none)
// CHECK-NEXT:         elements of a group
// CHECK:      lower-to-target
// CHECK:          target: str (default numpy)

// HELP: --mlir-print-ir-after-all
// HELP: LLMIR's passes:
// HELP: other passes (--list-passes PREFIX): {{.*}}canonicalize, {{.*}}cse

// PREFIX-NOT: assign-schemes
// PREFIX: canonicalize

// DIALECTS: Available Dialects: {{.*}}builtin,{{.*}}kernel,{{.*}}llm,

// VERSION: llmir-opt {{[0-9.]+}} (xDSL {{[0-9.]+}})
