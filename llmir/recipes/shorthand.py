"""Shorthands for bit widths, as AWQ and GPTQ models are named: `w4g128`, `w4a8g64`, `w4g32a8g32`, `w3g32_asym`.

    name := "w" bits ["a" bits] [["-"] "g" size] ["_sym" | "_asym"]
          | "w" bits "g" size "a" bits "g" size ["_sym" | "_asym"]

Weights of 2 to 8 bits with f16 scales; `g` is the group size, `g-1` one scale for each output channel; without
it groups of 128, or channels for 8 bits, as in the presets W4A16 and W8A16. `_asym` adds a zero point of as many
bits. Inputs of 2 to 8 bits are quantized for each token at run time, or with a size of their own in groups of so many;
`a16` is float. Rounding is to nearest: the
names say nothing of the algorithm (AWQ, GPTQ) that chose the codes. Upper and lower case are the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

from llmir.errors import UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.recipes.recipe import Recipe

GRAMMAR = """
start: "w" WEIGHT ["a" INPUT] ["-"] ["g" SIZE] ["_" KIND]
     | "w" WEIGHT "g" SIZE "a" INPUT "g" INPUT_SIZE ["_" KIND]
WEIGHT: /[0-9]+/
INPUT: /[0-9]+/
SIZE: /-?[0-9]+/
INPUT_SIZE: /[0-9]+/
KIND: "sym" | "asym"
"""
DEFAULT_GROUP = 128


def read(name: str) -> Recipe | None:
    """The recipe of a shorthand, None when it is not one; UsageError for widths and sizes that do not exist."""
    try:
        tree = cast(Any, _grammar()).parse(name.lower())
    except UnexpectedInput:
        return None
    parts = {t.type: str(t) for t in cast("list[Token | None]", tree.children) if t is not None}
    bits, input_bits = int(parts["WEIGHT"]), int(parts.get("INPUT", 16))
    size = int(parts["SIZE"]) if "SIZE" in parts else -1 if bits == 8 else DEFAULT_GROUP
    if not 2 <= bits <= 8:
        raise UsageError(f"scheme '{name}': weights have 2 to 8 bits, not {bits}")
    if not (2 <= input_bits <= 8 or input_bits == 16):
        raise UsageError(f"scheme '{name}': inputs have 2 to 8 bits, or 16 for float, not {input_bits}")
    if size < 1 and size != -1:
        raise UsageError(f"scheme '{name}': a group has at least 1 element, or -1 for a whole channel, not {size}")
    group = int(parts["INPUT_SIZE"]) if "INPUT_SIZE" in parts else None
    if group is not None and (group < 1 or input_bits == 16):
        raise UsageError(
            f"scheme '{name}': groups of inputs are of at least 1 element and of inputs of 2 to 8 bits, "
            f"not {group} of {input_bits} bits"
        )
    weight_group = None if size == -1 else size
    return Recipe(name, rules=(integers(bits, input_bits, weight_group, parts.get("KIND") == "asym", group),))


def integers(
    bits: int, input_bits: int, group_size: int | None, asymmetric: bool, input_group_size: int | None = None
) -> SchemeAssignmentPass:
    """The rule of integer weights and, below 16 bits, dynamic inputs by token or group; lm_head is left alone."""
    dynamic = input_bits < 16
    granularity = "per_token" if input_group_size is None else "per_group"
    return SchemeAssignmentPass(
        exclude=("lm_head",),
        weight_type=f"{'ui' if asymmetric else 'i'}{bits}",
        weight_zero_point=f"ui{bits}" if asymmetric else "",
        weight_scale="f16",
        weight_group_size=group_size,
        input_type=f"i{input_bits}" if dynamic else "",
        input_granularity=granularity if dynamic else "",
        input_group_size=input_group_size,
        input_dynamic=dynamic,
    )


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr")
