"""Compiled programs: C programs get the reference's tokens, wrong use gives errors, all memory comes back."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
from c_programs import ARM_GCC, ARM_ROOT, built, compiled, needs_arm, needs_gcc, said
from native_programs import distance, quantized
from tiny_models import config_of, folder_bytes, huggingface_folder, random_weights, reference_logits, status_of

from llmir.backends.native.packed_file import FIXED_BYTES, header_bytes
from llmir.backends.native.program_cache import ProgramCache
from llmir.errors import InputError, OutputError, UnsupportedProgram, UsageError
from llmir.exporters.c_library import CLibrary
from llmir.frontends.registry import open_runnable
from llmir.passes.native import compile_native
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.targets.host import host_machine

CONFIG = config_of()
IDS = [11, 200, 3, 77, 42]
COUNT = 10


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def library(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, compiled for this machine with a cache in float32."""
    return compiled(model, tmp_path_factory.mktemp("compiled") / "out", kv_cache="f32")


@pytest.fixture(scope="module")
def greedy(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(library, tmp_path_factory.mktemp("programs") / "greedy")


def reference(ids: list[int], count: int) -> tuple[list[int], np.ndarray]:
    """Greedy tokens of the float64 formulas, every step from the start, and the last step's logits."""
    weights, out, logits = random_weights(CONFIG), list(ids), np.empty(0)
    for _ in range(count):
        logits = reference_logits(CONFIG, weights, out)[-1]
        out.append(int(logits.argmax()))
    return out[len(ids) :], logits


@needs_gcc
@pytest.mark.parametrize("threads", [0, 1, 2, 5])
@pytest.mark.parametrize("split", [0, 1, 4])
def test_tokens_are_the_references(library: Path, greedy: Path, threads: int, split: int) -> None:
    got = said(greedy, library, IDS, COUNT, threads=threads, split=split)
    tokens, logits = reference(IDS, COUNT)
    assert got.tokens == tokens
    np.testing.assert_allclose(got.logits, logits, rtol=1e-4, atol=1e-4 * np.abs(logits).max())


@needs_gcc
def test_logits_do_not_depend_on_threads(library: Path, greedy: Path) -> None:
    first, second = (said(greedy, library, IDS, COUNT, threads=threads).logits for threads in (1, 3))
    assert first == second


@needs_gcc
@pytest.mark.parametrize("tokens", [256, 257, 300, 512])
def test_a_long_prompt_goes_through_in_parts(library: Path, greedy: Path, tokens: int) -> None:
    """As many rows as a step is called with, and more; the capacity is used to the last token."""
    ids = [int(i) for i in np.random.default_rng(1).integers(0, 259, tokens)]
    got = said(greedy, library, ids, 3, capacity=tokens + 2, threads=2)
    assert got.tokens == reference(ids, 3)[0]


@needs_gcc
def test_demo(tmp_path: Path) -> None:
    """The model that comes with the package, and a program with a capacity that is no multiple of a register."""
    folder = compiled("demo", tmp_path / "out")
    program = open_runnable("demo")
    session, ids = compile_numpy(program.module, program.weights), [5, 6, 7, 8]
    for _ in range(8):
        ids.append(int(session.head(session.backbone(ids, 0, session.new_cache(len(ids))))[-1].argmax()))
    got = said(built(folder, tmp_path / "greedy"), folder, ids[:4], 8, threads=2, capacity=11)
    assert got.tokens == ids[4:]


@needs_gcc
def test_an_object_is_linked_by_the_user(model: Path, tmp_path: Path) -> None:
    folder = compiled(model, tmp_path / "out", kv_cache="f32", linked=False)
    assert sorted(p.name for p in folder.iterdir()) == ["model.h", "model.o", "model.weights"]
    program = built(folder, tmp_path / "greedy", linked=False)
    assert said(program, folder, IDS, COUNT).tokens == reference(IDS, COUNT)[0]


def check_matmul(program: Path, folder: Path, through: Sequence[str] = ()) -> None:
    """`quantizedMatMul` called from C gives what float64 gives."""
    rng = np.random.default_rng(3)
    m, n, k, group, bits = 5, 9, 80, 40, 4
    x, s = rng.standard_normal((m, k), np.float32), rng.random((n, k // group), np.float32)
    w, z = rng.integers(-8, 8, (n, k)).astype(np.int8), rng.integers(-8, 8, (n, k // group)).astype(np.int8)
    for points in (0, 1):
        data = b"".join(a.tobytes() for a in (x, w, s, z)[: 3 + points])
        command = [*through, str(program), *map(str, (m, n, k, group, bits, points))]
        done = subprocess.run(
            command, input=data, capture_output=True, env={"LD_LIBRARY_PATH": str(folder)}, check=True
        )
        real = (w - points * np.repeat(z.astype(np.float64), group, axis=1)) * np.repeat(s, group, axis=1)
        got = np.frombuffer(done.stdout, np.float32).reshape(m, n)
        np.testing.assert_allclose(got, x.astype(np.float64) @ real.T, rtol=1e-5, atol=1e-4)


@needs_gcc
def test_matmul(library: Path, tmp_path: Path) -> None:
    check_matmul(built(library, tmp_path / "matmul", source="matmul.c"), library)


@needs_arm
@pytest.mark.parametrize("target", ["arm-neon-dotprod", "arm-i8mm"])
def test_arm(model: Path, tmp_path: Path, target: str) -> None:
    folder = compiled(model, tmp_path / "out", target=target, kv_cache="f32")
    program = built(folder, tmp_path / "greedy", ARM_GCC)
    emulator = ["qemu-aarch64", "-L", ARM_ROOT]
    got = said(program, folder, IDS, 4, threads=2, through=[*emulator, "-cpu", "max"])
    assert got.tokens == reference(IDS, 4)[0]
    old = said(program, folder, IDS, 4, through=[*emulator, "-cpu", "cortex-a57"])
    check_matmul(built(folder, tmp_path / "matmul", ARM_GCC, "matmul.c"), folder, [*emulator, "-cpu", "max"])
    wanted = {"arm-neon-dotprod": ("dotprod", "fullfp16"), "arm-i8mm": ("dotprod", "fullfp16", "i8mm", "bf16")}[target]
    assert old.error in [f"model_init: this processor has not {f}, which code for {target} needs" for f in wanted]


# -- quantized inputs --

STEPS = 5e-2
"""Some codes one step away, of the largest logit."""


def coded(scheme: str, folder: Path, target: str | None = None) -> Path:
    """What `llmir compile` makes of a program with quantized weights and inputs; kept for other tests."""
    out = folder / f"compiled-{scheme}-{target}"
    if not out.exists():
        source = folder / scheme
        if not source.exists():
            quantized(folder, scheme).save(source)
        command = ["compile", source, "-o", out, "--kv-cache", "f32", "--target", target or host_machine().name]
        assert status_of([str(part) for part in command]) == 0
    return out


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coded")


@cache
def session_says(scheme: str, folder: Path) -> tuple[list[int], np.ndarray]:
    """Tokens of a session in Python, and the last one's logits. Those of NumPy differ where a code is another one."""
    made = quantized(folder, scheme)
    with compile_native(made.module, made.weights, threads=2, kv_cache="f32", cache=ProgramCache(folder)) as native:
        text = native.new_cache(64)
        logits = native.head(native.backbone(IDS, 0, text))[-1]
        tokens = [int(logits.argmax())]
        while len(tokens) < COUNT:
            logits = native.decode(tokens[-1], len(IDS) + len(tokens) - 1, text)
            tokens.append(int(logits.argmax()))
        found = tokens, logits.copy()
    numpy = compile_numpy(made.module, made.weights).logits([*IDS, *tokens[:-1]])[len(IDS) - 1 :]
    assert np.mean(numpy.argmax(axis=1) == tokens) >= 0.8
    assert distance(found[1], numpy[-1]) < STEPS
    return found


CODED = ["w4a8_g32", "w8a8_zero_points_static"]


@needs_gcc
@pytest.mark.parametrize("scheme", CODED)
def test_quantized_inputs(models: Path, tmp_path: Path, scheme: str) -> None:
    """A C program gets the bits that Python gets, however the text is split and with any number of threads."""
    folder = coded(scheme, models)
    program = built(folder, tmp_path / "greedy")
    for threads, split in ((1, 0), (2, 3)):
        got = said(program, folder, IDS, COUNT, threads=threads, split=split)
        tokens, logits = session_says(scheme, models)
        assert got.tokens == tokens
        assert np.array_equal(np.array(got.logits, np.float32), logits)


@needs_arm
@pytest.mark.parametrize(("target", "scheme"), [("arm-neon-dotprod", CODED[0]), ("arm-i8mm", CODED[1])])
def test_quantized_inputs_on_arm(models: Path, tmp_path: Path, target: str, scheme: str) -> None:
    """The same tokens; logits differ as float sums of other vectors do."""
    folder = coded(scheme, models, target)
    program = built(folder, tmp_path / "greedy", ARM_GCC)
    got = said(program, folder, IDS, COUNT, threads=2, through=["qemu-aarch64", "-L", ARM_ROOT, "-cpu", "max"])
    tokens, logits = session_says(scheme, models)
    assert got.tokens == tokens
    assert distance(np.array(got.logits), logits) < STEPS


@needs_gcc
@pytest.mark.parametrize(
    ("numbers", "ids", "error"),
    [
        ({"threads": -1}, IDS, "model_init: threads is -1, expected 0 to 1024"),
        ({"threads": 1025}, IDS, "model_init: threads is 1025, expected 0 to 1024"),
        ({"capacity": 0}, IDS, "model_init: capacity is 0, expected 1 to 1048576"),
        ({"capacity": 1048577}, IDS, "model_init: capacity is 1048577, expected 1 to 1048576"),
        ({"capacity": 4}, IDS, "model_prefill: tokens 0 to 4 do not fit into a capacity of 4"),
        ({"capacity": 6}, IDS, "model_decode: tokens 6 to 6 do not fit into a capacity of 6"),
        ({}, [], "model_prefill: n is 0, expected at least 1"),
        ({}, [1, 259], "model_prefill: token id 259 at place 1 is outside of a vocabulary of 259 tokens"),
        ({}, [-1, 2], "model_prefill: token id -1 at place 0 is outside of a vocabulary of 259 tokens"),
        ({"split": -1}, IDS, "model_prefill: n is -1, expected at least 1"),
        ({"weights": "NULL"}, IDS, "model_init: path is NULL"),
        ({"weights": "/nowhere"}, IDS, "/nowhere: cannot be opened: No such file or directory"),
        ({"weights": "/"}, IDS, "/: expected model.weights, or the folder it is in"),
        ({"weights": "/dev/null"}, IDS, "/dev/null: expected model.weights, or the folder it is in"),
    ],
)
def test_wrong_use_gives_an_error(
    library: Path, greedy: Path, numbers: dict[str, Any], ids: list[int], error: str
) -> None:
    got = said(greedy, library, ids, 4, **numbers)
    assert got.error == error


@needs_gcc
def test_more_than_the_texts_room_is_cut(library: Path, greedy: Path) -> None:
    path = "/" + "x" * 3000
    assert said(greedy, library, IDS, 1, weights=path).error == path[:1023]


@pytest.fixture(scope="module")
def weights(library: Path) -> bytes:
    return (library / "model.weights").read_bytes()


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@needs_gcc
@pytest.mark.parametrize(
    ("at", "error"),
    [
        (0, "expected model.weights, or the folder it is in"),
        (8, "holds the weights of another program, expected those written with it"),
        (FIXED_BYTES - 1, "holds the weights of another program, expected those written with it"),
        (FIXED_BYTES, "is damaged behind byte {first}"),
        (-1, "is damaged behind byte {first}"),
        (-100000, "is damaged behind byte {first}"),
    ],
)
def test_damaged_weights(library: Path, greedy: Path, weights: bytes, tmp_path: Path, at: int, error: str) -> None:
    (tmp_path / "w").write_bytes(damaged(weights, at % len(weights)))
    got = said(greedy, library, IDS, 1, weights=tmp_path / "w", threads=2)
    first = int.from_bytes(weights[8:12], "little")
    assert got.error == f"{tmp_path / 'w'}: " + error.format(first=first)


@needs_gcc
@pytest.mark.parametrize("size", [0, 30, 4096, -1])
def test_cut_weights(library: Path, greedy: Path, weights: bytes, tmp_path: Path, size: int) -> None:
    (tmp_path / "w").write_bytes(weights[:size])
    error = said(greedy, library, IDS, 1, weights=tmp_path / "w").error.removeprefix(f"{tmp_path / 'w'}: ")
    kind = "expected model.weights, or the folder it is in"
    assert error == (kind if size in (0, 30) else f"has {len(weights[:size])} bytes, expected {len(weights)}")


@needs_gcc
def test_every_piece_is_checked(tmp_path: Path) -> None:
    """A model of more than one piece; the last one's number counts."""
    config = config_of(hidden_size=256, intermediate_size=1024, num_attention_heads=8)
    folder = compiled(
        huggingface_folder(tmp_path / "m", config, random_weights(config)), tmp_path / "out", kv_cache="f32"
    )
    program = built(folder, tmp_path / "greedy")
    data = (folder / "model.weights").read_bytes()
    start = int.from_bytes(data[8:12], "little")
    assert int.from_bytes(data[12:16], "little") >= 3
    assert said(program, folder, IDS, 1, threads=2).error == ""
    for piece in (0, 1, 2):
        (tmp_path / "w").write_bytes(damaged(data, start + piece * (2 << 20) + 12345))
        got = said(program, folder, IDS, 1, weights=tmp_path / "w", threads=2)
        assert got.error.endswith(f": is damaged behind byte {start + piece * (2 << 20)}")


@needs_gcc
def test_long_rope_and_learned_positions(tmp_path: Path) -> None:
    """Tables change where a text outgrows the original context; a model's learned positions are a limit."""
    for name in ("phi3-long", "gpt2"):
        config = architectures.MODELS[name]
        weights = architectures.random_weights(config)
        source = huggingface_folder(tmp_path / name, config, weights)
        folder = compiled(source, tmp_path / f"out-{name}", kv_cache="f32")
        program = built(folder, tmp_path / f"greedy-{name}")
        ids = [int(i) for i in np.random.default_rng(2).integers(0, 259, 46)]
        for n in (3, 46):
            expected = architectures.reference_logits(config, weights, np.array(ids[:n]))[-1]
            got = said(program, folder, ids[:n], 1, threads=2)
            np.testing.assert_allclose(got.logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        if name == "gpt2":
            error = said(program, folder, ids, 5).error
            assert error == "model_decode: the model has learned 48 positions, 48 is beyond them"


# -- several models, and memory --


class Loaded:
    """A compiled library through ctypes."""

    def __init__(self, folder: Path, name: str = "model"):
        self.folder, self.name = folder, name
        code = ctypes.CDLL(str(folder / f"lib{name}.so"))
        self.init, self.prefill, self.decode, self.free, self.last_error = (
            code[f"{name}_{part}"] for part in ("init", "prefill", "decode", "free", "last_error")
        )
        self.init.restype, self.init.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.prefill.argtypes = [pointer, pointer, number, number, pointer]
        self.decode.argtypes = [pointer, number, number, pointer]
        self.free.argtypes, self.free.restype = [pointer], None
        self.last_error.restype = ctypes.c_char_p

    def open(self, threads: int, capacity: int = 64) -> int:
        found = self.init(str(self.folder).encode(), threads, capacity)
        assert found, self.last_error()
        return found

    def tokens(self, model: int, ids: list[int], count: int) -> list[int]:
        array = np.array(ids, np.int32)
        out = [self.prefill(model, array.ctypes.data, len(ids), 0, None)]
        while len(out) < count:
            out.append(self.decode(model, out[-1], len(ids) + len(out) - 1, None))
        return out


@pytest.fixture(scope="module")
def loaded(library: Path) -> Loaded:
    return Loaded(library)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_everything_comes_back(loaded: Loaded) -> None:
    """A model that leaks its weights, or 1 MB of anything, or a thread, is seen after 50 rounds."""
    expected = reference(IDS, 3)[0]
    before = threads = 0
    for turn in range(60):
        model = loaded.open(threads=3, capacity=2000)
        assert loaded.tokens(model, IDS, 3) == expected
        loaded.free(model)
        if turn == 9:
            before, threads = resident(), native_threads()
    assert native_threads() <= threads
    assert resident() - before < 10 << 20


def test_nothing_is_left_of_one_that_could_not_be_made(loaded: Loaded, weights: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(damaged(weights, len(weights) - 1))
    before = threads = files = 0
    for turn in range(40):
        assert loaded.init(str(path).encode(), 3, 100) is None
        if turn == 9:
            before, threads, files = resident(), native_threads(), len(list(Path("/proc/self/fd").iterdir()))
    assert native_threads() <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert resident() - before < 10 << 20


def test_threads_use_models_at_the_same_time(loaded: Loaded) -> None:
    """Each its own model, and all one model: no call sees another's text."""
    expected = reference(IDS, 6)[0]
    shared = loaded.open(threads=2)
    results: list[object] = []

    def work() -> None:
        own = loaded.open(threads=2)
        mine = [loaded.tokens(own, IDS, 6) for _ in range(3)]
        loaded.free(own)
        one = np.array(IDS, np.int32)
        first = [loaded.prefill(shared, one.ctypes.data, len(IDS), 0, None) for _ in range(10)]
        wrong = loaded.prefill(shared, None, 1, 0, None), loaded.last_error()
        results.append((mine, first, wrong))

    team = [threading.Thread(target=work) for _ in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    loaded.free(shared)
    assert loaded.last_error() == b""  # this thread's calls went well
    assert results == [([expected] * 3, expected[:1] * 10, (-1, b"model_prefill: ids is NULL"))] * 4


def test_null_is_refused(loaded: Loaded) -> None:
    assert loaded.decode(None, 1, 0, None) == -1
    assert loaded.last_error() == b"model_decode: model is NULL"
    loaded.free(None)


def test_positions_before_the_text_are_refused(loaded: Loaded) -> None:
    model = loaded.open(threads=1)
    assert loaded.decode(model, 1, -1, None) == -1
    assert loaded.last_error() == b"model_decode: position is -1, expected at least 0"
    assert loaded.decode(model, 259, 0, None) == -1
    assert loaded.last_error() == b"model_decode: token id 259 at place 0 is outside of a vocabulary of 259 tokens"
    assert loaded.decode(model, 1, 0, None) >= 0
    assert loaded.last_error() == b""
    loaded.free(model)


def test_memory_that_cannot_be_had(library: Path) -> None:
    """In a process that may have little."""
    script = (
        "import resource, ctypes, sys; code = ctypes.CDLL(sys.argv[1] + '/libmodel.so');"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); code.model_last_error.restype = ctypes.c_char_p;"
        "print(code.model_init(sys.argv[1].encode(), 1, 1048576), code.model_last_error().decode())"
    )
    done = subprocess.run(["python3", "-c", script, str(library)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("0 no memory: ")
    assert done.stdout.endswith(" bytes cannot be had: Cannot allocate memory\n")


# -- what is written --


def test_two_programs_in_one_process(loaded: Loaded, tmp_path: Path) -> None:
    """Another name, other weights; each refuses the other's."""
    other = Loaded(compiled("demo", tmp_path / "out", name="other_1"), "other_1")
    mine, its = loaded.open(2), other.open(2)
    assert loaded.tokens(mine, IDS, 4) == reference(IDS, 4)[0]
    assert other.init(str(loaded.folder / "model.weights").encode(), 1, 10) is None
    assert other.last_error().endswith(
        b"model.weights: holds the weights of another program, expected those written with it"
    )
    assert loaded.last_error() == b""
    loaded.free(mine)
    other.free(its)


def test_only_the_functions_of_the_header_are_seen(library: Path) -> None:
    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(library / "libmodel.so")], capture_output=True, text=True, check=True
    )
    names = {line.split()[-1] for line in done.stdout.splitlines()}
    own = {f"model_{part}" for part in ("init", "prefill", "decode", "free", "last_error")}
    assert names == own | {"quantizedMatMul", "llmir_last_error"}
    header = (library / "model.h").read_text()
    assert all(f"{name}(" in header for name in names)
    page = (Path(__file__).parents[2] / "docs" / "compile.md").read_text()
    declaration = page[page.index("void quantizedMatMul(") :].partition(";")[0]
    assert f"\n{declaration};\n" in header


def test_the_same_program_gives_the_same_bytes(model: Path, library: Path, tmp_path: Path) -> None:
    assert folder_bytes(compiled(model, tmp_path / "out", kv_cache="f32")) == folder_bytes(library)


@needs_gcc
def test_the_header_is_cpp_too(library: Path, tmp_path: Path) -> None:
    (tmp_path / "a.cc").write_text('#include "model.h"\n#include "model.h"\nint main() { model_free(nullptr); }\n')
    command = ["g++", "-Wall", "-Wextra", "-Werror", f"-I{library}", "-c", str(tmp_path / "a.cc"), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_others_files_are_not_replaced(library: Path, tmp_path: Path) -> None:
    folder, wanted = tmp_path / "out", CLibrary("x86-avx512-vnni", linked=False)
    shutil.copytree(library, folder)
    wanted.check(folder)
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(OutputError, match=r"holds main\.c, which would be lost"):
        wanted.check(folder)
    (folder / "model.weights").unlink()
    with pytest.raises(OutputError, match=r"expected a new folder, or one with model\.weights"):
        wanted.check(folder)


def test_what_cannot_be_compiled(tmp_path: Path) -> None:
    config = architectures.MODELS["mixtral"]
    source = huggingface_folder(tmp_path / "moe", config, architectures.random_weights(config))
    with pytest.raises(UnsupportedProgram, match="no native kernel"):
        compiled(source, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["moe"]


def test_one_scale_for_all_tokens_is_refused(model: Path, tmp_path: Path) -> None:
    program = open_runnable(str(model))
    scheme = (
        "weight_type=i8 weight_granularity=per_channel input_type=i8 input_granularity=per_tensor input_dynamic=true"
    )
    Pipeline.parse(f"assign-schemes{{{scheme}}},quantize-weights,quantize-activations").run(program)
    with pytest.raises(UnsupportedProgram, match="one scale for all tokens of a call"):
        compiled(program, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "é", "a.b", "_a"])
def test_names_that_c_does_not_take(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for C functions, expected letters, digits and _ behind a letter"):
        CLibrary("x86-avx512-vnni", name)


def test_systems_there_are_no_numbers_for(tmp_path: Path) -> None:
    table = 'name = "win"\ndescription = "x"\n[machine]\ntriple = "x86_64-pc-windows-msvc"\ncpu = "generic"\n'
    (tmp_path / "win.toml").write_text(table + "register_bytes = 16\nregisters = 16\n")
    with pytest.raises(
        InputError, match=r"win\.toml' is x86_64-pc-windows-msvc, expected Linux on one of x86_64, aarch64"
    ):
        CLibrary(str(tmp_path / "win.toml"))


def test_header_sizes() -> None:
    """The checks start where the fixed part ends."""
    assert FIXED_BYTES % 8 == 0
    assert header_bytes(1) % 4096 == 0
