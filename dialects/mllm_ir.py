"""mllm's textual IR as Python objects: what a `.mir` file says, nothing of what it means is left out.

It is another project's IR, read and written for its users; LLMIR's own is the `llm` dialect. Sources: the
printers in mllm `mllm/compile/ir`, and those of mllm-advanced for the flattened module. `@main` holds
subgraphs; values are numbered across a file; symbols keep what follows `@`, angle brackets included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Scalar: TypeAlias = int | float | bool | str

INVALID = "<InvalidAttribute NYI>"
"""What mllm prints for a float, which its printer does not know."""
TEXT = re.compile(r'[^\s,:\[\](){}"<>]([^,\[\](){}"<>\n]*[^\s,\[\](){}"<>])?')
"""Unquoted text that can be the value of an attribute."""

_SYMMETRIC = ("quant_min", "quant_max", "quant_to_type", "scale_type")
KINDS: dict[str, frozenset[str]] = {
    "Raw": frozenset({"type"}),
    "SymPerTensor": frozenset(_SYMMETRIC),
    "SymPerChannel": frozenset({*_SYMMETRIC, "ch_axis"}),
    "SymPerBlock": frozenset({*_SYMMETRIC, "block_size"}),
    "AsymPerTensor": frozenset({*_SYMMETRIC, "zero_point_type"}),
    "AsymPerChannel": frozenset({*_SYMMETRIC, "zero_point_type", "ch_axis"}),
    "AsymPerBlock": frozenset({*_SYMMETRIC, "zero_point_type", "block_size"}),
    "LPBQ": frozenset(
        {
            "quant_min",
            "quant_max",
            "block_size",
            "ch_axis",
            "scale_level_0_bitwidth",
            "quant_to_type",
            "scale_1_type",
        }
    ),
    "None": frozenset(),
}
"""Kinds of quantization specifications and their parameters; types are names, all others whole numbers."""


@dataclass(frozen=True)
class QuantSpec:
    """How one value is quantized, as mllm's QNN passes decide it. ValueError for parameters of another kind.

    `solved` says that the parameters have been computed; older files do not say.
    """

    kind: str
    parameters: dict[str, int | str]
    uuid: int
    solved: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of QuantSpec '{self.kind}', expected one of {', '.join(KINDS)}")
        if self.parameters.keys() != KINDS[self.kind]:
            expected = ", ".join(sorted(KINDS[self.kind])) or "nothing"
            raise ValueError(f"{self.kind} has {', '.join(self.parameters) or 'nothing'}, expected {expected}")
        for key, value in self.parameters.items():
            if isinstance(value, str) != (key == "type" or key.endswith("_type")):
                raise ValueError(f"{self.kind}: {key} is {value!r}, expected {_kind_of(key)}")


def _kind_of(key: str) -> str:
    return "the name of a type" if key == "type" or key.endswith("_type") else "a whole number"


@dataclass(frozen=True)
class QuantAnnotation:
    """The specifications of an operation: `inputs_0`, `outputs_0`, `weight_weight`, ..."""

    specs: dict[str, QuantSpec]


@dataclass(frozen=True)
class Json:
    """A JSON object."""

    value: dict[str, Any]


AttributeValue: TypeAlias = Scalar | tuple[Scalar, ...] | QuantSpec | QuantAnnotation | Json
Attributes: TypeAlias = dict[str, AttributeValue]


def _no_attributes() -> Attributes:
    return {}


@dataclass(frozen=True)
class Tensor:
    """`tensor<[1, 32], Float32, CPU>`."""

    shape: tuple[int, ...]
    dtype: str
    device: str


@dataclass(frozen=True)
class Value:
    """`%7:tensor<[64, 32], Float32, CPU>[@blk.proj.weight][constant:1]`."""

    id: int
    type: Tensor
    symbol: str | None = None
    attributes: Attributes = field(default_factory=_no_attributes)


Values: TypeAlias = tuple[Value, ...]


@dataclass(frozen=True)
class Region:
    """`(values) -> (values) { operations }`."""

    inputs: Values
    outputs: Values
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Module:
    """`@main` and its region."""

    region: Region


@dataclass(frozen=True)
class SubGraph:
    """`graph.SubGraphOp @SYM <DEVICE> [attributes] { ... }`.

    The body is one region; mllm-advanced's documentation shows operations without a region around them.
    """

    symbol: str
    device: str
    body: Region | tuple[Statement, ...]
    attributes: Attributes = field(default_factory=_no_attributes)


@dataclass(frozen=True)
class Call:
    """`graph.CallGraphOp @SYM (values) -> (values)`."""

    symbol: str
    inputs: Values
    outputs: Values
    attributes: Attributes = field(default_factory=_no_attributes)


@dataclass(frozen=True)
class Operation:
    """`linalg.CPU.LinearOp <name="fc"> [attributes] (values) -> (values)`, or `tensor.CPU.free ...` and the like.

    `parameter` is the type in `linalg.CPU.register<LinearOp>`. Custom operations have their name in square
    brackets. Attributes stand before the values of a `linalg` operation, behind those of others and of `register`.
    """

    dialect: str
    device: str
    name: str
    inputs: Values
    outputs: Values
    attributes: Attributes = field(default_factory=_no_attributes)
    parameter: str | None = None
    label: str | None = None
    is_custom: bool = False

    @property
    def trails(self) -> bool:
        """True when attributes stand behind the values."""
        return self.dialect == "tensor" or self.name == "register"


@dataclass(frozen=True)
class Return:
    """`cf.ReturnOp (values) -> ()`."""

    inputs: Values
    outputs: Values = ()


@dataclass(frozen=True)
class Fragment:
    """`prog.fragment @SYM <DEVICE> <code|data|table> { ... }`."""

    symbol: str
    device: str
    kind: str
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Instruction:
    """`addr:0x... prog.jump LABEL(values) -> (values)[attributes]`; None is what an instruction does not have."""

    name: str
    address: int | None = None
    label: str | None = None
    inputs: Values | None = None
    outputs: Values | None = None
    attributes: Attributes = field(default_factory=_no_attributes)


@dataclass(frozen=True)
class Elided:
    """`...`: what an excerpt leaves out."""


Statement: TypeAlias = SubGraph | Call | Operation | Return | Fragment | Instruction | Elided
