"""A number for each span of a row, as a sum: registers of partial results, of which several are reduced at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.vector_types import lanes_of

SHORT = 256
"""Groups of at most so many k are read once for their range and once for their codes, several at a time."""

AT_ONCE = 48
"""Registers of activations in the body of a loop, at most."""

Combine = Callable[[SSAValue, SSAValue], SSAValue]


def registers(f: Function, length: int) -> list[tuple[int, int]]:
    """(first element, how many) of each register of `length` elements."""
    return [(start, min(f.lanes, length - start)) for start in range(0, length, f.lanes)]


def reduce_each(f: Function, vectors: Sequence[SSAValue], combine: Combine) -> SSAValue:
    """The lanes of each vector combined: lane i of the result is that of vector i. There may be more lanes."""
    parts = list(vectors)
    while len(parts) & (len(parts) - 1):
        parts.append(parts[-1])
    width, segments = f.lanes, 1  # lanes that are still to be combined, and how often that is so in a vector
    while width > 1:
        half = width // 2
        starts = [width * s for s in range(segments)]
        if len(parts) == 1:
            low = [s + i for s in starts for i in range(half)]
            pairs = [(parts[0], parts[0], low)]
        else:
            both = [*starts, *(f.lanes + s for s in starts)]
            low = [s + i for s in both for i in range(half)]
            pairs = [(a, b, low) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            segments *= 2
        parts = [combine(f.shuffle(a, b, mask), f.shuffle(a, b, [i + half for i in mask])) for a, b, mask in pairs]
        width = half
    return parts[0]


def store_lanes(f: Function, value: SSAValue, pointer: SSAValue, offset: int, count: int) -> None:
    """The first `count` lanes to 32-bit element `offset`."""
    if count < lanes_of(value.type):
        value = f.shuffle(value, value, range(count))
    f.store(value, pointer, 4 * offset, align=4)


def store_reduced(f: Function, pointer: SSAValue, vectors: Sequence[SSAValue], combine: Combine) -> None:
    """The combined lanes of each vector, one after the other."""
    for start in range(0, len(vectors), f.lanes):
        own = vectors[start : start + f.lanes]
        store_lanes(f, reduce_each(f, own, combine), pointer, start, len(own))


def over_spans(
    f: Function,
    length: int,
    span: int,
    zero: SSAValue,
    combine: Combine,
    value: Callable[[Sequence[SSAValue], int, int], SSAValue],
    put: Callable[[SSAValue, Sequence[SSAValue]], None],
    pointers: Sequence[tuple[SSAValue, int]],
    out: SSAValue,
) -> None:
    """One number for each span of `length` elements, to 32-bit elements at out.

    `pointers` go along the elements, each with the bytes of one there. `value(pointers, offset, count)` gives a
    register's part of a number, `put(out, parts)` writes those of successive spans.
    """

    def moved(base: Sequence[tuple[SSAValue, int]], elements: int | SSAValue) -> list[tuple[SSAValue, int]]:
        if isinstance(elements, int):
            return [(f.at(p, elements * size), size) for p, size in base]
        return [(f.at(p, f.mul(elements, size)), size) for p, size in base]

    def part(base: Sequence[tuple[SSAValue, int]], start: int, count: int, sum: SSAValue) -> SSAValue:
        at = [p for p, _ in base]
        for offset, own in registers(f, count):
            sum = combine(sum, value(at, start + offset, own))
        return sum

    whole, left = divmod(length, span)
    if span <= SHORT:
        many = max(1, min(f.lanes, AT_ONCE * f.lanes // span))
        turns = whole // many

        def batch(base: Sequence[tuple[SSAValue, int]], at: SSAValue, spans: Sequence[int]) -> None:
            put(at, [part(base, i * span, size, zero) for i, size in enumerate(spans)])

        def turn(i: SSAValue, _: list[SSAValue]) -> None:
            batch(moved(pointers, f.mul(i, many * span)), f.at(out, f.mul(i, 4 * many)), [span] * many)

        if turns:
            f.for_(0, turns, 1, [], turn)
        rest = [*([span] * (whole - turns * many)), *([left] if left else [])]
        if rest:
            batch(moved(pointers, turns * many * span), f.at(out, 4 * turns * many), rest)
        return
    stride = 4 * f.lanes

    def long(base: Sequence[tuple[SSAValue, int]], size: int) -> SSAValue:
        turns = size // stride
        sum = zero
        if turns:

            def turn(i: SSAValue, carried: list[SSAValue]) -> SSAValue:
                return part(moved(base, f.mul(i, stride)), 0, stride, carried[0])

            sum = f.for_(0, turns, 1, [zero], turn)[0]
        return part(moved(base, turns * stride), 0, size - turns * stride, sum)

    def each(i: SSAValue, _: list[SSAValue]) -> None:
        put(f.at(out, f.mul(i, 4)), [long(moved(pointers, f.mul(i, span)), span)])

    if whole:
        f.for_(0, whole, 1, [], each)
    if left:
        put(f.at(out, 4 * whole), [long(moved(pointers, whole * span), left)])
