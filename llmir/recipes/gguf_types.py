"""GGUF types as `llama-quantize` names them: `Q4_K_M`, `q8_0`, `F16`, ...; upper and lower case are the same.

The mixes are given out, layer by layer, by the pass `assign-gguf-types`; F16, BF16 and F32 are casts.
"""

from __future__ import annotations

from llmir.passes.assign_gguf_types import MIXES, GGUFTypeAssignmentPass
from llmir.recipes.recipe import Recipe

CASTS = {"F16": "f16", "BF16": "bf16", "F32": "f32"}
ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
NAMES = (*CASTS, *MIXES, *ALIASES)
_IMPORTANCE = "quantization weighted by an importance matrix"
_TERNARY = "ternary blocks"
REFUSED = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS"), _IMPORTANCE),
    **dict.fromkeys(("IQ3_S", "IQ3_M", "Q2_K_S"), _IMPORTANCE),
    **dict.fromkeys(("TQ1_0", "TQ2_0", "Q1_0", "Q2_0"), _TERNARY),
}


def read(name: str) -> Recipe | None:
    """The recipe of a type, None when it is not one."""
    known = name.upper()
    if known in CASTS:
        return Recipe(known, cast=CASTS[known], fixed=True)
    mix = ALIASES.get(known, known)
    return Recipe(mix, rules=(GGUFTypeAssignmentPass(type=mix),), fixed=True) if mix in MIXES else None
