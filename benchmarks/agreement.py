"""How closely native code agrees with the NumPy backend that runs the same program.

    python benchmarks/agreement.py MODEL --text FILE [--tokens 256] [--perplexity 16384] [--seeds 2] [--only SCHEME ...]
        [--tables logits blocks perplexity]

MODEL is a GGUF file or a program of a decoder whose weights are quantized. Three tables, for weights alone and with
inputs quantized at run time. `1e-7 off` is a program where every weight of a norm is changed by a random part in 1e7,
about the last bit of a float32: no two orders of addition agree better than NumPy with NumPy off.

- Logits of the first tokens of the text: cosines of native code's with NumPy's, of the token that agrees least and the
  mean.
- Each block by itself, given NumPy's hidden states, of native code and of NumPy given the same states 1e-7 off: 1 less
  the cosine of a token's result with NumPy's, on average and of the token that agrees least; the largest difference
  relative to the largest value of what the block adds; and how much more the block adds than NumPy's as a whole
  (`gain`), which codes that differ by chance do not change and a scale that is wrong would.
- Perplexity of the text, in windows of 512 tokens as `llmir eval` has them, of native code and of NumPy, with `--seeds`
  programs 1e-7 off of each. A window's difference is that of the mean negative log-likelihoods of its tokens;
  `difference` is their mean and its standard error. Rows of several programs compare the average of the programs, so
  that what single codes do averages out and what is systematic stays: `native` rows against the average of NumPy and
  NumPy off, the row of NumPy off against NumPy. The table is printed after 8, 16, 32... windows, and at the end.

NumPy takes some ten seconds a window of a small model, so for 16384 tokens and two seeds a quarter of an hour a scheme.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native.program_cache import ProgramCache
from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.evaluation.perplexity import ROWS, Model, log_softmax
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
TABLES = ["logits", "blocks", "perplexity"]
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


def gain(ours: Array, theirs: Array) -> float:
    """How much larger ours is, by least squares: ours = (1 + gain) theirs + something else."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    return float(np.sum((a - b) * b) / np.sum(b * b))


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
            same = np.count_nonzero(logits.argmax(axis=1) == expected.argmax(axis=1)) / len(ids)
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


def blocks(program: Program, ids: Array) -> Iterator[tuple[int, list[str]]]:
    """For each block its number, and cells of native code and of NumPy 1e-7 off."""
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
        cells: list[str] = []
        for found in (ours, moved):
            alike = cosines(found, expected)
            cells += [f"{1 - alike.mean():.1e}", f"{1 - alike.min():.1e}"]
            cells += [
                f"{np.abs(found - expected).max() / scale:.1e}",
                f"{gain(found - hidden, expected - hidden):+.1e}",
            ]
        yield number, cells
        hidden = expected


def blocks_table(model: str, ids: Array, scheme: str) -> Table:
    """Each block by itself."""
    columns = [column for who in ("native", "NumPy off") for column in (who, "(most)", "difference", "gain")]
    table = Table(f"block, {scheme}", *columns)
    for number, cells in blocks(opened(model, scheme), ids):
        table.add_row(str(number), *cells)
    return table


class Likelihoods:
    """Of the models of one table, window by window; the first model is what others are compared with."""

    def __init__(self, models: dict[str, Model]):
        self.models = models
        self.nll: dict[str, list[float]] = {name: [] for name in models}
        self.kld: dict[str, list[float]] = {name: [] for name in models}
        self.same: dict[str, list[float]] = {name: [] for name in models}

    def add(self, window: Array) -> None:
        """Measure all models on a window."""
        ids, targets = window[:-1], window[1:]
        hidden = {name: m.backbone(ids, 0, m.new_cache(len(ids))) for name, m in self.models.items()}
        found = {name: np.zeros((3, len(ids))) for name in self.models}
        for start in range(0, len(ids), ROWS):
            rows = slice(start, start + ROWS)
            predicted = {name: log_softmax(m.head(hidden[name][rows])) for name, m in self.models.items()}
            expected = next(iter(predicted.values()))
            chances = np.exp(expected)
            for name, log_p in predicted.items():
                found[name][0, rows] = -log_p[np.arange(len(log_p)), targets[rows]]
                found[name][1, rows] = np.einsum("tv,tv->t", chances, expected - log_p)
                found[name][2, rows] = log_p.argmax(axis=1) == expected.argmax(axis=1)
        for name, values in found.items():
            for kept, mean in zip((self.nll, self.kld, self.same), values.mean(axis=1), strict=True):
                kept[name].append(float(mean))


def average(what: dict[str, list[float]], names: list[str]) -> Array:
    """For each window, the average of several models."""
    return np.mean([what[name] for name in names], axis=0)


def comparisons(names: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """What is compared with what: a title, models and the models they are compared with."""
    numpy, *others = names
    for name in others:
        yield name, [name], [numpy]
    off_names = [n for n in others if n.startswith("NumPy")]
    yield f"NumPy off, {len(off_names)} programs", off_names, [numpy]
    for kind in ("native f32", "native f16"):
        found = [n for n in others if n.startswith(kind)]
        yield f"{kind}, {len(found)} programs", found, [numpy, *off_names]


def perplexity_table(scheme: str, measured: Likelihoods) -> Table:
    """What is known so far."""
    names = list(measured.models)
    windows_done = len(measured.nll[names[0]])
    title = f"{scheme}, {windows_done} windows of {WINDOW}"
    columns = (
        "perplexity",
        "NumPy's",
        "difference",
        "its s.e.",
        "in s.e.",
        "s.d. a window",
        "mean KL",
        "same top token",
    )
    table = Table(title, *columns)
    for name, ours, theirs in comparisons(names):
        nll, reference = (average(measured.nll, of) for of in (ours, theirs))
        parts = nll - reference
        deviation = float(parts.std(ddof=1))
        error = deviation / np.sqrt(windows_done)
        kld, same = (float(average(what, ours).mean()) for what in (measured.kld, measured.same))
        table.add_row(
            *(name, f"{np.exp(nll.mean()):.4f}", f"{np.exp(reference.mean()):.4f}"),
            *(f"{100 * np.expm1(parts.mean()):+.4f} %", f"{100 * error:.4f} %", f"{parts.mean() / error:+.1f}"),
            *(f"{100 * deviation:.3f} %", f"{kld:.1e}", f"{100 * same:.2f} %"),
        )
    return table


def measure_perplexity(model: str, ids: Array, scheme: str, seeds: int, console: Console) -> None:
    """Print tables of more and more windows."""
    program = opened(model, scheme)
    stores = [program.weights, *(with_norms_off(program.weights, seed) for seed in range(1, seeds + 1))]
    ends = ["", *(f", off {seed}" for seed in range(1, seeds + 1))]
    models: dict[str, Model] = {
        f"NumPy{e}": compile_numpy(program.module, s) for e, s in zip(ends, stores, strict=True)
    }
    cut = windows(ids, WINDOW)
    with contextlib.ExitStack() as open_sessions:
        folder = Path(open_sessions.enter_context(tempfile.TemporaryDirectory()))  # programs off are never run again
        for element in ("f32", "f16"):
            for end, store in zip(ends, stores, strict=True):
                native = compile_native(program.module, store, threads=2, kv_cache=element, cache=ProgramCache(folder))
                models[f"native {element}{end}"] = open_sessions.enter_context(native)
        measured = Likelihoods(models)
        for done, window in enumerate(cut, 1):
            measured.add(window)
            if done == len(cut) or (done >= 8 and done & (done - 1) == 0):
                console.print(perplexity_table(scheme, measured))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--perplexity", type=int, default=16384)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    if options.seeds < 1 or options.perplexity < 2 * WINDOW:
        parser.error(f"a standard error takes two windows ({2 * WINDOW} tokens) and a seed")
    program = open_runnable(options.model)
    ids = tokenize_file(options.text, program.files.get(TOKENIZER), program.name)
    if "perplexity" in options.tables and len(ids) < options.perplexity:
        parser.error(f"{options.text} has {len(ids)} tokens, not {options.perplexity}")
    console = Console(width=170)
    if "logits" in options.tables:
        console.print(logits_table(options.model, ids[: options.tokens], options.only))
    for scheme in options.only:
        if "blocks" in options.tables:
            console.print(blocks_table(options.model, ids[: options.tokens], scheme))
        if "perplexity" in options.tables:
            measure_perplexity(options.model, ids[: options.perplexity], scheme, options.seeds, console)


if __name__ == "__main__":
    main()
