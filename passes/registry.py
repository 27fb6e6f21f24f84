"""The passes by name, imported only when one is used."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import cast

from xdsl.passes import ModulePass
from xdsl.universe import Universe


def _lazy(module: str, name: str) -> Callable[[], type[ModulePass]]:
    def load() -> type[ModulePass]:
        return cast(type[ModulePass], getattr(import_module(f"llmir.passes.{module}"), name))

    return load


PASSES: dict[str, Callable[[], type[ModulePass]]] = {
    "rename-weights": _lazy("rename_weights", "WeightRenamingPass"),
    "declare-layers": _lazy("declare_layers", "LayerDeclarationPass"),
    "cast-weights": _lazy("cast_weights", "WeightCastPass"),
    "assign-schemes": _lazy("assign_schemes", "SchemeAssignmentPass"),
    "assign-gguf-types": _lazy("assign_gguf_types", "GGUFTypeAssignmentPass"),
    "calibrate": _lazy("calibrate", "QuantizationCalibrationPass"),
    "quantize-weights": _lazy("quantize_weights", "WeightQuantizationPass"),
    "quantize-weight-rows": _lazy("quantize_weight_rows", "WeightRowQuantizationPass"),
    "prune-weights": _lazy("prune_weights", "WeightPruningPass"),
    "sparsify-weights": _lazy("sparsify_weights", "WeightSparsificationPass"),
    "quantize-activations": _lazy("quantize_activations", "ActivationQuantizationPass"),
    "quantize-matmul-inputs": _lazy("quantize_matmul_inputs", "MatmulInputQuantizationPass"),
    "insert-observers": _lazy("insert_observers", "ObserverInsertionPass"),
    "update-observed-scales": _lazy("update_observed_scales", "ObservedScaleUpdatePass"),
    "use-observed-scales": _lazy("use_observed_scales", "ObservedScalePass"),
    "absorb-transposes": _lazy("absorb_transposes", "TransposeAbsorptionPass"),
    "fold-norm-scales": _lazy("fold_norm_scales", "NormScaleFoldingPass"),
    "merge-projections": _lazy("merge_projections", "ProjectionMergePass"),
    "fuse-gated-activations": _lazy("fuse_gated_activations", "GatedActivationFusionPass"),
    "fuse-quantized-ops": _lazy("fuse_quantized_ops", "QuantizedOperationFusionPass"),
    "pack-kleidiai-weights": _lazy("pack_kleidiai_weights", "KleidiaiPackingPass"),
    "convert-llm-to-linalg": _lazy("convert_llm_to_linalg", "ConvertLLMToLinalgPass"),
    "convert-llm-to-kernel": _lazy("convert_llm_to_kernel", "KernelConversionPass"),
    "legalize-for-target": _lazy("legalize_for_target", "TargetLegalizationPass"),
    "lower-to-target": _lazy("lower_to_target", "HardwareSpecificQuantizationPass"),
    "pack-weights": _lazy("pack_weights", "WeightPackingPass"),
    "unpack-weights": _lazy("unpack_weights", "WeightUnpackingPass"),
    "convert-kernel-to-vk": _lazy("convert_kernel_to_vk", "ConvertKernelToVkPass"),
    "convert-vk-to-llvm": _lazy("convert_vk_to_llvm", "ConvertVkToLLVMPass"),
}
"""LLMIR's own passes."""


@cache
def installed() -> Universe:
    """What the packages installed offer through xDSL's entry points `xdsl.universe`; xDSL's own is one of them."""
    return Universe.get_multiverse()


def all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Every pass a pipeline may name: LLMIR's, xDSL's, and those of other packages installed."""
    return {**installed().all_passes, **PASSES}
