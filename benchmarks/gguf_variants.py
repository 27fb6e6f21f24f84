"""Files of one model in several GGUF types, by llama.cpp's own quantizer.

    python benchmarks/gguf_variants.py MODEL.gguf FOLDER [TYPE ...]

Needs llama-cpp-python. `pure` types give every matrix, the embedding included, the same type, so that a file has the
bits per weight of its type; the others are what `llama-quantize` makes by default.
"""

from __future__ import annotations

import argparse
import ctypes
from pathlib import Path

TYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "pure-Q4_0": 2}
"""Names and llama.cpp's numbers of file types."""


def quantize(source: Path, target: Path, kind: str, threads: int = 2) -> None:
    """Write a file of a type; weights that are quantized already are quantized again."""
    import llama_cpp as api

    parameters = api.llama_model_quantize_default_params()
    parameters.nthread = threads
    parameters.ftype = TYPES[kind]
    parameters.allow_requantize = True
    parameters.pure = kind.startswith("pure-")
    if api.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters)):
        raise SystemExit(f"{target}: llama.cpp could not write it")


def path_of(source: Path, folder: Path, kind: str) -> Path:
    """The file of a type."""
    return folder / f"{source.name.split('.')[0]}.{kind}.gguf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("types", nargs="*", metavar="TYPE", help=f"of {list(TYPES)}; default: all")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    half = path_of(options.model, options.folder, "F16")
    quantize(options.model, half, "F16")
    for kind in options.types or TYPES:
        if kind != "F16":
            quantize(half, path_of(options.model, options.folder, kind), kind)


if __name__ == "__main__":
    main()
