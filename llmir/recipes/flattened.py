"""Recipes on flattened modules, which need not have the layers a recipe leaves alone by name."""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.dialects.llm.flattened import is_flattened
from llmir.passes.assign_gguf_types import GGUFTypeAssignmentPass
from llmir.passes.assign_schemes import SchemeAssignmentPass, layers_by_name, matches
from llmir.passes.pipeline import Pipeline
from llmir.recipes.recipe import LAST_LAYER


def fitted(passes: Pipeline, module: ModuleOp) -> Pipeline:
    """A recipe's pipeline without the exclusion of a last layer that a flattened module does not have.

    Pipelines for other modules are returned as they are: there a pattern without a match is a mistake.
    """
    if not is_flattened(module):
        return passes
    names = layers_by_name(module)

    def fit(item: ModulePass) -> ModulePass:
        if not isinstance(item, SchemeAssignmentPass | GGUFTypeAssignmentPass):
            return item
        kept = (e for e in item.exclude if e not in LAST_LAYER or any(matches(name, e) for name in names))
        return replace(item, exclude=tuple(kept))

    return Pipeline(tuple(map(fit, passes.passes)))
