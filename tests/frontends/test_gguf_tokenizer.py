"""Tokenizers from GGUF metadata against hand-made ids and a plain SentencePiece merge loop."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from llmir.errors import InputError
from llmir.frontends.gguf_file import GGUFValue
from llmir.frontends.gguf_pretokenizers import PRE_TOKENIZERS
from llmir.frontends.gguf_tokenizer import SpecialTokens, special_tokens, tokenizer_from_fields

Fields = dict[str, GGUFValue]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
SPACE = "\u2581"
LETTERS: list[str] = sorted(pre_tokenizers.ByteLevel.alphabet())
HEAD = {"<|end_marker|>": CONTROL, "[tool]": USER_DEFINED, "<|im_end|>": NORMAL}
WORDS = ["he", "ll", "hell", "hello", "Ġw", "or", "Ġwor", "ld", "??", "whole"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "? ?"]


def byte_level(letters: list[str] = LETTERS, **changes: GGUFValue | None) -> Fields:
    """A byte-level vocabulary of single bytes and WORDS; `changes` replace or (None) remove fields."""
    tokens = [*HEAD, *letters, *WORDS]
    fields: dict[str, GGUFValue | None] = {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": tokens,
        "token_type": [*HEAD.values()] + [NORMAL] * (len(tokens) - len(HEAD)),
        "merges": MERGES,
        **changes,
    }
    return {f"tokenizer.ggml.{key}": value for key, value in fields.items() if value is not None}


def sentence_piece(pieces: dict[str, float], **changes: GGUFValue | None) -> Fields:
    """A SentencePiece vocabulary of the usual head, all bytes, and scored pieces."""
    head = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL, "[tool]": USER_DEFINED}
    head |= {f"<0x{byte:02X}>": BYTE for byte in range(256)}
    fields: dict[str, GGUFValue | None] = {
        "model": "llama",
        "tokens": [*head, *pieces],
        "scores": [0.0] * len(head) + list(pieces.values()),
        "token_type": [*head.values()] + [NORMAL] * len(pieces),
        **changes,
    }
    return {f"tokenizer.ggml.{key}": value for key, value in fields.items() if value is not None}


def pieces_of(fields: Fields, text: str) -> list[str]:
    tokenizer = tokenizer_from_fields(fields, "test.gguf")
    return [str(tokenizer.id_to_token(token_id)) for token_id in tokenizer.encode(text).ids]


def encode_by_loop(pieces: dict[str, float], text: str) -> list[str]:
    """SentencePiece BPE as defined: join the best-scored adjacent pair, leftmost first, to the end."""
    symbols = list(text)
    while True:
        pairs = ["".join(pair) for pair in itertools.pairwise(symbols)]
        known = [(-pieces[pair], index) for index, pair in enumerate(pairs) if pair in pieces]
        if not known:
            break
        best = min(known)[1]
        symbols[best : best + 2] = [pairs[best]]
    result: list[str] = []
    for symbol in symbols:
        result += [symbol] if symbol in pieces else [f"<0x{byte:02X}>" for byte in symbol.encode()]
    return result


def test_merges_apply_in_order_of_the_list() -> None:
    assert pieces_of(byte_level(), "hello world") == ["hello", "Ġwor", "ld"]
    assert pieces_of(byte_level(), "shell") == ["s", "hell"]
    assert pieces_of(byte_level(), "é") == ["Ã", "©"]
    # With "l o" first, the second l of "hello" is gone before "l l" can take it.
    reordered = ["l o", *MERGES]
    tokens = [*HEAD, *LETTERS, *WORDS, "lo"]
    fields = byte_level(merges=reordered, tokens=tokens, token_type=[NORMAL] * len(tokens))
    assert pieces_of(fields, "hello") == ["he", "l", "lo"]


def test_of_a_repeated_merge_the_first_counts() -> None:
    assert pieces_of(byte_level(merges=[*MERGES, "h e"]), "hello") == ["hello"]
    assert pieces_of(byte_level(merges=["l l", "l d", "h e", "l l"]), "lld") == ["ll", "d"]


def test_ids_are_positions_in_the_file() -> None:
    tokens = [*HEAD, *LETTERS, *WORDS]
    ids = tokenizer_from_fields(byte_level(), "test.gguf").encode("hello[tool] world<|end_marker|>").ids
    assert [tokens[token_id] for token_id in ids] == ["hello", "[tool]", "Ġwor", "ld", "<|end_marker|>"]


def test_special_tokens_are_cut_out_first() -> None:
    text = "hello<|end_marker|> [tool]hello<|im_end|>"
    expected = ["hello", "<|end_marker|>", "Ġ", "[tool]", "hello", "<|im_end|>"]
    assert pieces_of(byte_level(), text) == expected


def test_decoding_skips_control_but_not_user_defined_tokens() -> None:
    tokenizer = tokenizer_from_fields(byte_level(), "test.gguf")
    ids = tokenizer.encode("hello<|end_marker|>[tool] world").ids
    assert tokenizer.decode(ids) == "hello[tool] world"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "hello<|end_marker|>[tool] world"


def test_pre_tokenizers_decide_where_merges_stop() -> None:
    numbers = ["11", "111"]
    tokens = [*HEAD, *LETTERS, *WORDS, *numbers]
    merges = [*MERGES, "1 1", "11 1"]
    types: list[int] = [NORMAL] * len(tokens)

    def pieces(pre: str) -> list[str]:
        return pieces_of(byte_level(pre=pre, tokens=tokens, merges=merges, token_type=types), "1111")

    assert pieces("gpt-2") == ["11", "11"]
    assert pieces("smollm") == ["1", "1", "1", "1"]
    assert pieces("dbrx") == ["111", "1"]


def test_a_missing_pre_tokenizer_means_default() -> None:
    # The default isolates runs of punctuation; GPT-2 would join the space to it.
    assert pieces_of(byte_level(pre=None), " ??") == ["Ġ", "??"]
    assert pieces_of(byte_level(pre="default"), " ??") == ["Ġ", "??"]


def test_whole_words_skip_merging_where_the_family_says_so() -> None:
    assert pieces_of(byte_level(pre="llama-bpe"), "whole") == ["whole"]
    assert pieces_of(byte_level(pre="dbrx"), "whole") == ["w", "h", "o", "l", "e"]


def test_a_byte_without_token_vanishes_but_separates() -> None:
    letters = [letter for letter in LETTERS if letter != "Ą"]
    assert pieces_of(byte_level(letters), "?\x04?") == ["?", "?"]
    assert pieces_of(byte_level(letters), "??\x04") == ["??"]
    assert pieces_of(byte_level(), "?\x04?") == ["?", "Ą", "?"]


def test_empty_tokens_are_never_found() -> None:
    tokens = [*HEAD, *LETTERS, *WORDS, ""]
    fields = byte_level(tokens=tokens, token_type=None)
    tokenizer = tokenizer_from_fields(fields, "test.gguf")
    assert tokenizer.get_vocab_size() == len(tokens)
    assert tokenizer.encode("").ids == []


@given(text=st.text(max_size=40), pre=st.sampled_from(sorted(PRE_TOKENIZERS)))
@settings(max_examples=200, deadline=None)
def test_byte_level_text_survives_a_round_trip(text: str, pre: str) -> None:
    tokenizer = tokenizer_from_fields(byte_level(pre=pre), "test.gguf")
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


PIECES = {letter: -100.0 - index for index, letter in enumerate([SPACE, "a", "b", "c", "\n", "é"])} | {
    "ab": -1.0,
    "bc": -2.0,
    "abc": -3.0,
    f"{SPACE}a": -4.0,
    f"{SPACE}{SPACE}": -5.0,
    "ca": -6.0,
}


def test_better_scores_merge_first() -> None:
    assert pieces_of(sentence_piece(PIECES), "abc bca") == [f"{SPACE}", "abc", SPACE, "bc", "a"]


def test_spaces_are_prefixed_after_every_special_token() -> None:
    text = "a</s>a [tool]a"
    prefixed = [f"{SPACE}a", "</s>", f"{SPACE}a", SPACE, "[tool]", f"{SPACE}a"]
    assert pieces_of(sentence_piece(PIECES), text) == prefixed
    plain = ["a", "</s>", "a", SPACE, "[tool]", "a"]
    assert pieces_of(sentence_piece(PIECES, add_space_prefix=False), text) == plain


def test_unknown_characters_become_bytes() -> None:
    fields = sentence_piece(PIECES, add_space_prefix=False)
    assert pieces_of(fields, "a€") == ["a", "<0xE2>", "<0x82>", "<0xAC>"]


def test_phi3_special_tokens_swallow_white_space() -> None:
    fields = sentence_piece(PIECES, add_space_prefix=False) | {"general.name": "Phi-3 Mini"}
    assert pieces_of(fields, "</s> \na<s> a") == ["</s>", "a", "<s>", f"{SPACE}a"]


@st.composite
def scored_vocabularies(draw: st.DrawFn) -> dict[str, float]:
    letters = [SPACE, "a", "b", "c"]
    longer = draw(st.lists(st.text("abc" + SPACE, min_size=2, max_size=4), max_size=25, unique=True))
    order = draw(st.permutations(letters + longer))
    return {piece: -float(rank) for rank, piece in enumerate(order)}


def has_one_split(piece: str, pieces: dict[str, float]) -> bool:
    return sum(piece[:cut] in pieces and piece[cut:] in pieces for cut in range(1, len(piece))) <= 1


@given(pieces=scored_vocabularies(), text=st.text("abcd é", max_size=25))
@settings(max_examples=300, deadline=None)
def test_ids_are_those_of_the_merge_loop(pieces: dict[str, float], text: str) -> None:
    # Two ways to build one piece tie in score, and a merge list has to prefer one of them everywhere.
    pieces = {piece: score for piece, score in pieces.items() if has_one_split(piece, pieces)}
    fields = sentence_piece(pieces, add_space_prefix=False)
    assert pieces_of(fields, text) == encode_by_loop(pieces, text.replace(" ", SPACE))


@given(text=st.text(max_size=30), prefix=st.booleans())
@settings(max_examples=100, deadline=None)
def test_sentence_piece_text_survives_a_round_trip(text: str, prefix: bool) -> None:
    tokenizer = tokenizer_from_fields(sentence_piece(PIECES, add_space_prefix=prefix), "test.gguf")
    decoded = tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)
    assert decoded == text.replace(SPACE, " ")


def test_neither_tokenizer_adds_anything() -> None:
    for fields in (byte_level(bos_token_id=0, add_bos_token=True), sentence_piece(PIECES)):
        tokenizer = tokenizer_from_fields(fields, "test.gguf")
        assert tokenizer.encode("a").ids == tokenizer.encode("a", add_special_tokens=False).ids
        assert tokenizer.post_processor is None


def test_special_tokens_of_a_silent_sentence_piece_file() -> None:
    assert special_tokens(sentence_piece(PIECES), "test.gguf") == SpecialTokens(
        bos_id=1,
        eos_id=2,
        unk_id=0,
        pad_id=None,
        stop_ids=frozenset({2}),
        add_bos=True,
        add_eos=False,
        chat_template=None,
    )


def test_special_tokens_named_by_the_file() -> None:
    fields = byte_level(
        bos_token_id=3,
        eos_token_id=0,
        eot_token_id=4,
        eom_token_id=5,
        unknown_token_id=6,
        padding_token_id=7,
        add_bos_token=True,
        add_eos_token=True,
    )
    fields["tokenizer.chat_template"] = "{{ messages }}"
    assert special_tokens(fields, "test.gguf") == SpecialTokens(
        bos_id=3,
        eos_id=0,
        unk_id=6,
        pad_id=7,
        stop_ids=frozenset({0, 4, 5, 2}),  # 2 is <|im_end|>, known by its text
        add_bos=True,
        add_eos=True,
        chat_template="{{ messages }}",
    )


@pytest.mark.parametrize(("pre", "add_bos"), [("gpt-2", False), ("llama-bpe", True), ("tekken", True)])
def test_byte_level_files_add_bos_by_family(pre: str, add_bos: bool) -> None:
    special = special_tokens(byte_level(pre=pre, bos_token_id=0), "test.gguf")
    assert special.add_bos is add_bos
    assert special.add_eos is False
    silent = special_tokens(byte_level(pre=pre, bos_token_id=0, add_bos_token=not add_bos), "test.gguf")
    assert silent.add_bos is not add_bos


REFUSED_TOKENIZERS: dict[str, tuple[Fields, str]] = {
    "no metadata": ({}, r"has no tokenizer\.ggml\.model, so there is no tokenizer"),
    "no tokens": (byte_level(tokens=None), r"has no tokenizer\.ggml\.tokens"),
    "no merges": (byte_level(merges=None), r"has no tokenizer\.ggml\.merges"),
    "no scores": (sentence_piece(PIECES, scores=None), r"has no tokenizer\.ggml\.scores"),
    "model": (byte_level(model="t5"), r"model is 't5'; 'gpt2' and 'llama' are supported"),
    "model type": (byte_level(model=3), r"model is 3; 'gpt2'"),
    "pre": (byte_level(pre="made-up"), r"pre is 'made-up'; known are a\.x-4\.0, .*, viking"),
    "pre type": (byte_level(pre=1), r"pre is 1; known are"),
    "tokens type": (byte_level(tokens="abc"), r"tokens must be an array of strings"),
    "tokens items": (byte_level(tokens=[1, 2]), r"tokens must be an array of strings"),
    "duplicate": (byte_level(tokens=["a", "b", "a"]), r"tokens has 'a' twice"),
    "types": (byte_level(token_type=[1, 1]), r"token_type has 2 items for 269 tokens"),
    "types items": (byte_level(token_type=["a"]), r"token_type must be an array of integers"),
    "scores": (sentence_piece(PIECES, scores=[0.0]), r"scores has 1 items for 272 tokens"),
    "scores items": (sentence_piece(PIECES, scores=[True]), r"scores must be an array of numbers"),
    "merge": (byte_level(merges=["h e", "llo"]), r"merges\[1\] is 'llo'; it must be two tokens and a space"),
    "merge parts": (byte_level(merges=["h e", "x y"]), r"merges\[1\] is 'x y', which is not made of known"),
    "bytes": (
        sentence_piece(PIECES, tokens=["<unk>", "<0x00>"], scores=[0.0, 0.0], token_type=[2, 6]),
        r"tokens lacks the byte token <0x01>; a 'llama' vocabulary needs all 256",
    ),
    "tied scores": (
        sentence_piece(PIECES | {"cab": -3.0}),
        r"scores rates 'abc' and 'cab' alike \(-3\.0\); the order of merges needs distinct scores",
    ),
    "prefix": (sentence_piece(PIECES, add_space_prefix=1), r"add_space_prefix is 1; it must be a boolean"),
}


@pytest.mark.parametrize("case", REFUSED_TOKENIZERS)
def test_unusable_metadata_is_refused(case: str) -> None:
    fields, message = REFUSED_TOKENIZERS[case]
    with pytest.raises(InputError, match=message) as caught:
        tokenizer_from_fields(fields, "test.gguf")
    assert str(caught.value).startswith("test.gguf: ")
    assert "\n" not in str(caught.value)


REFUSED_SPECIALS: dict[str, tuple[Fields, str]] = {
    "no metadata": ({}, r"has no tokenizer\.ggml\.model"),
    "range": (byte_level(eos_token_id=269), r"eos_token_id is 269; it must be a token id below 269"),
    "negative": (byte_level(padding_token_id=-1), r"padding_token_id is -1; it must be a token id"),
    "type": (byte_level(unknown_token_id="0"), r"unknown_token_id is '0'; it must be a token id"),
    "no bos": (
        byte_level(add_bos_token=True),
        r"add_bos_token is true, but there is no .*bos_token_id",
    ),
    "no eos": (
        byte_level(add_eos_token=True),
        r"add_eos_token is true, but there is no .*eos_token_id",
    ),
    "flag": (byte_level(add_bos_token="yes"), r"add_bos_token is 'yes'; it must be a boolean"),
    "template": (
        byte_level() | {"tokenizer.chat_template": 1},
        r"tokenizer\.chat_template must be a string",
    ),
}


@pytest.mark.parametrize("case", REFUSED_SPECIALS)
def test_unusable_special_tokens_are_refused(case: str) -> None:
    fields, message = REFUSED_SPECIALS[case]
    with pytest.raises(InputError, match=message):
        special_tokens(fields, "test.gguf")
