"""Breaks rewrites and native kernels on purpose, one at a time, and says which test notices.

    python tests/mutations.py [WORD...]

Each mutation below is applied to a copy of the tree, and the tests that must fail are run there. Exit status 1 when one
survives; an old text that is not found exactly once is an error, so that the list does not go stale unseen. Words on
the command line select mutations by what they say.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILECHECK = "tests/filecheck/"
NATIVE, KERNELS = "llmir/backends/native/", "llmir/backends/native/kernels/"
MATMUL = "tests/backends/test_native_matmul.py::"


@dataclass(frozen=True)
class Mutation:
    """A mistake: `old` is replaced by `new` in `file`, which `tests` must notice."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "input and weight of a fused matmul swapped",
        "passes/fusion/quantized_layers.py",
        "QuantizedMatmulOp(source, weight.input, op.output.type",
        "QuantizedMatmulOp(weight.input, source, op.output.type",
        (FILECHECK + "passes/fuse-quantized-ops-square.mlir",),
    ),
    Mutation(
        "bias of a fused matmul dropped",
        "passes/fusion/quantized_layers.py",
        "weight.input, op.output.type, op.bias, op.module)",
        "weight.input, op.output.type, None, op.module)",
        (FILECHECK + "passes/fuse-quantized-ops-both-sides.mlir",),
    ),
    Mutation(
        "pairs cancelled whose codes change",
        "passes/fusion/requantization.py",
        "        reason = difference(given, codes, [*rounding, wanted], [])\n"
        "        if reason is None:\n            cancel",
        "        reason = None\n        if reason is None:\n            cancel",
        (FILECHECK + "passes/fuse-quantized-ops-requantize.mlir",),
    ),
    Mutation(
        "sums that may not fit int32, by one",
        "passes/fusion/integer_matmuls.py",
        "if k * largest >= INT32:",
        "if k * largest > INT32:",
        (FILECHECK + "passes/fuse-quantized-ops-int32.mlir",),
    ),
    Mutation(
        "zero point of a matmul's result dropped",
        "passes/fusion/integer_matmuls.py",
        "matmul.bias, matmul.module, op.scale, op.zero_point",
        "matmul.bias, matmul.module, op.scale, None",
        (FILECHECK + "passes/fuse-quantized-ops-integer-matmul.mlir",),
    ),
    Mutation(
        "transposes after the codes are fused",
        "passes/fuse_quantized_ops.py",
        "        absorb_transposes(op, known)\n        fuse_codes(op, known)\n",
        "        fuse_codes(op, known)\n        absorb_transposes(op, known)\n",
        (FILECHECK + "passes/fuse-quantized-ops-transposed.mlir",),
    ),
    Mutation(
        "slices of merged projections begin in another place",
        "passes/merge_projections.py",
        "starts = [0, *accumulate(sizes)]",
        "starts = [0, *accumulate(reversed(sizes))]",
        (FILECHECK + "passes/merge-projections-order.mlir",),
    ),
    Mutation(
        "merged bias dropped",
        "passes/merge_projections.py",
        "result_like(first.output, sum(sizes)), bias, module)",
        "result_like(first.output, sum(sizes)), None, module)",
        (FILECHECK + "passes/merge-projections-biases.mlir",),
    ),
    Mutation(
        "remark of a layer that is not merged dropped",
        "passes/merge_projections.py",
        'add_remark(layer, f"not merged with other layers of its input: {reason}")',
        "pass",
        (FILECHECK + "passes/merge-projections.mlir",),
    ),
    Mutation(
        "scales of other rows repeated",
        "passes/fusion/merged_values.py",
        "np.repeat(p, len(a.codes)) for p, a in zip(parameters, arrays, strict=True)",
        "np.repeat(p, len(a.codes)) for p, a in zip(parameters, arrays[::-1], strict=True)",
        (FILECHECK + "passes/merge-projections-scales.mlir",),
    ),
    Mutation(
        "norm multiplied by the scale instead of divided",
        "passes/fold_norm_scales.py",
        "self.scale(norm, divisors, np.divide)",
        "self.scale(norm, divisors)",
        (FILECHECK + "passes/fold-norm-scales-quantize.mlir",),
    ),
    Mutation(
        "bias of a layer norm not divided",
        "passes/fold_norm_scales.py",
        "operands = [norm.weight, norm.bias if isinstance(norm, LayerNormOp) else None]",
        "operands = [norm.weight, None]",
        (FILECHECK + "passes/fold-norm-scales-layer-norm.mlir",),
    ),
    Mutation(
        "any factor of a product is the gate",
        "passes/fuse_gated_activations.py",
        "((op.lhs, op.rhs), (op.rhs, op.lhs))",
        "((op.lhs, op.rhs), (op.rhs, op.rhs))",
        (FILECHECK + "passes/fuse-gated-activations-gate.mlir",),
    ),
    Mutation(
        "permutations composed the wrong way round",
        "passes/absorb_transposes.py",
        "tuple(before.order[d] for d in op.order)",
        "tuple(op.order[d] for d in before.order)",
        (FILECHECK + "passes/absorb-transposes-undone.mlir",),
    ),
    Mutation(
        "a weight that is also used as it is stored transposed",
        "passes/absorb_transposes.py",
        "for _ in load.result.uses) > len(ops):",
        "for _ in load.result.uses) > len(ops) + 1:",
        ("tests/passes/test_absorb_transposes.py", FILECHECK + "passes/absorb-transposes.mlir"),
    ),
    Mutation(
        "zero points taken off where codes only change their sign",
        "passes/legalize_for_target.py",
        "            if shift or isinstance(form.zero_point, Integer):\n                moved",
        "            if isinstance(form.zero_point, Integer):\n                moved",
        (FILECHECK + "targets/legalize-x86-avx512-vnni.mlir",),
    ),
    Mutation(
        "remark of a cast dropped",
        "passes/legalize_for_target.py",
        "add_remark(op, f\"{side} {' and '.join(changes)}\")",
        "pass",
        (FILECHECK + "targets/legalize-x86-avx512-vnni.mlir",),
    ),
    Mutation(
        "bias of a matrix kernel dropped",
        "passes/lower_to_target.py",
        "operands = [op.input, self.weight(op, kernel.layout), *([] if op.bias is None else [op.bias])]",
        "operands = [op.input, self.weight(op, kernel.layout)]",
        (FILECHECK + "targets/lower-numpy.mlir",),
    ),
    Mutation(
        "operands of kernels in reverse",
        "passes/lower_to_target.py",
        "self.call(op, self.kernel(op), list(op.operands), constants)",
        "self.call(op, self.kernel(op), list(op.operands)[::-1], constants)",
        (FILECHECK + "passes/lower-to-target-arith.mlir",),
    ),
    Mutation(
        "sign of a weight in the text",
        "passes/quantize_weights.py",
        "values = dense_array(constant.properties[",
        "values = -dense_array(constant.properties[",
        (FILECHECK + "passes/quantize-weights-per-group.mlir",),
    ),
    Mutation(
        "range of an input not widened to contain 0",
        "passes/quantize_activations.py",
        'np.minimum(found["min"], zero)',
        'found["min"]',
        (FILECHECK + "passes/quantize-activations-static-positive.mlir",),
    ),
    Mutation(
        "a layer's own input read instead of the dequantized one",
        "passes/quantize_activations.py",
        "    shared[key] = dequantize.output\n    return dequantize.output",
        "    shared[key] = dequantize.output\n    return x",
        (FILECHECK + "passes/quantize-activations-static-symmetric.mlir",),
    ),
    Mutation(
        "wrong sign of a zero point in linalg",
        "passes/linalg/quantization.py",
        "element = code.subtract(element, arguments[2])",
        "element = code.add(element, arguments[2])",
        (FILECHECK + "passes/convert-llm-to-linalg-dequantize-plain.mlir",),
    ),
    Mutation(
        "one group too many of a row in linalg",
        "passes/linalg/quantization.py",
        "shape = [sizes[0], whole // group_size]",
        "shape = [sizes[0], whole // group_size + 1]",
        (FILECHECK + "passes/convert-llm-to-linalg-matmul-plain.mlir",),
    ),
    Mutation(
        "rotation the other way round in linalg",
        "passes/linalg/model.py",
        "code.subtract(straight, across) if sign < 0",
        "code.subtract(straight, across) if sign > 0",
        (FILECHECK + "passes/convert-llm-to-linalg-rope.mlir",),
    ),
    Mutation(
        "a query sees the key after it in linalg",
        "passes/linalg/model.py",
        'code.compare("sle", code.loop(column), at)',
        'code.compare("sle", code.loop(column), code.add(at, code.integer(1)))',
        (FILECHECK + "passes/convert-llm-to-linalg-attention-softcap.mlir",),
    ),
    Mutation(
        "weights of a callee handed on in reverse",
        "passes/convert_llm_to_linalg.py",
        "for name in self.module.used.get(callee, []):",
        "for name in self.module.used.get(callee, [])[::-1]:",
        (FILECHECK + "passes/convert-llm-to-linalg-calls.mlir",),
    ),
    Mutation(
        "wrong sign of a zero point in the definitions",
        "llmir/semantics/quantization.py",
        "return codes - x.granularity.expand(real(x.zero_point)",
        "return codes + x.granularity.expand(real(x.zero_point)",
        ("tests/semantics/test_quantization_semantics.py", FILECHECK + "dialects/llm/quantized-matmul.mlir"),
    ),
    Mutation(
        "operands of a subtraction swapped in the definitions",
        "llmir/semantics/tensors.py",
        "_wide(lhs) - _wide(rhs)",
        "_wide(rhs) - _wide(lhs)",
        ("tests/semantics/test_model_semantics.py",),
    ),
    Mutation(
        "bias of the gate added to the other product too",
        KERNELS + "matmul.py",
        "f.add(column, f.mul(f.and_(tile, 1), spec.width)) if pairs",
        "column if pairs",
        (MATMUL + "test_gates",),
    ),
    Mutation(
        "zero points of a weight dropped",
        KERNELS + "matmul_integers.py",
        "[f.mul(negative, point) for point in run.zero_point]",
        "[zero for _ in run.zero_point]",
        (MATMUL + "test_integers_are_exact",),
    ),
    Mutation(
        "last of three codes at the end of a row dropped",
        KERNELS + "matmul_integers.py",
        "if count < 3:",
        "if count <= 3:",
        (MATMUL + "test_groups_of_activations_that_do_not_divide",),
    ),
    Mutation(
        "scale of another group of inputs where several sums share one",
        KERNELS + "matmul_integers.py",
        "f.udiv(k, self.spec.act_group)",
        "f.udiv(k, self.spec.sum_group)",
        (MATMUL + "test_every_form[q6_k]",),
    ),
    Mutation(
        "sums of high halves shifted as unsigned",
        KERNELS + "matmul_integers.py",
        "f.ashr(b, 4)",
        "f.lshr(b, 4)",
        (MATMUL + "test_rows_do_not_depend_on_blocks_or_splits",),
    ),
    Mutation(
        "scale of inputs read as their zero point",
        KERNELS + "matmul_integers.py",
        "offset = 4 * (row * self.scales_of_row + groups)",
        "offset = 4 * row * self.scales_of_row",
        (MATMUL + "test_zero_points_of_activations",),
    ),
    Mutation(
        "quotients multiplied by a reciprocal and not corrected",
        KERNELS + "quantize_rows.py",
        "return f.fma(remainder, p.reciprocal, near)",
        "return near",
        ("tests/backends/test_native_quantize_rows.py::test_quotients_near_ties_of_other_scales",),
    ),
    Mutation(
        "a query sees the key after it in native code",
        KERNELS + "attention_lines.py",
        'f.cmp("sle", lane_numbers(f), last)',
        'f.cmp("sle", lane_numbers(f), f.add(last, 1))',
        ("tests/backends/native/kernels/test_attention.py::test_against_the_formula",),
    ),
    Mutation(
        "operands of a rotation's subtraction swapped in native code",
        KERNELS + "rope.py",
        "f.fsub(f.fmul(first, cos), f.fmul(second, sin))",
        "f.fsub(f.fmul(second, sin), f.fmul(first, cos))",
        ("tests/backends/native/kernels/test_rope.py::test_heads_of_any_size",),
    ),
    Mutation(
        "all values of a call put to the first token's place in the cache",
        KERNELS + "cache.py",
        'self._append_value(f, layout, v, values, f.add(f.args["position"], r))',
        'self._append_value(f, layout, v, values, f.args["position"])',
        ("tests/backends/native/kernels/test_cache.py::test_rows_at_a_position",),
    ),
    Mutation(
        "tiles of two weights one weight after the other",
        NATIVE + "packed_weights.py",
        "np.stack(parts, axis=1)",
        "np.stack(parts, axis=0)",
        ("tests/backends/native/test_packed_weights.py::test_interleaved_matrices",),
    ),
    Mutation(
        "operands of a byte dot product swapped",
        NATIVE + "machine_instructions.py",
        'f"llvm.x86.avx512.vpdpbusd.{bits}", (total, *words)',
        'f"llvm.x86.avx512.vpdpbusd.{bits}", (total, *words[::-1])',
        (FILECHECK + "passes/convert-vk-to-llvm-avx512.mlir",),
    ),
    Mutation(
        "no barrier at the end of a step",
        KERNELS + "step.py",
        "if not isinstance(self.step.body.block.last_op, BarrierOp):",
        "if False:",
        (FILECHECK + "passes/convert-kernel-to-vk.mlir",),
    ),
    Mutation(
        "barriers that a loop's next turn needs left out",
        "dialects/kernel_barriers.py",
        "                    self.block(op.body.block)\n                    self.block(op.body.block)\n",
        "                    self.block(op.body.block)\n",
        (FILECHECK + "passes/convert-llm-to-kernel.mlir",),
    ),
)


def count_error(mutation: Mutation, text: str) -> str | None:
    """What is wrong with a mutation's old text, or None."""
    found = text.count(mutation.old)
    return (
        None if found == 1 else f"{mutation.file}: old text of '{mutation.what}' is there {found} times, expected once"
    )


def copy_tree(tree: Path) -> None:
    """Copy the files that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, tree / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def failing(tree: Path, tests: tuple[str, ...]) -> str | None:
    """The first of some tests that fails in a tree, or what ended them; None when all pass."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    if done.returncode < 0:  # an access outside of an array
        return f"{' '.join(tests)}, ended by {signal.Signals(-done.returncode).name}"
    named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if named is None:
        raise SystemExit(f"pytest said nothing of a test in {' '.join(tests)}:\n{done.stdout}{done.stderr}")
    return named[1]


def survivors(tree: Path, mutations: list[Mutation]) -> list[Mutation]:
    """Apply the mutations to a tree one after the other, print what notices each, and return those nothing does."""
    left: list[Mutation] = []
    print("| mutation | failing test |\n|---|---|")
    for mutation in mutations:
        file = tree / mutation.file
        text = file.read_text()
        file.write_text(text.replace(mutation.old, mutation.new))
        test = failing(tree, mutation.tests)
        file.write_text(text)
        if test is None:
            left.append(mutation)
        print(f"| {mutation.file}: {mutation.what} | {test or '**none**'} |", flush=True)
    return left


def main() -> None:
    """Run the mutations, all or those the command line names."""
    words = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not words or any(word in f"{m.file} {m.what}" for word in words)]
    errors = [e for m in chosen if (e := count_error(m, (ROOT / m.file).read_text())) is not None]
    if errors or not chosen:
        sys.exit("\n".join(errors) or "no mutation is called so")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        if (broken := failing(tree, tuple(dict.fromkeys(t for m in chosen for t in m.tests)))) is not None:
            sys.exit(f"{broken} fails without any mutation")
        left = survivors(tree, chosen)
    print(f"{len(chosen) - len(left)} of {len(chosen)} mutations are noticed")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
