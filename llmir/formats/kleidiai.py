"""KleidiAI's packed weights (the right-hand side, RHS, of its Arm matrix kernels), byte for byte.

Source: Arm KleidiAI, `kai/ukernels/matmul/pack`, v1.16 and v1.30. Names are KleidiAI's: `q` quantized, `s`/`a`
symmetric/asymmetric, `i4` codes, `cx` one scale for each channel, `c32` one for each block along K, `p` packed.
A weight is [N, K]. Rows are packed in groups of `nr`; rows past N repeat row N - 1. Within a group each row
gives runs of `kr / sr` bytes in turn. Nibbles: of every 32 codes along K, byte j holds code j in its low and
code j + 16 in its high half, two's complement.

| function            | codes              | parameters                                             |
|---------------------|--------------------|--------------------------------------------------------|
| `qsi4c32p`          | int8, -8 to 7      | bfloat16 scales [N, K / block]                         |
| `qsi4c32pscalef16`  | int8, -8 to 7      | float16 scales [N, K / block]                          |
| `qai4c32p`          | uint8, 0 to 15     | float32 scales and zeros [N, K / block]                |
| `qsi4cxp`           | int8, -8 to 7      | float32 scales [N]                                     |
| `qsi8cxp`           | int8               | float32 scales [N]                                     |
| `f32p`, `f16p`      | float values [N,K] | none                                                   |

`pack_rhs_F` returns the bytes, uint8 [size_rhs_F(...)]; `unpack_rhs_F` is its inverse. `bias` [N] is stored with
the weight (zeros when None). ValueError says which argument does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Float32 = NDArray[np.float32]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16 = np.dtype(np.float16)
FLOAT32 = np.dtype(np.float32)
INT32 = np.dtype(np.int32)

NIBBLE_BLOCK = 32
"""Nibbles are interleaved within this many codes."""
SIXTEENTH = np.float32(0.0625)
"""Kernels that shift codes up by four bits store their scales divided by 16."""


@dataclass(frozen=True)
class Unpacked:
    """What a packed weight holds: `codes` [N, K], `scale`, `bias` [N] or None, and `zero` if asymmetric."""

    codes: NDArray[Any]
    scale: NDArray[Any]
    bias: Float32 | None
    zero: Float32 | None = None


# -- qsi4c32p: symmetric 4-bit codes in blocks, bfloat16 scales --


def size_rhs_qsi4c32p(n: int, k: int, nr: int, block: int = NIBBLE_BLOCK) -> int:
    """Bytes of the packed weight."""
    return _padded(n, nr) * ((block // 2 + 2) * (k // block) + 8)


def pack_rhs_qsi4c32p(
    codes: NDArray[np.int8],
    scale: NDArray[Any],
    bias: NDArray[Any] | None,
    nr: int,
    kr: int,
    sr: int,
    block: int = NIBBLE_BLOCK,
) -> Bytes:
    """Pack int8 codes [N, K] in -8 to 7 with bfloat16 scales [N, K / block].

    Each group: for each block nibbles, then `nr` scales; after the blocks `nr` float32 sums of scale * code,
    then `nr` float32 biases. The sums are rounded run by run, in the order of the bytes.
    """
    _check_blocks(codes, scale, BFLOAT16, kr, sr, block)
    _check_range(codes, -8, 7)
    grouped = _group_rows(codes, nr)
    scales = _group_rows(scale, nr)
    blocks = [_nibbles(grouped, kr // sr, block), _columns(scales)]
    sums = _run_sums(grouped, scales.astype(np.float32), kr // sr)
    return _joined(blocks, [sums, _bias(bias, codes.shape[0], nr)])


def unpack_rhs_qsi4c32p(
    packed: Bytes, n: int, k: int, nr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK
) -> Unpacked:
    """Inverse of `pack_rhs_qsi4c32p`."""
    _check_steps(k, kr, sr, block)
    _check_size(packed, size_rhs_qsi4c32p(n, k, nr, block))
    groups = packed.reshape(-1, nr * ((block // 2 + 2) * (k // block) + 8))
    body, tail = groups[:, : -8 * nr], groups[:, -8 * nr :]
    blocks = body.reshape(len(groups), k // block, -1)
    codes = _codes_of_nibbles(blocks[..., : nr * block // 2], nr, kr // sr)
    scale = _rows_of(blocks[..., nr * block // 2 :], BFLOAT16)
    return Unpacked(_ungroup(codes, n), _ungroup(scale, n), _of_bias(tail[:, 4 * nr :], n))


def _run_sums(grouped: NDArray[np.int8], scales: Float32, run: int) -> Float32:
    """Sums [G, nr] of scale * code, each run added in float32 in the order runs are stored."""
    halves = _halves(grouped, run)  # [G, nr, K / 32, 2, 16 / run, run]
    integers = halves.sum(axis=(3, 5), dtype=np.int32).reshape(*grouped.shape[:2], -1).astype(np.float32)
    runs_per_block = integers.shape[2] // scales.shape[2]
    terms = integers * np.repeat(scales, runs_per_block, axis=2)
    total = np.zeros(grouped.shape[:2], np.float32)
    for step in range(terms.shape[2]):
        total += terms[:, :, step]
    return total


# -- qsi4c32p with float16 scales --


def size_rhs_qsi4c32pscalef16(n: int, k: int, nr: int, block: int = NIBBLE_BLOCK) -> int:
    """Bytes of the packed weight."""
    return _padded(n, nr) * (block // 2 + 2) * (k // block)


def pack_rhs_qsi4c32pscalef16(
    codes: NDArray[np.int8], scale: NDArray[np.float16], nr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK
) -> Bytes:
    """Pack int8 codes [N, K] in -8 to 7 with float16 scales [N, K / block]; there is no bias.

    Each group: for each block `nr` scales, then nibbles.
    """
    _check_blocks(codes, scale, FLOAT16, kr, sr, block)
    _check_range(codes, -8, 7)
    blocks = [_columns(_group_rows(scale, nr)), _nibbles(_group_rows(codes, nr), kr // sr, block)]
    return _joined(blocks, [])


def unpack_rhs_qsi4c32pscalef16(
    packed: Bytes, n: int, k: int, nr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK
) -> Unpacked:
    """Inverse of `pack_rhs_qsi4c32pscalef16`."""
    _check_steps(k, kr, sr, block)
    _check_size(packed, size_rhs_qsi4c32pscalef16(n, k, nr, block))
    blocks = packed.reshape(_padded(n, nr) // nr, k // block, nr * (block // 2 + 2))
    scale = _rows_of(blocks[..., : 2 * nr], FLOAT16)
    codes = _codes_of_nibbles(blocks[..., 2 * nr :], nr, kr // sr)
    return Unpacked(_ungroup(codes, n), _ungroup(scale, n), None)


# -- qai4c32p: asymmetric 4-bit codes in blocks --


def size_rhs_qai4c32p(n: int, k: int, nr: int, block: int = NIBBLE_BLOCK) -> int:
    """Bytes of the packed weight."""
    return _padded(n, nr) * ((block // 2 + 8) * (k // block) + 4)


def pack_rhs_qai4c32p(
    codes: NDArray[np.uint8],
    scale: Float32,
    zero: Float32,
    bias: NDArray[Any] | None,
    nr: int,
    kr: int,
    sr: int,
    block: int = NIBBLE_BLOCK,
) -> Bytes:
    """Pack uint8 codes [N, K] in 0 to 15 with float32 scales and zeros [N, K / block].

    real = (code - 8) * scale + zero. Each group: for each block nibbles of code - 8, `nr` zeros, `nr` scales
    divided by 16; after the blocks `nr` biases.
    """
    _check_blocks(codes, scale, FLOAT32, kr, sr, block)
    _check_blocks(codes, zero, FLOAT32, kr, sr, block, "zero")
    _check_range(codes, 0, 15)
    signed = _group_rows((codes ^ np.uint8(8)).astype(np.uint8), nr)  # flips the sign bit: code - 8 in four bits
    blocks = [
        _nibbles(signed, kr // sr, block),
        _columns(_group_rows(zero, nr)),
        _columns(_group_rows(scale * SIXTEENTH, nr)),
    ]
    return _joined(blocks, [_bias(bias, codes.shape[0], nr)])


def unpack_rhs_qai4c32p(
    packed: Bytes, n: int, k: int, nr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK
) -> Unpacked:
    """Inverse of `pack_rhs_qai4c32p`; exact unless a scale is below 16 times the smallest normal float32."""
    _check_steps(k, kr, sr, block)
    _check_size(packed, size_rhs_qai4c32p(n, k, nr, block))
    groups = packed.reshape(_padded(n, nr) // nr, -1)
    blocks = groups[:, : -4 * nr].reshape(len(groups), k // block, -1)
    nibbles, rest = blocks[..., : nr * block // 2], blocks[..., nr * block // 2 :]
    signed = _codes_of_nibbles(nibbles, nr, kr // sr)
    codes = (_ungroup(signed, n) + np.int8(8)).astype(np.uint8)
    zero = _ungroup(_rows_of(rest[..., : 4 * nr], FLOAT32), n)
    scale = _ungroup(_rows_of(rest[..., 4 * nr :], FLOAT32), n) / SIXTEENTH
    return Unpacked(codes, scale, _of_bias(groups[:, -4 * nr :], n), zero)


# -- qsi4cxp and qsi8cxp: one scale for each channel --


def size_rhs_qsi4cxp(n: int, k: int, nr: int) -> int:
    """Bytes of the packed weight; K is filled up to a multiple of 32."""
    return _padded(n, nr) * (_padded(k, NIBBLE_BLOCK) // 2 + 12)


def pack_rhs_qsi4cxp(
    codes: NDArray[np.int8], scale: Float32, bias: NDArray[Any] | None, nr: int, kr: int, sr: int
) -> Bytes:
    """Pack int8 codes [N, K] in -8 to 7 with float32 scales [N].

    Each group: nibbles (codes past K are 0), `nr` int32 of 16 times the sum of the row's codes, `nr` scales
    divided by 16, `nr` biases.
    """
    _check_channels(codes, scale, kr, sr)
    _check_range(codes, -8, 7)
    grouped = _group_rows(_fill_k(codes), nr)
    sums = grouped.sum(axis=2, dtype=np.int32) * np.int32(16)
    scales = _group_rows(scale[:, None], nr)[..., 0] * SIXTEENTH
    nibbles = _nibbles(grouped, kr // sr, grouped.shape[2])
    return _joined([nibbles], [sums, scales, _bias(bias, codes.shape[0], nr)])


def unpack_rhs_qsi4cxp(packed: Bytes, n: int, k: int, nr: int, kr: int, sr: int) -> Unpacked:
    """Inverse of `pack_rhs_qsi4cxp`; exact unless a scale is below 16 times the smallest normal float32."""
    _check_steps(_padded(k, NIBBLE_BLOCK), kr, sr, NIBBLE_BLOCK)
    _check_size(packed, size_rhs_qsi4cxp(n, k, nr))
    groups = packed.reshape(_padded(n, nr) // nr, 1, -1)
    codes = _codes_of_nibbles(groups[..., : -12 * nr], nr, kr // sr)
    scale = _ungroup(_rows_of(groups[..., -8 * nr : -4 * nr], FLOAT32), n)[:, 0] / SIXTEENTH
    return Unpacked(_ungroup(codes, n)[:, :k], scale, _of_bias(groups[:, 0, -4 * nr :], n))


def size_rhs_qsi8cxp(n: int, k: int, nr: int) -> int:
    """Bytes of the packed weight; K is filled up to a multiple of 32."""
    return _padded(n, nr) * (_padded(k, NIBBLE_BLOCK) + 12)


def pack_rhs_qsi8cxp(codes: NDArray[np.int8], scale: Float32, bias: NDArray[Any] | None, nr: int, kr: int) -> Bytes:
    """Pack int8 codes [N, K] with float32 scales [N].

    Each group: for every `kr` codes along K, `nr` runs of them (codes past K are 0); then `nr` int32 sums of
    the row's codes, `nr` scales, `nr` biases.
    """
    _check_channels(codes, scale, kr, 1)
    grouped = _group_rows(_fill_k(codes), nr)
    runs = grouped.reshape(*grouped.shape[:2], -1, kr).transpose(0, 2, 1, 3)
    sums = grouped.sum(axis=2, dtype=np.int32)
    scales = _group_rows(scale[:, None], nr)[..., 0]
    tail = [sums, scales, _bias(bias, codes.shape[0], nr)]
    return _joined([runs.reshape(len(grouped), 1, -1).view(np.uint8)], tail)


def unpack_rhs_qsi8cxp(packed: Bytes, n: int, k: int, nr: int, kr: int) -> Unpacked:
    """Inverse of `pack_rhs_qsi8cxp`."""
    _check_steps(_padded(k, NIBBLE_BLOCK), kr, 1, NIBBLE_BLOCK)
    _check_size(packed, size_rhs_qsi8cxp(n, k, nr))
    groups = packed.reshape(_padded(n, nr) // nr, 1, -1)
    runs = groups[:, 0, : -12 * nr].view(np.int8).reshape(len(groups), -1, nr, kr).transpose(0, 2, 1, 3)
    codes = runs.reshape(len(groups) * nr, -1)[:n, :k]
    scale = _ungroup(_rows_of(groups[..., -8 * nr : -4 * nr], FLOAT32), n)[:, 0]
    return Unpacked(np.ascontiguousarray(codes), scale, _of_bias(groups[:, 0, -4 * nr :], n))


# -- float weights --


def size_rhs_float(n: int, k: int, nr: int, dtype: np.dtype[Any]) -> int:
    """Bytes of the packed weight."""
    return _padded(n, nr) * (k + 1) * dtype.itemsize


def pack_rhs_float(values: NDArray[Any], bias: NDArray[Any] | None, nr: int) -> Bytes:
    """Pack float32 (`f32p8x1biasf32`, nr = 8) or float16 (`f16p16x1biasf16`, nr = 16) values [N, K].

    Each group: `nr` biases, then for each k the `nr` values of its rows; rows past N are zeros, and so are
    their biases.
    """
    if values.ndim != 2 or values.dtype not in (FLOAT16, FLOAT32):
        raise ValueError(f"a float weight is float16 or float32 [N, K], not {values.dtype} {list(values.shape)}")
    n, k = values.shape
    groups = np.zeros((_padded(n, nr), k + 1), values.dtype)
    groups[:n, 1:] = values
    if bias is not None:
        _check_bias(bias, n)
        groups[:n, 0] = bias.astype(values.dtype)
    packed = groups.reshape(-1, nr, k + 1).transpose(0, 2, 1)
    return np.ascontiguousarray(packed).reshape(-1).view(np.uint8)


def unpack_rhs_float(packed: Bytes, n: int, k: int, nr: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inverse of `pack_rhs_float`: the values [N, K] and the bias [N]."""
    _check_size(packed, size_rhs_float(n, k, nr, dtype))
    groups = packed.view(dtype).reshape(-1, k + 1, nr).transpose(0, 2, 1).reshape(-1, k + 1)[:n]
    return np.ascontiguousarray(groups[:, 1:]), groups[:, 0].copy()


# -- pieces --


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


def _group_rows(rows: NDArray[Any], nr: int) -> NDArray[Any]:
    """[N, C] as [G, nr, C], the last row repeated."""
    missing = _padded(rows.shape[0], nr) - rows.shape[0]
    filled = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
    return filled.reshape(-1, nr, rows.shape[1])


def _ungroup(grouped: NDArray[Any], n: int) -> NDArray[Any]:
    """[G, nr, C] as [N, C]."""
    return np.ascontiguousarray(grouped.reshape(-1, grouped.shape[-1])[:n])


def _fill_k(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    missing = _padded(codes.shape[1], NIBBLE_BLOCK) - codes.shape[1]
    return np.pad(codes, ((0, 0), (0, missing)))


def _halves(grouped: NDArray[Any], run: int) -> NDArray[Any]:
    """[G, nr, K] as [G, nr, K / 32, half, run of the half, code of the run]."""
    return grouped.reshape(*grouped.shape[:2], -1, 2, NIBBLE_BLOCK // 2 // run, run)


def _nibbles(grouped: NDArray[Any], run: int, block: int) -> Bytes:
    """Interleaved nibbles of codes [G, nr, K] in two's complement, as [G, K / block, nr * block / 2]."""
    halves = _halves(grouped.view(np.uint8) & np.uint8(0x0F), run)
    joined = halves[:, :, :, 0] | (halves[:, :, :, 1] << np.uint8(4))  # [G, nr, K / 32, runs, run]
    g, nr, k = grouped.shape
    return np.ascontiguousarray(joined.transpose(0, 2, 3, 1, 4)).reshape(g, k // block, nr * block // 2)


def _codes_of_nibbles(nibbles: Bytes, nr: int, run: int) -> NDArray[np.int8]:
    """Inverse of `_nibbles`: int8 codes [G, nr, K]."""
    joined = nibbles.reshape(len(nibbles), -1, NIBBLE_BLOCK // 2 // run, nr, run).transpose(0, 3, 1, 2, 4)
    halves = np.stack([joined << np.uint8(4), joined & np.uint8(0xF0)], axis=3)  # codes in the upper four bits
    return halves.view(np.int8).reshape(len(nibbles), nr, -1) >> np.int8(4)


def _columns(parameters: NDArray[Any]) -> Bytes:
    """Parameters [G, nr, B] as bytes [G, B, nr * itemsize]."""
    columns = np.ascontiguousarray(parameters.transpose(0, 2, 1))
    return columns.view(np.uint8)


def _rows_of(columns: Bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Inverse of `_columns`: [G, nr, B]."""
    return np.ascontiguousarray(columns).view(dtype).transpose(0, 2, 1)


def _joined(blocks: list[Bytes], tail: list[NDArray[Any]]) -> Bytes:
    """The parts of every block side by side, then the tails [G, nr] of each group."""
    body = np.concatenate(blocks, axis=2)
    parts = [body.reshape(len(body), -1), *(np.ascontiguousarray(t).view(np.uint8) for t in tail)]
    return np.concatenate(parts, axis=1).reshape(-1)


def _bias(bias: NDArray[Any] | None, n: int, nr: int) -> Float32:
    if bias is None:
        return np.zeros((_padded(n, nr) // nr, nr), np.float32)
    _check_bias(bias, n)
    return _group_rows(bias.astype(np.float32)[:, None], nr)[..., 0]


def _of_bias(stored: Bytes, n: int) -> Float32:
    return np.ascontiguousarray(stored).view(np.float32).reshape(-1)[:n].copy()


def _check_bias(bias: NDArray[Any], n: int) -> None:
    if bias.shape != (n,):
        raise ValueError(f"bias is {list(bias.shape)}, expected [{n}], one value for each row of the weight")


def _check_size(packed: Bytes, size: int) -> None:
    if packed.dtype != np.uint8 or packed.shape != (size,):
        raise ValueError(f"the packed weight is {packed.dtype} {list(packed.shape)}, expected uint8 [{size}]")


def _check_range(codes: NDArray[Any], low: int, high: int) -> None:
    dtype = np.dtype(np.int8 if low < 0 else np.uint8)
    if codes.dtype != dtype:
        raise ValueError(f"codes are {codes.dtype}, expected {dtype}")
    if codes.size and (codes.min() < low or codes.max() > high):
        raise ValueError(f"codes are {codes.min()} to {codes.max()}, expected {low} to {high}")


def _check_steps(k: int, kr: int, sr: int, block: int) -> None:
    if sr < 1 or kr < 1 or kr % sr or (NIBBLE_BLOCK // 2) % (kr // sr):
        raise ValueError(f"kr={kr}, sr={sr}: sr must divide kr, and kr / sr must divide 16")
    if block < 1 or block % NIBBLE_BLOCK or block % kr:
        raise ValueError(f"blocks of {block} codes: expected a multiple of 32 and of kr={kr}")
    if k < 1 or k % block:
        raise ValueError(f"K is {k}, expected a multiple of the block length {block}")


def _check_blocks(
    codes: NDArray[Any],
    parameter: NDArray[Any],
    dtype: np.dtype[Any],
    kr: int,
    sr: int,
    block: int,
    name: str = "scale",
) -> None:
    if codes.ndim != 2 or not codes.shape[0]:
        raise ValueError(f"codes are {list(codes.shape)}, expected [N, K] with at least one row")
    n, k = codes.shape
    _check_steps(k, kr, sr, block)
    if parameter.dtype != dtype or parameter.shape != (n, k // block):
        raise ValueError(
            f"{name} is {parameter.dtype} {list(parameter.shape)}, expected {dtype} {[n, k // block]} "
            f"for codes {[n, k]} in blocks of {block}"
        )


def _check_channels(codes: NDArray[np.int8], scale: NDArray[Any], kr: int, sr: int) -> None:
    if codes.dtype != np.int8 or codes.ndim != 2 or not codes.size:
        raise ValueError(f"codes are {codes.dtype} {list(codes.shape)}, expected int8 [N, K]")
    if sr < 1 or kr < 1 or kr % sr or NIBBLE_BLOCK % kr or (NIBBLE_BLOCK // 2) % (kr // sr):
        raise ValueError(f"kr={kr}, sr={sr}: sr must divide kr, kr must divide 32, and kr / sr must divide 16")
    if scale.dtype != FLOAT32 or scale.shape != codes.shape[:1]:
        raise ValueError(f"scale is {scale.dtype} {list(scale.shape)}, expected float32 [{codes.shape[0]}]")
