"""Prefill and decode speed of the NumPy backend, against the same float32 matrix products in NumPy alone.

    python benchmarks/prefill.py [MODEL] [--passes PIPELINE] [--tokens 512] [--decode 32] [--repeats 5]

Prints one table. `products` multiplies float32 arrays of the shapes the program multiplies (linear layers,
attention scores and averages of the causal part, logits), nothing else; the ratio says how much of a prefill
is spent in them. Runs of both are interleaved and the fastest of each counts. `--passes` runs on the model first,
`merge-projections` for instance.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from llmir.backends.numpy import kernels
from llmir.backends.numpy.session import Session
from llmir.dialects.llm.model import AttentionOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, shape_of
from llmir.frontends.registry import open_model
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program

Product = tuple[NDArray[np.float32], NDArray[np.float32]]


def products(program: Program, tokens: int) -> list[Product]:
    """Operands of every product a prefill of `tokens` computes, with distinct weights."""
    random = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        return random.standard_normal((rows, columns), np.float32)

    pairs: list[Product] = []
    for op in program.module.walk():
        if isinstance(op, LinearOp | QuantizedMatmulOp):
            n, k = shape_of(op.weight)
            pairs.append((matrix(tokens, k), matrix(n, k)))
        elif isinstance(op, AttentionOp):
            _, heads, size = shape_of(op.query)
            shared = heads // shape_of(op.key)[1]
            for start in range(0, tokens, kernels.QUERY_ROWS):
                stop = min(tokens, start + kernels.QUERY_ROWS)
                for _ in range(shape_of(op.key)[1]):
                    rows = shared * (stop - start)
                    pairs.append((matrix(rows, size), matrix(stop, size)))
                    pairs.append((matrix(rows, stop), matrix(size, stop)))
    return pairs


def multiply(pairs: list[Product]) -> None:
    for a, b in pairs:
        a @ b.T


def seconds(run: Callable[[], object]) -> float:
    time.sleep(0.2)  # the matrix library's threads go on spinning for a while after their last product
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def decode(session: Session, prompt: NDArray[np.int64], count: int) -> float:
    """Seconds for `count` single tokens after a prompt."""
    caches = session.new_cache(len(prompt) + count)
    session.backbone(prompt, 0, caches)
    start = time.perf_counter()
    for i in range(count):
        session.head(session.backbone(prompt[i : i + 1], len(prompt) + i, caches))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--passes", default="")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    program = open_model(options.model)
    if options.passes:
        Pipeline.parse(options.passes).run(program)
    session = compile_numpy(program.module, program.weights)
    ids = np.random.default_rng(0).integers(0, session.vocabulary, options.tokens)
    pairs = products(program, options.tokens)
    session.logits(ids)
    multiply(pairs)
    whole, alone = [], []
    for _ in range(options.repeats):
        whole.append(seconds(lambda: session.logits(ids)))
        alone.append(seconds(lambda: multiply(pairs)))
    table = Table("model", "tokens", "prefill", "tokens/s", "products alone", "ratio", "decode tokens/s")
    table.add_row(
        options.model,
        str(options.tokens),
        f"{min(whole) * 1e3:.0f} ms",
        f"{options.tokens / min(whole):.0f}",
        f"{min(alone) * 1e3:.0f} ms",
        f"{100 * min(alone) / min(whole):.0f} %",
        f"{options.decode / decode(session, ids[:64], options.decode):.1f}",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
