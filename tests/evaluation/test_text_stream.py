"""Streamed text is the text decoded at once, for decoders of every family; stop strings never show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import byte_letters
from tokenizers import Tokenizer, decoders, models

from llmir.errors import UsageError
from llmir.evaluation.text_stream import Decode, StopStrings, TextStream

WORDS = ["the", "fox", "\u00e9t\u00e9", "\u4f60\u597d", "\U0001f600", ".", "n't", "a", "\ufffd", "\n"]
BYTES = byte_letters()


def byte_level() -> Tokenizer:
    """GPT-2's way: a token is any bytes; words may begin with a space."""
    vocabulary = {character: i for i, character in enumerate(BYTES)}
    for word in WORDS:
        vocabulary.setdefault("".join(BYTES[b] for b in f" {word}".encode()), len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentence_piece() -> Tokenizer:
    """Llama 2's way: bytes for what is no word, and the space in front of a text is not part of it."""
    vocabulary = {"<unk>": 0} | {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    for word in WORDS:
        vocabulary.setdefault(f"\u2581{word}", len(vocabulary))
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def word_piece() -> Tokenizer:
    """BERT's way: spaces between tokens, but not before punctuation."""
    vocabulary = {word: i for i, word in enumerate([*WORDS[:4], *WORDS[5:8], "##s", "##ing"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="the"))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


TOKENIZERS = {"byte level": byte_level(), "sentence piece": sentence_piece(), "word piece": word_piece()}
kinds = pytest.mark.parametrize("kind", TOKENIZERS)


def decode_with(tokenizer: Tokenizer) -> Decode:
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False)


def streamed(decode: Decode, prompt: list[int], tokens: list[int]) -> list[str]:
    stream = TextStream(decode, prompt)
    return [*(stream.push(token) for token in tokens), stream.finish()]


@kinds
@given(data=st.data())
def test_whole_text(kind: str, data: st.DataObject) -> None:
    """Words in any order behind any prompt."""
    tokenizer = TOKENIZERS[kind]
    decode, size = decode_with(tokenizer), tokenizer.get_vocab_size()
    words = st.lists(st.integers(257 if size > 257 else 0, size - 1), max_size=30)
    prompt, tokens = data.draw(words), data.draw(words)
    assert "".join(streamed(decode, prompt, tokens)) == decode(prompt + tokens)[len(decode(prompt)) :]


@pytest.mark.parametrize("kind", ["byte level", "sentence piece"])
@given(text=st.text(max_size=40), prompt=st.text(max_size=20))
def test_bytes_of_characters(kind: str, text: str, prompt: str) -> None:
    """Every character in single bytes: none shows before it is whole."""
    decode = decode_with(TOKENIZERS[kind])
    tokens, before = byte_tokens(kind, text), byte_tokens(kind, prompt)
    pieces = streamed(decode, before, tokens)
    assert "".join(pieces) == decode(before + tokens)[len(decode(before)) :]
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)
        assert pieces[-1] == ""


@given(st.lists(st.integers(0, 255), max_size=40))
def test_bytes_that_are_no_text(tokens: list[int]) -> None:
    decode = decode_with(TOKENIZERS["byte level"])
    assert "".join(streamed(decode, [], tokens)) == decode(tokens)


def byte_tokens(kind: str, text: str) -> list[int]:
    tokenizer = TOKENIZERS[kind]
    spelled: Callable[[int], str] = BYTES.__getitem__ if kind == "byte level" else lambda byte: f"<0x{byte:02X}>"
    return [id_of(tokenizer, spelled(byte)) for byte in text.encode()]


def id_of(tokenizer: Tokenizer, token: str) -> int:
    id = tokenizer.token_to_id(token)
    assert id is not None
    return id


def test_pieces_come_at_once() -> None:
    decode = decode_with(TOKENIZERS["byte level"])
    assert streamed(decode, [], byte_tokens("byte level", "a\u00e9b")) == ["a", "", "\u00e9", "b", ""]
    assert streamed(decode, [], byte_tokens("byte level", "a\u00e9")[:-1]) == ["a", "", "\ufffd"]


def test_space_after_a_prompt() -> None:
    """The space that the decoder strips from the beginning of a text is there in its middle."""
    tokenizer = TOKENIZERS["sentence piece"]
    the, fox = id_of(tokenizer, "\u2581the"), id_of(tokenizer, "\u2581fox")
    assert streamed(decode_with(tokenizer), [the], [fox, fox]) == [" fox", " fox", ""]
    assert streamed(decode_with(tokenizer), [], [fox, fox]) == ["fox", " fox", ""]


def before_stop(text: str, stops: list[str]) -> tuple[str, str | None]:
    """By the definition: read character by character until one is complete."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            stop = max(complete, key=len)
            return text[: end - len(stop)], stop
    return text, None


@given(
    st.lists(st.text("abc", max_size=4), max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings(pieces: list[str], stops: list[str]) -> None:
    stopping = StopStrings(stops)
    shown = "".join([*(stopping.push(piece) for piece in pieces), stopping.finish()])
    assert (shown, stopping.found) == before_stop("".join(pieces), stops)


def test_what_may_become_a_stop_string_waits() -> None:
    stopping = StopStrings(["</s>", "stop"])
    assert [stopping.push(piece) for piece in ["a<", "/", "s", "b", " st", "o", "p!"]] == [
        "a",
        "",
        "",
        "</sb",
        " ",
        "",
        "",
    ]
    assert stopping.found == "stop"
    assert stopping.push("more") == stopping.finish() == ""


def test_empty_stop_string() -> None:
    with pytest.raises(UsageError, match="a stop string must have at least one character"):
        StopStrings(["a", ""])
