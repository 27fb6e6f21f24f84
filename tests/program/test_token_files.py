"""Token ids from files and text, cut into windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmir.errors import InputError
from llmir.program.token_files import check_vocabulary, load_tokenizer, read_tokens, tokenize_file, windows

TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "added_tokens": [
        {"id": 3, "content": "<s>", "special": True}
        | dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized"], False)
    ],
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}},
    },
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "?": 2}, "unk_token": "?"},
}  # fmt: skip
CONTENT = json.dumps(TOKENIZER).encode()


def test_npy_and_text_hold_the_same_ids(tmp_path: Path) -> None:
    ids = [5, 0, 17, 3]
    np.save(tmp_path / "ids.npy", np.array(ids, np.uint16))
    (tmp_path / "ids.txt").write_text("5 0\n\n 17\t3\n")
    for name in ("ids.npy", "ids.txt"):
        read = read_tokens(tmp_path / name)
        assert read.dtype == np.int64
        assert read.tolist() == ids


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"1 2 x", "t.txt: not token ids: "),
        ("t.txt", b"1 2.5", "t.txt: not token ids: "),
        ("t.npy", b"not numpy", "t.npy: not token ids: "),
        ("t.npy", b"", "t.npy: not token ids: "),
    ],
)
def test_files_that_are_not_token_ids(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_tokens(tmp_path / name)


def test_arrays_that_are_not_token_ids(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.ones(3, np.float32))
    with pytest.raises(InputError, match=r"token ids are one dimension of integers, got float32 \[3\]"):
        read_tokens(tmp_path / "f.npy")
    np.save(tmp_path / "m.npy", np.ones((3, 2), np.int32))
    with pytest.raises(InputError, match=r"token ids are one dimension of integers, got int32 \[3, 2\]"):
        read_tokens(tmp_path / "m.npy")


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"o.npy: not token ids: "):
        read_tokens(tmp_path / "o.npy")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.npy: the token ids cannot be read: No such file"):
        read_tokens(tmp_path / "none.npy")


def test_text_is_tokenized_without_special_tokens(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a b b zebra", encoding="utf-8")
    assert tokenize_file(tmp_path / "t.txt", CONTENT, "m").tolist() == [0, 1, 1, 2]
    assert load_tokenizer(CONTENT, "m").encode("a").ids == [3, 0]


def test_text_that_cannot_be_tokenized(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"t.txt: not UTF-8 text: "):
        tokenize_file(tmp_path / "t.txt", CONTENT, "m")
    with pytest.raises(InputError, match=r"m: has no tokenizer.json, which text needs; give token ids, or"):
        tokenize_file(tmp_path / "t.txt", None, "m")
    with pytest.raises(InputError, match=r"m: tokenizer.json cannot be used: "):
        tokenize_file(tmp_path / "t.txt", b"{}", "m")


def test_windows_do_not_overlap_and_drop_the_rest() -> None:
    assert windows(np.arange(8), 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert windows(np.arange(2), 3).shape == (0, 3)
    with pytest.raises(InputError, match="context must be at least 1 token, got 0"):
        windows(np.arange(8), 0)


@pytest.mark.parametrize(("ids", "worst"), [([0, 9], 9), ([0, 5], 5), ([-1, 2], -1)])
def test_ids_outside_the_vocabulary(ids: list[int], worst: int) -> None:
    with pytest.raises(InputError, match=f"text.txt: token id {worst} is outside the model's vocabulary of 5"):
        check_vocabulary(np.array(ids), 5, "text.txt")


def test_ids_inside_the_vocabulary() -> None:
    check_vocabulary(np.array([0, 4]), 5, "t")
    check_vocabulary(np.array([], np.int64), 5, "t")
