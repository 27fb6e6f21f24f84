"""The `numpy` target: float32 everywhere, integer products summed exactly.

Layouts: `dense` is float32 [N, K], dequantized once when the program is loaded; `codes` keeps codes and
parameters apart; `rows` keeps codes packed and unpacks only the rows an embedding looks up.
"""

from __future__ import annotations

from llmir.targets.target import MatmulKernel, Target

NUMPY = Target(
    name="numpy",
    kernels={
        "llm.linear": "linear",
        "llm.rms_norm": "rms_norm",
        "llm.rope": "rope",
        "llm.update_cache": "update_cache",
        "llm.attention": "attention",
        "llm.silu": "silu",
        "llm.observe": "observe",
        "llm.quantize": "quantize",
        "llm.dequantize": "dequantize",
        "arith.addf": "add",
        "arith.mulf": "multiply",
        "arith.subf": "subtract",
    },
    effects={"update_cache": "writes the cache in place", "observe": "reports to an observer"},
    matmuls=(
        MatmulKernel("linear", "float", "float", "f32", "dense"),
        MatmulKernel("linear", "float", "integer", "f32", "dense"),
        MatmulKernel("linear", "float", "minifloat", "f32", "dense"),
        MatmulKernel("integer_matmul", "integer", "integer", "i32", "codes"),
        MatmulKernel("dequantized_matmul", "minifloat", "minifloat", "f32", "codes"),
    ),
    embedding_layout="rows",
    dense_layout="dense",
)
