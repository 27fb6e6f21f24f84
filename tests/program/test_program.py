"""Programs as folders: complete or not there, equal to what was saved, and traceable."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]

from llmir.dialects.parser import parse_module
from llmir.errors import InputError, OutputError
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.program.context import LLMContext
from llmir.program.folder import MANIFEST, MODEL, WEIGHTS, is_program
from llmir.program.program import Program, open_program, open_program_text
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.registry import quantize

Q = "!llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>"
TEXT = f"""
llm.weight @norm : tensor<8xf32>
llm.weight @q : {Q}
llm.weight @"an odd \\22name\\22" {{key = "stored.elsewhere"}} : tensor<2x3xbf16>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x6xf32> {{
  %q = llm.load_weight @q : {Q}
  %y = llm.quantized_matmul(%x, %q) {{llm.remark = "fused"}} : (tensor<?x8xf32>, {Q}) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}}
"""
FORMAT = QuantizedFormat(Integer(4, True), np.dtype(np.float16), granularity=Granularity(group_size=4))


def program() -> Program:
    import ml_dtypes

    rng = np.random.default_rng(0)
    store = WeightStore(
        {
            "norm": MemoryTensor(rng.standard_normal(8).astype(np.float32)),
            "stored.elsewhere": MemoryTensor(rng.standard_normal((2, 3)).astype(ml_dtypes.bfloat16)),
            "not.used": MemoryTensor(np.zeros(1000)),
        }
    )
    put_quantized(store, "q", quantize(rng.standard_normal((6, 8)).astype(np.float32), FORMAT, "absmax"), FORMAT)
    files = {"tokenizer.json": b"{}", "config.json": b'{"a": 1}'}
    return Program(parse_module(LLMContext.new(), TEXT), store, "made", files, [{"source": "here"}])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_saved_program_opens_as_it_was(tmp_path: Path) -> None:
    saved = program()
    saved.save(tmp_path / "p")
    assert is_program(tmp_path / "p")
    opened = open_program(tmp_path / "p")
    assert str(opened.module) == str(saved.module)
    assert opened.files == saved.files
    assert opened.history == saved.history
    before, after = saved.stored_tensors(), opened.stored_tensors()
    assert set(before) == set(after) == {"norm", "q.codes", "q.scale", "stored.elsewhere"}
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        assert after[name].read().tobytes() == tensor.read().tobytes()
    assert opened.weight_bytes() == 8 * 4 + 6 * 4 + 6 * 2 * 2 + 6 * 2


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        program().save(tmp_path / name)
    open_program(tmp_path / "a").save(tmp_path / "c")
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def test_the_manifest_holds_the_hashes_of_the_stored_bytes(tmp_path: Path) -> None:
    saved = program()
    saved.save(tmp_path / "p")
    manifest = json.loads((tmp_path / "p" / MANIFEST).read_text())
    digests = {n: hashlib.sha256(t.read().tobytes()).hexdigest() for n, t in saved.stored_tensors().items()}
    assert manifest["tensors"] == digests
    assert manifest["history"] == [{"source": "here"}]
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    assert manifest["fingerprint"] == hashlib.sha256(lines.encode()).hexdigest()


def test_the_weights_are_a_safetensors_file(tmp_path: Path) -> None:
    saved = program()
    saved.save(tmp_path / "p")
    loaded = load_file(tmp_path / "p" / WEIGHTS)
    np.testing.assert_array_equal(loaded["q.codes"], saved.weights["q.codes"].read())
    np.testing.assert_array_equal(loaded["norm"], saved.weights["norm"].read())


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    program().save(tmp_path / "p", lambda what, done, total: seen.append((what, done, total)))
    assert seen[-1] == ("saving", 92, 92)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


# -- where programs are written --


def test_a_program_is_replaced(tmp_path: Path) -> None:
    program().save(tmp_path / "p")
    (tmp_path / "p" / "chat_template.jinja").write_text("of the program before")
    changed = program()
    changed.history.append({"pipeline": "calibrate"})
    changed.save(tmp_path / "p")
    assert len(open_program(tmp_path / "p").history) == 2
    assert not (tmp_path / "p" / "chat_template.jinja").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_program_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    program().save(tmp_path / "p")
    before = contents(tmp_path / "p")
    (tmp_path / "p" / "notes.txt").write_text("x")
    with pytest.raises(OutputError, match=r"holds notes\.txt, which would be lost; choose another output"):
        program().save(tmp_path / "p")
    assert contents(tmp_path / "p") == {**before, "notes.txt": b"x"}


def test_a_program_can_be_saved_over_the_one_it_was_opened_from(tmp_path: Path) -> None:
    program().save(tmp_path / "p")
    before = contents(tmp_path / "p")
    open_program(tmp_path / "p").save(tmp_path / "p")
    assert contents(tmp_path / "p") == before


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (None, "a file"),
        ([], "an empty folder"),
        (["b", "a"], "a folder with a, b"),
        (["d", "c", "b", "a"], r"a folder with a, b, c, \.\.\."),
    ],
)
def test_what_is_not_a_program_is_not_replaced(names: list[str] | None, found: str, tmp_path: Path) -> None:
    path = tmp_path / "p"
    if names is None:
        path.write_text("mine")
    else:
        path.mkdir()
        for name in names:
            (path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=f"p: is {found}, expected a new folder, or one with llmir.json, which"):
        program().save(path)
    assert sorted(tmp_path.rglob("*")) == before


class FullDisk(io.RawIOBase):
    """A file that takes `room` bytes and then fails as a full disk does."""

    def __init__(self, room: int):
        self.room = room

    def write(self, data: Any, /) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("existing", [False, True])
def test_a_full_disk_leaves_nothing_behind(
    share: float, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program().save(tmp_path / "elsewhere" / "p")
    size = (tmp_path / "elsewhere" / "p" / WEIGHTS).stat().st_size
    shutil.rmtree(tmp_path / "elsewhere")
    if existing:
        program().save(tmp_path / "p")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    really_open = Path.open

    def opened(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if self.name == WEIGHTS and mode == "wb":
            return FullDisk(int(share * size))
        return really_open(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(InputError, match="p: cannot be written: No space left on device"):
        program().save(tmp_path / "p")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert len(list(tmp_path.iterdir())) == existing


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="p: cannot be written: Not a directory"):
        program().save(tmp_path / "file" / "p")


# -- what cannot be opened --


def saved(tmp_path: Path) -> Path:
    program().save(tmp_path / "p")
    return tmp_path / "p"


def test_a_missing_tensor_is_named_before_anything_is_written(tmp_path: Path) -> None:
    broken = program()
    broken.weights.remove("q.scale")
    with pytest.raises(InputError, match=r"there is no tensor 'q.scale'"):
        broken.save(tmp_path / "p")
    assert not list(tmp_path.iterdir())


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    broken = program()
    broken.weights.add("norm", MemoryTensor(np.zeros(9, np.float32)))
    message = "made: tensor 'norm' is float32 [9], but the module declares float32 [8]"
    with pytest.raises(InputError, match=re.escape(message)):
        broken.save(tmp_path / "p")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (MANIFEST, b"{", "llmir.json: not JSON"),
        (MANIFEST, b"\xff", "llmir.json: not JSON"),
        (MANIFEST, b"[]", "llmir.json: not the manifest of a program, it needs a list 'history'"),
        (MANIFEST, b'{"history": 3}', "it needs a list 'history'"),
        (MODEL, b"llm.weight", "model.mlir"),
        (MODEL, b"\xff\xfe", "model.mlir: not UTF-8 text: "),
        (MODEL, b"llm.weight @w : i32", "model.mlir"),
        (MODEL, b"llm.weight @w : tensor<2xf32>", "there is no tensor 'w'"),
        (MODEL, b"llm.weight @norm : tensor<9xf32>", "tensor 'norm' is float32 [8], but the module declares float32 [9]"),
        (MODEL, b"llm.weight @norm : tensor<8xf32> llm.weight @norm : tensor<8xf32>", "Redefinition of symbol \"norm\""),
        (MODEL, b"func.func @f() { %w = llm.load_weight @x : tensor<8xf32> func.return }", "@x does not name an llm.weight"),
        (WEIGHTS, b"", "weights.safetensors: not a safetensors file"),
    ],
)  # fmt: skip
def test_damaged_programs(file: str, content: bytes, message: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        open_program(folder)


@pytest.mark.parametrize("file", [MANIFEST, MODEL, WEIGHTS])
def test_missing_files(file: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / file).unlink()
    with pytest.raises(InputError, match=f"{file}: .*cannot be read: No such file"):
        open_program(folder)


def test_a_parse_error_says_where(tmp_path: Path) -> None:
    path = tmp_path / "m.mlir"
    path.write_text("builtin.module {\n  llm.weight @w :: tensor<2xf32>\n}\n")
    with pytest.raises(InputError, match=r"m\.mlir: line 2, column 18: attribute expected"):
        open_program_text(path)
