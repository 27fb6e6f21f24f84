"""Passes that keep a model's function keep it on every architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from architectures import MODELS, random_weights
from tiny_models import huggingface_folder

from llmir.frontends.huggingface import open_huggingface
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program

IDS = np.random.default_rng(1).integers(0, 259, 24)
PASSES = (
    "canonicalize,cse",
    "fold-norm-scales",
    "merge-projections",
    "fuse-gated-activations",
    "merge-projections,fold-norm-scales,fuse-gated-activations,canonicalize",
)


def program_of(path: Path, name: str) -> Program:
    return open_huggingface(huggingface_folder(path, MODELS[name], random_weights(MODELS[name]), tokenizer=False))


@pytest.mark.parametrize("name", MODELS)
def test_logits_stay(name: str, tmp_path: Path) -> None:
    program = program_of(tmp_path / "model", name)
    expected = compile_numpy(program.module, program.weights).logits(IDS)
    for passes in PASSES:
        changed = open_huggingface(tmp_path / "model")
        Pipeline.parse(passes).run(changed)
        logits = compile_numpy(changed.module, changed.weights).logits(IDS)
        assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max(), passes
