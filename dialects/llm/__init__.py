"""The `llm` dialect: what a model computes, and how it is quantized."""

from xdsl.ir import Dialect

from llmir.dialects.llm.attributes import QuantizationAttr, RopeScalingAttr, SchemeAttr
from llmir.dialects.llm.casts import CastCodesOp
from llmir.dialects.llm.constant import ConstantOp, MaterializeConstants
from llmir.dialects.llm.element_types import CodebookType, MinifloatType, ScaleType
from llmir.dialects.llm.fused import EncodeOp, GatedActivationOp, QuantizeBiasOp, RequantizeOp, TransposeOp
from llmir.dialects.llm.mixed import MixedQuantizedTensorType, MixedType
from llmir.dialects.llm.mixture import CombineOp, DispatchOp, RouteOp
from llmir.dialects.llm.model import (
    AttentionOp,
    EmbeddingOp,
    GeluOp,
    LayerNormOp,
    LinearOp,
    PositionsOp,
    ReluOp,
    RMSNormOp,
    RopeOp,
    ScaleOp,
    ShiftOp,
    SiluOp,
    SoftcapOp,
    UpdateCacheOp,
)
from llmir.dialects.llm.quantization import DequantizeOp, ObserveOp, QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.sparse import PackSparseOp, PruneOp, UnpackSparseOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp

LLM = Dialect(
    "llm",
    [
        CastCodesOp,
        ConstantOp,
        WeightOp,
        LoadWeightOp,
        QuantizeOp,
        DequantizeOp,
        QuantizedMatmulOp,
        ObserveOp,
        RequantizeOp,
        EncodeOp,
        QuantizeBiasOp,
        TransposeOp,
        GatedActivationOp,
        EmbeddingOp,
        LinearOp,
        RMSNormOp,
        RopeOp,
        UpdateCacheOp,
        AttentionOp,
        SiluOp,
        PositionsOp,
        LayerNormOp,
        GeluOp,
        ReluOp,
        ScaleOp,
        ShiftOp,
        SoftcapOp,
        PruneOp,
        PackSparseOp,
        UnpackSparseOp,
        RouteOp,
        DispatchOp,
        CombineOp,
    ],
    [
        QuantizedTensorType,
        MinifloatType,
        CodebookType,
        ScaleType,
        MixedType,
        MixedQuantizedTensorType,
        SparseQuantizedTensorType,
        QuantizationAttr,
        SchemeAttr,
        RopeScalingAttr,
    ],
    [MaterializeConstants()],
)
