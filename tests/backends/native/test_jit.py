"""LLVM IR text to callable code: what is refused, what is cached, what is imported."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.object_cache import ObjectCache
from llmir.backends.native.object_symbols import undefined_symbols
from llmir.backends.native.vector_types import I64
from llmir.errors import InputError
from llmir.targets.host import host_machine, machine

TEXT = """\
define i64 @twice(i64 %x) {
  %y = add i64 %x, %x
  ret i64 %y
}
"""


def doubled(library: jit.Library, value: int) -> int:
    return library.function("twice", ctypes.c_int64, result=ctypes.c_int64)(value)


def test_text_becomes_code() -> None:
    assert doubled(jit.compile_module(TEXT, host_machine()), 21) == 42


def test_functions_keep_their_library() -> None:
    twice = jit.compile_module(TEXT, host_machine()).function("twice", ctypes.c_int64, result=ctypes.c_int64)
    assert [twice(n) for n in range(3)] == [0, 2, 4]


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^the compiled module has no function 'thrice'$"):
        jit.compile_module(TEXT, host_machine()).function("thrice")


def test_text_llvm_does_not_take() -> None:
    with pytest.raises(InputError, match=r"^LLVM does not take the module: .*doesn't match function result type"):
        jit.compile_module("define i64 @f() { ret i32 0 }", host_machine())


def test_a_function_the_process_has_not() -> None:
    text = "declare void @no_such_function()\ndefine void @f() { call void @no_such_function() ret void }"
    with pytest.raises(InputError, match=r"^the compiled module calls 'no_such_function', which this process has not$"):
        jit.compile_module(text, host_machine())


def test_undefined_symbols() -> None:
    text = "declare i32 @getpgid(i32)\ndefine i32 @f(i32 %x) { %y = call i32 @getpgid(i32 %x) ret i32 %y }"
    assert undefined_symbols(jit.compile_text(text, host_machine())) == ["getpgid"]
    assert undefined_symbols(jit.compile_text(TEXT, host_machine())) == []
    assert undefined_symbols(b"no object") == []


def test_code_for_another_processor_is_refused_before_it_runs() -> None:
    other = "arm-i8mm" if host_machine().architecture == "x86_64" else "x86-avx2"
    with pytest.raises(InputError, match=rf"^machine '{other}' needs .*, which this processor has not$"):
        jit.compile_module(TEXT, machine(other))
    object_file = jit.compile_text(TEXT, machine(other))
    with pytest.raises(InputError, match=r"which this processor has not$"):
        jit.Library(object_file, machine(other))


def test_objects_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ObjectCache(tmp_path)
    first = jit.compile_module(TEXT, host_machine(), cache)

    def compile_text(*_: object) -> bytes:
        raise AssertionError("compiled again")

    with monkeypatch.context() as patched:
        patched.setattr(jit, "compile_text", compile_text)
        second = jit.compile_module(TEXT, host_machine(), cache)
        with pytest.raises(AssertionError, match="compiled again"):
            jit.compile_module(TEXT + "\n; more", host_machine(), cache)
    assert first.object == second.object
    assert doubled(second, 4) == 8


def test_a_damaged_object_is_compiled_again(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    first = jit.compile_module(TEXT, host_machine(), cache)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-7] + b"damage!")
    assert jit.compile_module(TEXT, host_machine(), cache).object == first.object
    assert file.read_bytes() == whole


def test_the_key_is_of_all_that_decides_what_an_object_is(monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_machine()
    keys = [
        jit.object_key(text, where)
        for text, where in (
            (TEXT, host),
            (TEXT + " ", host),
            (TEXT, replace(host, cpu="other")),
            (TEXT, replace(host, features=("+other",))),
            (TEXT, replace(host, triple="aarch64-unknown-linux-gnu")),
        )
    ]
    monkeypatch.setattr(jit, "OPTIMIZATION", 1)
    keys.append(jit.object_key(TEXT, host))
    monkeypatch.undo()
    monkeypatch.setattr(jit, "PASSES", ())
    keys.append(jit.object_key(TEXT, host))
    monkeypatch.undo()
    monkeypatch.setattr(jit.binding, "llvm_version_info", (1, 2, 3))
    keys.append(jit.object_key(TEXT, host))
    assert len(set(keys)) == len(keys)
    assert jit.object_key(TEXT, replace(host, name="named otherwise")) == keys[-1]


CACHED_START = """
import ctypes, sys
from pathlib import Path
from llmir.backends.native import jit
from llmir.backends.native.object_cache import ObjectCache
from llmir.targets.host import host_machine
library = jit.compile_module(Path(sys.argv[2]).read_text(), host_machine(), ObjectCache(Path(sys.argv[1])))
print(library.function("twice", ctypes.c_int64, result=ctypes.c_int64)(21))
print([name for name in sys.modules if name.split(".")[0] in ("xdsl", "numpy")])
"""


def test_a_cached_start_imports_no_xdsl(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "objects")
    jit.compile_module(TEXT, host_machine(), cache)
    (tmp_path / "text").write_text(TEXT)
    arguments = [sys.executable, "-c", CACHED_START, str(cache.folder), str(tmp_path / "text")]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "42\n[]\n"


def test_the_same_module_gives_the_same_object() -> None:
    def text() -> str:
        module = ModuleBuilder(host_machine())
        with module.function("f", [("x", I64)], [I64], public=True) as f:
            f.ret(f.add(f.args["x"], 5))
        return jit.module_text(module)

    assert text() == text()
    assert jit.compile_text(text(), host_machine()) == jit.compile_text(text(), host_machine())
