"""`--target`: native code for another machine than the best this processor is."""

from __future__ import annotations

from pathlib import Path

import architectures
import pytest
from tiny_models import config_of, huggingface_folder, llmir, random_weights

from llmir.targets.host import FOLDER, OVERRIDE, PREFERENCE, machine, missing_features

HERE = [name for name in PREFERENCE if not missing_features(machine(name))]
OPTIONS = ("--prompt", "abc", "-n", "6", "--backend", "native", "--json")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = config_of()
    return huggingface_folder(tmp_path_factory.mktemp("target") / "model", config, random_weights(config))


def test_the_option_goes_before_the_variable(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(OVERRIDE, "x86-none")
    assert "unknown target 'x86-none'" in llmir(capsys, "run", model, *OPTIONS).error()
    assert llmir(capsys, "run", model, *OPTIONS, "--target", HERE[0]).json()["backend"] == "native"
    said = llmir(capsys, "bench", model, "--prefill", "4", "--repeats", "1", "--target", "x86-nil")
    assert "unknown target 'x86-nil'" in said.error()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("command", ["run", "eval", "bench"])
def test_other_backends_have_no_targets(
    backend: str, command: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"run": ("--prompt", "abc"), "eval": ("--text", "demo"), "bench": ()}[command]
    said = llmir(capsys, command, model, *options, "--backend", backend, "--target", HERE[0])
    assert (said.status, said.out) == (2, "")
    assert said.err == (
        f"llmir: error: --target {HERE[0]}: the {backend} backend makes no code for a processor; "
        f"leave the option out, or use the native backend\n"
    )


def test_no_target_where_native_code_cannot_run_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NumPy would, but not for the target that is asked for."""
    config = architectures.MODELS["mixtral"]
    folder = huggingface_folder(tmp_path / "moe", config, architectures.random_weights(config))
    said = llmir(capsys, "run", folder, "--prompt", "abc", "--target", HERE[0])
    assert said.status == 1
    assert f"{folder}: the native backend cannot run it: " in said.err
    assert f"; --target {HERE[0]}: the numpy backend makes no code for a processor" in said.err


@pytest.mark.parametrize(("scheme", "machines"), [("W8A8", HERE), ("W4A16", [HERE[0], HERE[-1]])])
def test_all_machines_here_say_the_same(
    model: Path, tmp_path: Path, scheme: str, machines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--group-size", "32") if scheme == "W4A16" else ()
    llmir(capsys, "quantize", model, "-q", scheme, *options, "-o", tmp_path / "out")
    said = [llmir(capsys, "run", tmp_path / "out", *OPTIONS, "--target", name).json() for name in machines]
    assert all(run["backend"] == "native" for run in said)
    assert [run["generated_ids"] for run in said[1:]] == [said[0]["generated_ids"]] * (len(machines) - 1)


def test_a_target_of_ones_own(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its file is read for the machine and for the schedules, whatever it is named and wherever it lies."""
    text = (FOLDER / f"{HERE[0]}.toml").read_text().replace(f'name = "{HERE[0]}"', 'name = "mine"')
    own = tmp_path / "c++" / "mine.toml"
    own.parent.mkdir()
    own.write_text(text)
    said = [llmir(capsys, "run", model, *OPTIONS, "--target", name).json() for name in (HERE[0], own)]
    assert said[0]["generated_ids"] == said[1]["generated_ids"]
    own.write_text(text.replace("rows = ", "rows = -"))
    assert "mine.toml" in llmir(capsys, "run", model, *OPTIONS, "--target", own).error()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("x86-avx1", "unknown target 'x86-avx1', expected one of "),
        ("x86-avx2+bf16", "machine 'x86-avx2' has no option 'bf16', expected one of: none"),
        ("numpy", "target 'numpy' has no [machine] table, so that there is no native code for it"),
        ("arm-i8mm", "machine 'arm-i8mm' needs "),
        ("x86-amx", "machine 'x86-amx' needs "),
    ],
)
def test_machines_that_cannot_be(model: Path, target: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if target in HERE:
        pytest.skip("this processor is one")
    run = llmir(capsys, "run", model, *OPTIONS, "--target", target)
    assert run.status == 1
    assert message in run.err
    assert run.err.count("\n") == 1
