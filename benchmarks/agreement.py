"""How closely native code agrees with the NumPy backend that runs the same program.

    python benchmarks/agreement.py MODEL --text FILE [--tokens 256] [--perplexity 2048] [--only SCHEME ...]

MODEL is a GGUF file or a program of a decoder whose weights are quantized. Three tables, for weights alone and with
inputs quantized at run time:

- Logits of the first tokens of the text: cosines of native code's with NumPy's, of the token that agrees least and the
  mean. `NumPy, 1e-7 off` is NumPy against itself where every weight of a norm is changed by a random part in 1e7, about
  the last bit of a float32: no two orders of addition agree better than that.
- Each block by itself, given NumPy's hidden states: the largest difference relative to the largest value of what the
  block adds, of native code's result and of NumPy's where the block is given the same states 1e-7 off.
- Perplexity of the text, in windows of 512 tokens, of native code and of NumPy with norms 1e-7 off.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.evaluation.perplexity import perplexity
from llmir.frontends.registry import open_runnable
from llmir.passes.native import compile_native
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.folder import TOKENIZER
from llmir.program.program import Program
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.program.token_files import tokenize_file, windows

SCHEMES = {
    "weights alone": "fuse-quantized-ops",
    "inputs i8, groups of 32": "fuse-quantized-ops,quantize-matmul-inputs{type=i8 group-size=32}",
    "inputs i8, per token": "fuse-quantized-ops,quantize-matmul-inputs{type=i8}",
}
ROUNDING = 1e-7
WINDOW = 512
Array = NDArray[Any]


def opened(model: str, scheme: str) -> Program:
    """The model as a scheme has it."""
    program = open_runnable(model)
    Pipeline.parse(SCHEMES[scheme]).run(program)
    return program


def off(values: Array, seed: int) -> Array:
    """Values with a relative error of `ROUNDING`."""
    noise = np.random.default_rng(seed).standard_normal(values.shape)
    return (values * (1 + ROUNDING * noise)).astype(np.float32)


def with_norms_off(store: WeightStore, seed: int) -> WeightStore:
    """The weights, those of norms with a relative error."""
    changed = store.view()
    for name, tensor in list(store.items()):
        if len(tensor.shape) == 1 and "norm" in name:
            changed.add(name, MemoryTensor(off(tensor.read(), seed)))
    return changed


def cosines(ours: Array, theirs: Array) -> Array:
    """Of each row."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    return np.sum(a * b, axis=1) / np.sqrt(np.sum(a * a, axis=1) * np.sum(b * b, axis=1))


def logits_table(model: str, ids: Array, schemes: list[str]) -> Table:
    """Cosines with NumPy's logits."""
    table = Table("logits", "tokens", "cache", "native", "(least)", "NumPy, 1e-7 off", "(least)", "same top token")
    for scheme in schemes:
        program = opened(model, scheme)
        expected = compile_numpy(program.module, program.weights).logits(ids)
        itself = compile_numpy(program.module, with_norms_off(program.weights, 0)).logits(ids)
        limit = cosines(itself, expected)
        for element in ("f32", "f16"):
            with compile_native(program.module, program.weights, threads=2, kv_cache=element) as session:
                logits = session.logits(ids)
            found = cosines(logits, expected)
            same = float(np.mean(logits.argmax(axis=1) == expected.argmax(axis=1)))
            numbers = (found.mean(), found.min(), limit.mean(), limit.min())
            table.add_row(scheme, str(len(ids)), element, *(f"{n:.8f}" for n in numbers), f"{100 * same:.1f} %")
    return table


def one_block(module: ModuleOp, store: WeightStore, number: int, hidden: Array) -> tuple[ModuleOp, WeightStore]:
    """A program of one block, whose token i has the hidden state hidden[i]; its head is of no account."""
    functions = [op for op in module.body.ops if isinstance(op, func.FuncOp)]
    block = next(f for f in functions if f.sym_name.data.endswith(f".{number}"))
    inputs = [str(t) for t in block.function_type.inputs.data]
    results = [str(t) for t in block.function_type.outputs.data]
    size, caches = hidden.shape[1], inputs[2:]
    table, rows = f"tensor<{len(hidden)}x{size}xf32>", f"tensor<?x{size}xf32>"
    out = f"tensor<{len(hidden)}x{size}xf32>"
    declared = [str(op) for op in module.body.ops if op.name == "llm.weight"]
    arguments = ", ".join(f"%c{i}: {type}" for i, type in enumerate(caches))
    given = ", ".join(f"%c{i}" for i in range(len(caches)))
    name = block.sym_name.data
    text = f"""
builtin.module {{
{chr(10).join(declared)}
llm.weight @hidden : {table}
llm.weight @out : {out}
func.func @embed(%ids: tensor<?xi64>) -> {rows} attributes {{llm.role = "embed"}} {{
  %w = llm.load_weight @hidden : {table}
  %x = llm.embedding(%ids, %w) : (tensor<?xi64>, {table}) -> {rows}
  func.return %x : {rows}
}}
{block!s}
func.func @head(%x: {rows}) -> tensor<?x{len(hidden)}xf32> attributes {{llm.role = "head"}} {{
  %w = llm.load_weight @out : {out}
  %y = llm.linear(%x, %w) : ({rows}, {out}) -> tensor<?x{len(hidden)}xf32>
  func.return %y : tensor<?x{len(hidden)}xf32>
}}
func.func @backbone(%ids: tensor<?xi64>, %position: index, {arguments}) -> ({", ".join(results)})
    attributes {{llm.role = "backbone"}} {{
  %x = func.call @embed(%ids) : (tensor<?xi64>) -> {rows}
  %y, {given.replace("%c", "%n")} = func.call @{name}(%x, %position, {given})
    : ({", ".join(inputs)}) -> ({", ".join(results)})
  func.return %y, {given.replace("%c", "%n")} : {", ".join(results)}
}}
}}"""
    weights = store.view()
    weights.add("hidden", MemoryTensor(hidden))
    weights.add("out", MemoryTensor(np.zeros((len(hidden), size), np.float32)))
    return parse_module(new_context(), text), weights


def blocks(program: Program, ids: Array) -> Iterator[tuple[int, float, float]]:
    """For each block its number, and the differences of native code and of NumPy 1e-7 off."""
    names = [op.sym_name.data for op in program.module.body.ops if isinstance(op, func.FuncOp)]
    numbers = sorted(int(n.rsplit(".", 1)[1]) for n in names if re.search(r"\.\d+$", n))
    whole = compile_numpy(program.module, program.weights)
    hidden = whole.embed("embed", ids)
    tokens = np.arange(len(ids))
    for number in numbers:
        module, weights = one_block(program.module, program.weights, number, hidden)
        numpy = compile_numpy(module, weights)
        expected = numpy.backbone(tokens, 0, numpy.new_cache(len(ids)))
        with compile_native(module, weights, threads=2, kv_cache="f32") as native:
            ours = native.backbone(tokens, 0, native.new_cache(len(ids)))
        _, weights = one_block(program.module, program.weights, number, off(hidden, number))
        itself = compile_numpy(module, weights)
        moved = itself.backbone(tokens, 0, itself.new_cache(len(ids)))
        scale = np.abs(expected - hidden).max()
        yield number, float(np.abs(ours - expected).max() / scale), float(np.abs(moved - expected).max() / scale)
        hidden = expected


def blocks_table(model: str, ids: Array, schemes: list[str]) -> Table:
    """Each block by itself."""
    found = {scheme: list(blocks(opened(model, scheme), ids)) for scheme in schemes}
    table = Table("block", *(f"{scheme}: {who}" for scheme in schemes for who in ("native", "NumPy, 1e-7 off")))
    for row in zip(*found.values(), strict=True):
        table.add_row(str(row[0][0]), *(f"{number:.1e}" for _, *numbers in row for number in numbers))
    return table


def perplexity_table(model: str, ids: Array, schemes: list[str]) -> Table:
    """Perplexity by both."""
    who = ("native, f16 cache", "native, f32 cache", "NumPy, 1e-7 off")
    table = Table("perplexity", "tokens", "who", "NumPy", "it", "difference", "mean KL", "same top token")
    for scheme in schemes:
        program = opened(model, scheme)
        numpy = compile_numpy(program.module, program.weights)
        for name in who:
            if name.startswith("NumPy"):
                session = compile_numpy(program.module, with_norms_off(program.weights, 0))
                found = perplexity(session, windows(ids, WINDOW), numpy)
            else:
                element = name.split()[1]
                with compile_native(program.module, program.weights, threads=2, kv_cache=element) as native:
                    found = perplexity(native, windows(ids, WINDOW), numpy)
            against = found.divergence
            assert against is not None
            part = found.perplexity / against.reference_perplexity - 1
            table.add_row(
                *(scheme, str(found.tokens), name, f"{against.reference_perplexity:.4f}", f"{found.perplexity:.4f}"),
                *(f"{100 * part:+.4f} %", f"{against.mean_kld:.1e}", f"{100 * against.same_top1:.2f} %"),
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--perplexity", type=int, default=2048)
    parser.add_argument("--only", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    options = parser.parse_args()
    program = open_runnable(options.model)
    ids = tokenize_file(options.text, program.files.get(TOKENIZER), program.name)
    console = Console(width=170)
    console.print(logits_table(options.model, ids[: options.tokens], options.only))
    console.print(perplexity_table(options.model, ids[: options.perplexity], options.only))
    console.print(blocks_table(options.model, ids[: options.tokens], options.only))


if __name__ == "__main__":
    main()
