"""Which machine code is made for: chosen by what the processor has, or named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmir.errors import InputError
from llmir.targets import host
from llmir.targets.host import PREFERENCE, check_host, host_machine, machine, missing_features
from llmir.targets.registry import target

AVX2 = {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
VNNI = AVX512 | {"avx512vnni"}
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"


def processor(monkeypatch: pytest.MonkeyPatch, triple: str, features: set[str]) -> None:
    monkeypatch.delenv(host.OVERRIDE, raising=False)
    monkeypatch.setattr(host, "host_triple", lambda: triple)
    monkeypatch.setattr(host, "host_features", lambda: frozenset(features))


@pytest.mark.parametrize(
    ("triple", "features", "expected"),
    [
        (X86, set[str](), "scalar"),
        (X86, AVX2, "x86-avx2"),
        (X86, AVX2 - {"fma"}, "scalar"),
        (X86, AVX2 | {"avxvnni"}, "x86-avx-vnni"),
        (X86, AVX512, "x86-avx2"),
        (X86, VNNI, "x86-avx512-vnni"),
        (X86, VNNI | {"avxvnni"}, "x86-avx512-vnni"),
        (X86, VNNI | {"avx512bf16"}, "x86-avx512-vnni+bf16"),
        (X86, VNNI | {"avx512bf16", "amx-tile", "amx-int8"}, "x86-avx512-vnni+bf16"),
        (X86, VNNI | {"avx512bf16", "amx-tile", "amx-int8", "amx-bf16"}, "x86-amx"),
        (ARM, {"neon"}, "scalar"),
        (ARM, {"neon", "dotprod", "fullfp16"}, "arm-neon-dotprod"),
        (ARM, {"neon", "dotprod", "fullfp16", "i8mm"}, "arm-i8mm"),
        (ARM, {"neon", "dotprod", "fullfp16", "i8mm", "bf16"}, "arm-i8mm+bf16"),
        ("riscv64-unknown-linux-gnu", {"v"}, "scalar"),
        ("arm64-apple-darwin24.0", {"neon", "dotprod", "fullfp16"}, "arm-neon-dotprod"),
    ],
)
def test_the_best_the_processor_is(
    monkeypatch: pytest.MonkeyPatch, triple: str, features: set[str], expected: str
) -> None:
    processor(monkeypatch, triple, features)
    found = host_machine()
    assert found.name == expected
    assert found == replace(machine(expected), triple=triple)
    check_host(found)


def test_options_bring_features_and_instructions() -> None:
    plain, more = machine("x86-avx512-vnni"), machine("x86-avx512-vnni+bf16")
    assert (plain.dot2, more.dot2) == (None, "vdpbf16ps")
    assert more.features == (*plain.features, "+avx512bf16")
    assert more.options == ()


def test_a_machine_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, X86, VNNI)
    assert host_machine("x86-avx2").name == "x86-avx2"
    monkeypatch.setenv(host.OVERRIDE, "scalar")
    assert host_machine().name == "scalar"
    assert host_machine("x86-avx2").name == "x86-avx2"
    monkeypatch.setenv(host.OVERRIDE, "")
    assert host_machine().name == "x86-avx512-vnni"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x86-amx", "machine 'x86-amx' needs avx512bf16, amx-tile, amx-int8, amx-bf16, which this processor has not"),
        ("x86-avx512-vnni+bf16", "machine 'x86-avx512-vnni+bf16' needs avx512bf16, which this processor has not"),
        ("arm-i8mm", "machine 'arm-i8mm' needs aarch64, which this processor has not"),
        ("x86-avx2+bf16", "machine 'x86-avx2' has no option 'bf16', expected one of: none"),
        ("nvidia-sm80", "target 'nvidia-sm80' has no [machine] table, so that there is no native code for it"),
        ("pdp-11", "unknown target 'pdp-11', expected one of arm-i8mm, "),
        ("", "unknown target '', expected one of"),
    ],
)
def test_machines_that_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    processor(monkeypatch, X86, VNNI)
    with pytest.raises(InputError) as error:
        host_machine(name) if name else machine(name)
    assert str(error.value).startswith(message)


def test_a_machine_may_be_in_a_file(tmp_path: Path) -> None:
    text = (host.FOLDER / "x86-avx2.toml").read_text().replace('name = "x86-avx2"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(text)
    assert machine(str(tmp_path / "mine.toml")) == replace(machine("x86-avx2"), name=str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("name", PREFERENCE)
def test_machines_are_those_of_the_targets(name: str) -> None:
    assert machine(name) == target(name).machine
    assert machine(name).lanes * 4 == machine(name).register_bytes


def test_this_processor_runs_its_own_machine() -> None:
    assert missing_features(host_machine()) == ()
