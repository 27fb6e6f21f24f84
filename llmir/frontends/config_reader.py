"""Reads values of a config.json, or says which key is wrong, what it holds and what would be right."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn, cast

from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.errors import InputError

MAX_LAYERS = 10_000
"""More decoder blocks than any model has; a file that claims more is refused before anything is built for them."""
MAX_EXPERTS = 4_096
"""Likewise for the experts of a block."""


class ConfigReader:
    """Typed access to a JSON object; `source` is how messages name it."""

    def __init__(self, config: dict[str, Any], source: str):
        self.config, self.source = config, source

    def fail(self, message: str) -> NoReturn:
        """Refuse the file."""
        raise InputError(f"{self.source}: {message}")

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self.config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            self.fail(f"needs a positive number '{key}', got {value!r}")
        return float(value)

    def optional_number(self, key: str, default: float | None = None) -> float | None:
        """A positive number, None where the key is null, `default` where it is missing."""
        if key not in self.config:
            return default
        return None if self.config[key] is None else self.number(key)

    def positive(self, key: str, default: int | None = None) -> int:
        """A positive whole number."""
        value = self.whole(key, default)
        if value < 1:
            self.fail(f"needs a positive whole number '{key}', got {value!r}")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(f"needs a positive whole number '{key}', got {value!r}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.config.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            self.fail(f"{key} is {value!r}, expected true or false")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of some words."""
        value = self.config.get(key)
        value = default if value is None else value
        if value not in choices:
            self.fail(f"{key} is {value!r}, expected {' or '.join(choices)}")
        return cast(str, value)

    def only(self, key: str, supported: Any) -> None:
        """Refuse a switch that is set to another value than the one that is supported."""
        value = self.config.get(key)
        if value is not None and value != supported:
            self.fail(f"{key} is {value!r}, only {supported!r} is supported")

    def layers(self, key: str = "num_hidden_layers") -> int:
        """The number of decoder blocks."""
        layers = self.positive(key)
        if layers > MAX_LAYERS:
            self.fail(f"{key} is {layers}, at most {MAX_LAYERS} are read")
        return layers

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """A list of `count` positive numbers."""
        value: Any = self.config.get(key)
        items = cast(list[Any], value) if isinstance(value, list) else []
        if len(items) != count or any(isinstance(v, bool) or not isinstance(v, int | float) for v in items):
            self.fail(f"{key} must be a list of {count} numbers")
        if not all(0 < v <= sys.float_info.max for v in items):
            self.fail(f"{key} must be positive numbers")
        return tuple(float(v) for v in items)

    def part(self, key: str) -> ConfigReader:
        """An object inside this one, empty where the key is missing."""
        value: Any = self.config.get(key) or {}
        if not isinstance(value, dict):
            self.fail(f"{key} is {value!r}, expected an object")
        return ConfigReader(cast(dict[str, Any], value), f"{self.source}: {key}")

    def layer_types(self, layers: int) -> list[str] | None:
        """Each layer's kind of attention, None where the file does not say."""
        kinds: Any = self.config.get("layer_types")
        if kinds is None:
            return None
        known = (SLIDING, FULL)
        items = cast(list[Any], kinds) if isinstance(kinds, list) else []
        if len(items) != layers or any(kind not in known for kind in items):
            self.fail(f"layer_types must name {' or '.join(known)} for each of {layers} layers")
        return items


SLIDING, FULL = "sliding_attention", "full_attention"


def rope_parameters(read: ConfigReader) -> ConfigReader:
    """The object with rope's parameters: `rope_parameters`, or before transformers 5 `rope_scaling`."""
    return read.part("rope_parameters" if read.config.get("rope_parameters") else "rope_scaling")


def rope_kind(scale: ConfigReader) -> str:
    """The type of rope."""
    return scale.config.get("rope_type", scale.config.get("type", "default"))


def rope_scaling(scale: ConfigReader) -> RopeScalingAttr | None:
    """The change of frequencies by formula that a rope object describes."""
    kind = rope_kind(scale)
    if kind == "default":
        return None
    if kind == "linear":
        return RopeScalingAttr("linear", scale.number("factor"))
    if kind == "llama3":
        return RopeScalingAttr(
            "llama3",
            scale.number("factor"),
            scale.number("low_freq_factor"),
            scale.number("high_freq_factor"),
            scale.positive("original_max_position_embeddings"),
        )
    return scale.fail(f"rope type {kind!r} is not supported, expected default, linear or llama3")
