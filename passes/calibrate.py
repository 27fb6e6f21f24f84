"""`calibrate`: run the program on data and write what its layers' inputs look like into the IR.

The data are cut into windows of `context` tokens, each run from an empty cache; decoder blocks are run one
after the other on all windows, so that only one block's weights are in memory. Each observed layer gets
`llm.input_statistics`: the statistic, its granularity and its values (see `llmir.quantizers.statistics`).
Observed are the layers whose scheme has a static input, or every linear layer if no layer has one.

Options:
  text         a UTF-8 text file, tokenized without special tokens by the program's tokenizer
  tokens       a file of token ids instead: `.npy` (one dimension of integers) or whitespace-separated text
  statistic    absmax, minmax, percentile or moving_average (default minmax)
  granularity  tensor, channel or token (default tensor)
  percentile   in percent, for statistic=percentile (default 99.999)
  momentum     weight of the newest window, for statistic=moving_average (default 0.1)
  context      tokens in a window (default 512)
  samples      windows at most (default 16)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from llmir.backends.numpy.session import Session
from llmir.dialects.kernel import CallOp
from llmir.dialects.llm.attributes import QuantizationAttr
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import ObserveOp
from llmir.errors import InputError
from llmir.passes.assign_schemes import scheme_of
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.locations import module_name
from llmir.passes.lower_to_target import HardwareSpecificQuantizationPass
from llmir.program.context import LLMContext, program_context
from llmir.program.token_files import check_vocabulary, read_tokens, tokenize_file, windows
from llmir.quantizers.statistics import Statistic

STATISTICS = "llm.input_statistics"
Float = NDArray[np.float32]


@dataclass(frozen=True)
class QuantizationCalibrationPass(ModulePass):
    """Run the program on data and write statistics of its layers' inputs into the IR."""

    name = "calibrate"

    text: str = ""
    tokens: str = ""
    statistic: str = "minmax"
    granularity: str = "tensor"
    percentile: float | int = 99.999
    momentum: float | int = 0.1
    context: int = 512
    samples: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Run and annotate; InputError for missing data, no tokenizer, or values that are not finite."""
        program = program_context(ctx, self.name)
        data = windows(self._ids(program), self.context)[: self.samples]
        if not len(data):
            raise InputError(f"{self.name}: the data are shorter than one window of {self.context} tokens")
        sites = {module_name(layer): layer for layer in observed_layers(op)}
        statistics = {site: self._statistic() for site in sites}
        run(program, op, data, self.text or self.tokens, statistics)
        for site, layer in sites.items():
            layer.attributes[STATISTICS] = self._attribute(statistics[site])

    def _statistic(self) -> Statistic:
        try:
            return Statistic(self.statistic, self.granularity, float(self.percentile), float(self.momentum))
        except ValueError as e:
            raise InputError(f"{self.name}: {e}") from e

    def _ids(self, program: LLMContext) -> NDArray[np.int64]:
        if bool(self.text) == bool(self.tokens):
            raise InputError(f"{self.name}: give the data as either text=FILE or tokens=FILE")
        if self.tokens:
            return read_tokens(Path(self.tokens))
        return tokenize_file(Path(self.text), program.tokenizer, program.weights.source)

    def _attribute(self, statistic: Statistic) -> DictionaryAttr:
        values = {name: _dense(value) for name, value in statistic.result().items()}
        return DictionaryAttr(
            {
                "statistic": StringAttr(self.statistic),
                "granularity": StringAttr(self.granularity),
                "windows": IntegerAttr(statistic.batches, i64),
                "context": IntegerAttr(self.context, i64),
                **values,
            }
        )


def _dense(values: NDArray[np.float32]) -> DenseIntOrFPElementsAttr:
    return DenseIntOrFPElementsAttr.from_list(TensorType(f32, [len(values)]), values.tolist())


def observed_layers(module: ModuleOp) -> list[LinearOp]:
    """The layers whose inputs are observed."""
    layers = [op for op in module.walk() if isinstance(op, LinearOp)]
    static = [layer for layer in layers if _wants_statistics(layer)]
    return static or layers


def _wants_statistics(layer: LinearOp) -> bool:
    scheme = scheme_of(layer)
    return scheme is not None and isinstance(scheme.input, QuantizationAttr) and not scheme.input.is_dynamic


def run(
    program: LLMContext,
    module: ModuleOp,
    data: NDArray[np.int64],
    source: str,
    statistics: dict[str, Statistic],
) -> None:
    """Feed windows [n, context] of `source` through the blocks and update the statistics of their sites."""
    observed = module.clone()
    for op in list(observed.walk()):
        if isinstance(op, LinearOp) and module_name(op) in statistics:
            Rewriter.insert_op(ObserveOp(op.input, module_name(op)), InsertPoint.before(op))
    for item in (QuantizedOperationFusionPass(), HardwareSpecificQuantizationPass()):
        item.apply(program, observed)

    def observe(value: Float, site: str) -> None:
        try:
            statistics[site].update(value)
        except ValueError as e:
            raise InputError(f"calibrate: input of layer '{site}': {e}") from e

    session = Session(observed, program.weights, observe=observe)
    roles = functions_by_role(observed)
    check_vocabulary(data.reshape(-1), session.vocabulary, source)
    hidden: list[Any] = [session.call(roles["embed"][0], window) for window in data]
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
