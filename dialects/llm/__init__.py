"""The `llm` dialect: what a model computes, and how it is quantized."""

from xdsl.ir import Dialect

from llmir.dialects.llm.attributes import QuantizationAttr, RopeScalingAttr, SchemeAttr
from llmir.dialects.llm.model import (
    AttentionOp,
    EmbeddingOp,
    LinearOp,
    RMSNormOp,
    RopeOp,
    SiluOp,
    UpdateCacheOp,
)
from llmir.dialects.llm.quantization import DequantizeOp, ObserveOp, QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.types import MixedQuantizedTensorType, MixedType, QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp

LLM = Dialect(
    "llm",
    [
        WeightOp,
        LoadWeightOp,
        QuantizeOp,
        DequantizeOp,
        QuantizedMatmulOp,
        ObserveOp,
        EmbeddingOp,
        LinearOp,
        RMSNormOp,
        RopeOp,
        UpdateCacheOp,
        AttentionOp,
        SiluOp,
    ],
    [
        QuantizedTensorType,
        MixedType,
        MixedQuantizedTensorType,
        QuantizationAttr,
        SchemeAttr,
        RopeScalingAttr,
    ],
)
