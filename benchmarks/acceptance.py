"""Perplexity of SmolLM2-135M-Instruct under several schemes, as one table.

    python benchmarks/fetch_smollm2.py
    python benchmarks/acceptance.py --text wikitext2-test.txt [--max-tokens 20000] [--context 512]

The text is tokenized without special tokens; windows do not overlap, there is no BOS, every token of a window
but the first is predicted. Everything is done by the `llmir` command itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fetch_smollm2 import MODEL
from rich.console import Console
from rich.table import Table

SCHEMES: dict[str, list[str]] = {
    "int8 per channel, absmax / 128": ["-q", "W8A16", "--weight-scale", "f32"],
    "4 bits, groups of 32, min and scale": [
        *("--weight-bit-width", "4", "--group-size", "32", "--weight-min", "f32", "--weight-scale", "f32")
    ],
    "4 bits, groups of 128, absmax / 8, padded": ["-q", "W4A16", "--pad", "--weight-scale", "f32"],
    "q4f16_1": ["-q", "q4f16_1"],
    "q3f16_1": ["-q", "q3f16_1"],
    "W8A8": ["-q", "W8A8"],
    "W4A8": ["-q", "W4A8", "--pad"],
    "FP8_DYNAMIC": ["-q", "FP8_DYNAMIC"],
    "2 bits, groups of 32": ["--weight-bit-width", "2", "--group-size", "32"],
}


def llmir(*arguments: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "llmir.tools.llmir", *arguments, "--json"], capture_output=True, text=True
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True)
    parser.add_argument("--max-tokens", default="20000")
    parser.add_argument("--context", default="512")
    options = parser.parse_args()
    data = ["--text", options.text, "--max-tokens", options.max_tokens, "--context", options.context]
    table = Table(
        "scheme", "bits/weight of linears", "perplexity", "mean KL", "same top token", "quantize", "peak memory"
    )
    with tempfile.TemporaryDirectory(dir=MODEL.parent) as folder:
        source, output = str(Path(folder) / "float32"), str(Path(folder) / "quantized")
        llmir("import", str(MODEL), "--dequantize", "-o", source)
        measured = llmir("eval", source, *data)
        table.add_row("float32", "32.000", f"{measured['perplexity']:.4f}", "", "", "", "")
        for name, flags in SCHEMES.items():
            made = llmir("quantize", source, *flags, "-o", output)
            measured = llmir("eval", output, *data, "--reference", source)
            table.add_row(
                name,
                f"{made['linear_bits_per_weight']:.3f}",
                f"{measured['perplexity']:.4f}",
                f"{measured['mean_kld']:.5f}",
                f"{100 * measured['same_top1']:.2f} %",
                f"{made['seconds']:.1f} s",
                f"{made['peak_memory_bytes'] / 1e6:.0f} MB",
            )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
