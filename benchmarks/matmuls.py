"""Single matrix multiplications of 4-bit weights, against ONNX Runtime's MatMulNBits, OpenVINO and ggml.

    python benchmarks/matmuls.py [--shapes 1x4096x4096,...] [--groups 32,128] [--threads 1,2] [--repeats 15]
        [--peers ort,ov,ggml] [--ggml FOLDER] [--cold-gemm] [--int8]

Every time includes the quantization of the activations: to 8 bits in groups as large as the weight's, which is what
the peers do (accuracy_level 4; DYNAMIC_QUANTIZATION_GROUP_SIZE; Q8_0). `warm` multiplies by the same weight again and
again, `cold` by others in turn, more than caches hold. Times are the best of many short bursts, ours and the peers' in
turn. `--int8` instead measures 8-bit weights against the most byte products that generated code reaches.

The peers need onnx and onnxruntime; openvino; ggml's shared libraries, in FOLDER or where llama-cpp-python is
installed. ggml's weights are Q4_0 in its repacked form, which has groups of 32 only.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import math
import os
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ggml_repacked
import numpy as np
from bursts import Bursts

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.control import BARRIER_SPINS, CONTROL_BYTES
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_spec import Schedule, spread_stride
from llmir.backends.native.kernels.peaks import OPERANDS_BYTES, Products
from llmir.backends.native.kernels.quantize_rows import QuantizeRows
from llmir.backends.native.kernels.team import emit_barrier
from llmir.backends.native.memory import Memory
from llmir.backends.native.vector_types import I64, PTR
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.targets.host import base_and_options, host_machine
from llmir.targets.registry import target
from llmir.targets.schedules import rule_for

SHAPES = [
    (1, 576, 576), (1, 576, 1536), (1, 1536, 576), (1, 4096, 4096), (1, 4096, 11008), (1, 11008, 4096),
    (16, 4096, 4096), (128, 4096, 4096), (512, 4096, 4096),
]  # fmt: skip
COLD_BYTES = 96 << 20
BURST_SECONDS = 0.006
MACHINE = host_machine()
F16, F32 = np.dtype(np.float16), np.dtype(np.float32)
POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64


def activation_format(group: int | None) -> QuantizedFormat:
    """Symmetric 8-bit codes in groups, or for each row."""
    return QuantizedFormat(
        Integer(8, True), granularity=Granularity(axis=0 if group is None else None, group_size=group)
    )


def weight_format(bits: int, group: int | None) -> QuantizedFormat:
    """Symmetric codes with float16 scales in groups, or float32 ones for channels."""
    if group is None:
        return QuantizedFormat(Integer(bits, True), F32, granularity=Granularity(axis=0))
    return QuantizedFormat(Integer(bits, True), F16, granularity=Granularity(group_size=group))


def schedule_for(rows: int, columns: int, bits: int) -> tuple[Schedule, int]:
    """The schedule of the target's table, as programs have it, and the vectors of a tile."""
    rule = rule_for(target(base_and_options(MACHINE.name)[0]).schedules, "i8", bits, columns)
    assert rule is not None, f"{MACHINE.name} has no schedule for {bits} bits"
    found = rule.schedules.one_row if rows == 1 else rule.schedules.many_rows
    return Schedule(found.rows, found.n_block, found.k_unroll, found.prefetch), found.columns


class Native:
    """Our kernels: quantization, multiplication and a barrier, repeated by a generated loop."""

    def __init__(
        self, shape: tuple[int, int, int], form: QuantizedFormat, act_group: int | None, cold: bool,
        schedule: Schedule | None = None, vectors: int | None = None,
    ):  # fmt: skip
        rows, k, n = shape
        chosen, chosen_vectors = schedule_for(rows, n, form.element.bits)
        self.rows, self.layout = rows, TileLayout(n, k, form, (vectors or chosen_vectors) * MACHINE.lanes)
        stride = spread_stride(k, 1)
        self.spec = Matmul(self.layout, "i8", act_group, q_stride=stride, schedule=schedule or chosen)
        self.quantize = QuantizeRows(k, self.spec.sum_group, activation_format(act_group), q_stride=stride)
        module = ModuleBuilder(MACHINE)
        self._emit_driver(module)
        self.library = jit.compile_module(module, MACHINE)
        self.call = self.library.function("driver", *[POINTER] * 7, *[NUMBER] * 9)
        rng = np.random.default_rng(0)
        self.stride = -(-self.layout.size // 4096) * 4096
        self.count = max(1, -(-COLD_BYTES // self.stride)) if cold else 1
        self.weights = Memory(self.stride * self.count)
        g = form.granularity
        scales = g.parameter_shape((n, k))
        low, high = form.element.minimum, form.element.maximum
        weight = QuantizedArray(
            rng.integers(low, high + 1, (n, k), dtype=np.int8),
            rng.uniform(0.001, 0.01, scales).astype(form.scale),
            form,
        )
        packed = self.layout.pack(weight)
        for i in range(self.count):
            self.weights.array[i * self.stride : i * self.stride + packed.size] = packed
        self.x = Memory(rows * k * 4)
        self.x.array.view(np.float32)[:] = rng.standard_normal(rows * k, dtype=np.float32)
        self.buffers = [[Memory(rows * stride), Memory(4 * rows * k), Memory(4 * rows * k)] for _ in range(2)]
        self.out = Memory(rows * n * 4)
        self.control = Memory(CONTROL_BYTES)
        self.control.array.view(np.int32)[BARRIER_SPINS // 4 :][:3] = 1 << 20  # now, at least and at most
        self.repeats: dict[int, int] = {}

    def _emit_driver(self, m: ModuleBuilder) -> None:
        quantize, matmul, barrier = self.quantize.emit(m), self.spec.emit(m), emit_barrier(m)
        pointers = [(n, PTR) for n in ("w", "x", "q", "s", "sums", "out", "control")]
        numbers = ("stride", "size", "repeats", "threads", "shared", "m0", "m1", "t0", "t1")
        with m.function("driver", [*pointers, *((n, I64) for n in numbers)], public=True) as f:
            a = f.args
            team = f.cmp("ne", a["threads"], 1)

            def meet() -> None:
                f.call(barrier, [a["control"], a["threads"]])

            f.if_(team, meet)

            def turn(_: Any, carried: list[Any]) -> Any:
                f.call(quantize, [a["x"], a["q"], a["s"], a["sums"], a["m0"], a["m1"]])
                f.if_(f.cmp("ne", a["shared"], 0), meet)
                w = f.at(a["w"], carried[0])
                f.call(matmul, [w, a["q"], a["s"], a["sums"], a["sums"], a["out"], 0, self.rows, a["t0"], a["t1"]])
                f.if_(team, meet)
                after = f.add(carried[0], a["stride"])
                return f.select(f.cmp("sge", after, a["size"]), f.i64(0), after)

            f.for_(0, a["repeats"], 1, [f.i64(0)], turn)
            f.ret()

    def _work(self, thread: int, threads: int, repeats: int) -> Callable[[], None]:
        tiles, rows = self.layout.tiles, self.rows
        shared = rows > 1 and threads > 1
        q, s, sums = self.buffers[0 if shared else thread]
        first, last = tiles * thread // threads, tiles * (thread + 1) // threads
        own = (rows * thread // threads, rows * (thread + 1) // threads) if shared else (0, rows)
        addresses = [m.address for m in (self.weights, self.x, q, s, sums, self.out, self.control)]
        return lambda: self.call(
            *addresses, self.stride, self.stride * self.count, repeats, threads, int(shared), *own, first, last
        )

    def seconds(self, bursts: Bursts, threads: int) -> float:
        """Of one multiplication, by one burst."""
        if threads not in self.repeats:
            self._calibrate(bursts)
        return self._burst(bursts, threads, self.repeats[threads]) / self.repeats[threads]

    def _calibrate(self, bursts: Bursts) -> None:
        """Find how often makes a burst."""
        repeats, spent = 1, 0.0
        while True:
            spent = min(self._burst(bursts, 1, repeats) for _ in range(2))
            if spent > BURST_SECONDS / 2 or repeats > 1 << 20:
                break
            repeats = int(repeats * min(8.0, 1.2 * BURST_SECONDS / spent)) + 1
        if self.count * spent / repeats < 4 * BURST_SECONDS:
            repeats = max(repeats, self.count)
        self.repeats = {1: repeats, 2: math.ceil(1.5 * repeats)}

    def _burst(self, bursts: Bursts, threads: int, repeats: int) -> float:
        works = [self._work(t, threads, repeats) for t in range(threads)]
        return bursts.alone(works[0]) if threads == 1 else bursts.together(works)


class Peer(ABC):
    """A peer's `count` multiplications."""

    count: int

    @abstractmethod
    def work(self) -> None:
        """All multiplications once."""

    def rest(self) -> None:  # noqa: B027 - most have nothing to do
        """Nothing is to be done until the next burst: threads that spin should sleep."""


class OnnxRuntime(Peer):
    """Several MatMulNBits of one input in a session."""

    def __init__(self, shape: tuple[int, int, int], group: int, cold: bool, threads: int):
        import onnxruntime as ort
        from onnx import TensorProto, helper, numpy_helper

        rows, k, n = shape
        groups = -(-k // group)
        size = n * groups * (group // 2 + 4)
        self.count = -(-COLD_BYTES // size) if cold else 8 if rows == 1 else 1
        rng = np.random.default_rng(1)
        nodes: list[Any] = []
        initializers: list[Any] = []
        outputs: list[Any] = []
        for i in range(self.count):
            w = i if cold else 0
            if cold or i == 0:
                codes = rng.integers(0, 256, (n, groups, group // 2), dtype=np.uint8)
                scales = rng.uniform(0.001, 0.01, n * groups).astype(np.float32)
                initializers += [numpy_helper.from_array(codes, f"b{w}"), numpy_helper.from_array(scales, f"s{w}")]
            nodes.append(
                helper.make_node(
                    "MatMulNBits", ["x", f"b{w}", f"s{w}"], [f"y{i}"], domain="com.microsoft", K=k, N=n, bits=4,
                    block_size=group, accuracy_level=4,
                )
            )  # fmt: skip
            outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, [rows, n]))
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, k])
        graph = helper.make_graph(nodes, "matmuls", [x], outputs, initializers)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.force_spinning_stop", "1")  # after a run, when others are measured
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.x = ort.OrtValue.ortvalue_from_numpy(rng.standard_normal((rows, k), dtype=np.float32))
        self.binding.bind_ortvalue_input("x", self.x)
        self.outputs = [ort.OrtValue.ortvalue_from_numpy(np.zeros((rows, n), np.float32)) for _ in range(self.count)]
        for i, output in enumerate(self.outputs):
            self.binding.bind_ortvalue_output(f"y{i}", output)
        self.work()

    def work(self) -> None:
        self.session.run_with_iobinding(self.binding)


class OpenVino(Peer):
    """Several multiplications of one input by compressed weights in a model."""

    def __init__(self, shape: tuple[int, int, int], group: int, cold: bool, threads: int):
        import openvino as ov
        from openvino import opset13 as ops

        rows, k, n = shape
        if k % group:
            raise ValueError(f"OpenVINO has no short groups, and {k} is not divided by {group}")
        size = n * k // 2 + n * k // group * 2
        self.count = -(-COLD_BYTES // size) if cold else 8 if rows == 1 else 1
        rng = np.random.default_rng(2)
        x = ops.parameter([rows, k], np.float32)
        weight: Any = None
        outputs: list[Any] = []
        for i in range(self.count):
            if cold or i == 0:
                packed = rng.integers(0, 256, (n, k // group, group // 2), dtype=np.uint8)
                codes = ov.op.Constant(ov.Tensor(packed, ov.Shape([n, k // group, group]), ov.Type.i4))
                scales = ops.constant(rng.uniform(0.001, 0.01, (n, k // group, 1)).astype(np.float16))
                real = ops.multiply(ops.convert(codes, "f16"), scales)
                weight = ops.convert(ops.reshape(real, ops.constant(np.array([n, k])), False), "f32")
            outputs.append(ops.matmul(x, weight, False, True))
        core = ov.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": group, "ENABLE_CPU_PINNING": False,
        }  # fmt: skip
        self.compiled = core.compile_model(ov.Model(outputs, [x], "matmuls"), "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.request.set_input_tensor(ov.Tensor(rng.standard_normal((rows, k), dtype=np.float32)))
        self.work()

    def work(self) -> None:
        self.request.infer()


class Ggml(Peer):
    """Several multiplications of one input by repacked Q4_0 weights in a graph."""

    library: ggml_repacked.Library

    def __init__(self, shape: tuple[int, int, int], group: int, cold: bool, threads: int):
        rows, k, n = shape
        if group != ggml_repacked.GROUP:
            raise ValueError(f"Q4_0 has groups of {ggml_repacked.GROUP}, not of {group}")
        if k % group:
            raise ValueError(f"Q4_0 has no short groups, and {k} is not divided by {group}")
        size = n * k // group * ggml_repacked.BLOCK.itemsize
        self.count = -(-COLD_BYTES // size) if cold else 8 if rows == 1 else 1
        self.products = ggml_repacked.Products(self.library, shape, self.count if cold else 1, self.count, threads)

    def work(self) -> None:
        self.products.compute()

    def rest(self) -> None:
        self.products.rest()


PEERS: dict[str, type[Any]] = {"ort": OnnxRuntime, "ov": OpenVino, "ggml": Ggml}


class Repeated:
    """A peer's multiplications, as often as makes a burst."""

    def __init__(self, peer: Peer, bursts: Bursts, threads: int):
        self.peer, self.repeats = peer, 1
        self.run = bursts.alone if threads == 1 else bursts.free
        spent = min(self._burst() for _ in range(2))
        self.repeats = max(1, min(1000, round(BURST_SECONDS / spent)))

    def work(self) -> None:
        """All multiplications, so many times."""
        for _ in range(self.repeats):
            self.peer.work()

    def seconds(self) -> float:
        """Of one multiplication, by one burst."""
        return self._burst() / self.repeats / self.peer.count

    def _burst(self) -> float:
        spent = self.run(self.work)
        self.peer.rest()
        return spent


def measure_row(
    bursts: Bursts, shape: tuple[int, int, int], group: int, cold: bool, threads: int, peers: list[str], repeats: int
) -> dict[str, float]:
    """Seconds of one multiplication by name, the best of `repeats` bursts in turn."""
    native = Native(shape, weight_format(4, group), group, cold)
    others: dict[str, Repeated] = {}
    for name in peers:
        with contextlib.suppress(ValueError):
            others[name] = Repeated(PEERS[name](shape, group, cold, threads), bursts, threads)
    best: dict[str, float] = {}

    def note(name: str, seconds: float) -> None:
        best[name] = min(best.get(name, math.inf), seconds)

    for _ in range(repeats):
        note("llmir", native.seconds(bursts, threads))
        for name, peer in others.items():
            note(name, peer.seconds())
    best["bytes"] = native.layout.size
    return best


def report(args: argparse.Namespace) -> None:
    """Print a table of times and ratios, and their geometric means."""
    bursts = Bursts(MACHINE)
    ratios: dict[str, list[float]] = {}
    names = args.peers
    print(f"machine {MACHINE.name}, load {os.getloadavg()}, real-time bursts: {bursts.real_time}")
    print(
        "| M,K,N | group | weights | threads | us | GB/s | GOP/s | " + " | ".join(f"{n} us | x" for n in names) + " |"
    )
    print("|---" * (7 + 2 * len(names)) + "|")
    for shape in args.shapes:
        for group in args.groups:
            for cold in (True, False):
                if cold and shape[0] > 1 and not args.cold_gemm:
                    continue
                for threads in args.threads:
                    row = measure_row(bursts, shape, group, cold, threads, names, args.repeats)
                    ours = row["llmir"]
                    speed = 2 * math.prod(shape) / ours / 1e9
                    cells = [f"{row[n] * 1e6:.1f} | {row[n] / ours:.2f}" if n in row else "- | -" for n in names]
                    there = [n for n in names if n in row]
                    for n in there:
                        ratios.setdefault(n, []).append(row[n] / ours)
                    if there:
                        ratios.setdefault("best", []).append(min(row[n] for n in there) / ours)
                    print(
                        f"| {'x'.join(map(str, shape))} | {group} | {'cold' if cold else 'warm'} | {threads} | "
                        f"{ours * 1e6:.1f} | {row['bytes'] / ours / 1e9:.1f} | {speed:.0f} | {' | '.join(cells)} |",
                        flush=True,
                    )
    for name, values in ratios.items():
        mean = statistics.geometric_mean(values)
        print(f"{name}: geometric mean {mean:.2f}, least {min(values):.2f}, {len(values)} rows")
    print(f"load {os.getloadavg()}")


def report_int8(bursts: Bursts, repeats: int) -> None:
    """Print what 8-bit weights with 8-bit activations (scales for channels and rows) reach of the most there is."""
    module = ModuleBuilder(MACHINE)
    peak = Products("dot4")
    library = jit.compile_module(_with(module, peak), MACHINE)
    function = library.function(peak.name(), POINTER, NUMBER, POINTER)
    operands = [Memory(2 * OPERANDS_BYTES) for _ in range(2)]
    steps = 300_000

    def products(thread: int) -> Callable[[], None]:
        at = operands[thread].address
        return lambda: function(at, steps, at + OPERANDS_BYTES)

    most = {
        1: min(bursts.alone(products(0)) for _ in range(repeats)),
        2: min(bursts.together([products(0), products(1)]) for _ in range(repeats)),
    }
    print("\n| M,K,N of 8-bit weights | threads | us | GOP/s | of the peak |\n|---|---|---|---|---|")
    for rows in (1, 16, 128, 512):
        native = Native((rows, 4096, 4096), weight_format(8, None), None, False)
        for threads, seconds in most.items():
            ceiling = threads * steps * peak.operations(MACHINE.lanes) / seconds
            best = min(native.seconds(bursts, threads) for _ in range(repeats))
            speed = 2 * rows * 4096 * 4096 / best
            print(
                f"| {rows}x4096x4096 | {threads} | {best * 1e6:.1f} | {speed / 1e9:.0f} | {speed / ceiling:.1%} |",
                flush=True,
            )


def _with(module: ModuleBuilder, product: Products) -> ModuleBuilder:
    product.emit(module)
    return module


def shape_of(text: str) -> tuple[int, int, int]:
    """MxKxN."""
    m, k, n = map(int, text.split("x"))
    return m, k, n


def peers_of(text: str) -> list[str]:
    """Names, separated by commas."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
    return names


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=lambda t: [shape_of(s) for s in t.split(",")], default=SHAPES)
    parser.add_argument("--groups", type=lambda t: [int(g) for g in t.split(",")], default=[32, 128])
    parser.add_argument("--threads", type=lambda t: [int(n) for n in t.split(",")], default=[1, 2])
    parser.add_argument("--peers", type=peers_of, default=list(PEERS))
    parser.add_argument("--ggml", type=Path, help="the folder of libggml-base.so and libggml-cpu.so")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--cold-gemm", action="store_true", help="rows with M > 1 with cold weights too")
    parser.add_argument("--int8", action="store_true", help="8-bit weights against the peak instead")
    started = time.perf_counter()
    args = parser.parse_args()
    if args.int8:
        report_int8(Bursts(MACHINE), args.repeats)
    else:
        if "ggml" in args.peers:
            try:
                Ggml.library = ggml_repacked.Library(args.ggml or ggml_repacked.installed_libraries())
            except OSError as e:
                parser.error(f"{e}; name their folder with --ggml, or leave ggml out of --peers")
        report(args)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
