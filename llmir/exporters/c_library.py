"""A program compiled ahead of time: a shared library or an object file, its header, and the packed weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp, StringAttr

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.c_header import c_header
from llmir.backends.native.kernels.c_model import CModel
from llmir.backends.native.kernels.last_error import LastError
from llmir.backends.native.kernels.libc import LIBC
from llmir.backends.native.kernels.plain_matmul import QuantizedMatMul
from llmir.backends.native.linker import ARCHITECTURES, find_linker, link
from llmir.backends.native.object_symbols import undefined_symbols
from llmir.backends.native.packed_file import write_packed
from llmir.backends.native.packed_weights import fingerprint, packed_parts, slots_text
from llmir.backends.native.planning import plan_of
from llmir.backends.native.steps_to_vk import emit_steps
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_schedule import Schedules
from llmir.errors import InputError, UnsupportedProgram, UsageError
from llmir.passes.native import lower_to_steps
from llmir.passes.steps.program_schedules import given_schedules
from llmir.program.files import check_output, new_folder
from llmir.program.program import Program
from llmir.program.store import WeightStore
from llmir.targets.host import machine
from llmir.targets.machine import Machine

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
OF_THE_LOADER = ("__tls_get_addr", "syscall", "sched_yield", "getauxval")
"""What code may call besides `LIBC` and find in every C program on Linux."""
LAST_ERROR = "llmir_last_error"


@dataclass(frozen=True)
class Written:
    """The size of each file by its name, how many kinds of products the program has, and how many were tuned."""

    files: dict[str, int]
    products: int
    tuned: int


@dataclass(frozen=True)
class CLibrary:
    """What to make of a program: the target, the functions' `name`, and the element of cached keys and values.

    The target is a name, with `+option` for what only some such processors have, or the path of a .toml file.
    `activation` is f32 or bf16, what products are computed in. With `linked` a shared library is made, else an object.
    `measured` are schedules that are better than the target's, by kind of product.
    UsageError for a name that C would not take, InputError for a target that cannot be compiled for.
    """

    target: str
    name: str = "model"
    kv_cache: str = "f16"
    activation: str = "f32"
    linked: bool = True
    measured: Mapping[str, Schedules] = field(default_factory=dict[str, Schedules])

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.name):
            raise UsageError(
                f"'{self.name}' is no name for C functions, expected letters, digits and _ behind a letter"
            )
        if "linux" not in self.machine.triple or self.machine.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise InputError(f"'{self.machine.name}' is {self.machine.triple}, expected Linux on one of {known}")

    @property
    def machine(self) -> Machine:
        """The target's machine."""
        return machine(self.target)

    @property
    def code(self) -> str:
        """The file with the code."""
        return f"lib{self.name}.so" if self.linked else self._object

    @property
    def header(self) -> str:
        """The file for C compilers."""
        return f"{self.name}.h"

    @property
    def _object(self) -> str:
        return f"{self.name}.o"

    @property
    def _weights(self) -> str:
        return f"{self.name}.weights"

    @property
    def files(self) -> tuple[str, ...]:
        """What is written, and what may be in a folder that is replaced; the first is always there."""
        return (self._weights, self.header, f"lib{self.name}.so", self._object)

    def check(self, folder: Path) -> None:
        """OutputError or InputError when `write` would fail for want of a place or a linker."""
        check_output(folder, self.files)
        if self.linked:
            find_linker(self.machine)

    def write(self, program: Program, folder: Path) -> Written:
        """Write the files into a folder, all of them or none.

        OutputError when the folder is something else or cannot be written, UnsupportedProgram names what has no
        kernel, InputError what else cannot be compiled.
        """
        linker = find_linker(self.machine) if self.linked else None
        store, lowered = program.weights.view(), program.module.clone()
        lower_to_steps(lowered, store, self.target, self.kv_cache, self.activation, self.measured)
        kinds = {op.kind for op in lowered.walk() if isinstance(op, MatmulOp)}
        tuned = {kind for kind in kinds - set(given_schedules(program.module)) if str(kind) in self.measured}
        model, data = self._compiled(lowered, store)
        with new_folder(folder, self.files) as work:
            (work / self._object).write_bytes(data)
            if linker is not None:
                link(linker, work / self._object, work / self.code)
                (work / self._object).unlink()
            size = model.plan.weight_bytes
            write_packed(work / self._weights, model.key, size, packed_parts(lowered, store))
            header = c_header(model, self.machine, program.name, " ".join(self.link_options(data)))
            (work / self.header).write_text(header, encoding="utf-8")
        sizes = {name: (folder / name).stat().st_size for name in (self.code, self.header, self._weights)}
        return Written(sizes, len(kinds), len(tuned))

    def link_options(self, data: bytes) -> list[str]:
        """What a C program is linked with, to use an object file."""
        more = set(undefined_symbols(data)) - set(LIBC) - set(OF_THE_LOADER)
        code = f"-l{self.name}" if self.linked else self._object
        return [code, *(["-lm"] if more else []), "-pthread"]

    def _compiled(self, lowered: ModuleOp, store: WeightStore) -> tuple[CModel, bytes]:
        """The functions, and the object file with them; nothing else in it can be called from outside."""
        m = ModuleBuilder(self.machine)
        steps = emit_steps(m, lowered)
        key = hashlib.sha256(slots_text(lowered).encode() + fingerprint(lowered, store)).digest()
        plan = plan_of(lowered, store, steps)
        if plan.whole_calls:
            raise UnsupportedProgram(
                "inputs have one scale for all tokens of a call; compiled programs read a prompt in parts, "
                "so that each token, or each group of its values, needs a scale of its own"
            )
        model = CModel(self.name, plan, key)
        model.emit(m)
        QuantizedMatMul().emit(m)
        LastError(LAST_ERROR).emit(m)
        hide_all_but(m, {*model.exported, QuantizedMatMul().name, LAST_ERROR})
        return model, jit.compile_text(jit.module_text(m), self.machine)


def hide_all_but(m: ModuleBuilder, exported: set[str]) -> None:
    """Make every other function one that cannot be called from outside the module."""
    for name, function in m.functions.items():
        if name not in exported:
            function.properties["sym_visibility"] = StringAttr("private")
