"""The definition of every operation by its name.

A definition is a pure function called with keywords: the operation's operands and attributes by their names
in the dialect, optional ones left out when absent. Tensors are NumPy arrays, `!llm.quantized_tensor` values
`QuantizedArray`s, `index` values ints. Real results are computed in float32, whatever the type of the
operands, and rounded once to the type of the result by the caller. A definition that must know the type of
its result takes it as `result`: a `QuantizedFormat`, an element format, or a NumPy dtype. A ValueError says
that the values are outside of what the operation is defined for.

A new operation is one function and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmir.semantics import casts, fused, mixture, model, quantization, sparse, tensors

Definition = Callable[..., Any]

DEFINITIONS: dict[str, Definition] = {
    "llm.quantize": quantization.quantize,
    "llm.dequantize": quantization.dequantize,
    "llm.quantized_matmul": quantization.quantized_matmul,
    "llm.cast_codes": casts.cast_codes,
    "llm.requantize": fused.requantize,
    "llm.encode": fused.encode,
    "llm.quantize_bias": fused.quantize_bias,
    "llm.transpose": fused.transpose,
    "llm.gated_activation": fused.gated_activation,
    "llm.embedding": model.embedding,
    "llm.linear": model.linear,
    "llm.rms_norm": model.rms_norm,
    "llm.rope": model.rope,
    "llm.update_cache": model.update_cache,
    "llm.attention": model.attention,
    "llm.silu": model.silu,
    "llm.positions": model.positions,
    "llm.layer_norm": model.layer_norm,
    "llm.gelu": model.gelu,
    "llm.relu": model.relu,
    "llm.scale": model.scale,
    "llm.shift": model.shift,
    "llm.softcap": model.softcap,
    "llm.prune": sparse.prune,
    "llm.pack_sparse": sparse.pack_sparse,
    "llm.unpack_sparse": sparse.unpack_sparse,
    "llm.route": mixture.route,
    "llm.dispatch": mixture.dispatch,
    "llm.combine": mixture.combine,
    "arith.addf": tensors.add,
    "arith.subf": tensors.subtract,
    "arith.mulf": tensors.multiply,
    "arith.divf": tensors.divide,
    "arith.addi": tensors.add_integers,
    "arith.subi": tensors.subtract_integers,
    "arith.muli": tensors.multiply_integers,
    "arith.extf": tensors.convert,
    "arith.truncf": tensors.convert,
    "tensor.dim": tensors.dim,
    "tensor.extract_slice": fused.extract_slice,
    "tensor.expand_shape": tensors.expand_shape,
    "tensor.collapse_shape": tensors.collapse_shape,
}
