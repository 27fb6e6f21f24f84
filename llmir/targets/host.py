"""The machines there are, and the one this process runs on."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

from llmir.errors import InputError
from llmir.targets.machine import Machine, architecture_of
from llmir.targets.machine_reader import machine_of
from llmir.targets.table import read_table

FOLDER = Path(__file__).parent
OVERRIDE = "LLMIR_MACHINE"
"""The environment variable that names the machine to generate code for, instead of the best this processor is."""
SCALAR = "scalar"
"""The machine that is any processor LLVM knows."""
PREFERENCE = (
    "x86-amx",
    "x86-avx512-vnni",
    "x86-avx-vnni",
    "x86-avx2",
    "arm-i8mm",
    "arm-neon-dotprod",
    SCALAR,
)
"""The machines that come with the package, the better first."""


def base_and_options(name: str) -> tuple[str, list[str]]:
    """A target's name, or its file, whose path may have a `+` itself, and the options behind it."""
    folder, toml, rest = name.rpartition(".toml")
    base, *options = (rest if toml else name).split("+")
    return folder + toml + base, options


@cache
def machine(name: str) -> Machine:
    """The machine of a target, `x86-avx512-vnni`, with options if wanted: `x86-avx512-vnni+bf16`.

    InputError when there is no such target, it has no [machine], or the machine no such option.
    """
    base, options = base_and_options(name)
    found = _of_target(base)
    for option in options:
        if option not in (names := [o.name for o in found.options]):
            known = ", ".join(names) or "none"
            raise InputError(f"machine '{found.name}' has no option '{option}', expected one of: {known}")
        found = found.with_option(option)
    return found


def _of_target(name: str) -> Machine:
    """The machine of a target; of its file nothing else is read, so that what is compiled starts at once."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in (known := sorted(p.stem for p in FOLDER.glob("*.toml"))):
        raise InputError(f"unknown target '{name}', expected one of {', '.join(known)}, or the path of a .toml file")
    table = read_table(path)
    if not table.has("machine"):
        raise InputError(f"target '{name}' has no [machine] table, so that there is no native code for it")
    return machine_of(name, table.table("machine"))


@cache
def host_features() -> frozenset[str]:
    """What this processor can do, as LLVM calls it."""
    from llvmlite import binding

    features = cast("dict[str, bool]", binding.get_host_cpu_features())
    return frozenset(name for name, there in features.items() if there)


@cache
def host_processor() -> str:
    """This processor as LLVM calls it: `znver4`."""
    from llvmlite import binding

    return binding.get_host_cpu_name()


@cache
def host_triple() -> str:
    """The triple of this process."""
    from llvmlite import binding

    return binding.get_process_triple()


def missing_features(wanted: Machine) -> tuple[str, ...]:
    """What a machine has that this processor has not: features, or the architecture."""
    architecture = wanted.architecture
    if base_and_options(wanted.name)[0] != SCALAR and architecture != architecture_of(host_triple()):
        return (architecture,)
    return tuple(f for f in required_features(wanted) if f not in host_features())


def required_features(wanted: Machine) -> tuple[str, ...]:
    """The features code for a machine uses, those of its cpu included."""
    return (*CPU_FEATURES.get(wanted.cpu, ()), *(f[1:] for f in wanted.features if f.startswith("+")))


CPU_FEATURES: dict[str, tuple[str, ...]] = {
    "x86-64-v3": ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v4": (
        *("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
        *("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    ),
}
"""What LLVM takes for granted of a level of x86-64, as the System V ABI defines them."""


def check_host(wanted: Machine) -> None:
    """InputError when this processor cannot run code for a machine."""
    missing = missing_features(wanted)
    if missing:
        raise InputError(f"machine '{wanted.name}' needs {', '.join(missing)}, which this processor has not")


def host_machine(name: str | None = None) -> Machine:
    """The best machine this processor is, with all options it has; or the one named, here or in LLMIR_MACHINE.

    InputError when the one named is not known, or needs what this processor has not.
    """
    name = name or os.environ.get(OVERRIDE) or None
    if name is not None:
        chosen = machine(name)
        check_host(chosen)
        return _on_host(chosen)
    found = next(m for m in map(machine, PREFERENCE) if not missing_features(m))
    for option in found.options:
        with_it = found.with_option(option.name)
        if not missing_features(with_it):
            found = with_it
    return _on_host(found)


def _on_host(chosen: Machine) -> Machine:
    return replace(chosen, triple=host_triple())
