r"""How byte-level BPE splits text into words before merging, by the GGUF field `tokenizer.ggml.pre`.

Each pre-tokenizer is a sequence of regular expressions; every expression cuts the pieces left by the one
before it into matches and gaps. The expressions are those of the models' own tokenizers in the form that
llama.cpp runs them (source: llama.cpp, src/llama-vocab.cpp and src/unicode.cpp), written for Oniguruma.
Two habits of llama.cpp are kept because its token ids are the reference here: contractions match ASCII
letters only, and upper and lower case are told apart for ASCII letters only. What is a letter, a number
or a symbol is Oniguruma's knowledge, which ends before Unicode 16; llama.cpp knows Unicode 16, so texts
with characters added there (such as the Garay script) may be cut differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PreTokenizer:
    """Split patterns in order, and what else llama.cpp derives from the pre-tokenizer's name.

    `ignore_merges`: a word that is a token as a whole is not merged step by step. `add_bos`: whether a
    beginning-of-sequence token is added when the file does not say.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


_CONTRACTION = r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_CJK = r"[\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+"
_CJK_DEEPSEEK = r"[\x{0800}-\x{9FA5}\x{AC00}-\x{D7FF}&&[^\s]]+"

_GPT2 = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

_UPPER = r"[\p{L}&&[^a-z]]"
_LOWER = r"[\p{L}&&[^A-Z]]"
_SYMBOLS_OR_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"

_DEEPSEEK3 = (
    r"[!-/:-~&&[^A-Za-z]][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    rf"|{_SPACE}"
)

# The cased letters of DeepSeek's own list, which follows no Unicode category of any one version.
_DEEPSEEK_LETTERS = """
    41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C
    38E-3A1 3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B
    1D6B-1D77 1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D
    1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102
    2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183
    2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B A722-A76F A771-A787 A78B-A78E
    AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 104D8-104FB 10C80-10CB2
    10CC0-10CF2 118A0-118DF 1E900-1E943
"""


def _character_class(ranges: str) -> str:
    """Turn hexadecimal code points and ranges into the inside of a character class."""
    return "".join("-".join(rf"\x{{{code_point}}}" for code_point in item.split("-")) for item in ranges.split())


def _cl100k(numbers: str) -> str:
    """The pattern family of OpenAI's cl100k encoding; `numbers` is how runs of digits are cut."""
    return f"{_CONTRACTION}|{_WORD}|{numbers}|{_SYMBOLS}|{_SPACE}"


def _o200k(suffix: str, numbers: str) -> str:
    """The pattern family of OpenAI's o200k encoding: words break where lower case turns to upper."""
    start = r"[^\r\n\p{L}\p{N}]?"
    return f"{start}{_UPPER}*{_LOWER}+{suffix}|{start}{_UPPER}+{_LOWER}*{suffix}|{numbers}|{_SYMBOLS_OR_SLASH}|{_SPACE}"


_LLAMA3 = _cl100k(r"\p{N}{1,3}")
_QWEN2 = _cl100k(r"\p{N}")
_DEEPSEEK3_PATTERNS = (r"\p{N}{1,3}", _CJK, _DEEPSEEK3)
_THREE_DIGITS = "[0-9][0-9][0-9]"
# Full stops, commas and dandas of the Latin, Chinese, Devanagari and Arabic scripts, and "(", "|".
_NO_PUNCTUATION = r" ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+"

_FAMILIES: tuple[tuple[str, PreTokenizer], ...] = (
    ("default", PreTokenizer((r"[\p{P}$+<=>^~|]+", _GPT2, r"\p{N}+", _THREE_DIGITS))),
    ("falcon", PreTokenizer((r"[\p{P}$+<=>^~|`]+", _GPT2, _THREE_DIGITS))),
    (
        "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat a.x-4.0 mellum modern-bert "
        "jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe",
        PreTokenizer((_GPT2,)),
    ),
    (
        "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
        PreTokenizer((r"\p{N}", _GPT2)),
    ),
    (
        "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
        PreTokenizer((_LLAMA3,), ignore_merges=True, add_bos=True),
    ),
    ("dbrx smaug-bpe chatglm-bpe", PreTokenizer((_LLAMA3,))),
    ("glm4", PreTokenizer((_LLAMA3,), ignore_merges=True)),
    ("minicpm5", PreTokenizer((r"\p{N}{1,3}", _cl100k(r"\p{N}+")), ignore_merges=True)),
    (
        "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 bailingmoe "
        "bailingmoe2 llada-moe",
        PreTokenizer((_QWEN2,)),
    ),
    (
        "qwen35",
        PreTokenizer(
            (
                rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
                rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACE}",
            )
        ),
    ),
    (
        "seed-coder",
        PreTokenizer((rf"{_CONTRACTION}|{_WORD}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_SPACE}",)),
    ),
    (
        "deepseek-llm",
        PreTokenizer(
            (
                r"[\r\n]",
                rf"\s?[{_character_class(_DEEPSEEK_LETTERS)}]+",
                r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3001}\x{3002}]+",
                r"\s+\z",
                _CJK_DEEPSEEK,
                r"\p{N}+",
            )
        ),
    ),
    (
        "deepseek-coder",
        PreTokenizer((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK_DEEPSEEK, r"\p{N}")),
    ),
    ("deepseek-v3 hunyuan-dense joyai-llm", PreTokenizer(_DEEPSEEK3_PATTERNS)),
    ("poro-chat bloom gpt3-finnish", PreTokenizer((_NO_PUNCTUATION,))),
    ("viking", PreTokenizer((_NO_PUNCTUATION, r"\p{N}"))),
    ("tekken", PreTokenizer((_o200k("", r"\p{N}"),), ignore_merges=True, add_bos=True)),
    (
        "gpt-4o llama4 kanana2 minimax-m2",
        PreTokenizer((_o200k(f"(?:{_CONTRACTION})?", r"\p{N}{1,3}"),)),
    ),
)

PRE_TOKENIZERS: Mapping[str, PreTokenizer] = MappingProxyType(
    {name: pre_tokenizer for names, pre_tokenizer in _FAMILIES for name in names.split()}
)
"""The known values of `tokenizer.ggml.pre`."""
