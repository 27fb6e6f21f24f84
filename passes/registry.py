"""The passes by name, imported only when one is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from xdsl.passes import ModulePass


def _lazy(module: str, name: str) -> Callable[[], type[ModulePass]]:
    def load() -> type[ModulePass]:
        return cast(type[ModulePass], getattr(import_module(f"llmir.passes.{module}"), name))

    return load


PASSES: dict[str, Callable[[], type[ModulePass]]] = {
    "cast-weights": _lazy("cast_weights", "WeightCastPass"),
    "assign-schemes": _lazy("assign_schemes", "SchemeAssignmentPass"),
    "calibrate": _lazy("calibrate", "QuantizationCalibrationPass"),
    "quantize-weights": _lazy("quantize_weights", "WeightQuantizationPass"),
    "quantize-activations": _lazy("quantize_activations", "ActivationQuantizationPass"),
    "fuse-quantized-ops": _lazy("fuse_quantized_ops", "QuantizedOperationFusionPass"),
    "lower-to-target": _lazy("lower_to_target", "HardwareSpecificQuantizationPass"),
}
