"""Steps lowered for every machine that this one is, run by teams of any size, against float64 formulas."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
import pytest
from native_kernels import HERE
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import jit
from llmir.backends.native.context import Context
from llmir.backends.native.control import FIRST_STEP
from llmir.backends.native.memory import Memory
from llmir.backends.native.steps_to_vk import lower_steps
from llmir.backends.native.workers import Workers
from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.formats.native_tiles import TileLayout
from llmir.passes.convert_kernel_to_vk import ConvertKernelToVkPass
from llmir.targets.machine import Machine

K, N, ROWS = 48, 80, 13
Array = np.ndarray[Any, np.dtype[Any]]
machines = pytest.mark.parametrize("machine", HERE, ids=lambda m: m.name)

STEP = """
builtin.module {{
  kernel.weight @norm {{members = [[@a], [@b]], offset = 0 : i64, stride = 512 : i64}} : memref<48xf32, "weights">
  kernel.weight @up {{members = [[@c], [@d]], offset = 1024 : i64, stride = {stride} : i64}} : {tiles}
  kernel.step @head(%hidden: memref<?x48xf32, "shared">, %logits: memref<?x80xf32, "shared">) {{
    %x = kernel.buffer {{offset = 64 : i64}} : memref<?x48xf32, "shared">
    %y = kernel.buffer {{offset = 256 : i64}} : memref<?x80xf32, "shared">
    %p = kernel.buffer {{offset = 0 : i64}} : memref<?x80xf32, "private">
    %left = kernel.view %y : memref<?x80xf32, "shared"> -> memref<?x40xf32, strided<[80, 1]>, "shared">
    %right = kernel.view %y : memref<?x80xf32, "shared"> -> memref<?x40xf32, strided<[80, 1], offset: 40>, "shared">
    kernel.scale(%logits) into(%logits) {{factor = 0.0 : f32, split = #kernel.split<columns 16>}} : (memref<?x80xf32, "shared">, memref<?x80xf32, "shared">) -> ()
    kernel.loop %l = 0 to 2 {{
      %n = kernel.weight_at @norm[%l] : memref<48xf32, "weights">
      %w = kernel.weight_at @up[%l] : {tiles}
      kernel.rms_norm(%hidden, %n) into(%x) {{epsilon = 0.5 : f32, split = #kernel.split<folded_rows>}} : (memref<?x48xf32, "shared">, memref<48xf32, "weights">, memref<?x48xf32, "shared">) -> ()
      kernel.barrier
      kernel.matmul(%x, %w) into(%y) {{activation = "f32", epilogue = "store", schedule = #kernel.schedule<rows=4, columns=2, n_block=2, k_unroll=4, prefetch=0>, split = #kernel.split<columns {tile}>}} : (memref<?x48xf32, "shared">, {tiles}, memref<?x80xf32, "shared">) -> ()
      kernel.barrier
      kernel.multiply(%left, %right) into(%left) {{split = #kernel.split<columns 16>}} : (memref<?x40xf32, strided<[80, 1]>, "shared">, memref<?x40xf32, strided<[80, 1], offset: 40>, "shared">, memref<?x40xf32, strided<[80, 1]>, "shared">) -> ()
      kernel.barrier
      kernel.scale(%y) into(%p) {{factor = 2.0 : f32, split = #kernel.split<replicated>}} : (memref<?x80xf32, "shared">, memref<?x80xf32, "private">) -> ()
      kernel.add(%logits, %p) into(%logits) {{split = #kernel.split<rows>}} : (memref<?x80xf32, "shared">, memref<?x80xf32, "private">, memref<?x80xf32, "shared">) -> ()
      kernel.barrier
    }}
  }}
}}
"""  # noqa: E501


def text_for(machine: Machine) -> str:
    tile = 2 * machine.lanes
    tiles = f"!kernel.tiles<tensor<80x48xf32>, tile={tile}>"
    return STEP.format(tiles=tiles, tile=tile, stride=layout(machine).size + 64)


def layout(machine: Machine) -> TileLayout:
    return TileLayout(N, K, np.dtype(np.float32), 2 * machine.lanes)


def parsed(text: str) -> ModuleOp:
    module = parse_module(new_context(), text, "step.mlir")
    module.verify()
    return module


@cache
def compiled(machine: Machine) -> tuple[jit.Library, Any]:
    builder, (plan,) = lower_steps(parsed(text_for(machine)), machine)
    builder.module.verify()
    return jit.compile_module(builder, machine), plan


def values(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def formula(x: Array, norms: Array, weights: Array) -> Array:
    total = np.zeros((len(x), N))
    for norm, weight in zip(norms.astype(np.float64), weights.astype(np.float64), strict=True):
        wide = x.astype(np.float64)
        y = (wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + 0.5) * norm) @ weight.T
        y[:, :40] *= y[:, 40:]
        total += 2 * y
    return total


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@machines
def test_a_step_computes_what_its_operations_say(machine: Machine, threads: int):
    library, plan = compiled(machine)
    x, norms, weights = values(ROWS, K, seed=1), values(2, K, seed=2), values(2, N, K, seed=3)
    tiles = layout(machine)
    memory = Memory(1024 + 2 * (tiles.size + 64))
    for layer in range(2):
        memory.array[512 * layer : 512 * layer + 4 * K] = norms[layer].view(np.uint8)
        start = 1024 + layer * (tiles.size + 64)
        memory.array[start : start + tiles.size] = tiles.pack(weights[layer])
    stride = plan.private * ROWS + plan.private_workspace + 64
    shared, private = Memory(plan.shared * ROWS + plan.shared_workspace), Memory(stride * threads)
    logits = np.full((ROWS, N), 7, np.float32)
    context = Context()
    context.set(weights=memory.address, shared=shared.address, private=private.address, private_stride=stride)
    team = Workers(library, context, threads)
    try:
        for rows in (ROWS, 1, 4):
            logits[:] = 7
            team.run(FIRST_STEP, rows=rows, hidden=x.ctypes.data, logits=logits.ctypes.data)
            expected = formula(x[:rows], norms, weights)
            assert np.abs(logits[:rows] - expected).max() <= 1e-5 * np.abs(expected).max()
            assert (logits[rows:] == 7).all()
    finally:
        team.close()
    assert threading.active_count() == 1 or all(not t.name.startswith("llmir-") for t in threading.enumerate())


@machines
def test_the_option_says_for_which_machine(machine: Machine):
    module = parsed(text_for(machine))
    ConvertKernelToVkPass(machine=machine.name).apply(new_context(), module)
    assert str(module.attributes["vk.machine"]) == f'"{machine.name}"'
    library, _ = compiled(machine)
    assert jit.compile_text(lowered_text(module, machine), machine) == library.object


def lowered_text(module: ModuleOp, machine: Machine) -> str:
    from llmir.backends.native.llvm_text import llvm_text
    from llmir.backends.native.vk_to_llvm import lower_module

    return llvm_text(lower_module(module, machine))
