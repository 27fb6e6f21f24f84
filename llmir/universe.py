"""What LLMIR adds to xDSL's tools: `xdsl-opt` finds it through the `xdsl.universe` entry point."""

from __future__ import annotations

from xdsl.ir import Dialect
from xdsl.universe import Universe
from xdsl.utils.target import Target

from llmir.passes.registry import PASSES


def _llm() -> Dialect:
    from llmir.dialects.llm import LLM

    return LLM


def _kernel() -> Dialect:
    from llmir.dialects.kernel import KERNEL

    return KERNEL


def _vk() -> Dialect:
    from llmir.dialects.vk import VK

    return VK


def _numpy() -> type[Target]:
    from llmir.backends.numpy.target import NumpyTarget

    return NumpyTarget


def _mllm_ir() -> type[Target]:
    from llmir.exporters.mllm_ir import MllmIRTarget

    return MllmIRTarget


def _llvm_ir() -> type[Target]:
    from llmir.backends.native.target import LLVMIRTarget

    return LLVMIRTarget


UNIVERSE = Universe(
    all_dialects={"llm": _llm, "kernel": _kernel, "vk": _vk},
    all_passes=PASSES,
    all_targets={"numpy": _numpy, "mllm-ir": _mllm_ir, "llvm-ir": _llvm_ir},
)
