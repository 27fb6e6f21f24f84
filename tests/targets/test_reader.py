"""Target files: what they must say, and what an error in one says."""

# ruff: noqa: E501  (tables of cases are not wrapped)

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmir.dialects.kernel_schedule import Schedule
from llmir.errors import InputError
from llmir.targets.machine import Machine, MachineOption
from llmir.targets.registry import target
from llmir.targets.schedules import ScheduleRule, rule_for

GOOD = """
name = "chip"
description = "a chip"
features = ["dot"]
dense_layout = "dense"

[floats]
computes_in = "f32"
rounding = "cast"

[instructions]
dot = { operands = ["ui8", "i8"], accumulator = "i32", shape = [1, 4, 4], feature = "dot", note = "four products" }

[layouts]
dense = { form = "dense" }
tiles = { packing = "interleaved", nr = 4, kr = 4, k_tile = 8 }

[kernels]
"llm.silu" = "silu"

[effects]
silu = "none"

[[embedding]]
kernel = "look"
table = { elements = ["float"] }
layout = "dense"

[[matmul]]
kernel = "mul"
instruction = "dot"
input = { elements = ["ui8", "integer"], granularity = ["per_row"], parameters = ["zero_point"] }
weight = { elements = ["i8"], scales = ["f32", "f16"], group_multiple = 4, group_size = 8 }
accumulator = "i32"
layout = "tiles"
tile = [1, 4, 4]
n_multiple = 4
k_multiple = 8
same_groups = true
requantized = "mul8"
constants = ["exact_run"]
"""


def read(tmp_path: Path, text: str) -> str:
    """The error of a target's text, without the path."""
    file = tmp_path / "chip.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=re.escape(f"{file}: ")) as e:
        target(str(file))
    return str(e.value).removeprefix(f"{file}: ")


def test_everything_a_file_can_say(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(GOOD)
    chip = target(str(tmp_path / "chip.toml"))
    assert (chip.name, chip.description, chip.features) == ("chip", "a chip", ("dot",))
    assert (chip.computes_in, chip.rounding, chip.dense_layout) == ("f32", "cast", "dense")
    assert (chip.kernels, chip.effects, chip.plain_kernels) == ({"llm.silu": "silu"}, {"silu": "none"}, {})
    (mul,) = chip.matmuls
    assert mul.name == "mul"
    assert (mul.instruction, mul.tile, mul.accumulator, mul.requantized) == ("dot", (1, 4, 4), "i32", "mul8")
    assert (mul.n_multiple, mul.k_multiple, mul.same_groups) == (4, 8, True)
    assert (mul.input.elements, mul.input.granularity, mul.input.parameters) == (
        ("ui8", "integer"),
        ("per_row",),
        ("zero_point",),
    )
    assert (mul.weight.scales, mul.weight.group_multiple, mul.weight.group_size) == (("f32", "f16"), 4, 8)
    assert mul.layout.packing is not None
    assert mul.layout.packing.name == "interleaved"
    assert chip.instructions["dot"].shape == (1, 4, 4)


MACHINE = """
[machine]
triple = "x86_64-unknown-linux-gnu"
cpu = "x86-64-v3"
features = ["+avxvnni"]
register_bytes = 32
registers = 16
dot4 = "vpdpbusd_vex"
lookup = "vpermps_blend"
byte_lookup = "pshufb"
pause = "pause"
half = true

[machine.options]
bf16 = { features = ["+avxneconvert"], dot2 = "vdpbf16ps" }
"""


def test_everything_a_machine_can_say(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(GOOD + MACHINE)
    assert target(str(tmp_path / "chip.toml")).machine == Machine(
        name="chip",
        triple="x86_64-unknown-linux-gnu",
        cpu="x86-64-v3",
        features=("+avxvnni",),
        register_bytes=32,
        registers=16,
        dot4="vpdpbusd_vex",
        lookup="vpermps_blend",
        byte_lookup="pshufb",
        pause="pause",
        half=True,
        options=(MachineOption("bf16", ("+avxneconvert",), "vdpbf16ps"),),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("register_bytes = 32", "", "machine.register_bytes: is missing, expected an integer"),
        ("registers = 16", "", "machine.registers: is missing, expected an integer"),
        (
            "register_bytes = 32",
            "register_bytes = 24",
            "machine.register_bytes: is 24, expected a power of two of at least 16",
        ),
        (
            "register_bytes = 32",
            "register_bytes = 8",
            "machine.register_bytes: is 8, expected a power of two of at least 16",
        ),
        ('cpu = "x86-64-v3"', "", "machine.cpu: is missing, expected a string"),
        ('triple = "x86_64-unknown-linux-gnu"', "triple = 3", "machine.triple: is an integer, expected a string"),
        (
            'dot4 = "vpdpbusd_vex"',
            'dot4 = "dp4a"',
            "machine.dot4: 'dp4a' is unknown, expected one of vpdpbusd, vpdpbusd_vex, vpmaddubsw, sdot, usdot",
        ),
        ("half = true", "half = 1", "machine.half: is an integer, expected true or false"),
        ("half = true", "halves = true", "machine.halves: is unknown, expected one of byte_lookup, "),
        (
            "bf16 = { features",
            "bf-16 = { features",
            "machine.options.bf-16: 'bf-16' cannot be the name of an option, expected letters, digits and _",
        ),
        (
            'bf16 = { features = ["+avxneconvert"], ',
            "bf16 = { ",
            "machine.options.bf16.features: is missing, expected a list of strings",
        ),
        (
            'dot2 = "vdpbf16ps" }',
            'dot2 = "dot" }',
            "machine.options.bf16.dot2: 'dot' is unknown, expected one of vdpbf16ps, bfdot",
        ),
        (
            'dot2 = "vdpbf16ps" }',
            'dot4 = "sdot" }',
            "machine.options.bf16.dot4: is unknown, expected one of dot2, features",
        ),
    ],
)
def test_errors_name_what_is_wrong_with_a_machine(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in MACHINE
    assert read(tmp_path, GOOD + MACHINE.replace(old, new)).startswith(message)


def test_extending_takes_the_kernels_not_given(tmp_path: Path) -> None:
    text = GOOD.replace('description = "a chip"', 'description = "a chip"\nextends = "numpy"')
    (tmp_path / "chip.toml").write_text(text.replace('"llm.silu" = "silu"', '"llm.silu" = "own_silu"'))
    chip = target(str(tmp_path / "chip.toml"))
    assert chip.kernels["llm.silu"] == "own_silu"
    assert chip.kernels["llm.rms_norm"] == "rms_norm"
    assert chip.plain_kernels["llm.quantize"] == "plain_quantize"
    assert chip.effects["update_cache"] == "writes the cache in place"
    assert [kernel.name for kernel in chip.matmuls] == ["mul"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "chip"\n', "", "name: is missing, expected a string"),
        ('name = "chip"', "name = 3", "name: is an integer, expected a string"),
        ('name = "chip"', 'name = "a,b"', "name: 'a,b' cannot be an option of a pass, expected a name without blanks and /{},="),
        ('description = "a chip"', 'description = "a chip"\ncolour = "red"', "colour: is unknown, expected one of dense_layout, description, effects, "),
        ('features = ["dot"]', 'features = "dot"', "features: is a string, expected a list of strings"),
        ('features = ["dot"]', "features = [1]", "features: holds an integer, expected strings"),
        ('dense_layout = "dense"', 'dense_layout = "tiles"', "dense_layout: 'tiles' is not a layout of the form dense"),
        ('dense_layout = "dense"', 'dense_layout = "best"', "dense_layout: 'best' is unknown, expected one of dense, tiles"),
        ('rounding = "cast"\n', "", "floats: computes_in and rounding are given together"),
        ('computes_in = "f32"', 'computes_in = "f16"', "floats.computes_in: 'f16' is unknown, expected f32"),
        ("[layouts]", "[layout]", "layouts: is missing, expected a table"),
        ('{ form = "dense" }', "{ }", "layouts.dense: needs either form (one of dense, codes, rows) or packing"),
        ('{ form = "dense" }', '{ form = "flat" }', "layouts.dense.form: 'flat' is unknown, expected one of dense, codes, rows"),
        ('{ form = "dense" }', '{ form = "dense", nr = 4 }', "layouts.dense.nr: is unknown, expected one of form, packing"),
        ('"interleaved", nr', '"origami", nr', "layouts.tiles.packing: unknown packing 'origami', expected one of kleidiai_qsi4c32p, "),
        (", k_tile = 8", "", "layouts.tiles.k_tile: is missing, expected an integer"),
        (", k_tile = 8", ", k_tile = 6", "layouts.tiles.packing: nr=4, kr=4, k_tile=6: expected positive sizes, kr dividing k_tile"),
        ('["ui8", "i8"], accumulator', '["ui8"], accumulator', "instructions.dot.operands: has 1 entries, expected the two sides' elements"),
        ('["ui8", "i8"], accumulator', '["u8", "i8"], accumulator', "instructions.dot.operands: 'u8' is no element, expected a float (f32) or a code (i4, ui8, f8E4M3FN)"),
        ("shape = [1, 4, 4]", "shape = [1, 4]", "instructions.dot.shape: is [1, 4], expected three positive integers [m, n, k]"),
        ("shape = [1, 4, 4], ", "", "instructions.dot.shape: is missing, expected three integers [m, n, k]"),
        ('feature = "dot"', 'feature = "dots"', "instructions.dot.feature: 'dots' is unknown, expected dot"),
        ('"llm.silu" = "silu"', '"llm.silu" = 1', 'kernels."llm.silu": is an integer, expected a string'),
        ("[kernels]", "[[kernels]]", "kernels: is a list, expected a table"),
        ("[[embedding]]", "[embedding]", "embedding: is a table, expected an array of tables"),
        ('table = { elements = ["float"] }', 'table = { elements = ["floats"] }', "embedding[0].table.elements: 'floats' is no element, expected one of float, integer, minifloat, codebook, a float (f32) or a code"),
        ('table = { elements = ["float"] }', "table = { elements = [] }", "embedding[0].table.elements: is empty, expected at least one element"),
        ("[[matmul]]", "[[matmuls]]", "matmul: there is none, expected at least one [[matmul]]"),
        ('instruction = "dot"', 'instruction = "dots"', "matmul[0].instruction: 'dots' is unknown, expected dot"),
        ('[instructions]\ndot = { operands = ["ui8", "i8"], accumulator = "i32", shape = [1, 4, 4], feature = "dot", note = "four products" }\n', "", "matmul[0].instruction: 'dot' has no table [instructions.dot]"),
        ('accumulator = "i32"\nlayout', 'accumulator = "i64"\nlayout', "matmul[0].accumulator: 'i64' is unknown, expected one of i32, f32, f16"),
        ('layout = "tiles"', 'layout = "tile"', "matmul[0].layout: 'tile' is unknown, expected one of dense, tiles"),
        ('dense = { form = "dense" }', "dense = 3", "layouts.dense: is an integer, expected a table"),
        ("n_multiple = 4", "n_multiple = 0", "matmul[0].n_multiple: is 0, expected at least 1"),
        ("n_multiple = 4", "n_multiple = true", "matmul[0].n_multiple: is a boolean, expected an integer"),
        ("n_multiple = 4", "n_multiples = 4", "matmul[0].n_multiples: is unknown, expected one of accumulator, constants, "),
        ("same_groups = true", "same_groups = 1", "matmul[0].same_groups: is an integer, expected true or false"),
        ('granularity = ["per_row"]', 'granularity = ["per_token"]', "matmul[0].input.granularity: 'per_token' is unknown, expected one of per_tensor, per_row, per_column, per_group, per_row_group"),
        ('parameters = ["zero_point"]', 'parameters = ["zero"]', "matmul[0].input.parameters: 'zero' is unknown, expected one of symmetric, zero_point, minimum"),
        ('scales = ["f32", "f16"]', 'scales = ["f8"]', "matmul[0].weight.scales: 'f8' is unknown, expected one of f16, bf16, f32, f64, f8E8M0FNU"),
        ("group_size = 8", "group_size = 6", "matmul[0].weight.group_size: is 6, expected a multiple of 4"),
        ('constants = ["exact_run"]', 'constants = ["bits"]', "matmul[0].constants: 'bits' is unknown, expected exact_run"),
        ('weight = { elements = ["i8"], scales', 'weights = { elements = ["i8"], scales', "matmul[0].weight: is missing, expected a table"),
        ('name = "chip"', "name = chip", "is not TOML: "),
        ('description = "a chip"', 'description = "a chip"\nextends = "abacus"', None),
    ],
)  # fmt: skip
def test_errors_name_file_and_key(old: str, new: str, message: str | None, tmp_path: Path) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    if message is None:
        (tmp_path / "chip.toml").write_text(text)
        with pytest.raises(InputError, match="unknown target 'abacus', expected one of "):
            target(str(tmp_path / "chip.toml"))
        return
    assert read(tmp_path, text).startswith(message)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/none.toml: cannot be read: No such file")):
        target(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InputError, match=r"latin\.toml: cannot be read: 'utf-8' codec"):
        target(str(tmp_path / "latin.toml"))


SCHEDULES = """
[[schedule]]
activation = ["i8"]
weight_bits = [8]
rows = 8
columns = 2
n_block = 4
k_unroll = 8
prefetch = 0
one_row = { rows = 1, prefetch = 4096 }

[[schedule]]
rows = 6
columns = 4
n_block = 4
k_unroll = 4
prefetch = 8192
"""


def with_schedules(folder: Path, text: str) -> tuple[ScheduleRule, ...]:
    path = folder / "chip.toml"
    path.write_text(text)
    return target(str(path)).schedules


def test_schedules(tmp_path: Path) -> None:
    rules = with_schedules(tmp_path, GOOD + MACHINE + SCHEDULES)
    eight = rule_for(rules, "i8", 8, 1)
    assert eight is not None
    assert eight.schedules.of_rows(None) == eight.schedules.of_rows(2) == Schedule(8, 2, 4, 8, 0)
    assert eight.schedules.of_rows(1) == Schedule(1, 2, 4, 8, 4096)
    for activation, bits in (("i8", 4), ("f32", 8), ("bf16", 16)):
        found = rule_for(rules, activation, bits, 1)
        assert found is not None
        assert found is rules[1]
        assert found.schedules.one_row == found.schedules.many_rows == Schedule(6, 4, 4, 4, 8192)
    assert rule_for(rules[:1], "f32", 8, 1) is None


def test_a_schedule_for_wide_products(tmp_path: Path) -> None:
    """`least_n` is the least N a rule is for; the next rule that fits has the others."""
    rules = with_schedules(tmp_path, GOOD + MACHINE + SCHEDULES.replace("[8]", "[8]\nleast_n = 2048", 1))
    wide, narrow = rule_for(rules, "i8", 8, 2048), rule_for(rules, "i8", 8, 2047)
    assert (wide, narrow) == (rules[0], rules[1])
    assert (rules[0].least_n, rules[1].least_n) == (2048, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows = 8\n", "", "schedule[0].rows: is missing, expected an integer"),
        ("rows = 8\n", "rows = 0\n", "schedule[0].rows: is 0, expected at least 1"),
        ("prefetch = 0\n", "prefetch = -1\n", "schedule[0].prefetch: is -1, expected at least 0"),
        (
            'activation = ["i8"]',
            'activation = ["i4"]',
            "schedule[0].activation: 'i4' is unknown, expected one of i8, bf16, f32",
        ),
        ("weight_bits = [8]", "weight_bits = [0]", "schedule[0].weight_bits: holds 0, expected integers from 1 to 32"),
        (
            "{ rows = 1,",
            "{ columns = 4,",
            "schedule[0].one_row.columns: is of the packed weight, which is the same for any number of rows; remove it",
        ),
        ("{ rows = 1,", "{ row = 1,", "schedule[0].one_row.row: is unknown, expected one of "),
        ("k_unroll = 8", "k_unroll = 8\nunroll = 2", "schedule[0].unroll: is unknown, expected one of "),
    ],
)
def test_schedule_errors(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SCHEDULES
    with pytest.raises(InputError, match=re.escape(message)):
        with_schedules(tmp_path, GOOD + MACHINE + SCHEDULES.replace(old, new, 1))


def test_schedules_need_a_machine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("schedule: is of no use without [machine]")):
        with_schedules(tmp_path, GOOD + SCHEDULES)
