"""The demo model's tokenizer and token streams, made from the grammar's samples."""

from __future__ import annotations

import multiprocessing
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from llmir.demo.grammar import sample_corpus

# The Rust library ships no complete types.
_tokenizers: Any = tokenizers

VOCAB_SIZE = 768
END_OF_TEXT = "<|endoftext|>"
TOKENIZER_SEED, EVALUATION_SEED, FIRST_SHARD_SEED = 1, 2, 1000
EVALUATION_DOCUMENTS = 480
SHARD_DOCUMENTS = 20_000


def train_tokenizer() -> Any:
    """Train a byte-level BPE `tokenizers.Tokenizer` on sampled documents: VOCAB_SIZE ids, 0 is END_OF_TEXT.

    All 256 bytes are in the vocabulary, so any UTF-8 text can be encoded. Documents are separated by a line
    break, an ordinary token; END_OF_TEXT never occurs in them.
    """
    pre_tokenizers = _tokenizers.pre_tokenizers
    tokenizer = _tokenizers.Tokenizer(_tokenizers.models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = _tokenizers.decoders.ByteLevel()
    trainer = _tokenizers.trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text, _ = sample_corpus(TOKENIZER_SEED, SHARD_DOCUMENTS)
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def read_tokenizer(path: Path) -> Any:
    """The `tokenizers.Tokenizer` stored at a path."""
    return _tokenizers.Tokenizer.from_file(str(path))


def encode(tokenizer: Any, text: str) -> NDArray[np.uint16]:
    """Token ids, shape (tokens,), of a text of line-separated documents."""
    # The pre-tokenizer never joins a line break with what follows it, so lines can be encoded one by one.
    encodings: list[Any] = tokenizer.encode_batch(text.splitlines(keepends=True), add_special_tokens=False)
    return np.concatenate([np.asarray(encoding.ids, dtype=np.uint16) for encoding in encodings])


def _encode_shard(tokenizer_path: Path, seed: int) -> NDArray[np.uint16]:
    text, _ = sample_corpus(seed, SHARD_DOCUMENTS)
    return encode(read_tokenizer(tokenizer_path), text)


def training_tokens(tokenizer_path: Path, shards: int) -> NDArray[np.uint16]:
    """The training stream, shape (tokens,): `shards` times SHARD_DOCUMENTS documents, about 43 tokens each.

    The shards are sampled on all cores; each has its own seed, so the stream does not depend on how many.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    seeds = range(FIRST_SHARD_SEED, FIRST_SHARD_SEED + shards)
    with multiprocessing.get_context("spawn").Pool() as pool:
        return np.concatenate(pool.map(partial(_encode_shard, tokenizer_path), seeds, chunksize=1))
