"""`calibrate`: run the program on data and write what its layers' inputs look like into the IR.

Text and tokens are cut into windows of `context` tokens, each run from an empty cache; decoder blocks are run one
after the other on all windows, so that only one block's weights are in memory. `inputs` are arguments of any
function, of any module: a module in plain text needs no more than that. Without a file, the samples are those in
the text: the function's attribute `llm.calibration`, a list of samples, each the list of its arguments:

    func.func @main(%x: tensor<?x2xf32>) attributes {llm.calibration = [[dense<1.0> : tensor<3x2xf32>]]}

Each observed layer gets `llm.input_statistics`: the statistic, its granularity and its values (see
`llmir.quantizers.statistics`). Observed are the layers whose scheme has a static input, or every linear layer if no
layer has one; of `function` and those it calls.

Options:
  text         a UTF-8 text file, tokenized without special tokens by the program's tokenizer
  tokens       a file of token ids instead: `.npy` (one dimension of integers) or whitespace-separated text
  inputs       arguments of `function` instead: a `.npy` file for its only argument, or a `.npz` or `.safetensors`
               file with an array for each, by its name in the text (`x` for `%x`, `arg0` for `%0`); with one
               dimension more than the arguments have, the arrays hold one sample after another
  function     the function that takes `inputs` (default main)
  statistic    absmax, minmax, percentile, moving_average or mse, the mean of the windows' ranges of least squared error
               for codes of the layer's input scheme (default minmax)
  granularity  tensor, channel or token (default tensor)
  percentile   in percent, for statistic=percentile (default 99.999)
  momentum     weight of the newest window or sample, for statistic=moving_average (default 0.1)
  context      tokens in a window (default 512)
  samples      windows or samples at most (default 16)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    ShapedType,
    StringAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.backends.numpy.session import Observer, Session
from llmir.backends.reference import Reference
from llmir.dialects.kernel import CallOp
from llmir.dialects.llm.attributes import QuantizationAttr
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import ObserveOp, shape_of
from llmir.dialects.llm.values import attribute_value, dense_attribute
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.passes.assign_schemes import scheme_of
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.locations import error_at, module_name
from llmir.passes.lower_to_target import HardwareSpecificQuantizationPass
from llmir.passes.rewriter import Rewriter
from llmir.program.array_files import read_arrays
from llmir.program.context import LLMContext, program_context
from llmir.program.token_files import check_vocabulary, read_tokens, tokenize_file, windows
from llmir.quantizers.statistics import Statistic

STATISTICS = "llm.input_statistics"
SAMPLES = "llm.calibration"


@dataclass(frozen=True)
class QuantizationCalibrationPass(ModulePass):
    """Run the program on data and write statistics of its layers' inputs into the IR."""

    name = "calibrate"

    text: str = ""
    tokens: str = ""
    inputs: str = ""
    function: str = "main"
    statistic: str = "minmax"
    granularity: str = "tensor"
    percentile: float | int = 99.999
    momentum: float | int = 0.1
    context: int = 512
    samples: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Run and annotate; InputError for missing data, no tokenizer, or values that are not finite."""
        observed = Observed(op, self._statistic)
        self.feed(program_context(ctx, self.name), observed.module, observed.update)
        for layer, statistic in observed.results(self.function):
            layer.attributes[STATISTICS] = self._attribute(statistic)

    def feed(self, program: LLMContext, module: ModuleOp, observe: Observer) -> None:
        """Run a module that holds observers, which is lowered, on the data; InputError when there are none."""
        if self.samples < 1:
            raise InputError(f"{self.name}: samples must be at least 1, got {self.samples}")
        if self.text or self.tokens:
            self._run_windows(program, module, observe)
        else:
            self._run_samples(program, module, observe)

    def _run_windows(self, program: LLMContext, module: ModuleOp, observe: Observer) -> None:
        data = windows(self._ids(program), self.context)[: self.samples]
        if not len(data):
            raise InputError(f"{self.name}: the data are shorter than one window of {self.context} tokens")
        run(program, module, data, self.text or self.tokens, observe)

    def _run_samples(self, program: LLMContext, module: ModuleOp, observe: Observer) -> None:
        reference = Reference(module, program.weights, observe=observe)
        if self.inputs:
            samples = file_samples(Path(self.inputs), reference.function(self.function))
        else:
            samples = samples_in_text(reference.functions.get(self.function), self.function)
        for done, sample in enumerate(samples[: self.samples]):
            reference.run(self.function, *sample)
            program.progress("calibrating", done + 1, min(len(samples), self.samples))

    def _statistic(self, layer: LinearOp) -> Statistic:
        scheme = scheme_of(layer)
        wanted = None if scheme is None or not isinstance(scheme.input, QuantizationAttr) else scheme.input
        target = None if wanted is None else wanted.format(shape_of(layer.input))
        try:
            return Statistic(self.statistic, self.granularity, float(self.percentile), float(self.momentum), target)
        except ValueError as e:
            raise InputError(f"{self.name}: {e}") from e

    def _ids(self, program: LLMContext) -> NDArray[np.int64]:
        if len([given for given in (self.text, self.tokens, self.inputs) if given]) > 1:
            raise InputError(f"{self.name}: give the data in one way, as text=FILE, tokens=FILE or inputs=FILE")
        if self.tokens:
            return read_tokens(Path(self.tokens))
        return tokenize_file(Path(self.text), program.tokenizer, program.weights.source)

    def _attribute(self, statistic: Statistic) -> DictionaryAttr:
        context = {"context": IntegerAttr(self.context, i64)} if self.text or self.tokens else {}
        return DictionaryAttr(
            {
                "statistic": StringAttr(self.statistic),
                "granularity": StringAttr(self.granularity),
                "windows": IntegerAttr(statistic.batches, i64),
                **context,
                **{name: dense_attribute(value, f32) for name, value in statistic.result().items()},
            }
        )


def observed_layers(module: ModuleOp) -> list[LinearOp]:
    """The layers whose inputs are observed."""
    layers = [op for op in module.walk() if isinstance(op, LinearOp)]
    static = [layer for layer in layers if _wants_statistics(layer)]
    return static or layers


def _wants_statistics(layer: LinearOp) -> bool:
    scheme = scheme_of(layer)
    return scheme is not None and isinstance(scheme.input, QuantizationAttr) and not scheme.input.is_dynamic


class Observed:
    """The layers of a module that are observed, and a copy of it that reports their inputs to `update`."""

    def __init__(self, module: ModuleOp, statistic: Callable[[LinearOp], Statistic]):
        self._layers = observed_layers(module)
        self._statistics = [statistic(layer) for layer in self._layers]
        self._sites = {f"calibrate {i}": i for i in range(len(self._layers))}
        copies: dict[SSAValue, SSAValue] = {}
        self.module = module.clone(copies)
        for site, layer in zip(self._sites, self._layers, strict=True):
            copy = copies[layer.output].owner
            assert isinstance(copy, LinearOp)
            Rewriter.insert_op(ObserveOp(copy.input, site), InsertPoint.before(copy))

    def update(self, value: NDArray[Any], site: str) -> None:
        """Take in an input [..., channels] of the layer observed at a site; InputError when it is not finite.

        Sites of observers that were in the module before are of no interest here.
        """
        if site in self._sites and value.size:  # an expert that no token is routed to sees nothing
            update(self._statistics[self._sites[site]], value, self._layers[self._sites[site]])

    def results(self, function: str) -> Iterator[tuple[LinearOp, Statistic]]:
        """Each layer that was run, and its statistic; InputError for one that wants it and was not."""
        for layer, statistic in zip(self._layers, self._statistics, strict=True):
            if statistic.batches:
                yield layer, statistic
            elif _wants_statistics(layer):
                fact = f"is not run by @{function}, or no token is routed to it; give more data or use a dynamic scheme"
                raise OperationError(layer, fact, f"calibrate: layer '{module_name(layer)}' {fact}")


def update(statistic: Statistic, value: NDArray[Any], layer: LinearOp) -> None:
    """Take in an input [..., channels] of a layer; InputError when it is not finite."""
    try:
        statistic.update(value.reshape(-1, value.shape[-1]).astype(np.float32, copy=False))
    except ValueError as e:
        raise OperationError(layer, f"input: {e}", f"calibrate: input of layer '{module_name(layer)}': {e}") from e


def samples_in_text(function: func.FuncOp | None, name: str) -> list[list[Any]]:
    """The samples of a function's `llm.calibration`, each a list of arguments; `name` is the function's."""
    attr = None if function is None else function.attributes.get(SAMPLES)
    if function is None or attr is None:
        raise InputError(f"calibrate: give the data as text=FILE, tokens=FILE, inputs=FILE, or as {SAMPLES} of @{name}")
    samples: list[list[Any]] = []
    if not _elements(attr):
        raise error_at(function, f"{SAMPLES} of @{name} is {attr}, expected [[dense<...>, ...], ...]", "calibrate")
    for sample in _elements(attr):
        arguments = _elements(sample)
        if not arguments or not all(isinstance(a, DenseIntOrFPElementsAttr | IntegerAttr) for a in arguments):
            fact = f"a sample of {SAMPLES} of @{name} is {sample}, expected [dense<...>, ...]"
            raise error_at(function, fact, "calibrate")
        samples.append([attribute_value(a) for a in arguments])
    return samples


def _elements(attr: Attribute) -> tuple[Attribute, ...]:
    """The elements of an array attribute, none for others."""
    return cast("ArrayAttr[Attribute]", attr).data if isinstance(attr, ArrayAttr) else ()


def file_samples(path: Path, function: func.FuncOp) -> list[list[Any]]:
    """The samples of a file, each a list of a function's arguments."""
    arrays = read_arrays(path)
    arguments = function.body.blocks[0].args
    names = [""] if path.suffix == ".npy" else [a.name_hint or f"arg{a.index}" for a in arguments]
    if set(names) != set(arrays) or len(names) != len(arguments):
        wanted = ", ".join(a.name_hint or f"arg{a.index}" for a in arguments)
        given = ", ".join(arrays) or "one array without a name"
        raise InputError(f"{path}: has {given}, but @{function.sym_name.data} takes {wanted}")
    values = [arrays[name] for name in names]
    extra = {v.ndim - _rank(a.type) for v, a in zip(values, arguments, strict=True)}
    if extra == {0}:
        return [values]
    if extra != {1}:
        raise InputError(f"{path}: its arrays need as many dimensions as the arguments have, or one more each")
    if len({len(v) for v in values}) > 1:
        raise InputError(f"{path}: its arrays hold different numbers of samples")
    return [list(sample) for sample in zip(*values, strict=True)]


def _rank(type: Attribute) -> int:
    return len(type.get_shape()) if isinstance(type, ShapedType) else 0


def run(program: LLMContext, observed: ModuleOp, data: NDArray[np.int64], source: str, observe: Observer) -> None:
    """Feed windows [n, context] of `source` through the blocks of a module with observers, which is lowered."""
    for item in (QuantizedOperationFusionPass(), HardwareSpecificQuantizationPass()):
        item.apply(program, observed)
    session = Session(observed, program.weights, observe=observe)
    roles = functions_by_role(observed)
    check_vocabulary(data.reshape(-1), session.vocabulary, source)
    hidden: list[Any] = [session.embed(roles["embed"][0], window) for window in data]
    session.forget_weights()
    for done, block in enumerate(roles["block"]):
        for i, x in enumerate(hidden):
            hidden[i] = session.call(block, x, 0, *session.new_block_cache(block, len(x)))[0]
        session.forget_weights()
        program.progress("calibrating", done + 1, len(roles["block"]))
    if _observes(session, roles["head"][0]):
        for x in hidden:
            session.call(roles["head"][0], x)
        session.forget_weights()


def _observes(session: Session, function: str) -> bool:
    """True when a function of the session's module holds an observer."""
    body = session.functions[function].body
    return any(isinstance(op, CallOp) and op.kernel_name == "observe" for op in body.walk())


def functions_by_role(module: ModuleOp) -> dict[str, list[str]]:
    """The names of a program's functions by `llm.role`; InputError when it is not a whole model."""
    roles: dict[str, list[str]] = {}
    for op in module.body.ops:
        if isinstance(op, func.FuncOp) and isinstance(role := op.attributes.get("llm.role"), StringAttr):
            roles.setdefault(role.data, []).append(op.sym_name.data)
    missing = [r for r in ("embed", "block", "head") if r not in roles]
    if missing:
        raise InputError(
            f"the module has no function with llm.role = {' or '.join(missing)}; calibration needs a model"
        )
    return roles


def statistics_of(layer: LinearOp) -> dict[str, Any] | None:
    """A layer's statistics: its granularity, and float32 arrays by name."""
    attr = layer.attributes.get(STATISTICS)
    if not isinstance(attr, DictionaryAttr):
        return None
    return {
        key: np.array(value.get_values(), np.float32)
        if isinstance(value, DenseIntOrFPElementsAttr)
        else getattr(value, "data", value)
        for key, value in attr.data.items()
    }
