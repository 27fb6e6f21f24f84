"""The size report against sizes worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import config_of, huggingface_folder, stored, weight_shapes

from llmir.frontends.registry import open_model
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.reports.sizes import size_report
from llmir.reports.tables import bytes_text, size_table

CONFIG = config_of()
UP = "model.layers.0.mlp.up_proj.weight"
GROUPED = "assign-schemes{exclude=lm_head weight-type=i4 weight-scale=f16 weight-group-size=32},quantize-weights"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return open_model(str(huggingface_folder(tmp_path / "model")))


def quantized(program: Program, passes: str) -> Program:
    Pipeline.parse(passes).run(program)
    return program


def test_floats(program: Program) -> None:
    report = size_report(program)
    parameters = sum(map(math.prod, weight_shapes(CONFIG).values()))
    assert (report.parameters, report.weight_bytes) == (parameters, 4 * parameters)
    assert (report.bits_per_weight, report.linear_bits_per_weight) == (32, 32)
    assert {t.name: t.shape for t in report.tensors} == weight_shapes(CONFIG)
    reasons = {t.kind: t.reason for t in report.tensors}
    assert reasons == {
        "embedding": "not quantized: no recipe was applied",
        "linear": "not quantized: no recipe was applied",
        "lm_head": "not quantized: no recipe was applied",
        "other": "not quantized: not the matrix of a layer",
    }
    assert report.reasons() == {"not quantized: no recipe was applied": 16}


PARTS: list[tuple[str, str, Callable[[int, int], int]]] = [
    ("weight-type=i8 weight-scale=f16", "i8, scale=f16, symmetric=true, axis=0", lambda n, k: n * k + 2 * n),
    ("weight-type=i8 weight-granularity=per_tensor", "i8, scale=f32, symmetric=true", lambda n, k: n * k + 4),
    (
        "weight-type=i4 weight-scale=f16 weight-group-size=32",
        "i4, scale=f16, symmetric=true, group_size=32",
        lambda n, k: n * k // 2 + 2 * n * k // 32,
    ),
    (
        "weight-type=i3 weight-scale=bf16 weight-group-size=48 weight-pad=true",
        "i3, scale=bf16, symmetric=true, group_size=48",
        lambda n, k: n * math.ceil(3 * k / 8) + 2 * n * math.ceil(k / 48),
    ),
    (
        "weight-type=ui4 weight-zero-point=ui4 weight-scale=f16 weight-group-size=64",
        "ui4, scale=f16, zp=ui4, group_size=64",
        lambda n, k: n * k // 2 + 2 * n * k // 64 + n * math.ceil(k // 64 / 2),
    ),
    (
        "weight-type=ui5 weight-min=f16 weight-scale=f16 weight-group-size=32",
        "ui5, scale=f16, min=f16, group_size=32",
        lambda n, k: n * k * 5 // 8 + 4 * n * k // 32,
    ),
    ("weight-type=f8E4M3FN", "f8E4M3FN, scale=f32, axis=0", lambda n, k: n * k + 4 * n),
]


@pytest.mark.parametrize(("options", "type", "size"), PARTS)
def test_quantized(options: str, type: str, size: Callable[[int, int], int], program: Program, tmp_path: Path) -> None:
    """Codes, scales, zero points and minima are all counted, as they are in the file."""
    report = size_report(quantized(program, f"assign-schemes{{exclude=lm_head {options}}},quantize-weights"))
    linears = [t for t in report.tensors if t.kind == "linear"]
    assert len(linears) == 14
    for t in linears:
        assert (t.quantized, t.reason, t.type) == (True, None, type)
        assert t.bits == 8 * size(*t.shape)
    expected = sum(8 * size(*t.shape) for t in linears) / sum(math.prod(t.shape) for t in linears)
    assert report.linear_bits_per_weight == pytest.approx(expected)
    program.save(tmp_path / "out")
    assert report.weight_bytes == sum(t.nbytes for t in stored(tmp_path / "out" / "weights.safetensors").values())


def test_reasons(program: Program) -> None:
    report = size_report(quantized(program, GROUPED))
    assert report.reasons() == {
        "not quantized: excluded by the recipe": 1,
        "not quantized: the recipe is for linear layers": 1,
    }
    assert {t.name for t in report.tensors if t.reason == "not quantized: excluded by the recipe"} == {"lm_head.weight"}


def test_a_scheme_that_was_not_carried_out(program: Program) -> None:
    report = size_report(quantized(program, GROUPED.removesuffix(",quantize-weights")))
    assert {t.reason for t in report.tensors if t.name == UP} == {"has a scheme that was not carried out yet"}


def test_a_shared_table_is_an_embedding(tmp_path: Path) -> None:
    model = huggingface_folder(tmp_path / "model", config_of(tie_word_embeddings=True))
    kinds = {t.name: t.kind for t in size_report(open_model(str(model))).tensors}
    assert kinds["model.embed_tokens.weight"] == "embedding"
    assert "lm_head" not in kinds.values()


def test_sizes_stay_when_saved_and_opened(program: Program, tmp_path: Path) -> None:
    before = size_report(quantized(program, GROUPED + ",fuse-quantized-ops"))
    program.save(tmp_path / "out")
    assert size_report(open_model(str(tmp_path / "out"))) == before


def test_json(program: Program) -> None:
    report = size_report(quantized(program, GROUPED))
    said = json.loads(json.dumps(report.as_json()))
    assert (said["tensors_quantized"], said["tensors_not_quantized"]) == (14, 7)
    assert [t["name"] for t in said["tensors"]] == [t.name for t in report.tensors]


def test_table(program: Program) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    report = size_report(quantized(program, GROUPED))
    console.print(size_table(report, "title"))
    rows = [line.split() for line in console.export_text().splitlines()]
    linear = sum(math.prod(t.shape) for t in report.tensors if t.kind == "linear")
    (row,) = [r for r in rows if r[:1] == ["linear"]]
    assert row[1:4] == ["14", f"{linear:,}", "4.500"]
    (total,) = [r for r in rows if r[:1] == ["all"]]
    assert total[1:4] == ["21", f"{report.parameters:,}", f"{8 * report.weight_bytes / report.parameters:.3f}"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e6, "1.5 MB"), (2e9, "2.0 GB"), (3e12, "3000.0 GB")],
)
def test_bytes(count: float, text: str) -> None:
    assert bytes_text(count) == text
