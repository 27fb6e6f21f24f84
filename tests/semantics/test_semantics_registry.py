"""Every operation has a definition, and its parameters are the operation's operands and attributes."""

from __future__ import annotations

from inspect import Parameter, signature

import pytest
from xdsl.dialects.arith import Arith
from xdsl.dialects.tensor import Tensor
from xdsl.irdl import IRDLOperation, OptionalDef, OptPropertyDef

from llmir.dialects.llm import LLM
from llmir.dialects.llm.evaluation import NO_MEANING
from llmir.semantics.registry import DEFINITIONS

WITHOUT_VALUES = {"llm.constant", "llm.weight", "llm.load_weight", "llm.observe"}
"""What the interpreter does itself: constants, weights and observers."""

OPERATIONS = {
    op.name: op for dialect in (LLM, Arith, Tensor) for op in dialect.operations if issubclass(op, IRDLOperation)
}


def test_every_operation_is_defined() -> None:
    assert {op.name for op in LLM.operations} - WITHOUT_VALUES == {n for n in DEFINITIONS if n.startswith("llm.")}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_parameters_are_operands_and_attributes(name: str) -> None:
    definition = OPERATIONS[name].get_irdl_definition()
    operands = dict(definition.operands)
    properties = {n: d for n, d in definition.properties.items() if n not in NO_MEANING}
    parameters = dict(signature(DEFINITIONS[name]).parameters)
    parameters.pop("result", None)
    assert set(parameters) == {*operands, *properties}
    for parameter in parameters.values():
        known = operands.get(parameter.name) or properties[parameter.name]
        optional = isinstance(known, OptionalDef | OptPropertyDef)
        assert (parameter.default is not Parameter.empty) == optional, parameter
