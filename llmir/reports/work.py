"""What a program has to read and multiply for one token, from its operations alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from xdsl.dialects import func
from xdsl.ir import Block, Operation

from llmir.backends.native.cache_layout import CacheLayout
from llmir.dialects.llm.mixture import CombineOp, DispatchOp, RouteOp
from llmir.dialects.llm.model import AttentionOp, EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, shape_of
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.program.program import Program
from llmir.reports.sizes import size_report


@dataclass(frozen=True)
class CachedKeys:
    """An attention's keys, and as many values, of which a token sees those of `window` tokens (None: of all)."""

    heads: int
    head_dim: int
    window: int | None

    def bytes(self, context: int, element: str) -> int:
        """What a token behind `context` others reads, its own included, with scales where the element has them."""
        seen = context + 1 if self.window is None else min(context + 1, self.window)
        return 2 * self.heads * seen * CacheLayout(self.head_dim, element).token_bytes


@dataclass(frozen=True)
class TokenWork:
    """What one token costs.

    `weight_bytes` are the stored bytes of all weights but tables from which it takes one row; `cached` what it may read
    of the cache; `products` the multiplications of its linear layers, head included. Of a mixture's experts a token
    visits top_k, and so many count.
    """

    weight_bytes: int
    cached: tuple[CachedKeys, ...]
    products: int

    def cache_bytes(self, context: int, element: str) -> int:
        """Bytes of keys and values that it reads behind `context` others, in a cache of an element."""
        return sum(keys.bytes(context, element) for keys in self.cached)


def token_work(program: Program) -> TokenWork:
    """Count it. Functions are taken to be called once for a token, as blocks are."""
    bits = {tensor.name: tensor.bits for tensor in size_report(program).tensors}
    shares = _shares(program)
    read: dict[str, Fraction] = {}
    products = Fraction(0)
    cached: list[CachedKeys] = []
    for op, share in shares.items():
        match op:
            case LoadWeightOp():
                users = [use.operation for use in op.results[0].uses]
                parts = [shares[user] for user in users if not isinstance(user, EmbeddingOp)]
                read[op.symbol] = max([*parts, read.get(op.symbol, Fraction(0))])
            case LinearOp() | QuantizedMatmulOp():
                n, k = shape_of(op.weight)
                products += share * n * k
            case AttentionOp():
                _, heads, size = shape_of(op.key)
                cached.append(CachedKeys(heads, size, None if op.window is None else op.window.value.data))
            case _:
                pass
    weight_bits = sum(share * bits[name] for name, share in read.items())
    return TokenWork(int(weight_bits / 8), tuple(cached), int(products))


def _shares(program: Program) -> dict[Operation, Fraction]:
    """Every operation with the part of all tokens that it sees."""
    functions = [op for op in program.module.body.ops if isinstance(op, func.FuncOp)]
    return {op: share for f in functions for block in f.body.blocks for op, share in _routed(block).items()}


def _routed(block: Block) -> dict[Operation, Fraction]:
    """Operations of a block; those between a dispatch and a combine see top_k of E tokens."""
    shares: dict[Operation, Fraction] = {}
    for op in block.ops:
        owners = [operand.owner for operand in op.operands]
        share = min((shares[o] for o in owners if isinstance(o, Operation) and o in shares), default=Fraction(1))
        if isinstance(op, DispatchOp):
            route = op.experts.owner
            assert isinstance(route, RouteOp)
            share = Fraction(route.top_k.value.data, shape_of(route.logits)[1])
        shares[op] = Fraction(1) if isinstance(op, CombineOp) else share
    return shares
