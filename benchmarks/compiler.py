"""How long the compiler takes per operation, for modules of 5k and 50k operations: `python benchmarks/compiler.py`.

A module is a chain of linear layers with quantized weights and inputs, in functions of about 500 operations: weights
as symbols, quantize, dequantize and linear on `!llm.quantized_tensor` values, quantized_matmul, and quantize and
dequantize with parameters as attributes. Each step but parsing starts from a copy of the same module. Times are
seconds of CPU; `growth` is the time per operation at the larger size over that at the smaller one, 1 where the cost
is linear. xDSL's own parser reads the smaller text, and with --all the larger one too. Last, `llmir-opt` and the stock
`xdsl-opt`, which knows our dialect by its plugin (so the package must be installed), each run `canonicalize,cse` on
the smaller text as programs.
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

from llmir.dialects.context import new_context
from llmir.dialects.parser import LLMParser
from llmir.passes.pass_manager import run_passes
from llmir.passes.pipeline_text import parse_pipeline
from llmir.program.context import LLMContext
from llmir.tools.opt_diagnostics import verify
from llmir.tools.opt_registry import Registry

SIZES = (5_000, 50_000)
LAYERS_PER_FUNCTION = 62

WEIGHT = "!llm.quantized_tensor<64x64xi4, scale=f16, symmetric=true, group_size=32>"
INPUT = "!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>"
FLOATS = "tensor<?x64xf32>"
ALIASES = {
    "WEIGHT": WEIGHT,
    "INPUT": INPUT,
    "FLOATS": FLOATS,
    "SCALE": "dense<0.01> : tensor<64xf32>",
    "ZERO": "dense<-2> : tensor<64xi8>",
}
LAYER = """\
  %w<i> = llm.load_weight @w<i> : WEIGHT
  %d<i> = llm.dequantize(%w<i>) : (WEIGHT) -> tensor<64x64xf32>
  %q<i> = llm.quantize(%<x>) : (FLOATS) -> INPUT
  %e<i> = llm.dequantize(%q<i>) : (INPUT) -> FLOATS
  %l<i> = llm.linear(%e<i>, %d<i>) : (FLOATS, tensor<64x64xf32>) -> FLOATS
  %m<i> = llm.quantized_matmul(%l<i>, %w<i>) : (FLOATS, WEIGHT) -> FLOATS
  %c<i> = llm.quantize(%m<i>) {scale = SCALE, zero_point = ZERO, bits = 8 : i32} : (FLOATS) -> tensor<?x64xi8>
  %y<i> = llm.dequantize(%c<i>) {scale = SCALE, zero_point = ZERO} : (tensor<?x64xi8>) -> FLOATS
"""


def layer_text(i: int, x: str) -> str:
    """The operations of layer `i` with input `x`."""
    text = LAYER.replace("<i>", str(i)).replace("<x>", x)
    for alias, meaning in ALIASES.items():
        text = text.replace(alias, meaning)
    return text


def module_text(operations: int) -> str:
    """A module of about as many operations."""
    layers = range(operations // (LAYER.count("\n") + 1))
    lines = [f"llm.weight @w{i} : {WEIGHT}\n" for i in layers]
    for first in range(0, len(layers), LAYERS_PER_FUNCTION):
        ours = layers[first : first + LAYERS_PER_FUNCTION]
        lines.append(f"func.func @block{first}(%x: {FLOATS}) -> {FLOATS} {{\n")
        lines += [layer_text(i, "x" if i == first else f"y{i - 1}") for i in ours]
        lines.append(f"  func.return %y{ours[-1]} : {FLOATS}\n}}\n")
    return "".join(lines)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    gc.collect()
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def run_pass(name: str, module: ModuleOp) -> float:
    """CPU seconds of a pass on a copy of a module."""
    copy = module.clone()
    passes = parse_pipeline(name, Registry().passes)
    ctx = LLMContext.new()
    return timed(lambda: run_passes(passes, ctx, copy))[0]


def printed(module: ModuleOp) -> str:
    """A module's text."""
    stream = StringIO()
    Printer(stream).print_op(module)
    return stream.getvalue()


def measure(operations: int, with_stock: bool) -> tuple[int, dict[str, float]]:
    """The number of operations, and microseconds per operation of each step."""
    text = module_text(operations)
    seconds, module = timed(lambda: LLMParser(new_context(), text).parse_module())
    count = sum(1 for _ in module.walk())
    steps = {"parse": seconds}
    if with_stock:
        steps["parse, xDSL's parser"] = timed(lambda: Parser(new_context(), text).parse_module())[0]
    steps["verify, every error with its place"] = timed(lambda: verify(module))[0]
    steps["verify, xDSL's first error"] = timed(lambda: module.verify())[0]
    for name in ("canonicalize", "cse", "fuse-quantized-ops"):
        steps[name] = run_pass(name, module)
    steps["print"], again = timed(lambda: printed(module))
    assert LLMParser(new_context(), again).parse_module().is_structurally_equivalent(module) or operations > SIZES[0]
    return count, {step: 1e6 * seconds / count for step, seconds in steps.items()}


def program_seconds(command: list[str]) -> float:
    """CPU seconds of a program that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def programs() -> str:
    """A sentence that compares llmir-opt with the stock xdsl-opt."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.mlir"
        path.write_text(module_text(SIZES[0]))
        arguments = [str(path), "-p", "canonicalize,cse"]
        ours = program_seconds([sys.executable, "-m", "llmir.tools.llmir_opt", *arguments])
        stock = program_seconds([sys.executable, "-c", "from xdsl.tools.xdsl_opt import main; main()", *arguments])
    times = f"{stock:.2f} s, {stock / ours:.1f} times as long"
    return f"`llmir-opt -p canonicalize,cse` on {SIZES[0]} operations: {ours:.2f} s of CPU; `xdsl-opt`: {times}."


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="xDSL's parser on the larger text too (minutes)")
    everything = parser.parse_args().all
    (small, first), (large, second) = (measure(size, everything or size == SIZES[0]) for size in SIZES)
    machine = f"Python {platform.python_version()}, xDSL {version('xdsl')}, {platform.machine()}"
    print(f"CPU microseconds per operation ({machine}):\n")
    print(f"| step | {small} operations | {large} operations | growth |\n|---|---|---|---|")
    for step, microseconds in first.items():
        later = second.get(step)
        cells = ("", "") if later is None else (f"{later:.1f}", f"{later / microseconds:.2f}")
        print(f"| {step} | {microseconds:.1f} | {cells[0]} | {cells[1]} |")
    stock = first["parse, xDSL's parser"]
    print(f"\nParsing takes 1/{stock / first['parse']:.1f} of the time of xDSL's parser, and keeps places.")
    print(f"\n{programs()}")


if __name__ == "__main__":
    main()
