"""convert-vk-to-llvm as a pass: the machine it lowers for, and the numbers on each."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import jit
from llmir.backends.native.llvm_text import llvm_text
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.passes.convert_vk_to_llvm import ConvertVkToLLVMPass
from llmir.program.context import LLMContext
from llmir.targets.host import host_machine, machine, missing_features

DOT = """
builtin.module attributes {vk.machine = "x86-avx512-vnni"} {
  func.func public @dot(%p: !llvm.ptr, %u: !llvm.ptr, %s: !llvm.ptr) {
    %0 = vk.load %p : vector<16xi32>
    %1 = vk.load %u : vector<64xi8>
    %2 = vk.load %s : vector<64xi8>
    %3 = vk.dot4 %0, %1, %2 : vector<16xi32>, vector<64xi8>
    vk.store %3, %p : vector<16xi32>
    func.return
  }
}
"""


def lowered(text: str, name: str = "") -> ModuleOp:
    context = LLMContext.new()
    module = parse_module(context, text)
    ConvertVkToLLVMPass(machine=name).apply(context, module)
    module.verify()
    return module


def intrinsics(module: ModuleOp) -> list[str]:
    return [op.intrin.data for op in module.walk() if isinstance(op, llvm.CallIntrinsicOp)]


def test_the_machine_is_the_one_the_module_names() -> None:
    assert intrinsics(lowered(DOT)) == ["llvm.x86.avx512.vpdpbusd.512"]


def test_the_machine_may_be_another() -> None:
    module = lowered(DOT, "scalar")
    assert intrinsics(module) == []
    assert str(module.attributes["vk.machine"]) == '"x86-avx512-vnni"'
    assert 'target_cpu = "generic"' in str(module)


@pytest.mark.parametrize("name", ["", "x86-avx2", "scalar"])
def test_every_machine_gives_the_same_integers(name: str) -> None:
    on = machine(name or "x86-avx512-vnni")
    if missing := missing_features(on):
        pytest.skip(f"this processor has no {', '.join(missing)}")
    rng = np.random.default_rng(0)
    total = rng.integers(-(2**31), 2**31, 16).astype(np.int32)
    unsigned = rng.integers(0, 256, 64).astype(np.uint8)
    signed = rng.integers(-128, 128, 64).astype(np.int8)
    products = (unsigned.astype(np.int64) * signed).reshape(16, 4).sum(1)
    expected = (total + products).astype(np.int32)
    library = jit.compile_module(llvm_text(lowered(DOT, name)), host_machine(on.name))
    library.function("dot", *(ctypes.c_void_p,) * 3)(total.ctypes.data, unsigned.ctypes.data, signed.ctypes.data)
    assert np.array_equal(total, expected)


@pytest.mark.parametrize(
    ("attributes", "name", "message"),
    [
        ("", "", 'builtin.module says no machine, expected vk.machine = "...", a target\'s name'),
        ("vk.machine = 3 : i64", "", "builtin.module says no machine"),
        ('vk.machine = "pdp-11"', "", "unknown target 'pdp-11', expected one of arm-i8mm, "),
        ('vk.machine = "nvidia-sm80"', "", "target 'nvidia-sm80' has no [machine] table, so that there is no native"),
        ('vk.machine = "x86-avx2+bf16"', "", "machine 'x86-avx2' has no option 'bf16', expected one of: none"),
        ('vk.machine = "scalar"', "arm-i8mm+x", "machine 'arm-i8mm' has no option 'x', expected one of: bf16"),
        ('vk.machine = "scalar"', "missing.toml", "missing.toml: cannot be read: No such file or directory"),
    ],
)
def test_machines_there_are_not(attributes: str, name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        lowered(f"builtin.module attributes {{{attributes}}} {{}}", name)
    assert str(error.value).startswith(message)


def test_what_is_lowered_stays_as_it_was() -> None:
    from llmir.backends.native.vk_to_llvm import lower_module

    module = parse_module(LLMContext.new(), DOT)
    before = str(module)
    lower_module(module, machine("scalar"))
    assert str(module) == before
