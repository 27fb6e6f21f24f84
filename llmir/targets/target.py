"""What a target is: the kernels it has, and the layouts they read weights in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MatmulKernel:
    """A kernel for input times weight.

    `input` and `weight` say which values it takes: `float` (any float tensor), `integer` (codes of 8 bits or
    less) or `minifloat`. `layout` is the form it reads the weight in; `accumulator` what it sums products in.
    """

    name: str
    input: str
    weight: str
    accumulator: str
    layout: str


@dataclass(frozen=True)
class Target:
    """A target's kernels.

    `kernels` maps an operation to the kernel that computes it one to one; `effects` says what a kernel does
    besides returning its result; `matmuls` are tried in order.
    """

    name: str
    kernels: Mapping[str, str]
    effects: Mapping[str, str]
    matmuls: tuple[MatmulKernel, ...]
    embedding_layout: str
    dense_layout: str
