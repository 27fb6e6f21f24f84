"""Scheme names, whichever vocabulary they are from.

| vocabulary | names |
| --- | --- |
| compressed-tensors presets | `W4A16`, `W8A8`, `FP8_DYNAMIC`, `NVFP4`, ... |
| MLC-LLM codes | `q4f16_1`, `q0f16`, `e4m3_e4m3_f16`, ... |
| GGUF types | `Q4_K_M`, `q8_0`, ... |
| shorthands | `w4g128`, `w4a8g64_asym`, ... |

They are tried in this order; no name is in two of them. `SCHEMES` lists all but the shorthands.
"""

from __future__ import annotations

import difflib

from llmir.errors import UsageError
from llmir.recipes import compressed_tensors, gguf_types, mlc, shorthand
from llmir.recipes.recipe import Recipe, adapt, pipeline

__all__ = ["REFUSED", "SCHEMES", "Recipe", "adapt", "pipeline", "recipe"]

SCHEMES = (*mlc.NAMES, *compressed_tensors.NAMES, *gguf_types.NAMES)
REFUSED = mlc.REFUSED | gguf_types.REFUSED
"""Names whose algorithm or format is not there yet, and what that is."""
READERS = (compressed_tensors.read, mlc.read, gguf_types.read, shorthand.read)


def recipe(name: str) -> Recipe:
    """The recipe of a scheme name; UsageError says what is wrong with it, and which name is near."""
    refused = {known.lower(): (known, reason) for known, reason in REFUSED.items()}.get(name.lower())
    if refused is not None:
        raise UsageError(f"scheme '{refused[0]}': not available yet: {refused[1]}")
    for read in READERS:
        found = read(name)
        if found is not None:
            return found
    raise UsageError(
        f"unknown scheme '{name}'{_suggestion(name)}; known are MLC codes (q4f16_1), compressed-tensors presets "
        "(W4A16), GGUF types (Q4_K_M) and shorthands (w4g128), see llmir quantize --list-schemes"
    )


def _suggestion(name: str) -> str:
    """`, did you mean ...?`, or nothing when no name is near; case does not count."""
    spelled = {known.lower(): known for known in (*SCHEMES, "w4g128")}
    near = difflib.get_close_matches(name.lower(), list(spelled), 1)
    return f", did you mean '{spelled[near[0]]}'?" if near else ""
