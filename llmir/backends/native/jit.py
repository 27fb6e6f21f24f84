"""LLVM IR text to machine code in this process. Knows no xDSL, so that a compiled module is loaded at once."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import llvmlite.binding as untyped_binding

from llmir.backends.native.matrix_registers import request_matrix_registers
from llmir.backends.native.object_cache import ObjectCache, key_of
from llmir.backends.native.object_symbols import undefined_symbols
from llmir.errors import InputError
from llmir.targets.host import check_host
from llmir.targets.machine import Machine

if TYPE_CHECKING:
    from llmir.backends.native.builder import ModuleBuilder

binding: Any = untyped_binding

OPTIMIZATION = 2
"""LLVM's level of instruction selection and what follows it."""


@cache
def _initialize() -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()


@cache
def _target_machine(triple: str, cpu: str, features: str) -> Any:
    _initialize()
    found = binding.Target.from_triple(triple)
    return found.create_target_machine(cpu=cpu, features=features, opt=OPTIMIZATION, reloc="pic", codemodel="default")


def target_machine(machine: Machine) -> Any:
    """LLVM's code generator for a machine."""
    return _target_machine(machine.triple, machine.cpu, ",".join(machine.features))


def parse(text: str, machine: Machine) -> Any:
    """The module of a text; InputError says what LLVM has against it."""
    _initialize()
    try:
        module = binding.parse_assembly(text)
        module.verify()
    except RuntimeError as e:
        raise InputError(f"LLVM does not take the module: {' '.join(str(e).split())}") from e
    module.triple = machine.triple
    module.data_layout = str(target_machine(machine).target_data)
    return module


PASSES = ("always_inliner", "simplify_cfg", "instruction_combine", "new_gvn", "dead_code_elimination", "simplify_cfg")
"""LLVM's passes before instruction selection, by llvmlite's names.

Kernels come unrolled, vectorized and scheduled. What else the standard pipeline has takes four times as long, and its
loop-invariant code motion takes broadcasts of activations out of loops, into more registers than there are.
"""


def optimize(module: Any, machine: Machine) -> None:
    """Run `PASSES`, and drop functions nobody calls."""
    builder = binding.create_pass_builder(target_machine(machine), binding.create_pipeline_tuning_options())
    manager = binding.create_new_module_pass_manager()
    for name in (*PASSES, "global_dead_code_eliminate"):
        getattr(manager, f"add_{name}_pass")()
    manager.run(module, builder)


def compile_text(text: str, machine: Machine) -> bytes:
    """The object file of a text."""
    module = parse(text, machine)
    optimize(module, machine)
    return target_machine(machine).emit_object(module)


def assembly(text: str, machine: Machine) -> str:
    """The assembly of a text, to be read."""
    module = parse(text, machine)
    optimize(module, machine)
    return target_machine(machine).emit_assembly(module)


class Library:
    """Machine code in this process. Functions keep it alive; `object` is the file it was loaded from.

    InputError when this processor has not what the machine needs, or the code calls what the process has not.
    """

    def __init__(self, data: bytes, machine: Machine):
        check_host(machine)
        request_matrix_registers(machine)
        _initialize()
        for symbol in undefined_symbols(data):
            if binding.address_of_symbol(symbol) is None and not hasattr(ctypes.pythonapi, symbol):
                raise InputError(f"the compiled module calls '{symbol}', which this process has not")
        self.object = data
        empty = binding.parse_assembly(f'target triple = "{machine.triple}"\n')
        self._engine = binding.create_mcjit_compiler(empty, _loader(machine))
        self._engine.add_object_file(binding.ObjectFileRef.from_data(data))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a public function is; InputError when there is none of that name."""
        found = self._engine.get_function_address(name)
        if not found:
            raise InputError(f"the compiled module has no function '{name}'")
        return found

    def function(self, name: str, *types: Any, result: Any = None) -> Callable[..., Any]:
        """A public function as a callable that takes ctypes; it runs without the interpreter's lock."""
        call: Any = ctypes.CFUNCTYPE(result, *types)(self.address(name))
        call.library = self
        return call


def _loader(machine: Machine) -> Any:
    """MCJIT takes the code generator over, so each library has its own."""
    found = binding.Target.from_triple(machine.triple)
    return found.create_target_machine(cpu=machine.cpu, features=",".join(machine.features), opt=OPTIMIZATION, jit=True)


def llvm_version() -> str:
    """The version of LLVM: `22.1.0`."""
    return ".".join(map(str, binding.llvm_version_info))


def object_key(text: str, machine: Machine) -> str:
    """What an object depends on: the text, LLVM and how it is used, and the processor."""
    options = f"{OPTIMIZATION} {' '.join(PASSES)}"
    return key_of(text, llvm_version(), options, machine.triple, machine.cpu, ",".join(machine.features))


def compile_module(source: str | ModuleBuilder, machine: Machine, cache: ObjectCache | None = None) -> Library:
    """Machine code of LLVM IR text, or of a module that a builder made; from a cache if it is there.

    InputError when this processor has not what the machine needs, or when the module cannot be compiled.
    """
    check_host(machine)
    text = source if isinstance(source, str) else module_text(source)
    if cache is None:
        return Library(compile_text(text, machine), machine)
    key = object_key(text, machine)
    found = cache.get(key)
    if found is None:
        found = compile_text(text, machine)
        cache.put(key, found)
    return Library(found, machine)


def module_text(builder: ModuleBuilder) -> str:
    """The LLVM IR text of what a builder made."""
    from llmir.backends.native.llvm_text import llvm_text
    from llmir.backends.native.vk_to_llvm import lower_module

    return llvm_text(lower_module(builder.module, builder.machine))
