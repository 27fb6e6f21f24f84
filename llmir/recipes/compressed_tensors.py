"""compressed-tensors: preset names (`W4A16`, `FP8_DYNAMIC`, `NVFP4`, ...) and `quantization_config` objects.

A preset and a group of a configuration say the same things, arguments for weights and for input activations:

| argument | weights | input_activations |
| --- | --- | --- |
| `num_bits`, `type`, `symmetric` | iN, or uiN with a zero point; f8E4M3FN, f6E2M3FN, f4E2M1FN | likewise |
| `strategy: tensor` | per tensor | per tensor, static or `dynamic` |
| `strategy: channel`, `token` | one scale for each row | one for each token, `dynamic` |
| `strategy: group` | groups of `group_size` | groups, `dynamic` |
| `strategy: block` | blocks of `block_structure` rows by columns | |
| `strategy: tensor_group` | f8E4M3FN scales with a f32 scale of the tensor | the same, computed at run time |
| `scale_dtype: torch.uint8` | f8E8M0FNU, rounded down as in MX | the same |
| `observer` | minmax kinds: the largest magnitude; mse: the grid search | minmax kinds |

`targets` are `Linear`, `Embedding`, a layer's name or `re:` and a regular expression; `ignore` takes the same names.
A name decides before an expression, and an expression before a class. Scales are f16 for integers and f32 for
floats, formulas those of docs/schemes.md. The last block of a weight may be smaller. What is refused says so:
activation order, output and KV-cache quantization. Presets are for all linear layers but lm_head. Three deviations:
`W8A16` has a scale for each channel, as in earlier releases (`--group-size 128` gives the newer one); NVFP4's input
scale of the whole tensor is computed at run time, too; next to a weight in blocks the last group of an input may be
shorter, which the library refuses. Source: compressed-tensors 0.20.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token

from llmir.errors import InputError
from llmir.passes.assign_schemes import REGEX, SchemeAssignmentPass
from llmir.passes.pipeline_text import suggestion
from llmir.recipes.recipe import Recipe

Arguments = Mapping[str, Any]

GRAMMAR = """
start: "W" WEIGHT "A" INPUT
WEIGHT: /[2-8]/
INPUT: "16" | "8" | "4"
"""
INTEGERS = (
    *("W2A4", "W2A8", "W2A16", "W3A4", "W3A8", "W3A16", "W4A4", "W4A8", "W4A16"),
    *("W5A8", "W5A16", "W6A8", "W6A16", "W7A8", "W7A16", "W8A16"),
)


def _floats(bits: int, group_size: int | None = None, **more: Any) -> dict[str, Any]:
    strategy = {} if group_size is None else {"strategy": "group", "group_size": group_size}
    return {"num_bits": bits, "type": "float"} | strategy | more


def _mx(bits: int, **more: Any) -> dict[str, Any]:
    return _floats(bits, 32, scale_dtype="torch.uint8", **more)


_INT4: dict[str, Any] = {"num_bits": 4, "strategy": "group", "group_size": 128}
_TOKEN: dict[str, Any] = {"strategy": "token", "dynamic": True}
_NVFP4 = _floats(4, strategy="tensor_group", group_size=16)
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "UNQUANTIZED": {},
    "W4A16_ASYM": {"weights": _INT4 | {"symmetric": False}},
    "W8A8": {"weights": {"strategy": "channel"}, "input_activations": _TOKEN},
    "INT8": {"weights": {"strategy": "channel"}, "input_activations": _TOKEN},
    "W4AFP8": {"weights": _INT4, "input_activations": _floats(8, **_TOKEN)},
    "FP8": {"weights": _floats(8, strategy="tensor"), "input_activations": _floats(8, strategy="tensor")},
    "FP8_DYNAMIC": {"weights": _floats(8, strategy="channel"), "input_activations": _floats(8, **_TOKEN)},
    "FP8_BLOCK": {
        "weights": _floats(8, strategy="block", block_structure=[128, 128]),
        "input_activations": _floats(8, 128, dynamic=True),
    },
    "NVFP4A16": {"weights": _NVFP4},
    "NVFP4": {"weights": _NVFP4, "input_activations": _NVFP4 | {"dynamic": "local"}},
    "MXFP4A16": {"weights": _mx(4)},
    "MXFP4": {"weights": _mx(4), "input_activations": _mx(4, dynamic=True)},
    "MXFP4XFP8": {"weights": _mx(4), "input_activations": _floats(8, 128, dynamic=True)},
    "MXFP6A16": {"weights": _mx(6)},
    "MXFP6A8": {"weights": _mx(6), "input_activations": _mx(8, dynamic=True)},
    "MXFP8A16": {"weights": _mx(8)},
    "MXFP8": {"weights": _mx(8), "input_activations": _mx(8, dynamic=True)},
}
NAMES = (*INTEGERS, *PRESETS)

INTERNAL = ("format", "quantization_status", "global_compression_ratio", "sparsity_config", "moe_sparsity_config")
"""Keys of a configuration that say how a file is stored, not how to quantize."""
CONFIG_KEYS = ("config_groups", "ignore", "quant_method", "kv_cache_scheme", "version", *INTERNAL)
GROUP_KEYS = ("targets", "weights", "input_activations", "output_activations", "format")
ARGUMENTS: dict[str, Any] = {
    "num_bits": 8,
    "type": "int",
    "symmetric": True,
    "strategy": None,
    "group_size": None,
    "block_structure": None,
    "dynamic": False,
    "actorder": None,
    "scale_dtype": None,
    "zp_dtype": None,
    "observer": None,
    "observer_kwargs": None,
}
FLOATS = {4: "f4E2M1FN", 6: "f6E2M3FN", 8: "f8E4M3FN"}
MINMAX = (None, "minmax", "static_minmax", "memoryless_minmax")


def read(name: str) -> Recipe | None:
    """The recipe of a preset, None when it is not one. Upper and lower case are the same."""
    known = name.upper()
    group = PRESETS.get(known) if known not in INTEGERS else _integers(known)
    if group is None:
        return None
    if not group:
        return Recipe(known, fixed=True)
    return Recipe(known, rules=(rule_of_group(group, ("*",), ("linear",), ("lm_head",), known),))


def _integers(name: str) -> dict[str, dict[str, Any]]:
    """The arguments of `WnAm`: groups of 128, and tokens."""
    tree = cast(Any, _grammar()).parse(name)
    bits, inputs = (int(t) for t in cast("list[Token]", tree.children))
    weights = {"num_bits": bits} | ({"strategy": "channel"} if bits == 8 else {"strategy": "group", "group_size": 128})
    return {"weights": weights} | ({"input_activations": _TOKEN | {"num_bits": inputs}} if inputs < 16 else {})


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr")


def recipe_of_config(config: Arguments, name: str) -> Recipe:
    """The recipe of a `quantization_config`; InputError names the entry that cannot be followed."""
    _check_keys(config, CONFIG_KEYS, name, "quantization_config")
    method = config.get("quant_method", "compressed-tensors")
    if method != "compressed-tensors":
        raise InputError(f"{name}: quant_method is {method!r}, expected 'compressed-tensors'")
    if config.get("kv_cache_scheme") is not None:
        raise InputError(f"{name}: kv_cache_scheme: not available yet: a quantized KV cache")
    ignore = tuple(_strings(config.get("ignore") or [], f"{name}: ignore"))
    groups = config.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(f"{name}: config_groups must be an object of groups, got {groups!r}")
    rules: list[tuple[int, SchemeAssignmentPass]] = []
    for key, group in cast("Mapping[str, Any]", groups).items():
        rules += _rules_of_group(key, group, ignore, f"{name}: config_groups.{key}")
    ordered = sorted(rules, key=lambda rule: rule[0])
    return Recipe(name, rules=tuple(rule for _, rule in ordered))


CLASS, EXPRESSION, NAME = range(3)
"""Kinds of targets, from the least to the most specific: later rules override earlier ones."""


def _rules_of_group(
    key: str, group: Any, ignore: tuple[str, ...], where: str
) -> list[tuple[int, SchemeAssignmentPass]]:
    """The rules of one group, each with the kind of its targets."""
    if isinstance(group, list):  # the targets of a preset, whose name is the key
        preset = key.upper()
        known = PRESETS.get(preset) if preset not in INTEGERS else _integers(preset)
        if known is None:
            raise InputError(f"{where}: no preset has this name{suggestion(preset, NAMES)}")
        group = {**known, "targets": cast("list[Any]", group)}
    if not isinstance(group, Mapping):
        raise InputError(f"{where}: expected an object, got {group!r}")
    entries = cast("Mapping[str, Any]", group)
    _check_keys(entries, GROUP_KEYS, where, "a group")
    if entries.get("output_activations") is not None:
        raise InputError(f"{where}: output_activations: not available yet: quantized outputs of layers")
    parts = {k: entries[k] for k in ("weights", "input_activations") if entries.get(k) is not None}
    if not parts:
        raise InputError(f"{where}: quantizes nothing, give it weights or input_activations")
    targets = _strings(entries.get("targets", []), f"{where}: targets")
    if not targets:
        raise InputError(f"{where}: targets is empty, give it ['Linear']")
    rules: list[tuple[int, SchemeAssignmentPass]] = []
    for target in targets:
        kind, modules, ops = _target(target, where)
        if ops == ("embedding",) and "input_activations" in parts:
            raise InputError(f"{where}: an Embedding's input are token ids, which cannot be quantized")
        rules.append((kind, rule_of_group(parts, modules, ops, ignore, where)))
    return rules


def _target(target: str, where: str) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """The kind of a target, and the `modules` and `ops` of its rule."""
    if target in ("Linear", "Embedding"):
        return CLASS, ("*",), (target.lower(),)
    if target[:1].isupper() and "." not in target:
        raise InputError(f"{where}: target '{target}' is no class of layers that can be quantized: Linear, Embedding")
    return EXPRESSION if target.startswith(REGEX) else NAME, (target,), ("linear",)


def rule_of_group(
    group: Mapping[str, Arguments],
    modules: tuple[str, ...],
    ops: tuple[str, ...],
    exclude: tuple[str, ...],
    where: str,
) -> SchemeAssignmentPass:
    """The rule of a group's `weights` and `input_activations`."""
    rule = SchemeAssignmentPass(modules=modules, ops=ops, exclude=exclude)
    if "weights" in group:
        rule = replace(rule, **_weights(_arguments(group["weights"], f"{where}: weights"), f"{where}: weights"))
    if "input_activations" in group:
        place = f"{where}: input_activations"
        rule = replace(rule, **_inputs(_arguments(group["input_activations"], place), place))
    in_blocks = rule.weight_group_rows is not None and rule.input_group_size is not None
    return replace(rule, input_pad=True) if in_blocks else rule


def _arguments(given: Any, where: str) -> dict[str, Any]:
    """All arguments, defaults among them; InputError for what is unknown or not available."""
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: expected an object, got {given!r}")
    _check_keys(cast("Arguments", given), ARGUMENTS, where, "quantization arguments")
    args = ARGUMENTS | dict(cast("Arguments", given))
    size = args["group_size"]
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < -1 or size == 0):
        raise InputError(f"{where}: group_size is {size!r}, expected a positive number, or -1 for channels")
    if args["strategy"] is None:
        args["strategy"] = "tensor" if size is None else "channel" if size == -1 else "group"
    if size in (None, -1) and args["strategy"] in ("group", "tensor_group"):
        raise InputError(f"{where}: strategy '{args['strategy']}' needs a group_size")
    args["block_structure"] = _block(args, where)
    if args["actorder"] not in (None, False):
        raise InputError(f"{where}: actorder: not available yet: GPTQ's order of columns")
    return args


def _block(args: dict[str, Any], where: str) -> tuple[int, int] | None:
    """The rows and columns of a block, `[128, 128]` or `128x128`; None where there are no blocks."""
    given = args["block_structure"]
    if args["strategy"] != "block":
        if given is not None:
            raise InputError(f"{where}: block_structure is for strategy 'block', not '{args['strategy']}'")
        return None
    if args["group_size"] is not None:
        raise InputError(f"{where}: strategy 'block' has a block_structure and no group_size")
    sizes: Any = [int(n) if n.isdecimal() else n for n in given.split("x")] if isinstance(given, str) else given
    numbers: list[Any] = cast("list[Any]", sizes) if isinstance(sizes, list) else []
    if [type(n) for n in numbers] != [int, int] or min(numbers) < 2:
        raise InputError(
            f"{where}: block_structure is {given!r}, expected rows and columns, at least 2 each, such as [128, 128]"
        )
    return numbers[0], numbers[1]


def _weights(args: dict[str, Any], where: str) -> dict[str, Any]:
    strategy, grouped = args["strategy"], args["strategy"] in ("group", "tensor_group")
    if strategy not in ("tensor", "channel", "group", "tensor_group", "block"):
        raise InputError(f"{where}: strategy '{strategy}' is not for weights, use tensor, channel, group or block")
    rows, columns = args["block_structure"] or (None, None)
    if args["dynamic"]:
        raise InputError(f"{where}: weights are never dynamic")
    if args["observer"] not in (*MINMAX, "mse", "memoryless_mse"):
        raise InputError(f"{where}: not available yet: observer '{args['observer']}'")
    asymmetric = not args["symmetric"]
    return {
        "weight_type": _type(args, where, "ui" if asymmetric else "i"),
        "weight_zero_point": f"ui{args['num_bits']}" if asymmetric else "",
        "weight_granularity": "per_tensor" if strategy == "tensor" else "",
        "weight_group_size": args["group_size"] if grouped else columns,
        "weight_group_rows": rows,
        "weight_pad": rows is not None,
        "weight_method": "mse" if args["observer"] in ("mse", "memoryless_mse") else "",
        **{f"weight_{key}": value for key, value in _scale(args).items()},
    }


def _inputs(args: dict[str, Any], where: str) -> dict[str, Any]:
    strategy, dynamic = args["strategy"], bool(args["dynamic"])
    granularity = {"tensor": "per_tensor", "token": "per_token", "group": "", "tensor_group": ""}.get(strategy)
    if granularity is None:
        raise InputError(f"{where}: strategy '{strategy}' is not for inputs, use tensor, token or group")
    if strategy != "tensor" and not dynamic:
        raise InputError(f"{where}: strategy '{strategy}' needs dynamic: true")
    if args["observer"] not in MINMAX:
        raise InputError(f"{where}: not available yet: observer '{args['observer']}'")
    scale = {f"input_{key}": value for key, value in _scale(args).items()} if args["type"] == "float" else {}
    return {
        "input_type": _type(args, where, "i"),
        "input_zero_point": "" if args["symmetric"] else f"i{args['num_bits']}",
        "input_granularity": granularity,
        "input_group_size": args["group_size"] if granularity == "" else None,
        "input_dynamic": dynamic,
        **scale,
    }


def _type(args: dict[str, Any], where: str, prefix: str) -> str:
    bits = args["num_bits"]
    match args["type"]:
        case "int" if bits in range(2, 9):
            return f"{prefix}{bits}"
        case "float" if not args["symmetric"]:
            raise InputError(f"{where}: floats are symmetric")
        case "float" if bits in FLOATS:
            return FLOATS[bits]
        case "int" | "float":
            expected = "2 to 8" if args["type"] == "int" else "4, 6 or 8"
            raise InputError(f"{where}: num_bits is {bits!r}, expected {expected} for type '{args['type']}'")
        case other:
            raise InputError(f"{where}: type is {other!r}, expected 'int' or 'float'")


def _scale(args: dict[str, Any]) -> dict[str, Any]:
    """The options of a scale's type, without `weight_` or `input_`."""
    if args["strategy"] == "tensor_group":
        return {"scale": "f8E4M3FN", "scale_scale": "f32"}
    if args["scale_dtype"] == "torch.uint8":
        return {"scale": "f8E8M0FNU"}
    return {"scale": "f16" if args["type"] == "int" else "f32"}


def _strings(values: Any, where: str) -> list[str]:
    listed: list[Any] = cast("list[Any]", values) if isinstance(values, list) else [None]
    if not all(isinstance(v, str) for v in listed):
        raise InputError(f"{where}: expected a list of names, got {values!r}")
    return listed


def _check_keys(given: Iterable[str], known: Iterable[str], where: str, what: str) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"{where}: {what} has no entry '{key}'{suggestion(key, known)}")
