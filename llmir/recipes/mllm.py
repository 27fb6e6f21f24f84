"""mllm's quantization configurations: the JSON that `mllm-quantizer` reads, in both of its forms.

mllm-advanced names operations:

    {"ModelName": "m", "Ops": {"model.layers.0.mlp.up_proj": {"type": "Linear", "implType": "KaiLinear_..."}},
     "Params": {"model.norm.*": {"dtype": "Fp16"}}}

mllm has a regular expression for each group of parameters, matching the whole name:

    {"model\\.layers\\.\\d+\\.mlp\\.up_proj\\.(weight|bias)": {"hints": {
        "quant_method": "kai", "kai_matmul_triplet": "f32_qai8dxp_qsi4c32p", "kai_matmul_layout": "mxk_nxk",
        "kai_matmul_tile_cfg": "qai8dxp1x8_qsi4c32p4x8_1x4x32", "shape": [1024, 2048], "replace": true}}}

Both become a list of `Change`s, one for each weight of a model, and these a pass pipeline. What those tools pass
over is refused here: a key that matches nothing, one that wrongly ends in `.weight`, unknown implTypes and hints, a
missing weight, two keys that write one tensor, a bias that would be lost. Sources: mllm `tools/mllm-quantizer`,
mllm-advanced `tools/Quantizer`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.formats.mllm import CODES, TYPES
from llmir.passes.assign_gguf_types import BLOCK_TYPES
from llmir.passes.assign_schemes import SchemeAssignmentPass, layers_by_name
from llmir.passes.cast_weights import WeightCastPass
from llmir.passes.declare_layers import LayerDeclarationPass
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.pack_kleidiai_weights import KleidiaiPackingPass
from llmir.passes.pipeline import Pipeline
from llmir.passes.quantize_activations import ActivationQuantizationPass
from llmir.passes.quantize_weights import WeightQuantizationPass
from llmir.passes.rename_weights import WeightRenamingPass
from llmir.program.files import read_bytes
from llmir.recipes.mllm_impl_types import F16, F16_ASYMMETRIC, F32_SYMMETRIC, Kai, Simple, impl_type

TOP_KEYS = ("ModelName", "Ops", "Params")
HINTS = (
    "quant_method",
    "kai_matmul_triplet",
    "kai_matmul_layout",
    "kai_matmul_tile_cfg",
    "gguf_type",
    "shape",
    "replace",
    "rename",
)
TRIPLETS = (F32_SYMMETRIC, "fp16_fp16_fp16p", "f16_qsi8d32p_qai4c32p")
LAYOUTS = ("mxk_nxk", "mxk_kxn")
DEFAULT_TILE = "qai8dxp1x8_qsi4c32p4x8_1x4x32"
F16_ROWS = 16
"""Rows of a packed block of KleidiAI's only float16 packing."""
CASTS = {"Fp32": "f32", "Fp16": "f16"}

GGUF_TYPES: dict[str, dict[str, Any]] = {
    **{name: BLOCK_TYPES[name] for name in ("Q4_0", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q6_K")},
    "Q8_K": {"weight_type": "i8", "weight_scale": "f32", "weight_group_size": 256, "weight_method": "mllm_q8_k"},
}
"""The `assign-schemes` options of the block types mllm's quantizer makes."""
_BLOCKS: dict[str, Any] = {"weight_type": "i4", "weight_group_size": 32}
_DYNAMIC: dict[str, Any] = {"input_type": "i8", "input_dynamic": True}
KAI_SCHEMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    F32_SYMMETRIC: (
        _BLOCKS | {"weight_scale": "bf16", "weight_method": "mllm_qsi4c32p"},
        _DYNAMIC | {"input_zero_point": "i8", "input_granularity": "per_token"},
    ),
    F16_ASYMMETRIC.removesuffix("_mxk_nxk"): (
        _BLOCKS | {"weight_scale": "f32", "weight_min": "f32", "weight_method": "mllm_qai4c32p"},
        _DYNAMIC | {"input_group_size": 32, "input_granularity": "per_group"},
    ),
}
"""The `assign-schemes` options of weights and of inputs, by the types a KleidiAI family starts with."""


@dataclass(frozen=True)
class Change:
    """What shall be done to one weight: a KleidiAI kernel's packing, or a GGUF block type.

    The result is named `result`; `keeps` leaves the original beside it. `shape` is what the configuration says
    the weight's is.
    """

    weight: str
    how: Kai | str
    result: str
    keeps: bool = False
    shape: tuple[int, int] | None = None

    @property
    def bias(self) -> str:
        """The name of the layer's bias, if it has one."""
        return self.weight.removesuffix("weight") + "bias"

    @property
    def module(self) -> str:
        """The layer's name once the weight has its new name."""
        return self.result.removesuffix(".weight")


@dataclass(frozen=True)
class Hints:
    """One regular expression of the newer form, and what is wanted for what it matches."""

    pattern: str
    how: Kai | str
    shape: tuple[int, int] | None
    replaces: bool
    rename: str | None


@dataclass(frozen=True)
class MllmConfig:
    """A configuration, read and checked, of one form or the other; `source` is how messages name it."""

    source: str
    model_name: str = ""
    operations: Mapping[str, Kai | None] | None = None
    casts: Mapping[str, str] | None = None
    hints: tuple[Hints, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a configuration means for a model: changes, casts by weight, and what to tell the user."""

    changes: tuple[Change, ...]
    casts: Mapping[str, str]
    notes: tuple[str, ...]

    def file_pipeline(self, module: ModuleOp) -> Pipeline:
        """The passes that make what mllm stores: renamed, quantized and packed weights."""
        passes: list[ModulePass] = [
            WeightRenamingPass(weight=c.weight, to=c.result, keep=c.keeps) for c in self.changes if c.result != c.weight
        ]
        passes += self._declarations(module)
        return Pipeline((*passes, *self._casts(), *self._rules(False), *self._packing()))

    def program_pipeline(self) -> Pipeline:
        """The passes that make a program with the same numbers, inputs quantized as the kernels do it."""
        plan = replace(self, changes=tuple(replace(c, result=c.weight) for c in self.changes))
        passes = [*plan._casts(), *plan._rules(True)]
        if any(isinstance(c.how, Kai) and c.how.family != F16 for c in self.changes):
            passes.append(ActivationQuantizationPass())
        return Pipeline((*passes, QuantizedOperationFusionPass()))

    def _declarations(self, module: ModuleOp) -> list[ModulePass]:
        """Passes that make layers of weights the flattened module does not name as such."""
        known = layers_by_name(module)
        passes: list[ModulePass] = []
        for change in self.changes:
            if change.weight.removesuffix(".weight") not in known:
                bias = change.bias if isinstance(change.how, Kai) and change.bias in weights(module) else ""
                passes.append(LayerDeclarationPass(weight=change.result, shape=change.shape or (), bias=bias))
        return passes

    def _casts(self) -> list[ModulePass]:
        by_type: dict[str, list[str]] = {}
        for weight, type in self.casts.items():
            by_type.setdefault(type, []).append(weight)
        floats = [c.result for c in self.changes if isinstance(c.how, Kai) and c.how.family == F16]
        if floats:
            by_type.setdefault("f16", []).extend(floats)
        return [WeightCastPass(type=type, weights=tuple(names)) for type, names in by_type.items()]

    def _rules(self, with_inputs: bool) -> list[ModulePass]:
        rules: dict[str, tuple[dict[str, Any], list[str]]] = {}
        for change in self.changes:
            if isinstance(change.how, str):
                key, options = change.how, GGUF_TYPES[change.how]
            elif change.how.family == F16:
                continue
            else:
                key = _types_of(change.how)
                weight, inputs = KAI_SCHEMES[key]
                options = weight | (inputs if with_inputs else {})
            rules.setdefault(key, (options, []))[1].append(change.module)
        passes: list[ModulePass] = [
            SchemeAssignmentPass(modules=tuple(map(_literal, modules)), ops=("linear", "embedding"), **options)
            for options, modules in rules.values()
        ]
        return [*passes, WeightQuantizationPass()] if passes else []

    def _packing(self) -> list[ModulePass]:
        packed: dict[KleidiaiPackingPass, list[str]] = {}
        for change in self.changes:
            if isinstance(change.how, Kai):
                packed.setdefault(_packing(change.how), []).append(change.module)
        return [replace(kind, modules=tuple(map(_literal, modules))) for kind, modules in packed.items()]


def _packing(kernel: Kai) -> KleidiaiPackingPass:
    if kernel.family == F16:
        return KleidiaiPackingPass(nr=F16_ROWS)
    nr, kr, sr = kernel.packing
    return KleidiaiPackingPass(nr=nr, kr=kr, sr=sr)


def _types_of(kernel: Kai) -> str:
    return kernel.family.rsplit("_mxk_", 1)[0]


def _literal(name: str) -> str:
    """A pattern that matches one name only."""
    return name if not re.search(r"[*?\[\]]", name) and not name.startswith("re:") else f"re:{re.escape(name)}$"


# -- reading --


def is_mllm_config(config: Mapping[str, Any]) -> bool:
    """True for a JSON object of either form."""
    if "Ops" in config or "ModelName" in config:
        return True
    return bool(config) and all(isinstance(v, dict) and "hints" in v for v in config.values())


def open_mllm_config(path: Path) -> MllmConfig:
    """Read a configuration; InputError names the file, the key, what is wrong and what would be right."""
    raw = read_bytes(path, "the configuration")
    try:
        config: Any = json.loads(raw, object_pairs_hook=lambda pairs: _object(pairs, str(path)))
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: not JSON: {e}") from e
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a JSON object")
    return read_mllm_config(cast(dict[str, Any], config), str(path))


def _object(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [k for k, _ in pairs]
        twice = next(k for k in keys if keys.count(k) > 1)
        raise InputError(f"{source}: key '{twice}' is given twice")
    return found


def read_mllm_config(config: Mapping[str, Any], source: str) -> MllmConfig:
    """A configuration from its JSON object."""
    read = _Reader(source)
    if not is_mllm_config(config):
        read.fail("not an mllm configuration: expected 'ModelName' and 'Ops', or objects with 'hints' by pattern")
    if "Ops" in config or "ModelName" in config:
        return _operations(config, read)
    return MllmConfig(source, hints=tuple(_hints(pattern, config[pattern], read) for pattern in sorted(config)))


def _operations(config: Mapping[str, Any], read: _Reader) -> MllmConfig:
    read.keys(config, TOP_KEYS, "the configuration")
    name = config.get("ModelName")
    if not isinstance(name, str):
        read.fail(f"needs a string 'ModelName', got {name!r}")
    kernels = {op: _operation(op, read.object(entry, f"Ops.{op}"), read) for op, entry in _items(config, "Ops", read)}
    casts: dict[str, str] = {}
    for pattern, entry in _items(config, "Params", read):
        where = f"Params.{pattern}"
        read.keys(read.object(entry, where), ("dtype",), where)
        dtype = entry.get("dtype", "Fp32")
        if dtype not in CASTS:
            read.fail(f"{where}: dtype is {dtype!r}, expected {' or '.join(CASTS)}")
        read.regex(pattern, where)
        casts[pattern] = CASTS[dtype]
    return MllmConfig(read.source, name, kernels, casts)


def _items(config: Mapping[str, Any], key: str, read: _Reader) -> Iterable[tuple[str, Any]]:
    return read.object(config.get(key, {}), key).items()


def _operation(name: str, entry: Mapping[str, Any], read: _Reader) -> Kai | None:
    """The kernel of an operation, None for one that is to stay as it is."""
    where = f"Ops.{name}"
    read.keys(entry, ("type", "implType"), where)
    for suffix in (".weight", ".bias"):
        if name.endswith(suffix):
            read.fail(f"{where}: an operation is named without {suffix}, expected '{name.removesuffix(suffix)}'")
    for key in ("type", "implType"):
        if not isinstance(entry.get(key), str):
            read.fail(f"{where}: needs a string '{key}', got {entry.get(key)!r}")
    if entry["type"] != "Linear":
        read.fail(f"{where}: operations of type {entry['type']!r} cannot be quantized, only Linear can")
    return _kernel(entry["implType"], where, read)


def _kernel(text: str, where: str, read: _Reader) -> Kai | None:
    try:
        parsed = impl_type(text)
        if isinstance(parsed, Kai):
            supported(parsed)
    except ValueError as e:
        read.fail(f"{where}: {e}")
    if isinstance(parsed, Kai):
        return parsed
    if parsed == Simple("Default"):
        return None
    return read.fail(f"{where}: implType '{text}' packs no weight here, expected Default or a KaiLinear")


def supported(kernel: Kai) -> None:
    """ValueError for a KleidiAI kernel whose packed weights mllm's quantizer does not make."""
    if kernel.family != F16 and _types_of(kernel) not in KAI_SCHEMES:
        raise ValueError(f"{kernel.family} is a family mllm quantizes at run time only, no file holds its weights")
    if kernel.tile is not None:
        kernel.packing  # noqa: B018  what is not known before run time is refused


def _hints(pattern: str, entry: Any, read: _Reader) -> Hints:
    where = f"'{pattern}'"
    read.keys(read.object(entry, where), ("hints",), where)
    hints = read.object(entry["hints"], f"{where}: hints")
    read.keys(hints, HINTS, f"{where}: hints")
    read.regex(pattern, where)
    method = read.choice(hints, "quant_method", ("kai", "gguf"), where)
    replaces, rename = hints.get("replace", True), hints.get("rename")
    if not isinstance(replaces, bool):
        read.fail(f"{where}: 'replace' is {replaces!r}, expected true or false")
    if rename is not None and (not isinstance(rename, str) or not rename):
        read.fail(f"{where}: 'rename' is {rename!r}, expected the name of a tensor")
    if not replaces and rename is None:
        read.fail(f"{where}: 'replace' is false, so the result needs a name: give 'rename'")
    how = _kai_hint(hints, where, read) if method == "kai" else _gguf_hint(hints, where, read)
    return Hints(pattern, how, _shape_hint(hints.get("shape"), where, read), replaces, rename)


def _kai_hint(hints: Mapping[str, Any], where: str, read: _Reader) -> Kai:
    triplet = read.choice(hints, "kai_matmul_triplet", TRIPLETS, where)
    layout = read.choice(hints, "kai_matmul_layout", LAYOUTS, where)
    tile = hints.get("kai_matmul_tile_cfg")
    if tile is None and triplet == F32_SYMMETRIC:
        tile = DEFAULT_TILE
    kernel = _kernel(f"KaiLinear_{triplet}_{layout}" + ("" if tile is None else f"_{tile}"), where, read)
    assert kernel is not None
    return kernel


def _gguf_hint(hints: Mapping[str, Any], where: str, read: _Reader) -> str:
    return read.choice(hints, "gguf_type", tuple(GGUF_TYPES), where)


def _shape_hint(shape: Any, where: str, read: _Reader) -> tuple[int, int] | None:
    if shape is None:
        return None
    sizes = cast("list[Any]", shape) if isinstance(shape, list) else []
    if len(sizes) != 2 or not all(type(d) is int and d > 0 for d in sizes):
        read.fail(f"{where}: 'shape' is {shape!r}, expected [out, in]")
    return sizes[0], sizes[1]


class _Reader:
    """Checks JSON values, or says what is wrong with them."""

    def __init__(self, source: str):
        self.source = source

    def fail(self, message: str) -> NoReturn:
        raise InputError(f"{self.source}: {message}")

    def object(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(f"{where} is {value!r}, expected an object")
        return cast(dict[str, Any], value)

    def keys(self, value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        for key in value:
            if key not in known:
                self.fail(f"{where} has an unknown key '{key}', expected {', '.join(known)}")

    def choice(self, value: Mapping[str, Any], key: str, choices: Sequence[str], where: str) -> str:
        if value.get(key) not in choices:
            self.fail(f"{where}: '{key}' is {value.get(key)!r}, expected one of {', '.join(choices)}")
        return value[key]

    def regex(self, pattern: str, where: str) -> None:
        try:
            re.compile(pattern)
        except re.error as e:
            self.fail(f"{where} is not a regular expression: {e}")


# -- a configuration and a model --


def plan(config: MllmConfig, module: ModuleOp) -> Plan:
    """What a configuration changes in a model; InputError names a key that does not fit it."""
    shapes = {name: tuple(cast(Any, op.type).get_shape()) for name, op in weights(module).items()}
    if config.operations is None:
        return _plan_of_hints(config, shapes)
    for name in config.operations:
        if f"{name}.weight" not in shapes:
            nearest = _nearest(f"{name}.weight", shapes)
            raise InputError(f"{config.source}: Ops.{name}: the model has no tensor '{name}.weight'{nearest}")
        if len(shapes[f"{name}.weight"]) != 2:
            shape = list(shapes[f"{name}.weight"])
            raise InputError(f"{config.source}: Ops.{name}: '{name}.weight' is {shape}, expected [out, in]")
    kernels = ((f"{name}.weight", kernel) for name, kernel in config.operations.items())
    changes = [Change(weight, kernel, weight) for weight, kernel in kernels if kernel is not None]
    taken = {f"{name}.{part}" for name in config.operations for part in ("weight", "bias")}
    return Plan(tuple(changes), _plan_of_casts(config, shapes, taken), ())


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1, 0)
    return f", the nearest is '{near[0]}'" if near else ""


def _plan_of_casts(config: MllmConfig, shapes: Mapping[str, Any], taken: set[str]) -> dict[str, str]:
    casts: dict[str, tuple[str, str]] = {}
    for pattern, type in (config.casts or {}).items():
        hits = [name for name in shapes if name not in taken and re.fullmatch(pattern, name)]
        if not hits:
            raise InputError(
                f"{config.source}: Params.{pattern} matches no tensor that belongs to no operation"
                f"{_nearest(pattern, shapes)}"
            )
        for name in hits:
            if name in casts and casts[name][0] != type:
                raise InputError(
                    f"{config.source}: Params.{pattern} and Params.{casts[name][1]} give '{name}' different types"
                )
            casts[name] = (type, pattern)
    return {name: type for name, (type, _) in casts.items()}


def _plan_of_hints(config: MllmConfig, shapes: Mapping[str, tuple[int, ...]]) -> Plan:
    changes: dict[str, tuple[Change, str]] = {}
    notes: list[str] = []
    for hint in config.hints:
        for change in _changes_of(hint, shapes, config.source, notes):
            if change.result in changes:
                raise InputError(
                    f"{config.source}: '{hint.pattern}' and '{changes[change.result][1]}' both write "
                    f"'{change.result}'; a weight is quantized once"
                )
            changes[change.result] = (change, hint.pattern)
    found = [change for change, _ in changes.values()]
    replaced = {c.weight for c in found if not c.keeps}
    for change, pattern in changes.values():
        if change.result != change.weight and change.result in set(shapes) - replaced:
            raise InputError(f"{config.source}: '{pattern}' renames to '{change.result}', which the model has already")
    # copies are made before the originals are changed
    return Plan(tuple(sorted(found, key=lambda c: not c.keeps)), {}, tuple(notes))


def _changes_of(hint: Hints, shapes: Mapping[str, tuple[int, ...]], source: str, notes: list[str]) -> list[Change]:
    where = f"{source}: '{hint.pattern}'"
    hits = [name for name in shapes if re.fullmatch(hint.pattern, name, re.ASCII)]
    if not hits:
        raise InputError(f"{where} matches none of {len(shapes)} tensors{_nearest(hint.pattern, shapes)}")
    matrices = [name for name in hits if not name.endswith(".bias")]
    if not matrices:
        raise InputError(f"{where} matches biases only, such as '{hits[0]}'; match the weight too")
    if hint.rename is not None and len(matrices) > 1:
        raise InputError(f"{where} matches {len(matrices)} weights, which cannot all be renamed '{hint.rename}'")
    for name in matrices:
        _check_shape(hint, name, shapes[name], where)
        _check_bias(hint, name, hits, shapes, where)
    if isinstance(hint.how, str):
        notes += [
            f"{name} is kept as it is; mllm's quantizer would drop it, since '{hint.pattern}' matches it"
            for name in hits
            if name.endswith(".bias")
        ]
    return [Change(name, hint.how, hint.rename or name, not hint.replaces, hint.shape) for name in matrices]


def _check_shape(hint: Hints, name: str, shape: tuple[int, ...], where: str) -> None:
    row = (hint.shape or shape or (1,))[-1]
    if isinstance(hint.how, Kai):
        block = 1 if hint.how.family == F16 else 32
    else:
        block = TYPES[CODES[hint.how]].elements
    if row % block:
        what = hint.how if isinstance(hint.how, str) else hint.how.family
        raise InputError(f"{where}: '{name}' has rows of {row}, {what} needs whole blocks of {block}")
    if hint.shape is None:
        if len(shape) == 1 and isinstance(hint.how, Kai):
            raise InputError(f"{where}: '{name}' has one dimension of {shape[0]}, say its 'shape' as [out, in]")
        if len(shape) != 2 and isinstance(hint.how, Kai):
            raise InputError(f"{where}: '{name}' is {list(shape)}, kai packs weights [out, in]")
        return
    if len(shape) == 1 and shape[0] == hint.shape[0] * hint.shape[1]:
        return
    if shape != hint.shape:
        raise InputError(f"{where}: 'shape' is {list(hint.shape)}, but '{name}' is {list(shape)}")


def _check_bias(hint: Hints, name: str, hits: Sequence[str], shapes: Mapping[str, Any], where: str) -> None:
    bias = Change(name, hint.how, name).bias
    if isinstance(hint.how, Kai) and name.endswith(".weight") and bias in shapes and bias not in hits:
        raise InputError(
            f"{where} matches '{name}' without '{bias}', so that its bias would be lost; match both: (weight|bias)"
        )
