"""Data to run a program on: text files and files of token ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llmir.errors import InputError
from llmir.program.files import read_bytes


def load_tokenizer(content: bytes | None, source: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json; InputError when there is none or it cannot be read."""
    if content is None:
        raise InputError(f"{source}: has no tokenizer.json, which text needs; give token ids, or add the file")
    try:
        return Tokenizer.from_buffer(content)
    except Exception as e:  # the library raises bare Exception
        raise InputError(f"{source}: tokenizer.json cannot be used: {e}") from e


def tokenize_file(path: Path, tokenizer: bytes | None, source: str) -> NDArray[np.int64]:
    """The ids [n] of a UTF-8 text file, without special tokens."""
    loaded = load_tokenizer(tokenizer, source)
    try:
        text = read_bytes(path, "the text").decode()
    except UnicodeDecodeError as e:
        raise InputError(f"{path}: not UTF-8 text: {e}") from e
    return np.array(loaded.encode(text, add_special_tokens=False).ids, np.int64)


def read_tokens(path: Path) -> NDArray[np.int64]:
    """The ids [n] of a file: `.npy`, or whitespace-separated numbers."""
    content = read_bytes(path, "the token ids")
    try:
        if path.suffix == ".npy":
            ids = np.lib.format.open_memmap(path, mode="r")
        else:
            ids = np.array(content.split(), np.int64)
    except (ValueError, OverflowError, EOFError, OSError) as e:
        raise InputError(f"{path}: not token ids: {e}") from e
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(f"{path}: token ids are one dimension of integers, got {ids.dtype} {list(ids.shape)}")
    return ids.astype(np.int64)


def windows(ids: NDArray[np.int64], context: int) -> NDArray[np.int64]:
    """Non-overlapping windows [n, context]; a last partial one is dropped."""
    if context < 1:
        raise InputError(f"context must be at least 1 token, got {context}")
    count = len(ids) // context
    return ids[: count * context].reshape(count, context)


def check_vocabulary(ids: NDArray[np.int64], vocabulary: int, source: str) -> None:
    """InputError when an id is not in the model's vocabulary."""
    if len(ids) and not (ids.min() >= 0 and ids.max() < vocabulary):
        worst = int(ids.max() if ids.max() >= vocabulary else ids.min())
        raise InputError(f"{source}: token id {worst} is outside the model's vocabulary of {vocabulary}")
