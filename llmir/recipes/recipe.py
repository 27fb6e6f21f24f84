"""Recipes: what every vocabulary compiles to, and how a recipe becomes a pass pipeline.

    cast-weights?, a rule or more, calibrate?, quantize-weights?, quantize-activations?, fuse-quantized-ops

A vocabulary only chooses the options of these passes; none has a code path of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from xdsl.passes import ModulePass

from llmir.errors import UsageError
from llmir.passes.assign_gguf_types import GGUFTypeAssignmentPass
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.cast_weights import WeightCastPass
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.insert_observers import ObserverInsertionPass
from llmir.passes.pipeline import Pipeline
from llmir.passes.quantize_activations import ActivationQuantizationPass
from llmir.passes.quantize_weights import WeightQuantizationPass
from llmir.passes.use_observed_scales import ObservedScalePass
from llmir.quantizers.unit_scale import UNIT_SCALE

Rule = SchemeAssignmentPass | GGUFTypeAssignmentPass


class Step(Enum):
    """Which part of the work a recipe does."""

    ALL = "all"
    OBSERVE = "observe"
    """Everything but the static input scales, for which observers are put in (MLC's `max_calibrate`)."""
    FINISH = "finish"
    """All of it from calibration data or, without any, what is left to do on an observed program."""


@dataclass(frozen=True)
class Recipe:
    """How layers are quantized.

    `cast` is the float type all weights are cast to first, `rules` are passes that write schemes on layers, in
    order, a later one overriding an earlier one. `fixed`: the name fixes every number, only the choice of
    layers may be changed. `calibration` holds the recipe's own settings, data among them or not.
    """

    name: str
    cast: str = ""
    rules: tuple[Rule, ...] = ()
    fixed: bool = False
    step: Step = Step.ALL
    calibration: QuantizationCalibrationPass = field(default_factory=QuantizationCalibrationPass)

    @property
    def has_static_inputs(self) -> bool:
        """True when input scales are constants that data have to tell."""
        return any(_has_static_input(rule) for rule in self.rules)


def _has_static_input(rule: Rule) -> bool:
    if not isinstance(rule, SchemeAssignmentPass):
        return False
    return bool(rule.input_type) and not rule.input_dynamic and rule.input_method != UNIT_SCALE


def _quantizes_weights(rule: Rule) -> bool:
    return not isinstance(rule, SchemeAssignmentPass) or bool(rule.weight_type)


def _quantizes_inputs(rule: Rule) -> bool:
    return isinstance(rule, SchemeAssignmentPass) and bool(rule.input_type)


def adapt(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with other values of `assign-schemes` options in all its rules; UsageError when its name fixes them."""
    if not changes:
        return base
    assert set(changes) <= {f.name for f in fields(SchemeAssignmentPass)}
    flags = ", ".join("--" + n.replace("_", "-") for n in sorted(changes))
    if base.fixed:
        raise UsageError(f"{base.name} fixes its formula, {flags} cannot change it; use a W scheme instead")
    rules = [_changed(rule, changes) if isinstance(rule, SchemeAssignmentPass) else rule for rule in base.rules]
    return replace(base, rules=tuple(rules))


def _changed(rule: SchemeAssignmentPass, changes: Mapping[str, Any]) -> SchemeAssignmentPass:
    changed = replace(rule, **changes)
    if {"weight_type", "weight_zero_point", "weight_min"} & set(changes):
        changed = _consistent(changed, changes)
    if changed.weight_granularity in ("per_tensor", "per_channel") and "weight_group_size" not in changes:
        changed = replace(changed, weight_group_size=None, weight_group_rows=None)
    if changes.get("weight_pad") and changed.input_group_size is not None:
        changed = replace(changed, input_pad=True)
    if changed.weight_group_axis != 1 and changed.weight_group_size is None:
        raise UsageError("--weight-group-dim 0 is for groups, give --weight-group-size N too")
    return changed


def _consistent(rule: SchemeAssignmentPass, changes: Mapping[str, Any]) -> SchemeAssignmentPass:
    """A new element type or zero point takes the other along, unless both are given."""
    if "weight_min" in changes and "weight_zero_point" not in changes:
        rule = replace(rule, weight_zero_point="")
    if rule.weight_zero_point.startswith(("i", "ui")) and "weight_zero_point" not in changes:
        rule = replace(rule, weight_zero_point=rule.weight_type)
    float_zero_point = rule.weight_zero_point.startswith(("f", "bf"))
    if "weight_type" not in changes and rule.weight_type.startswith(("i", "ui")) and not float_zero_point:
        signed = not (rule.weight_zero_point.startswith("u") or rule.weight_min)
        rule = replace(rule, weight_type=f"{'i' if signed else 'ui'}{rule.weight_type.lstrip('ui')}")
    return rule


def excluding(base: Recipe, patterns: tuple[str, ...]) -> Recipe:
    """A recipe that leaves more layers alone."""
    if not patterns:
        return base
    _check_selects(base)
    return replace(base, rules=tuple(replace(rule, exclude=rule.exclude + patterns) for rule in base.rules))


def with_last_layer(base: Recipe) -> Recipe:
    """A recipe that quantizes lm_head too."""
    _check_selects(base)
    rules = (replace(r, exclude=tuple(e for e in r.exclude if e not in LAST_LAYER)) for r in base.rules)
    return replace(base, rules=tuple(rules))


LAST_LAYER = ("lm_head", "re:.*lm_head")
"""How recipes spell the last layer when they leave it alone."""


def with_embedding(base: Recipe) -> Recipe:
    """A recipe that quantizes the embedding too, its weight only: its input are token ids.

    The embedding's rule comes first, so that what later rules say of other layers stands.
    """
    _check_selects(base)
    rules = [rule for rule in base.rules if isinstance(rule, SchemeAssignmentPass)]
    if len(rules) < len(base.rules) or any("embedding" in rule.ops for rule in rules):
        return base
    rule = rules[0]
    if not rule.input_type and rule.modules == ("*",):
        return replace(base, rules=(replace(rule, ops=(*rule.ops, "embedding")), *rules[1:]))
    defaults = {f.name: f.default for f in fields(SchemeAssignmentPass) if f.name.startswith("input_")}
    return replace(base, rules=(replace(rule, modules=("*",), ops=("embedding",), **defaults), *rules))


def _check_selects(base: Recipe) -> None:
    if not base.rules:
        raise UsageError(f"{base.name} quantizes no layer, there is nothing to select")


def pipeline(base: Recipe, calibration: QuantizationCalibrationPass | None = None) -> Pipeline:
    """The passes of a recipe; UsageError when it needs calibration data and has none, or the reverse."""
    data = calibration or (base.calibration if base.calibration.text or base.calibration.tokens else None)
    _check_calibration(base, data)
    if base.step is Step.FINISH and data is None:
        return Pipeline((ObservedScalePass(), QuantizedOperationFusionPass()))
    passes: list[ModulePass] = []
    if base.cast:
        passes.append(WeightCastPass(type=base.cast))
    passes += base.rules
    if data is not None:
        passes.append(data)
    if any(map(_quantizes_weights, base.rules)):
        passes.append(WeightQuantizationPass())
    if base.step is Step.OBSERVE:
        return Pipeline((*passes, ObserverInsertionPass()))
    if any(map(_quantizes_inputs, base.rules)):
        passes.append(ActivationQuantizationPass())
    if base.rules:
        passes.append(QuantizedOperationFusionPass())
    return Pipeline(tuple(passes))


def _check_calibration(base: Recipe, data: QuantizationCalibrationPass | None) -> None:
    if data is not None and base.step is Step.OBSERVE:
        raise UsageError(f"{base.name} puts in observers, which 'llmir calibrate' feeds; leave --calibration out")
    if data is not None and not base.has_static_inputs:
        raise UsageError(f"{base.name} has no static input scales, --calibration would not be used; leave it out")
    if data is None and base.has_static_inputs and base.step is Step.ALL:
        raise UsageError(
            f"{base.name} has static input scales, which need data: give --calibration FILE, "
            "or use a dynamic scheme such as FP8_DYNAMIC"
        )
