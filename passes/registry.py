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
    "legalize-for-target": _lazy("legalize_for_target", "TargetLegalizationPass"),
    "lower-to-target": _lazy("lower_to_target", "HardwareSpecificQuantizationPass"),
    "pack-weights": _lazy("pack_weights", "WeightPackingPass"),
    "unpack-weights": _lazy("unpack_weights", "WeightUnpackingPass"),
}
