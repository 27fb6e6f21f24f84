"""Models as files: what tells one from another, and the files that come with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import config_of, huggingface_folder, random_weights, write_gguf

from llmir import demo
from llmir.backends.native import program_cache
from llmir.errors import InputError
from llmir.frontends.model_source import ModelSource, keep_companions, kept_companions, model_source
from llmir.frontends.registry import open_runnable

FORMS = ("program", "huggingface", "gguf")
CONFIG = config_of(num_hidden_layers=1)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in each form, by its name."""
    folder = tmp_path_factory.mktemp("forms")
    huggingface_folder(folder / "huggingface", CONFIG)
    open_runnable(str(folder / "huggingface")).save(folder / "program")
    write_gguf(folder / "gguf.gguf", CONFIG, random_weights(CONFIG))
    return folder


@pytest.fixture
def forms(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models to be changed, with a cache of their own."""
    monkeypatch.setenv("LLMIR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "unchanged")
    shutil.copytree(originals, tmp_path / "forms")
    return tmp_path / "forms"


def path_of(form: str, forms: Path) -> Path:
    return forms / ("gguf.gguf" if form == "gguf" else form)


def source(path: Path) -> ModelSource:
    found = model_source(str(path))
    assert found is not None
    return found


@pytest.mark.parametrize("form", FORMS)
def test_files_that_stay_are_the_same(form: str, forms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever one stands, and whatever was read in between."""
    path = path_of(form, forms)
    before = source(path)
    open_runnable(str(path)).stored_tensors()
    assert source(path) == before
    before.check()
    assert (before.name, before.folder) == (str(path), None if form == "gguf" else path)
    monkeypatch.chdir(forms)
    assert source(Path(path.name)).identity == before.identity
    assert source(Path("..") / forms.name / path.name).identity == before.identity


def rewrite(path: Path) -> None:
    """Other bytes of the same number at the same time, as far as programs may set it."""
    stamp = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def replace(path: Path) -> None:
    """Another file in its place, as old and as large."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    rewrite(other)
    other.replace(path)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


WEIGHTS = {"program": "weights.safetensors", "huggingface": "model.safetensors"}


@pytest.mark.parametrize("change", [rewrite, replace, grow, touch])
@pytest.mark.parametrize("form", FORMS)
def test_other_values_are_another_model(change: Callable[[Path], None], form: str, forms: Path) -> None:
    path = path_of(form, forms)
    before = source(path)
    change(path if form == "gguf" else path / WEIGHTS[form])
    assert source(path).identity != before.identity
    with pytest.raises(InputError, match="its files were changed while they were read; run it again") as caught:
        before.check()
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("program", "model.mlir"),
        ("program", "llmir.json"),
        ("huggingface", "config.json"),
        ("huggingface", "model.safetensors.index.json"),
        ("huggingface", "model-00002-of-00002.safetensors"),
    ],
)
def test_other_texts_are_another_model(form: str, file: str, forms: Path) -> None:
    before = source(path_of(form, forms)).identity
    with (path_of(form, forms) / file).open("ab") as opened:
        opened.write(b"\n")
    assert source(path_of(form, forms)).identity != before


@pytest.mark.parametrize("form", ["program", "huggingface"])
def test_the_tokenizer_is_no_part_of_what_is_computed(form: str, forms: Path) -> None:
    before = source(path_of(form, forms)).identity
    (path_of(form, forms) / "tokenizer.json").write_text("{}")
    (path_of(form, forms) / "generation_config.json").write_text("{}")
    assert source(path_of(form, forms)).identity == before


def test_a_link_to_another_file(forms: Path) -> None:
    """As those of the Hugging Face cache are: set elsewhere, and then back."""
    for name in ("a", "b"):
        write_gguf(forms / f"{name}.gguf", CONFIG, random_weights(CONFIG, seed=ord(name)))
    link = forms / "link.gguf"
    link.symlink_to(forms / "a.gguf")
    before = source(link)
    link.unlink()
    link.symlink_to(forms / "b.gguf")
    with pytest.raises(InputError):
        before.check()
    link.unlink()
    link.symlink_to(forms / "a.gguf")
    before.check()


def test_a_model_that_went(forms: Path) -> None:
    before = source(forms / "program")
    shutil.rmtree(forms / "program")
    with pytest.raises(InputError, match="its files were changed"):
        before.check()


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word is the model that ships, unless there is something of that name."""
    monkeypatch.chdir(tmp_path)
    found = model_source("demo")
    assert found is not None
    assert (found.name, found.folder) == ("demo", demo.MODEL)
    assert found.identity == source(demo.MODEL).identity
    (tmp_path / "demo").mkdir()
    assert model_source("demo") is None


def test_what_has_no_identity(forms: Path) -> None:
    """What is not there, what cannot be run, and what is known by reading it only."""
    (forms / "empty").mkdir()
    (forms / "text.txt").write_text("x")
    for name in ("absent", "empty", "text.txt", "program/model.mlir", "huggingface/model.safetensors"):
        assert model_source(str(forms / name)) is None
    (forms / "program" / "model.mlir").unlink()
    (forms / "program" / "model.mlir").mkdir()
    assert source(forms / "program").folder is not None, "opening it says what is wrong"


@pytest.mark.parametrize("form", FORMS)
def test_companions(form: str, forms: Path) -> None:
    """Those in a folder are read there; those of a file are kept, and are those of this file alone."""
    path = path_of(form, forms)
    program, found = open_runnable(str(path)), source(path)
    if form == "gguf":
        assert kept_companions(found) is None
    keep_companions(found, program.files)
    assert kept_companions(found) == program.files
    if form == "gguf":
        assert set(program.files) >= {"tokenizer.json", "tokenizer_config.json", "config.json"}
        rewrite(path)
        assert kept_companions(source(path)) is None
        return
    (path / "tokenizer_config.json").write_text('{"changed": true}')
    kept = kept_companions(found)
    assert kept is not None
    assert kept["tokenizer_config.json"] == b'{"changed": true}'


@pytest.mark.parametrize("at", [3, 60, -1])
def test_damaged_companions_are_none(at: int, forms: Path, tmp_path: Path) -> None:
    found, files = source(forms / "gguf.gguf"), {"a.json": b"x" * 100, "b.json": b"", "c": b"\0\xff"}
    keep_companions(found, files)
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at] ^= 1
    path.write_bytes(damaged)
    assert kept_companions(found) is None
    keep_companions(found, files)
    assert path.read_bytes() == whole
    assert kept_companions(found) == files


def test_another_version_of_llmir_reads_anew(forms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = source(forms / "gguf.gguf")
    keep_companions(found, {})
    assert kept_companions(found) == {}
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "changed")
    assert kept_companions(found) is None
    monkeypatch.setattr(program_cache, "compiler_state", lambda: "unchanged")
    monkeypatch.setattr("llmir.frontends.model_source.__version__", "0")
    assert kept_companions(found) is None
