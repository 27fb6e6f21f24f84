"""ggml's repacked Q4_0 matrix multiplications (llama.cpp's CPU backend), through its C API.

The CPU backend has a buffer type `CPU_REPACK`: a Q4_0 weight that is written to it is interleaved for the kernels of
the processor. Inputs are float32 and quantized to Q8_0, groups of 32, by each multiplication. Libraries are those of
llama.cpp or ggml built shared (libggml-base, libggml-cpu), such as llama-cpp-python brings.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 32
F32, Q4_0 = 0, 2
"""Numbers of types in ggml.h."""
BLOCK = np.dtype([("scale", np.float16), ("codes", np.uint8, GROUP // 2)])
"""Of Q4_0: the low nibbles are the first half of the group, code 8 is zero."""
REPACKED = b"CPU_REPACK"
CHECKED_COLUMNS = 64
WORST_ERROR = 1e-3
"""Relative, against a product in float64 of what the blocks hold and of what Q8_0 makes of the input."""
RELEASED = {
    "_backend": "ggml_backend_free", "_pool": "ggml_threadpool_free", "_buffer": "ggml_backend_buffer_free",
    "_weights_buffer": "ggml_backend_buffer_free", "_context": "ggml_free", "_weights": "ggml_free",
}  # fmt: skip
"""What frees the parts of `Products`, in this order."""
POINTER, NUMBER, SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
LOG = ctypes.CFUNCTYPE(None, NUMBER, ctypes.c_char_p, POINTER)
LEVEL_ERROR = 4


class ContextParameters(ctypes.Structure):
    """ggml_init_params."""

    _fields_ = [("mem_size", SIZE), ("mem_buffer", POINTER), ("no_alloc", ctypes.c_bool)]


class ThreadpoolParameters(ctypes.Structure):
    """ggml_threadpool_params."""

    _fields_ = [
        ("cpumask", ctypes.c_bool * 512), ("n_threads", NUMBER), ("prio", NUMBER), ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool), ("paused", ctypes.c_bool),
    ]  # fmt: skip


SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ggml_log_set": (None, [LOG, POINTER]),
    "ggml_init": (POINTER, [ContextParameters]),
    "ggml_free": (None, [POINTER]),
    "ggml_tensor_overhead": (SIZE, []),
    "ggml_graph_overhead_custom": (SIZE, [SIZE, ctypes.c_bool]),
    "ggml_new_tensor_2d": (POINTER, [POINTER, NUMBER, ctypes.c_int64, ctypes.c_int64]),
    "ggml_mul_mat": (POINTER, [POINTER, POINTER, POINTER]),
    "ggml_nbytes": (SIZE, [POINTER]),
    "ggml_new_graph_custom": (POINTER, [POINTER, SIZE, ctypes.c_bool]),
    "ggml_build_forward_expand": (None, [POINTER, POINTER]),
    "ggml_threadpool_params_init": (None, [POINTER, NUMBER]),
    "ggml_backend_free": (None, [POINTER]),
    "ggml_backend_reg_dev_get": (POINTER, [POINTER, SIZE]),
    "ggml_backend_reg_get_proc_address": (POINTER, [POINTER, ctypes.c_char_p]),
    "ggml_backend_dev_supports_op": (ctypes.c_bool, [POINTER, POINTER]),
    "ggml_backend_buft_name": (ctypes.c_char_p, [POINTER]),
    "ggml_backend_alloc_ctx_tensors_from_buft": (POINTER, [POINTER, POINTER]),
    "ggml_backend_buffer_free": (None, [POINTER]),
    "ggml_backend_cpu_buffer_type": (POINTER, []),
    "ggml_backend_tensor_set": (None, [POINTER, POINTER, SIZE, SIZE]),
    "ggml_backend_tensor_get": (None, [POINTER, POINTER, SIZE, SIZE]),
    "ggml_backend_graph_compute": (NUMBER, [POINTER, POINTER]),
    "ggml_backend_cpu_reg": (POINTER, []),
    "ggml_backend_cpu_init": (POINTER, []),
    "ggml_backend_cpu_set_n_threads": (None, [POINTER, NUMBER]),
    "ggml_backend_cpu_set_threadpool": (None, [POINTER, POINTER]),
    "ggml_threadpool_new": (POINTER, [POINTER]),
    "ggml_threadpool_pause": (None, [POINTER]),
    "ggml_threadpool_free": (None, [POINTER]),
}


def installed_libraries() -> Path | None:
    """The folder of llama-cpp-python's libraries, if it is installed; it is not imported."""
    found = importlib.util.find_spec("llama_cpp")
    return None if found is None or found.origin is None else Path(found.origin).parent / "lib"


@LOG
def _log(level: int, text: bytes, _data: object) -> None:
    if level >= LEVEL_ERROR:
        print(text.decode(errors="replace"), end="", file=sys.stderr)


class Library:
    """Functions of ggml from the shared libraries in a folder; FileNotFoundError when they are not there."""

    def __init__(self, folder: Path | None):
        if folder is None:
            raise FileNotFoundError("no llama_cpp is installed here that would bring ggml's libraries")
        paths = [folder / name for name in ("libggml-base.so", "libggml-cpu.so")]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(f"{missing[0]}: no such library of ggml")
        libraries = [ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL) for path in paths]
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, (result, arguments) in SIGNATURES.items():
            library = next((one for one in libraries if hasattr(one, name)), None)
            if library is None:
                raise FileNotFoundError(f"{folder}: these libraries of ggml have no {name}")
            function = library[name]
            function.restype, function.argtypes = result, arguments
            self._functions[name] = function
        self("ggml_log_set", _log, None)
        self.device = self("ggml_backend_reg_dev_get", self("ggml_backend_cpu_reg"), 0)
        self.repacked = self._repacked()

    def __call__(self, name: str, *arguments: Any) -> Any:
        return self._functions[name](*arguments)

    def _repacked(self) -> int:
        """The buffer type of repacked weights."""
        cpu = self("ggml_backend_cpu_reg")
        address = self("ggml_backend_reg_get_proc_address", cpu, b"ggml_backend_dev_get_extra_bufts")
        if address:
            types: Any = ctypes.CFUNCTYPE(ctypes.POINTER(POINTER), POINTER)(address)(self.device)
            for found in types:
                if not found:  # the end of the list
                    break
                if self("ggml_backend_buft_name", found) == REPACKED:
                    return found
        raise FileNotFoundError("these libraries of ggml are built without repacking (GGML_CPU_REPACK)")

    def context(self, tensors: int, nodes: int = 0) -> int:
        """Room for the description of so many tensors, and a graph of so many of them."""
        size = self("ggml_tensor_overhead") * tensors
        if nodes:
            size += self("ggml_graph_overhead_custom", nodes, False)
        return self("ggml_init", ContextParameters(size, None, True))


class Products:
    """`count` multiplications in a graph, of one input by a repacked weight or by several of them in turn.

    ValueError when this ggml has no repacked kernel for the shape.
    """

    def __init__(self, library: Library, shape: tuple[int, int, int], weights: int, count: int, threads: int):
        rows, k, n = shape
        self.library, self.shape = library, shape
        rng = np.random.default_rng(3)
        self._weights = library.context(weights)
        tensors = [library("ggml_new_tensor_2d", self._weights, Q4_0, k, n) for _ in range(weights)]
        self._weights_buffer = library("ggml_backend_alloc_ctx_tensors_from_buft", self._weights, library.repacked)
        size = weights + 1 + count
        self._context = library.context(1 + count, size)
        x = library("ggml_new_tensor_2d", self._context, F32, k, rows)
        self._graph = library("ggml_new_graph_custom", self._context, size, False)
        self.outputs = [library("ggml_mul_mat", self._context, tensors[i % weights], x) for i in range(count)]
        for output in self.outputs:
            library("ggml_build_forward_expand", self._graph, output)
        plain = library("ggml_backend_cpu_buffer_type")
        self._buffer = library("ggml_backend_alloc_ctx_tensors_from_buft", self._context, plain)
        parameters = ThreadpoolParameters()
        library("ggml_threadpool_params_init", ctypes.byref(parameters), threads)
        self._pool = library("ggml_threadpool_new", ctypes.byref(parameters))
        self._backend = library("ggml_backend_cpu_init")
        library("ggml_backend_cpu_set_n_threads", self._backend, threads)
        library("ggml_backend_cpu_set_threadpool", self._backend, self._pool)
        if not library("ggml_backend_dev_supports_op", library.device, self.outputs[0]):
            raise ValueError(f"ggml has no repacked kernel for {rows}x{k}x{n}")
        self.x = rng.standard_normal((rows, k), dtype=np.float32)
        self._set(x, self.x)
        self.blocks = np.zeros((n, k // GROUP), BLOCK)
        for weight in tensors:
            self.blocks["scale"] = rng.uniform(0.001, 0.01, self.blocks.shape)
            self.blocks["codes"] = rng.integers(0, 256, self.blocks["codes"].shape, np.uint8)
            self._set(weight, self.blocks)
        self.compute()
        self._check(self.outputs[weights - 1])

    def compute(self) -> None:
        """All multiplications once."""
        status = self.library("ggml_backend_graph_compute", self._backend, self._graph)
        if status:
            raise RuntimeError(f"ggml's graph failed with status {status}")

    def rest(self) -> None:
        """Let threads sleep until the next multiplications."""
        self.library("ggml_threadpool_pause", self._pool)

    def result(self, tensor: int) -> NDArray[np.float32]:
        """A product [rows, n]."""
        rows, _, n = self.shape
        values = np.zeros((rows, n), np.float32)
        assert self.library("ggml_nbytes", tensor) == values.nbytes
        self.library("ggml_backend_tensor_get", tensor, values.ctypes.data, 0, values.nbytes)
        return values

    def _set(self, tensor: int, values: NDArray[Any]) -> None:
        assert self.library("ggml_nbytes", tensor) == values.nbytes
        self.library("ggml_backend_tensor_set", tensor, values.ctypes.data, 0, values.nbytes)

    def _check(self, tensor: int) -> None:
        """Some columns of the product with the last weight against float64; RuntimeError when they are wrong."""
        columns = np.linspace(0, self.shape[2] - 1, CHECKED_COLUMNS).astype(int)
        expected = q8_0(self.x) @ q4_0(self.blocks[columns]).T
        found = self.result(tensor)[:, columns]
        error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        if not error < WORST_ERROR:
            raise RuntimeError(f"ggml's product {self.shape} has a relative error of {error:.1e}")

    def __del__(self) -> None:
        for name, function in RELEASED.items():
            if hasattr(self, name):
                self.library(function, getattr(self, name))


def q4_0(blocks: NDArray[Any]) -> NDArray[np.float64]:
    """Values [n, k] of blocks [n, k / 32]."""
    codes = np.concatenate([blocks["codes"] & 15, blocks["codes"] >> 4], axis=2).astype(np.float64) - 8
    return (codes * blocks["scale"][:, :, None].astype(np.float64)).reshape(len(blocks), -1)


def q8_0(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values [m, k] as Q8_0 has them: float16 scales of absmax / 127 for groups of 32 and 8-bit codes."""
    groups = values.reshape(len(values), -1, GROUP).astype(np.float64)
    scales = np.abs(groups).max(axis=2, keepdims=True) / 127
    codes = np.rint(groups / scales)
    return (codes * scales.astype(np.float16)).reshape(values.shape)
