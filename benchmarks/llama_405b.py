"""How long the compiler takes for Llama 3.1 405B, whose weights are not needed for that.

    python benchmarks/llama_405b.py

For each recipe: build the module from the configuration alone, run all passes, verify after each, print the text,
and add up sizes. The time is to stay below 20 seconds a recipe; exit status 1 if it does not.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from llmir.frontends.huggingface import open_huggingface
from llmir.recipes.recipe import pipeline
from llmir.recipes.schemes import recipe
from llmir.reports.sizes import size_report

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16384,
    "intermediate_size": 53248,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
RECIPES = ("W8A16", "W4A16", "q4f16_1", "W8A8")
LIMIT = 20.0
"""Seconds."""


def measure(folder: Path, name: str) -> float:
    """Seconds for one recipe; prints them by part."""
    marks = [time.perf_counter()]
    program = open_huggingface(folder, weights=False)
    marks.append(time.perf_counter())
    pipeline(recipe(name), None).run(program)
    marks.append(time.perf_counter())
    text = str(program.module)
    marks.append(time.perf_counter())
    report = size_report(program)
    total = marks[-1] - marks[0]
    parts = [b - a for a, b in itertools.pairwise(marks)]
    print(
        f"{name:8} {total:5.1f} s (build {parts[0]:.1f}, passes {parts[1]:.1f}, print {parts[2]:.1f}), "
        f"{text.count(chr(10)):,} lines, {report.weight_bytes / 1e9:.1f} GB, {report.bits_per_weight:.2f} bits/weight"
    )
    return total


def main() -> int:
    """Measure every recipe."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(CONFIG))
        slowest = max(measure(Path(folder), name) for name in RECIPES)
    return int(slowest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
