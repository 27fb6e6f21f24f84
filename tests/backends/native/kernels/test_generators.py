"""What all generators have in common: their modules are text that can be read again, and every target takes them."""

from __future__ import annotations

import numpy as np
import pytest
from native_kernels import Generator
from native_weights import FORMS

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.attention_lines import LineGroup, Source
from llmir.backends.native.kernels.attention_parts import AttentionParts, MergeParts
from llmir.backends.native.kernels.attention_tile import Heads
from llmir.backends.native.kernels.cache import AppendCache
from llmir.backends.native.kernels.elementwise import Combine, Gate, Map
from llmir.backends.native.kernels.embedding import Embed, EmbedPositions
from llmir.backends.native.kernels.norms import HeadRmsNorm, LayerNorm, RmsNorm
from llmir.backends.native.kernels.rope import Rope
from llmir.backends.native.kernels.sampling import Argmax, Pick, Softmax, TopK
from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.formats.native_tiles import TileLayout
from llmir.targets.host import machine

HEADS = Heads(2, 1, 16, 0.25, "i8", 32, 32, window=40, softcap=20.0)
GENERATORS: list[Generator] = [
    RmsNorm(40, 1e-5),
    HeadRmsNorm(16, 1e-6, 48, 48),
    LayerNorm(40, 1e-5),
    Rope(16, 48, 8),
    AppendCache(2, 16, "i8", 32, 32),
    AppendCache(2, 16, "f16", 32, 32),
    LineGroup(1, 16, Source("i8", True, 16, (8192, 8192)), 40, 20.0),
    MergeParts(AttentionParts(HEADS)),
    Map("gelu", 40, 40),
    Combine("add", 40, 40, 40),
    Gate("silu", 40, 40, 40),
    Embed(TileLayout(40, 64, FORMS["ui4_g32_zp4"], 16)),
    EmbedPositions(TileLayout(40, 64, np.dtype(np.float16), 16), 2),
    Argmax(100),
    Pick(),
    Softmax(100),
    TopK(100),
]


@pytest.mark.parametrize("name", ["x86-avx512-vnni", "arm-neon-dotprod"])
def test_all_in_one_module(name: str) -> None:
    """The module verifies, prints and parses to the same text, and becomes an object file."""
    module = ModuleBuilder(machine(name))
    names = [generator.emit(module) for generator in GENERATORS]
    assert len(set(names)) == len(names)
    for function in names:
        types = module.functions[function].function_type.inputs.data
        with module.function(f"run_{function}", [(f"a{i}", t) for i, t in enumerate(types)], public=True) as f:
            f.call(function, list(f.args.values()))
    module.module.verify()
    text = str(module.module)
    parsed = parse_module(new_context(), text)
    parsed.verify()
    assert str(parsed) == text
    code = jit.compile_text(jit.module_text(module), machine(name))
    assert all(function.encode() in code for function in names)
