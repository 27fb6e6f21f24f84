"""Scale 1: values are rounded to the element type as they are.

It is what MLC's `e5m2_e5m2_f16` does to weights and inputs (a plain cast), and Brevitas's `no_scale` to inputs.
"""

from __future__ import annotations

import numpy as np

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, store_scale

UNIT_SCALE = "unit_scale"


def unit_scale(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Scales of 1 for groups float32 [R, g]; ValueError for integers and asymmetric targets."""
    if isinstance(target.element, Integer) or not target.symmetric:
        raise ValueError(f"{UNIT_SCALE} rounds to a float type, {target.element.name} with this scheme is none")
    return Parameters(store_scale(np.ones(len(groups), np.float32), target))
