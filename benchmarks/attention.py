"""Native attention against what this machine can do: products of a prefill, memory read in decode.

    python benchmarks/attention.py [--heads 9] [--kv-heads 3] [--head-dim 64] [--layers 30] [--elements f16,i8,...]
                                   [--rows 512] [--contexts 1024,4096] [--threads 1,2] [--repeats 20]

The shapes are SmolLM2-135M's unless others are given. A prefill is timed for one layer from an empty cache, and its
operations are those that causal attention needs: 4 for each query, key it sees and column. A decode reads the caches
of all layers in turn, which is more than the last-level cache holds where contexts are long; its bytes are those of
keys, values and scales. Both are given beside the peaks of the same threads, measured in between: float32
multiplications, and bytes read from memory. Times are the best of many short bursts.
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from bursts import Bursts
from rich.console import Console
from rich.table import Table
from xdsl.ir import SSAValue

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.attention import Attention
from llmir.backends.native.kernels.attention_parts import AttentionParts, MergeParts
from llmir.backends.native.kernels.attention_tile import Heads
from llmir.backends.native.kernels.cache import AppendCache
from llmir.backends.native.kernels.peaks import OPERANDS_BYTES, Products, ReadStream
from llmir.backends.native.memory import Memory
from llmir.backends.native.vector_types import I64, PTR
from llmir.targets.host import host_machine

MACHINE = host_machine()
PEAK_BYTES = 64 << 20
PEAK_STEPS = 200_000
Work = Callable[[], None]


@dataclass(frozen=True)
class Shape:
    """What is attended to."""

    heads: int
    kv_heads: int
    head_dim: int
    layers: int

    @property
    def columns(self) -> int:
        """Columns of a row of queries, keys and values."""
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    def of(self, element: str) -> Heads:
        """Attention over a cache of an element, out of a buffer of queries, keys and values."""
        width = self.heads * self.head_dim
        scale = self.head_dim**-0.5
        return Heads(self.heads, self.kv_heads, self.head_dim, scale, element, self.columns, width)


class Layers:
    """Compiled attention and the filled caches of all layers."""

    def __init__(self, shape: Shape, element: str, rows: int, capacity: int, threads: int):
        self.shape, self.heads, self.capacity, self.threads = shape, shape.of(element), capacity, threads
        self.attention, self.parts = Attention(self.heads), AttentionParts(self.heads)
        merge = MergeParts(self.parts)
        append = AppendCache(shape.kv_heads, shape.head_dim, element, shape.columns, shape.columns)
        module = ModuleBuilder(MACHINE)
        for spec in (self.attention, self.parts, merge, append):
            name = spec.emit(module)
            types = module.functions[name].function_type.inputs.data
            with module.function(f"run_{name}", [(f"a{i}", t) for i, t in enumerate(types)], public=True) as f:
                f.call(name, list(f.args.values()))
        self._emit_decode(module, merge)
        library = jit.compile_module(module, MACHINE)

        def function(name: str) -> Callable[..., None]:
            types = module.functions[name].function_type.inputs.data
            return library.function(name, *[ctypes.c_void_p if t is PTR else ctypes.c_int64 for t in types])

        self.attend, self.attend_one = function(f"run_{self.attention.name}"), function("decode")
        x = np.random.default_rng(0).normal(size=(max(rows, capacity), shape.columns)).astype(np.float32)
        self.x = Memory(x.nbytes)
        self.x.array[:] = x.view(np.uint8).reshape(-1)
        self.out = Memory(4 * rows * shape.heads * shape.head_dim)
        size = max(self.attention.scratch_bytes(MACHINE), self.parts.scratch_bytes(MACHINE))
        self.scratch = [Memory(size) for _ in range(threads)]
        self.shared = Memory(self.parts.parts_bytes(MACHINE))
        self.layer_bytes = shape.kv_heads * capacity * self.heads.layout.token_bytes
        self.caches = Memory(2 * shape.layers * self.layer_bytes)
        k = self.x.address + 4 * shape.heads * shape.head_dim
        v = k + 4 * shape.kv_heads * shape.head_dim
        for layer in range(shape.layers):
            function(f"run_{append.name}")(k, v, *self.cache(layer), 0, capacity, 0, capacity, 0, shape.kv_heads)

    def _emit_decode(self, module: ModuleBuilder, merge: MergeParts) -> None:
        """`decode`: a thread's part of one row in all layers; without the barriers between layers."""
        pointers = [(name, PTR) for name in ("q", "caches", "out", "parts", "scratch")]
        numbers = [(name, I64) for name in ("layers", "layer_bytes", "position", "capacity", "thread", "threads")]
        with module.function("decode", [*pointers, *numbers], public=True) as f:
            g = f.args
            heads = self.shape.heads
            h0 = f.udiv(f.mul(g["thread"], heads), g["threads"])
            h1 = f.udiv(f.mul(f.add(g["thread"], 1), heads), g["threads"])

            def layer(i: SSAValue, _: Sequence[SSAValue]) -> None:
                keys = f.at(g["caches"], f.mul(f.mul(i, g["layer_bytes"]), 2))
                pointers = [g["q"], keys, f.at(keys, g["layer_bytes"]), g["parts"], g["scratch"]]
                f.call(self.parts.name, [*pointers, g["position"], g["capacity"], g["thread"], g["threads"]])
                f.call(merge.name, [g["parts"], g["out"], g["position"], h0, h1])

            f.for_(0, g["layers"], 1, [], layer)

    def cache(self, layer: int) -> tuple[int, int]:
        """Addresses of a layer's keys and values."""
        start = self.caches.address + 2 * layer * self.layer_bytes
        return start, start + self.layer_bytes

    def prefill(self, thread: int, threads: int, rows: int) -> None:
        """A thread's part of the rows of one layer: one of the first and one of the last of 2 * threads parts."""
        keys, values = self.cache(0)
        for part in (thread, 2 * threads - 1 - thread):
            start, stop = rows * part // (2 * threads), rows * (part + 1) // (2 * threads)
            pointers = (self.x.address, keys, values, self.out.address, self.scratch[thread].address)
            self.attend(*pointers, 0, self.capacity, start, stop, 0, self.shape.kv_heads)

    def decode(self, thread: int, threads: int, context: int) -> None:
        """A thread's part of one row in all layers."""
        pointers = (self.x, self.caches, self.out, self.shared, self.scratch[thread])
        numbers = (self.shape.layers, self.layer_bytes, context - 1, self.capacity, thread, threads)
        self.attend_one(*(memory.address for memory in pointers), *numbers)


class PeakWork:
    """The functions whose speed is the limit."""

    def __init__(self, threads: int):
        module = ModuleBuilder(MACHINE)
        ReadStream().emit(module)
        Products("fma").emit(module)
        library = jit.compile_module(module, MACHINE)
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
        self.stream = library.function(ReadStream().name(), *kinds)
        self.products = library.function(Products("fma").name(), *kinds)
        self.data = Memory(threads * PEAK_BYTES)
        self.data.array[:] = 1
        self.small = [Memory(2 * OPERANDS_BYTES) for _ in range(threads)]

    def read(self, thread: int) -> None:
        """Memory that is in no cache."""
        self.stream(self.data.address + thread * PEAK_BYTES, PEAK_BYTES, self.small[thread].address + OPERANDS_BYTES)

    def multiply(self, thread: int) -> None:
        """Registers by registers."""
        self.products(self.small[thread].address, PEAK_STEPS, self.small[thread].address + OPERANDS_BYTES)


def best_of(bursts: Bursts, works: dict[str, list[Work]], repeats: int) -> dict[str, float]:
    """The least seconds of each, all in turn."""
    found = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, parts in works.items():
            spent = bursts.alone(parts[0]) if len(parts) == 1 else bursts.together(parts)
            found[name] = min(found[name], spent)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (
        ("heads", 9),
        ("kv-heads", 3),
        ("head-dim", 64),
        ("layers", 30),
        ("rows", 512),
        ("repeats", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in (("elements", "f16,f32,i8,f8E4M3FN"), ("contexts", "128,1024,4096"), ("threads", "1,2")):
        parser.add_argument(f"--{name}", default=value)
    a = parser.parse_args()
    shape = Shape(a.heads, a.kv_heads, a.head_dim, a.layers)
    contexts, threads = ([int(n) for n in text.split(",")] for text in (a.contexts, a.threads))
    capacity = -(-max(*contexts, a.rows) // MACHINE.lanes) * MACHINE.lanes
    bursts, peak = Bursts(MACHINE), PeakWork(max(threads))
    table = Table("cache", "threads", "work", "us a layer", "GFLOP/s", "of peak", "GB/s", "of stream")
    for element in a.elements.split(","):
        layers = Layers(shape, element, a.rows, capacity, max(threads))
        prefill, decode = layers.prefill, layers.decode
        for count in threads:
            works: dict[str, list[Work]] = {
                "read": [lambda i=i: peak.read(i) for i in range(count)],
                "multiply": [lambda i=i: peak.multiply(i) for i in range(count)],
                f"prefill {a.rows}": [lambda i=i, n=count, run=prefill: run(i, n, a.rows) for i in range(count)],
            }
            for context in contexts:
                works[f"decode at {context}"] = [
                    lambda i=i, n=count, c=context, run=decode: run(i, n, c) for i in range(count)
                ]
            seconds = best_of(bursts, works, a.repeats)
            top = count * PEAK_STEPS * Products("fma").operations(MACHINE.lanes) / seconds["multiply"]
            stream = count * PEAK_BYTES / seconds["read"]
            pairs = 4 * shape.heads * shape.head_dim

            def row(name: str, spent: float, seen: int, read: int | None, element: str = element, count: int = count,
                    top: float = top, stream: float = stream, pairs: int = pairs) -> None:  # fmt: skip
                speed = pairs * seen / spent
                memory = ("-", "-") if read is None else (f"{read / spent / 1e9:.1f}", f"{read / spent / stream:.0%}")
                numbers = (f"{spent * 1e6:.1f}", f"{speed / 1e9:.1f}", f"{speed / top:.0%}")
                table.add_row(element, str(count), name, *numbers, *memory)

            row(f"prefill {a.rows}", seconds[f"prefill {a.rows}"], a.rows * (a.rows + 1) // 2, None)
            for context in contexts:
                spent = seconds[f"decode at {context}"] / shape.layers
                read = 2 * context * shape.kv_heads * layers.heads.layout.token_bytes
                row(f"decode at {context}", spent, context, read)
            note = f"peak {top / 1e9:.0f} GFLOP/s, stream {stream / 1e9:.1f} GB/s"
            table.add_row(element, str(count), note, end_section=True)
    console = Console(width=120)
    console.print(f"{MACHINE.name}, real-time bursts: {'yes' if bursts.real_time else 'no'}")
    console.print(table)


if __name__ == "__main__":
    main()
