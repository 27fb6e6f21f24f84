"""Text of a made-up model: what ends it, what is part of it, how fast it came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.evaluation.continuation import Continuation
from llmir.evaluation.text_stream import StopStrings

Float = NDArray[np.float32]
PROMPT = [ord("x")]


class Typist:
    """A model that writes a text whose tokens are its characters' codes."""

    def __init__(self, text: str):
        self._text = text

    def backbone(self, ids: NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        return np.arange(position, position + len(ids), dtype=np.float32)[:, None]

    def head(self, hidden: Float) -> Float:
        return np.eye(128, dtype=np.float32)[[ord(self._text[int(at)]) for at in hidden[:, 0]]]

    def new_cache(self, capacity: int) -> list[Float]:
        return []


def continued(text: str, tokens: int = 100, stop_ids: str = "$", stops: Sequence[str] = ()) -> tuple[list[str], str]:
    """The pieces and why they ended."""
    made = Continuation(
        Typist(text),
        lambda ids: "".join(map(chr, ids)),
        PROMPT,
        tokens,
        stop_ids=frozenset(map(ord, stop_ids)),
        stops=StopStrings(stops),
    )
    pieces = list(made.pieces())
    assert made.text == "".join(pieces)
    assert "".join(map(chr, made.ids)) == text[: len(made.ids)]
    assert all(a <= b for a, b in zip(made.seconds, made.seconds[1:], strict=False))
    return pieces, made.finish_reason


def test_length() -> None:
    assert continued("hello", tokens=3) == (["h", "e", "l", ""], "length")


def test_stop_token() -> None:
    assert continued("he$lo") == (["h", "e", ""], "stop_token")
    assert continued("$") == ([""], "stop_token")


def test_stop_string() -> None:
    assert continued("hi END of", stops=["END"]) == (["h", "i", " ", "", "", ""], "stop_string")


def test_what_a_stop_string_held_back_is_shown_at_the_end() -> None:
    assert continued("a EN$", stops=["END"]) == (["a", " ", "", "", "EN"], "stop_token")
    assert continued("a EN", tokens=4, stops=["END"]) == (["a", " ", "", "", "EN"], "length")


def test_speeds() -> None:
    made = Continuation(Typist("hello"), lambda _ids: "", PROMPT, 5)
    assert made.prefill_tokens_per_second is made.decode_tokens_per_second is None
    list(made.pieces())
    made.seconds = [0.5, 0.6, 0.8, 0.9, 1.0]
    assert made.prefill_tokens_per_second == pytest.approx(1 / 0.5)
    assert made.decode_tokens_per_second == pytest.approx(4 / 0.5)
