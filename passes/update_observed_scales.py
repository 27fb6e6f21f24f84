"""`update-observed-scales`: run a program with observers on data and write the scales they measure to its weights.

The program is one that `insert-observers` made. Each observed input's largest magnitude over all windows or
samples gives its static scale, by the formula of the layer's scheme, which replaces `<layer>.q_calibration_scale`.
The data are run as by `calibrate`, whose options these are; a layer that sees none keeps its scale.

Options:
  text         a UTF-8 text file, tokenized without special tokens by the program's tokenizer
  tokens       a file of token ids instead: `.npy` (one dimension of integers) or whitespace-separated text
  inputs       arguments of `function` instead; without any file the samples in the text (`llm.calibration`)
  function     the function that takes `inputs` (default main)
  context      tokens in a window (default 512)
  samples      windows or samples at most (default 16)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.dialects.llm.quantization import shape_of
from llmir.errors import InputError
from llmir.formats.quantized import real
from llmir.passes.calibrate import QuantizationCalibrationPass, update
from llmir.passes.insert_observers import OBSERVED_SCALE, SITE, observers, statically_quantized
from llmir.passes.locations import error_at, module_name
from llmir.passes.quantize_activations import static_scale
from llmir.program.context import program_context
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.statistics import Statistic


@dataclass(frozen=True)
class ObservedScaleUpdatePass(ModulePass):
    """Run a program's observers on data and write the scales they measure to its weights."""

    name = "update-observed-scales"

    text: str = ""
    tokens: str = ""
    inputs: str = ""
    function: str = "main"
    context: int = 512
    samples: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Run and store; InputError for missing data, or a program without observers."""
        program, found = program_context(ctx, self.name), observers(op)
        observed = {module_name(o): (o, wanted) for o, wanted in statically_quantized(op) if module_name(o) in found}
        if not observed:
            raise InputError(
                f"{self.name}: the program has no observers; "
                "make one that has with llmir quantize -q e4m3_e4m3_f16_max_calibrate"
            )
        statistics = {name: Statistic("absmax") for name in observed}

        def observe(value: NDArray[Any], site: str) -> None:
            name = site.removesuffix(SITE)
            if name in statistics and value.size:
                update(statistics[name], value, observed[name][0])

        self._data().feed(program, op.clone(), observe)
        for name, (layer, wanted) in observed.items():
            if not statistics[name].batches:
                continue
            absmax = statistics[name].result()["absmax"]
            try:
                scale = real(static_scale(absmax, wanted, wanted.format(shape_of(layer.input))))
            except ValueError as e:
                raise error_at(layer, str(e), f"layer '{name}'") from e
            program.weights.add(name + OBSERVED_SCALE, MemoryTensor(scale.astype(np.float32)))

    def _data(self) -> QuantizationCalibrationPass:
        return QuantizationCalibrationPass(
            text=self.text,
            tokens=self.tokens,
            inputs=self.inputs,
            function=self.function,
            context=self.context,
            samples=self.samples,
        )
