"""The second `llmir run`: whatever a model is and however it is run, only its files and the cache are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import architectures
import pytest
from gguf import GGMLQuantizationType
from tiny_models import config_of, huggingface_folder, llmir, quantized_tensors, random_weights, write_gguf

from llmir.backends.native import program_cache
from llmir.frontends import model_source
from llmir.frontends.registry import open_runnable

Capture = pytest.CaptureFixture[str]
FORMS = ("program", "huggingface", "gguf", "demo")
OPTIONS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "i8": ("--activations", "i8"),
    "bf16, f32 cache": ("--activations", "bf16", "--kv-cache", "f32"),
    "i8 cache, one thread": ("--kv-cache", "i8", "--threads", "1"),
    "f8 cache, native": ("--kv-cache", "f8", "--backend", "native"),
    "target": ("--target", "scalar"),
}
PROMPT = ("--prompt", "Once upon", "-n", "4", "--json")
SAME = ("model", "backend", "backend_reason", "notes", "prompt_ids", "generated_ids", "text", "finish_reason")
CONFIG = config_of(num_hidden_layers=1)
Q4_0 = quantized_tensors(GGMLQuantizationType.Q4_0)
EXTRA = {"rope.inv_freq": random_weights(CONFIG)["model.norm.weight"]}
"""A tensor that is no part of the architecture, which readers say."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in each form, by its name."""
    folder = tmp_path_factory.mktemp("forms")
    huggingface_folder(folder / "huggingface", CONFIG, random_weights(CONFIG) | EXTRA)
    open_runnable(str(folder / "huggingface")).save(folder / "program")
    write_gguf(folder / "gguf.gguf", CONFIG, random_weights(CONFIG), Q4_0)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of these tests, and a compiler that stays the same while they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMIR_CACHE", str(tmp_path_factory.mktemp("cached") / "cache"))
        patch.setattr(program_cache, "compiler_state", lambda: "unchanged")
        yield Path(os.environ["LLMIR_CACHE"])


def path_of(form: str, folder: Path) -> str:
    return {"demo": "demo", "gguf": str(folder / "gguf.gguf")}.get(form, str(folder / form))


def run(capsys: Capture, model: str, *options: str) -> dict[str, Any]:
    said = llmir(capsys, "run", model, *PROMPT, *options).json()
    return {key: said[key] for key in SAME}


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on models are not opened."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} was opened")

    monkeypatch.setattr("llmir.frontends.registry.open_runnable", refuse)


@pytest.mark.parametrize(
    ("form", "options"), [(form, "i8") for form in FORMS] + [("gguf", o) for o in OPTIONS if o != "i8"]
)
def test_the_second_start_says_the_same_and_reads_nothing(
    form: str, options: str, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    model = path_of(form, folder)
    first = run(capsys, model, *OPTIONS[options])
    assert first["backend"] == "native"
    assert any("ignored 1 tensors" in note for note in first["notes"]) == (form == "huggingface")
    assert any("stay floats" in note for note in first["notes"]) == (options == "i8" and form != "gguf")
    no_reading(monkeypatch)
    assert run(capsys, model, *OPTIONS[options]) == first
    noted = llmir(capsys, "run", model, *PROMPT[:-1], *OPTIONS[options])
    assert noted.err == "".join(f"llmir: note: {note}\n" for note in first["notes"])
    chat = llmir(capsys, "run", model, *PROMPT, *OPTIONS[options], "--chat")
    assert (chat.status == 0) == (form in ("huggingface", "program", "gguf")), chat.err
    assert cache.is_dir()


IMPORTED = """
import sys
from llmir.backends.native import program_cache
program_cache.compiler_state = lambda: "unchanged"
from llmir.tools.llmir import main
status = main(sys.argv[1:])
names = {name.split(".")[0] for name in sys.modules}
print(sorted(names & {"xdsl", "gguf", "jinja2", "ml_dtypes", "rich"}), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("form", FORMS)
def test_the_second_start_imports_no_compiler(form: str, folder: Path, cache: Path, capsys: Capture) -> None:
    model = path_of(form, folder)
    first = run(capsys, model, "--activations", "i8")
    environment = {**os.environ, "LLMIR_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", IMPORTED, "run", model, *PROMPT, "--activations", "i8"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    said = json.loads(done.stdout)
    assert {key: said[key] for key in SAME} == first


@pytest.fixture
def own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GGUF file and a cache that are a test's own."""
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "unchanged")
    path = tmp_path / "own.gguf"
    path.write_bytes((folder / "gguf.gguf").read_bytes())
    return path


def test_other_options_are_other_programs(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What was compiled with some options is not run with others."""
    run(capsys, str(own))
    no_reading(monkeypatch)
    run(capsys, str(own), "--threads", "1")
    for options in OPTIONS.values():
        if options and options[0] != "--threads":
            with pytest.raises(AssertionError, match=r"own\.gguf was opened"):
                run(capsys, str(own), *options)


def test_another_model_of_the_same_name(own: Path, capsys: Capture) -> None:
    """Rewritten at the same time with as many bytes: what it says is what it says without a cache."""
    before, stamp = run(capsys, str(own)), own.stat()
    write_gguf(own, CONFIG, random_weights(CONFIG, seed=1), Q4_0)
    assert own.stat().st_size == stamp.st_size
    os.utime(own, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = run(capsys, str(own))
    numpy = run(capsys, str(own), "--backend", "numpy")
    assert after["generated_ids"] == numpy["generated_ids"] != before["generated_ids"]


@pytest.mark.parametrize("suffix", [".object", ".weights"])
def test_what_is_damaged_or_lost_is_made_again(
    suffix: str, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Every file of the cache, one after the other."""
    first = run(capsys, str(own), "--activations", "i8")
    paths = sorted((tmp_path / "cache").glob("*" + suffix))
    assert len(paths) == {".object": 2, ".weights": 1}[suffix], "the tokenizer's files and code; weights"
    for path in paths:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert run(capsys, str(own), "--activations", "i8") == first
        assert path.read_bytes() == whole
        path.unlink()
        assert run(capsys, str(own), "--activations", "i8") == first
        assert path.read_bytes() == whole
    no_reading(monkeypatch)
    assert run(capsys, str(own), "--activations", "i8") == first


@pytest.mark.parametrize("backend", ["auto", "native"])
def test_a_file_that_changes_while_it_is_read(
    backend: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """It is not taken for the one that was there before, and nothing of it is kept."""
    expected = run(capsys, str(own), "--backend", "numpy")
    mine = own.read_bytes()

    def changing(name: str) -> Any:
        write_gguf(own, CONFIG, random_weights(CONFIG, seed=1), Q4_0)
        return open_runnable(name)

    monkeypatch.setattr("llmir.frontends.registry.open_runnable", changing)
    done = llmir(capsys, "run", own, *PROMPT, "--backend", backend)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"llmir: error: {own}: its files were changed while they were read; run it again\n"
    monkeypatch.setattr("llmir.frontends.registry.open_runnable", open_runnable)
    own.write_bytes(mine)
    assert run(capsys, str(own))["generated_ids"] == expected["generated_ids"]


def test_a_file_that_changes_while_it_is_packed(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Behind the first look at it."""
    checks: list[str] = []
    check = model_source.ModelSource.check

    def touched(source: model_source.ModelSource) -> None:
        checks.append(source.name)
        if len(checks) == 2:
            os.utime(own)
        check(source)

    monkeypatch.setattr(model_source.ModelSource, "check", touched)
    done = llmir(capsys, "run", own, *PROMPT)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"llmir: error: {own}: its files were changed while they were read; run it again\n"


def test_programs_that_fall_back_say_so_every_time(tmp_path: Path, capsys: Capture) -> None:
    config = architectures.MODELS["mixtral"]
    model = str(huggingface_folder(tmp_path / "moe", config, architectures.random_weights(config)))
    first, second = run(capsys, model), run(capsys, model)
    assert first == second
    assert first["backend"] == "numpy"
    assert "no native kernel" in first["backend_reason"]


def test_a_cache_that_cannot_be_used(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    expected = run(capsys, str(own))
    monkeypatch.setenv("LLMIR_CACHE", "/proc/llmir")
    said = run(capsys, str(own))
    assert said["generated_ids"] == expected["generated_ids"]
    assert said["notes"][0].startswith("the compiled program is not kept for the next time: /proc/llmir")
