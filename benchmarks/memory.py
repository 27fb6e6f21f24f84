"""Peak memory of `llmir quantize`, against the bound we promise.

    python benchmarks/memory.py [--scheme q4f16_1] [--keep]

Bound: 1.5 times the bytes of the largest decoder block, plus the largest tensor, plus 200 MB for the
interpreter. Models: SmolLM2-135M (if fetched) and a generated Hugging Face folder of Llama-3.2-1B shapes with
random bfloat16 weights (2.5 GB of disk, removed afterwards). The peak is the process's own maximum resident set.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from fetch_smollm2 import MODEL
from rich.console import Console
from rich.table import Table

from llmir.frontends.huggingface import read_config
from llmir.frontends.registry import open_model
from llmir.program.tensors import nbytes

LLAMA_1B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
}
INTERPRETER = 200_000_000
ROWS = 1024


def generate(folder: Path) -> None:
    """Write a folder of LLAMA_1B shapes, row by row."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_1B))
    shapes = dict(read_config(LLAMA_1B, "generated").weight_shapes())
    header: dict[str, Any] = {}
    at = 0
    for name, shape in shapes.items():
        size = int(np.prod(shape)) * 2
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.values():
            rows, columns = shape if len(shape) == 2 else (1, shape[0])
            for start in range(0, rows, ROWS):
                count = min(ROWS, rows - start)
                values = random.standard_normal((count, columns), np.float32) * 0.02
                file.write(values.astype(ml_dtypes.bfloat16).tobytes())


def bound(source: str) -> tuple[int, int, int]:
    """Bytes of the largest block, of the largest tensor, and the bound."""
    blocks: dict[str, int] = defaultdict(int)
    largest = 0
    for name, tensor in open_model(source).stored_tensors().items():
        largest = max(largest, nbytes(tensor))
        if name.startswith("model.layers."):
            blocks[name.split(".")[2]] += nbytes(tensor)
    block = max(blocks.values())
    return block, largest, int(1.5 * block) + largest + INTERPRETER


def measure(table: Table, name: str, source: str, flags: list[str], folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "llmir.tools.llmir",
        "quantize",
        source,
        *flags,
        "-o",
        str(folder / "out"),
        "--json",
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    made = json.loads(run.stdout)
    block, largest, limit = bound(source)
    peak = made["peak_memory_bytes"]
    row = [made["bytes_before"], block, largest, peak, limit]
    table.add_row(
        name, " ".join(flags), *(f"{v / 1e6:.0f} MB" for v in row), f"{peak / limit:.2f}", f"{made['seconds']:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scheme", action="append", help="schemes to measure (default q4f16_1 and W8A16)")
    schemes = parser.parse_args().scheme or ["q4f16_1", "W8A16"]
    table = Table("model", "options", "weights", "block", "largest tensor", "peak", "bound", "ratio", "seconds")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        sources: dict[str, str] = {}
        if MODEL.is_file():
            command = [
                sys.executable,
                "-m",
                "llmir.tools.llmir",
                "import",
                str(MODEL),
                "--dequantize",
                "-o",
                str(folder / "smollm2"),
            ]
            subprocess.run(command, check=True, capture_output=True)
            sources["SmolLM2-135M, float32"] = str(folder / "smollm2")
        generate(folder / "llama-1b")
        sources["Llama-3.2-1B shapes, bfloat16"] = str(folder / "llama-1b")
        for title, source in sources.items():
            for scheme in schemes:
                measure(table, title, source, ["-q", scheme], folder)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
