"""Rebuilds a tokenizer from GGUF metadata, giving the token ids that llama.cpp gives.

Source for the keys: the GGUF specification (docs/gguf.md); for their meaning, llama.cpp
(src/llama-vocab.cpp). Two of its tokenizer models are read: `gpt2`, byte-level BPE with an explicit
merge list, and `llama`, SentencePiece BPE, where the merge order follows from the token scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from llmir.errors import InputError
from llmir.frontends.gguf_file import GGUFValue
from llmir.frontends.gguf_pretokenizers import PRE_TOKENIZERS, PreTokenizer

_PREFIX = "tokenizer.ggml."
_SPACE = "\u2581"

# Values of tokenizer.ggml.token_type that matter here; 5 is unused and 6 a byte.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_SPECIAL_TYPES = frozenset({_UNKNOWN, _CONTROL, _USER_DEFINED})

# Texts that llama.cpp takes for end-of-generation tokens, whatever type the file gives them.
_STOP_TEXTS = frozenset(
    {
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    }
)
# Special tokens of the Phi-3 models swallow the white space after them, except these.
_PHI3_KEEPS_SPACE_AFTER = frozenset({"<unk>", "<s>", "<|endoftext|>"})
_STOP_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids with a role, and what the model wants around a prompt.

    `stop_ids` are the tokens that end a generated text: end of sequence, of turn and of message, named
    by the file or known by their text. `add_bos` and `add_eos` say whether a prompt is put between
    `bos_id` and `eos_id`; the tokenizer itself adds neither.
    """

    bos_id: int | None
    eos_id: int | None
    unk_id: int | None
    pad_id: int | None
    stop_ids: frozenset[int]
    add_bos: bool
    add_eos: bool
    chat_template: str | None


def tokenizer_from_fields(fields: Mapping[str, GGUFValue], source: str) -> Tokenizer:
    """Build a tokenizer from GGUF metadata; `source` names the file in error messages.

    Control, unknown and user-defined tokens are recognised inside text, as llama.cpp does with
    parse_special. No token is added around a text: see special_tokens(). Raises InputError if
    metadata is missing or inconsistent or describes a tokenizer that is not supported.
    """
    metadata = _Metadata(fields, source)
    model = metadata.model()
    tokens = metadata.tokens()
    types = metadata.token_types(len(tokens))
    tokenizer = _byte_level_bpe(metadata, tokens) if model == "gpt2" else _sentence_piece(metadata, tokens)
    tokenizer.add_tokens(_added_tokens(metadata, tokens, types))  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


def special_tokens(fields: Mapping[str, GGUFValue], source: str) -> SpecialTokens:
    """Read the special token ids and prompt conventions from GGUF metadata.

    Where the file is silent, llama.cpp's defaults hold: for `llama` models unknown, beginning and end
    are ids 0, 1 and 2 and the beginning is added; for `gpt2` models the beginning is added only with
    pre-tokenizers of the Llama 3 and Tekken families. Raises InputError for ids outside the vocabulary
    and for a token to be added that has no id.
    """
    metadata = _Metadata(fields, source)
    sentence_piece = metadata.model() == "llama"
    tokens = metadata.tokens()
    bos_id, eos_id, unk_id = (1, 2, 0) if sentence_piece else (None, None, None)
    bos_id = metadata.token_id("bos_token_id", len(tokens), bos_id)
    eos_id = metadata.token_id("eos_token_id", len(tokens), eos_id)
    add_bos = metadata.flag("add_bos_token", sentence_piece or metadata.pre_tokenizer().add_bos)
    add_eos = metadata.flag("add_eos_token", False)
    for name, wanted, token_id in (("bos", add_bos, bos_id), ("eos", add_eos, eos_id)):
        if wanted and token_id is None:
            raise metadata.error(f"{_PREFIX}add_{name}_token is true, but there is no {name}_token_id")
    return SpecialTokens(
        bos_id=bos_id,
        eos_id=eos_id,
        unk_id=metadata.token_id("unknown_token_id", len(tokens), unk_id),
        pad_id=metadata.token_id("padding_token_id", len(tokens), None),
        stop_ids=_stop_ids(metadata, tokens, eos_id),
        add_bos=add_bos,
        add_eos=add_eos,
        chat_template=metadata.chat_template(),
    )


class _Metadata:
    """Typed access to the tokenizer's metadata."""

    def __init__(self, fields: Mapping[str, GGUFValue], source: str) -> None:
        self.fields = fields
        self.source = source

    def error(self, message: str) -> InputError:
        return InputError(f"{self.source}: {message}")

    def model(self) -> str:
        model = self._required("model")
        if model not in ("gpt2", "llama"):
            raise self.error(f"{_PREFIX}model is {model!r}; 'gpt2' and 'llama' are supported")
        return cast(str, model)

    def tokens(self) -> list[str]:
        """The vocabulary by id; like llama.cpp, gives empty tokens a text that no input contains."""
        tokens = self.strings("tokens")
        tokens = [text or f"[EMPTY_{index}]" for index, text in enumerate(tokens)]
        if len(set(tokens)) != len(tokens):
            duplicate = next(text for index, text in enumerate(tokens) if tokens.index(text) != index)
            raise self.error(f"{_PREFIX}tokens has {duplicate!r} twice; every token must be unique")
        return tokens

    def token_types(self, count: int) -> list[int]:
        if f"{_PREFIX}token_type" not in self.fields:
            return [_NORMAL] * count
        types = self._list("token_type", (int,), "integers")
        self._check_length("token_type", len(types), count)
        return cast("list[int]", types)

    def scores(self, count: int) -> list[float]:
        scores = self._list("scores", (int, float), "numbers")
        self._check_length("scores", len(scores), count)
        return cast("list[float]", scores)

    def strings(self, name: str) -> list[str]:
        return cast("list[str]", self._list(name, (str,), "strings"))

    def flag(self, name: str, default: bool) -> bool:
        value = self.fields.get(f"{_PREFIX}{name}", default)
        if not isinstance(value, bool):
            raise self.error(f"{_PREFIX}{name} is {value!r}; it must be a boolean")
        return value

    def token_id(self, name: str, count: int, default: int | None) -> int | None:
        value = self.fields.get(f"{_PREFIX}{name}", default)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value < count:
            raise self.error(f"{_PREFIX}{name} is {value!r}; it must be a token id below {count}")
        return value

    def pre_tokenizer(self) -> PreTokenizer:
        name = self.fields.get(f"{_PREFIX}pre", "default")
        if not isinstance(name, str) or name not in PRE_TOKENIZERS:
            raise self.error(f"{_PREFIX}pre is {name!r}; known are {', '.join(sorted(PRE_TOKENIZERS))}")
        return PRE_TOKENIZERS[name]

    def chat_template(self) -> str | None:
        template = self.fields.get("tokenizer.chat_template")
        if template is None or isinstance(template, str):
            return template
        raise self.error("tokenizer.chat_template must be a string")

    def is_phi3(self) -> bool:
        """Whether the model is a Phi-3; like llama.cpp, told by its name, for no field says so."""
        name = str(self.fields.get("general.name", "")).lower()
        return "phi-3" in name or "phi3" in name

    def _required(self, name: str) -> GGUFValue:
        if f"{_PREFIX}{name}" not in self.fields:
            raise self.error(f"has no {_PREFIX}{name}, so there is no tokenizer to read")
        return self.fields[f"{_PREFIX}{name}"]

    def _list(self, name: str, kinds: tuple[type, ...], description: str) -> list[object]:
        value = self._required(name)
        if not isinstance(value, list) or any(type(item) not in kinds for item in value):
            raise self.error(f"{_PREFIX}{name} must be an array of {description}")
        return cast("list[object]", value)

    def _check_length(self, name: str, length: int, count: int) -> None:
        if length != count:
            raise self.error(f"{_PREFIX}{name} has {length} items for {count} tokens")


def _byte_level_bpe(metadata: _Metadata, tokens: list[str]) -> Tokenizer:
    pre_tokenizer = metadata.pre_tokenizer()
    vocabulary = {text: index for index, text in enumerate(tokens)}
    merges = list(_explicit_merges(metadata, vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre_tokenizer.ignore_merges))
    tokenizer.pre_tokenizer = _byte_level_splits(pre_tokenizer, vocabulary)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _byte_level_splits(pre_tokenizer: PreTokenizer, vocabulary: Mapping[str, int]) -> pre_tokenizers.PreTokenizer:
    steps: list[pre_tokenizers.PreTokenizer] = [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in pre_tokenizer.patterns
    ]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    # A byte without a token is dropped, but it still keeps its neighbours from merging.
    missing = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - vocabulary.keys())
    if missing:
        alternatives = "|".join(rf"\x{{{ord(character):X}}}" for character in missing)
        steps.append(pre_tokenizers.Split(Regex(alternatives), behavior="isolated"))
    return pre_tokenizers.Sequence(steps)


def _explicit_merges(metadata: _Metadata, vocabulary: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the merges of the file in order of priority; of a repeated merge only the first counts."""
    seen: set[tuple[str, str]] = set()
    for index, merge in enumerate(metadata.strings("merges")):
        left, separator, right = merge[1:].partition(" ")
        pair = (merge[:1] + left, right)
        if not separator:
            raise metadata.error(f"{_PREFIX}merges[{index}] is {merge!r}; it must be two tokens and a space")
        if not {pair[0], pair[1], pair[0] + pair[1]} <= vocabulary.keys():
            raise metadata.error(f"{_PREFIX}merges[{index}] is {merge!r}, which is not made of known tokens")
        if pair not in seen:
            seen.add(pair)
            yield pair


def _sentence_piece(metadata: _Metadata, tokens: list[str]) -> Tokenizer:
    vocabulary = {text: index for index, text in enumerate(tokens)}
    _check_byte_tokens(metadata, vocabulary)
    scores = metadata.scores(len(tokens))
    merges = _merges_from_scores(vocabulary, scores)
    _check_distinct_scores(metadata, tokens, scores, merges)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True))
    normalizer: list[normalizers.Normalizer] = [normalizers.Replace(" ", _SPACE)]
    decoder: list[decoders.Decoder] = [
        decoders.Replace(_SPACE, " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
    ]
    if metadata.flag("add_space_prefix", True):
        normalizer.insert(0, normalizers.Prepend(_SPACE))
        decoder.append(decoders.Strip(" ", left=1, right=0))
    tokenizer.normalizer = normalizers.Sequence(normalizer)
    tokenizer.decoder = decoders.Sequence(decoder)
    return tokenizer


def _check_byte_tokens(metadata: _Metadata, vocabulary: Mapping[str, int]) -> None:
    for byte in range(256):
        if f"<0x{byte:02X}>" not in vocabulary:
            raise metadata.error(
                f"{_PREFIX}tokens lacks the byte token <0x{byte:02X}>; a 'llama' vocabulary needs all 256"
            )


def _merges_from_scores(vocabulary: Mapping[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """Derive the merge list: SentencePiece joins any two tokens into a third, best score first."""
    ranked: list[tuple[float, int, int, tuple[str, str]]] = []
    for text, index in vocabulary.items():
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in vocabulary and right in vocabulary:
                ranked.append((-scores[index], vocabulary[left], vocabulary[right], (left, right)))
    return [merge for *_, merge in sorted(ranked)]


def _check_distinct_scores(
    metadata: _Metadata, tokens: list[str], scores: list[float], merges: list[tuple[str, str]]
) -> None:
    """Refuse equal scores, which SentencePiece settles by position in the text and a merge list cannot."""
    merged = {left + right for left, right in merges}
    by_score: dict[float, str] = {}
    for text, score, token_type in zip(tokens, scores, metadata.token_types(len(tokens)), strict=True):
        if token_type != _NORMAL or text not in merged:
            continue
        other = by_score.setdefault(score, text)
        if other != text:
            raise metadata.error(
                f"{_PREFIX}scores rates {other!r} and {text!r} alike ({score}); the order of merges "
                "needs distinct scores"
            )


def _added_tokens(metadata: _Metadata, tokens: list[str], types: list[int]) -> list[AddedToken]:
    """The tokens that are cut out of a text before anything else; all but user-defined ones are special."""
    phi3 = metadata.is_phi3()
    return [
        AddedToken(
            text,
            normalized=False,
            rstrip=phi3 and text not in _PHI3_KEEPS_SPACE_AFTER,
            special=token_type != _USER_DEFINED,
        )
        for text, token_type in zip(tokens, types, strict=True)
        if token_type in _SPECIAL_TYPES or text in _STOP_TEXTS
    ]


def _stop_ids(metadata: _Metadata, tokens: list[str], eos_id: int | None) -> frozenset[int]:
    named = {metadata.token_id(key, len(tokens), None) for key in _STOP_KEYS}
    known = {index for index, text in enumerate(tokens) if text in _STOP_TEXTS}
    return frozenset(token_id for token_id in named | known | {eos_id} if token_id is not None)
