"""Speed of native code on a model of a billion parameters: a generated one of Llama-3.2-1B's shapes.

    python benchmarks/decode_1b.py [--folder FOLDER] [--threads 1 2] [--context 16] [--prefill 512] [--rounds 8]
        [--peer-python PYTHON]

A GGUF file of type Q4_0 (4.5 bits a weight, the table of tokens included) is written to FOLDER (700 MB; a temporary one
by default), or used again when it is there; it needs the `gguf` package. Weights are random: speed does not depend on
them. Inputs are quantized at run time to 8 bits in groups of 32, as llama.cpp does, which is measured too if
`--peer-python` is an interpreter with llama-cpp-python. GB/s are of weights, keys and values that a token reads;
`of memory` is their part of what generated code reads of memory far larger than the caches, measured in the same run,
burst by burst. The process is scheduled first while it is measured, where the system allows that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from memory import LLAMA_1B
from rich.console import Console
from rich.table import Table
from timed_worker import Worker, first_in_line

from llmir.backends.native.machine_peaks import peak_meter
from llmir.targets.host import host_machine

BURST = 4
"""Tokens of a decode burst."""
BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", 16)])
"""32 weights of GGUF's Q4_0."""


def write_model(path: Path) -> None:
    """A GGUF file of LLAMA_1B's shapes, all matrices Q4_0."""
    from gguf import GGMLQuantizationType, GGUFWriter

    config = LLAMA_1B
    hidden, inner, heads, size = (
        config[n] for n in ("hidden_size", "intermediate_size", "num_attention_heads", "head_dim")
    )
    keys = config["num_key_value_heads"] * size
    random = np.random.default_rng(0)
    file = GGUFWriter(path, "llama", use_temp_file=True)
    file.add_context_length(8192)
    file.add_embedding_length(hidden)
    file.add_feed_forward_length(inner)
    file.add_block_count(config["num_hidden_layers"])
    file.add_head_count(heads)
    file.add_head_count_kv(config["num_key_value_heads"])
    file.add_key_length(size)
    file.add_value_length(size)
    file.add_rope_dimension_count(size)
    file.add_rope_freq_base(config["rope_theta"])
    file.add_layer_norm_rms_eps(config["rms_norm_eps"])
    file.add_vocab_size(config["vocab_size"])
    file.add_tokenizer_model("no_vocab")

    def matrix(name: str, rows: int, columns: int) -> None:
        blocks = np.empty((rows, columns // 32), BLOCK)
        blocks["scale"] = random.uniform(0.005, 0.01, blocks.shape)
        blocks["codes"] = random.integers(0, 256, blocks["codes"].shape, np.uint8)
        file.add_tensor(name, blocks.view(np.uint8).reshape(rows, -1), raw_dtype=GGMLQuantizationType.Q4_0)

    def norm(name: str) -> None:
        file.add_tensor(name, np.ones(hidden, np.float32))

    matrix("token_embd.weight", config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        norm(f"blk.{layer}.attn_norm.weight")
        norm(f"blk.{layer}.ffn_norm.weight")
        for name, rows, columns in (
            ("attn_q", heads * size, hidden),
            ("attn_k", keys, hidden),
            ("attn_v", keys, hidden),
            ("attn_output", hidden, heads * size),
            ("ffn_gate", inner, hidden),
            ("ffn_up", inner, hidden),
            ("ffn_down", hidden, inner),
        ):
            matrix(f"blk.{layer}.{name}.weight", rows, columns)
    norm("output_norm.weight")
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def measure(table: Table, program: str, python: str, path: Path, threads: int, options: argparse.Namespace) -> None:
    """One row: a program's speed."""
    worker = Worker(python, program, path, threads, options.context + options.prefill + 2 * BURST)
    prefill = [worker.ask(prefill=options.prefill)[0] / options.prefill for _ in range(max(2, options.rounds // 4))]
    worker.ask(fill=options.context)
    decode: list[float] = []
    memory = 0.0
    for _ in range(options.rounds):
        with first_in_line():
            memory = max(memory, options.meter.read(threads, 1))
        decode.append(sum(worker.ask(decode=BURST)) / BURST)
    facts = worker.facts
    worker.close()
    rate = (facts["bytes"] + options.context * facts["cache_bytes"]) / min(decode)
    table.add_row(
        *(program, str(threads), f"{facts['bytes'] / 1e6:.0f} MB", f"{1 / min(prefill):.0f}"),
        *(f"{1 / min(decode):.1f}", f"{1 / median(decode):.1f}", f"{rate / 1e9:.1f}"),
        *(f"{memory / 1e9:.1f}", f"{100 * rate / memory:.0f} %"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--context", type=int, default=16)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--peer-python", help="an interpreter with llama-cpp-python, to measure llama.cpp on the file")
    options = parser.parse_args()
    options.meter = peak_meter(host_machine(), max(options.threads))
    table = Table(
        "program", "threads", "weights", f"prefill {options.prefill} tok/s", f"decode at {options.context} tok/s",
        "(median)", "GB/s", "memory GB/s", "of memory",
    )  # fmt: skip
    programs = [("llmir", sys.executable)]
    if options.peer_python:
        programs.append(("llama.cpp", options.peer_python))
    with tempfile.TemporaryDirectory() as temporary:
        path = (options.folder or Path(temporary)) / "llama-1b.Q4_0.gguf"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_model(path)
        for threads in options.threads:
            for program, python in programs:
                measure(table, program, python, path, threads, options)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
