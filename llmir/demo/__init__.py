"""The model that ships with LLMIR: a small Llama trained on a language whose entropy is known exactly.

`grammar` defines the language, `train` (the one module that needs PyTorch) makes the files below from it,
and the `demo.json` in the model folder states the lowest perplexity any model can expect on the text.
"""

from __future__ import annotations

from pathlib import Path

MODEL: Path = Path(__file__).parent / "model"
"""A Hugging Face model folder: config.json, model.safetensors (float16), tokenizer.json and demo.json."""

TEXT: Path = Path(__file__).parent / "text.txt"
"""The held-out evaluation text (UTF-8), one document a line, sampled with a seed training never used."""


def text_path(name: str) -> Path:
    """A file's path; the word `demo` is the evaluation text, unless there is a file of that name."""
    return TEXT if name == "demo" and not Path(name).is_file() else Path(name)
