"""Pipelines as people type them: every option type, every spelling, every error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.errors import InputError, UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.pass_manager import NestedPipeline
from llmir.passes.pipeline import Pipeline
from llmir.passes.pipeline_text import (
    Anchored,
    Element,
    Value,
    dump_pipeline,
    options_of,
    parse_element,
    parse_elements,
    parse_pipeline,
    pass_text,
    type_text,
    value_text,
)


@dataclass(frozen=True)
class Everything(ModulePass):
    """A pass with an option of every type."""

    name = "everything"

    count: int = 1
    rate: float = 0.5
    either: int | float = 2
    text: str = ""
    flag: bool = False
    on: bool = True
    choice: Literal["int8", "int4"] = "int8"
    width: Literal[4, 8] = 4
    size: int | None = None
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] | None = None
    pair: tuple[int, float] = (1, 2.0)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Demanding(ModulePass):
    """A pass with a required option and a rule."""

    name = "demanding"

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must not be negative, got {self.size}")
        if self.size == 0:
            raise InputError("size must not be zero")

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Foreign(ModulePass):
    """A pass with an option of a type that text has no form for."""

    name = "foreign"

    raw: bytes = b""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Nothing."""


def missing() -> type[ModulePass]:
    raise ModuleNotFoundError("No module named 'jax'", name="jax")


FACTORIES: dict[str, Any] = {
    "everything": lambda: Everything,
    "demanding": lambda: Demanding,
    "foreign": lambda: Foreign,
    "missing": missing,
}


def read(options: str) -> Everything:
    (item,) = parse_pipeline(f"everything{{{options}}}", FACTORIES)
    assert isinstance(item, Everything)
    return item


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", Everything()),
        ("count=3", Everything(count=3)),
        ("count=-3", Everything(count=-3)),
        (" count = 3 ", Everything(count=3)),
        ("count=3\n  flag", Everything(count=3, flag=True)),
        ("rate=1", Everything(rate=1.0)),
        ("rate=1e-3", Everything(rate=1e-3)),
        ("rate=-1.5E+3", Everything(rate=-1500.0)),
        ("rate=.25", Everything(rate=0.25)),
        ("either=1", Everything(either=1)),
        ("either=1e-3", Everything(either=1e-3)),
        ("text=q4f16_1", Everything(text="q4f16_1")),
        ("text=12", Everything(text="12")),
        ("text=true", Everything(text="true")),
        ("text=data/wiki.test-1.txt", Everything(text="data/wiki.test-1.txt")),
        ("text=model.layers.*.mlp.[ud]*", Everything(text="model.layers.*.mlp.[ud]*")),
        ('text="a, b"', Everything(text="a, b")),
        (r'text="say \"hi\" \\ \n"', Everything(text='say "hi" \\ \n')),
        ('text=""', Everything(text="")),
        ('text="}) x{"', Everything(text="}) x{")),
        ("flag", Everything(flag=True)),
        ("flag count=2", Everything(flag=True, count=2)),
        ("flag=true", Everything(flag=True)),
        ("on=false", Everything(on=False)),
        ("on=False", Everything(on=False)),
        ("on=0 flag=1", Everything(on=False, flag=True)),
        ("choice=int4", Everything(choice="int4")),
        ("width=8", Everything(width=8)),
        ("size=7", Everything(size=7)),
        ("size=none", Everything(size=None)),
        ("size", Everything(size=None)),
        ("names=a", Everything(names=("a",))),
        ("names=a,b", Everything(names=("a", "b"))),
        ("names=a , b ,  c count=2", Everything(names=("a", "b", "c"), count=2)),
        ('names=a,"b c",*.d', Everything(names=("a", "b c", "*.d"))),
        ("numbers=1,2,3", Everything(numbers=(1, 2, 3))),
        ("numbers=none", Everything(numbers=None)),
        ("pair=3,4", Everything(pair=(3, 4.0))),
        ('names=[a, "b c",*.d] count=2', Everything(names=("a", "b c", "*.d"), count=2)),
        ("names={a,b} count=2", Everything(names=("a", "b"), count=2)),
        ("names=[a]", Everything(names=("a",))),
        ("names=[]", Everything(names=())),
        ("numbers={}", Everything(numbers=())),
        ("names=[ab]*,x", Everything(names=("[ab]*", "x"))),
        ("pair=[3,4]", Everything(pair=(3, 4.0))),
        ("text='a \"b\", c'", Everything(text='a "b", c')),
        ("names='a b',c", Everything(names=("a b", "c"))),
    ],
)
def test_options(options: str, expected: Everything) -> None:
    found = read(options)
    assert found == expected
    assert type(found.rate) is float


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("count=1.5", "'count=1.5' is not valid, expected int"),
        ("count=many", "'count=many' is not valid, expected int"),
        ("count=1,2", "'count=1,2' is not valid, expected int"),
        ('count="1"', "'count=1' is not valid, expected int"),
        ("count", "'count' is not valid, expected int"),
        ("rate=fast", "'rate=fast' is not valid, expected float"),
        ("text", "'text' is not valid, expected str"),
        ("text=a,b", "'text=a,b' is not valid, expected str"),
        ("flag=maybe", "'flag=maybe' is not valid, expected bool"),
        ("choice=int2", "'choice=int2' is not valid, expected one of int8, int4"),
        ("size=big", "'size=big' is not valid, expected int or none"),
        ("numbers=1,x", "'numbers=1,x' is not valid, expected list of int or none"),
        ("pair=1", "'pair=1' is not valid, expected (int, float)"),
        ("pair=[]", "'pair=[]' is not valid, expected (int, float)"),
        ("numbers=[1,x]", "'numbers=1,x' is not valid, expected list of int or none"),
    ],
)
def test_ill_typed_options(options: str, message: str) -> None:
    with pytest.raises(UsageError) as e:
        read(options)
    assert str(e.value) == f"pass 'everything': {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("demanding", "pass 'demanding' needs the option 'size', int"),
        ("demanding{size=-1}", "pass 'demanding': size must not be negative, got -1"),
        ("demanding{size=0}", "pass 'demanding': size must not be zero"),
        ("demanding{sise=1}", "pass 'demanding' has no option 'sise', did you mean 'size'?"),
        ("demanding{xyz=1}", "pass 'demanding' has no option 'xyz'; it has size"),
        ("demandin", "unknown pass 'demandin', did you mean 'demanding'?"),
        ("foreign{raw=x}", "pass 'foreign': 'raw=x' is not valid, expected bytes"),
    ],
)
def test_wrong_passes(text: str, message: str) -> None:
    with pytest.raises(UsageError) as e:
        parse_pipeline(text, FACTORIES)
    assert str(e.value) == message


def test_a_pass_that_cannot_be_imported() -> None:
    with pytest.raises(InputError, match="pass 'missing' cannot be loaded: No module named 'jax'"):
        parse_pipeline("missing", FACTORIES)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("  ", []),
        ("a", ["a"]),
        ("a,b-c,d_1", ["a", "b-c", "d_1"]),
        (" a , b ", ["a", "b"]),
        ("builtin.module(a,b)", ["a", "b"]),
        ("builtin.module()", []),
        ("builtin.module(a, func.func(b, any(c)), d)", ["a", ("func.func", ["b", ("any", ["c"])]), "d"]),
        ("builtin.module(a),b", ["a", "b"]),
        ("builtin.module(builtin.module(a))", [("builtin.module", ["a"])]),
        ("any(a)", ["a"]),
        ("any(a),b", [("any", ["a"]), "b"]),
    ],
)
def test_structure(text: str, names: list[Any]) -> None:
    assert structure(parse_elements(text)) == names


def structure(elements: Sequence[Element | Anchored]) -> list[Any]:
    return [(e.anchor, structure(e.elements)) if isinstance(e, Anchored) else e.name for e in elements]


def test_dashes_in_options_are_underscores() -> None:
    (element,) = parse_elements("a{group-size=64}")
    assert element == Element("a", {"group_size": (Value("64"),)})


def test_mlir_opt_pass() -> None:
    from xdsl.transforms import get_all_passes

    (item,) = parse_pipeline("mlir-opt[cse,canonicalize{x=1}]", get_all_passes())
    expected = ("--mlir-print-op-generic", "--allow-unregistered-dialect", "-p")
    assert getattr(item, "arguments") == (*expected, "builtin.module(cse,canonicalize{x=1})")  # noqa: B009


def test_a_single_element() -> None:
    assert parse_element("numpy{x=1}") == Element("numpy", {"x": (Value("1"),)})
    with pytest.raises(UsageError, match="column 2: expected the end"):
        parse_element("a,b")
    with pytest.raises(UsageError, match="column 1: expected a name"):
        parse_element("")


plain = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters='"\\'), max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Everything,
        count=st.integers(),
        rate=finite,
        text=plain,
        flag=st.booleans(),
        size=st.none() | st.integers(),
        names=st.lists(plain, min_size=1).map(tuple),
    )
)
def test_what_xdsl_prints_reads_back(item: Everything) -> None:
    assert parse_pipeline(f"{item},{item}", FACTORIES) == (item, item)


everything = st.builds(
    Everything,
    count=st.integers(),
    rate=finite,
    either=st.integers() | finite,
    text=st.text(max_size=8),
    flag=st.booleans(),
    on=st.booleans(),
    choice=st.sampled_from(["int8", "int4"]),
    width=st.sampled_from([4, 8]),
    size=st.none() | st.integers(),
    names=st.lists(st.text(max_size=8)).map(tuple),
    numbers=st.none() | st.lists(st.integers()).map(tuple),
    pair=st.tuples(st.integers(), finite),
)


@given(everything)
def test_what_is_printed_reads_back(item: Everything) -> None:
    passes = (item, NestedPipeline("func.func", (item, NestedPipeline("any", ()))), item)
    assert parse_pipeline(",".join(map(pass_text, passes)), FACTORIES) == passes
    assert parse_pipeline(dump_pipeline(passes), FACTORIES) == passes


def test_dump() -> None:
    passes = (Demanding(3), NestedPipeline("func.func", (Demanding(4), Demanding(5))), Demanding(6))
    assert (
        dump_pipeline(passes)
        == """\
builtin.module(
  demanding{size=3},
  func.func(
    demanding{size=4},
    demanding{size=5}
  ),
  demanding{size=6}
)"""
    )


def test_types_and_defaults_in_words() -> None:
    shown = {o.name: f"{type_text(o.type)} = {value_text(o.default)}" for o in options_of(Everything).values()}
    assert shown == {
        "count": "int = 1",
        "rate": "float = 0.5",
        "either": "float = 2",
        "text": 'str = ""',
        "flag": "bool = false",
        "on": "bool = true",
        "choice": "one of int8, int4 = int8",
        "width": "one of 4, 8 = 4",
        "size": "int or none = none",
        "names": "list of str = empty",
        "numbers": "list of int or none = none",
        "pair": "(int, float) = 1,2.0",
    }
    assert options_of(Demanding)["size"].required


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a b", "a,b", "line\nbreak", "*.down_proj", "{x}", "1e-3", "true", ""])
def test_any_text_survives_printing(name: str) -> None:
    passes = (SchemeAssignmentPass(exclude=(name, "x"), weight_type="i8"),)
    text = str(Pipeline(passes))
    assert Pipeline.parse(text).passes == passes
