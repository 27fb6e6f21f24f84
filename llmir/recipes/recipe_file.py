"""Recipe files of our own, in TOML: ordered rules, what is left alone, and calibration.

    exclude = ["lm_head"]                  # left alone by every rule
    cast = "f16"                           # float type of all weights, before anything else

    [[rules]]                              # later rules override earlier ones
    scheme = "W4A16"                       # any scheme name,
    weight_group_size = 64                 # with other values of assign-schemes options, or these alone

    [[rules]]
    modules = ["*.v_proj", "re:.*layers\\\\.[01]\\\\.mlp"]
    weight_type = "i8"

    [calibration]                          # for rules with static inputs: options of the calibrate pass
    text = "data.txt"                      # relative to the recipe's folder; "demo" is the demo's text
    samples = 32

A rule is for all linear layers unless it has `modules`: names, globs, or `re:` and a regular expression. With
`modules` the scheme's own exceptions (lm_head) do not count. Options are spelled with `_` or `-`. A pattern that
matches no layer, and an entry that does not exist, are errors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from xdsl.passes import ModulePass

from llmir import demo
from llmir.errors import InputError, UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.cast_weights import STORED
from llmir.passes.pipeline_text import Element, Value, construct, suggestion
from llmir.recipes.recipe import Recipe, Rule, Step, adapt
from llmir.recipes.schemes import recipe

KEYS = ("rules", "exclude", "cast", "calibration")
OPTIONS = tuple(f.name for f in fields(SchemeAssignmentPass) if f.name not in ("name", "modules"))
RULE_KEYS = ("modules", "scheme", *OPTIONS)

PassT = TypeVar("PassT", bound=ModulePass)


@dataclass(frozen=True)
class FileRule:
    """A rule of a file, and the cast its scheme asks for."""

    rule: Rule
    cast: str


def read_recipe_file(path: Path, text: str) -> Recipe:
    """The recipe of a file's text; InputError names the entry that is wrong."""
    try:
        config = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise InputError(f"{path}: not TOML: {e}") from e
    _check_keys(config, KEYS, str(path), "a recipe")
    entries = config.get("rules", [])
    if not isinstance(entries, list) or not (entries or "cast" in config):
        raise InputError(f"{path}: has no rules; write [[rules]] with a scheme or options")
    exclude = _strings(config.get("exclude", []), f"{path}: exclude")
    rules = [_rule(entry, f"{path}: rule {i + 1}") for i, entry in enumerate(cast("list[Any]", entries))]
    return Recipe(
        str(path),
        cast=_cast(config.get("cast"), rules, path),
        rules=tuple(replace(r.rule, exclude=r.rule.exclude + _new(exclude, r.rule)) for r in rules),
        calibration=_calibration(config.get("calibration", {}), path),
    )


def _new(exclude: tuple[str, ...], rule: Rule) -> tuple[str, ...]:
    return tuple(pattern for pattern in exclude if pattern not in rule.exclude)


def _rule(entry: Any, where: str) -> FileRule:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected a table, got {entry!r}")
    given = {key.replace("-", "_"): value for key, value in cast("Mapping[str, Any]", entry).items()}
    _check_keys(given, RULE_KEYS, where, "a rule")
    modules = _strings(given.pop("modules", []), f"{where}: modules")
    scheme = given.pop("scheme", None)
    options = _options(SchemeAssignmentPass, given, where)
    base = Recipe(where, rules=(SchemeAssignmentPass(),)) if scheme is None else _scheme(scheme, where)
    if scheme is None and not (options.get("weight_type") or options.get("input_type")):
        raise InputError(f"{where}: says nothing to do, give it a scheme, a weight_type or an input_type")
    try:
        changed = adapt(base, options)
    except UsageError as e:
        raise InputError(f"{where}: {e}") from e
    if len(changed.rules) != 1:
        raise InputError(f"{where}: scheme '{scheme}' is several rules itself; use it with -q")
    (rule,) = changed.rules
    if not modules:
        return FileRule(rule, base.cast)
    if not isinstance(rule, SchemeAssignmentPass):
        raise InputError(f"{where}: '{scheme}' chooses a type for every layer itself, leave out modules")
    return FileRule(replace(rule, modules=modules, exclude=options.get("exclude", ())), base.cast)


def _scheme(name: Any, where: str) -> Recipe:
    if not isinstance(name, str):
        raise InputError(f"{where}: scheme is {name!r}, expected a name")
    try:
        base = recipe(name)
    except UsageError as e:
        raise InputError(f"{where}: {e}") from e
    if not base.rules:
        raise InputError(f"{where}: scheme '{name}' quantizes no layer; write cast = \"{base.cast or 'f16'}\" instead")
    if base.step is Step.OBSERVE:
        raise InputError(f"{where}: scheme '{name}' puts in observers; use it with -q")
    return base


def _cast(given: Any, rules: list[FileRule], path: Path) -> str:
    if given is not None and given not in STORED:
        raise InputError(f"{path}: cast is {given!r}, expected one of {', '.join(STORED)}")
    wanted = {r.cast for r in rules if r.cast} | ({str(given)} if given else set[str]())
    if len(wanted) > 1:
        raise InputError(f"{path}: its schemes cast weights to {' and to '.join(sorted(wanted))}; use one type")
    return next(iter(wanted), "")


def _calibration(given: Any, path: Path) -> QuantizationCalibrationPass:
    where = f"{path}: calibration"
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: expected a table, got {given!r}")
    entries = {key.replace("-", "_"): value for key, value in cast("Mapping[str, Any]", given).items()}
    known = tuple(f.name for f in fields(QuantizationCalibrationPass) if f.name not in ("name", "inputs", "function"))
    _check_keys(entries, known, where, "calibration")
    options = _options(QuantizationCalibrationPass, entries, where)
    if options and not (options.get("text") or options.get("tokens")):
        raise InputError(f"{where}: give it data, text = FILE or tokens = FILE")
    for key in ("text", "tokens"):
        if options.get(key):
            options[key] = str(
                demo.text_path(options[key]) if key == "text" and options[key] == "demo" else path.parent / options[key]
            )
    return QuantizationCalibrationPass(**options)


def _options(cls: type[PassT], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Given options of a pass with the types its fields have."""
    values = {key: _values(value, f"{where}: {key}") for key, value in given.items()}
    try:
        made = construct(cls, Element(cls.name, values), where)
    except UsageError as e:
        raise InputError(str(e)) from e
    return {key: getattr(made, key) for key in given}


def _values(value: Any, where: str) -> tuple[Value, ...]:
    """A TOML value as a pipeline would hold it."""
    if isinstance(value, list):
        return tuple(v for item in cast("list[Any]", value) for v in _values(item, where))
    if isinstance(value, str):
        return (Value(value, quoted=True),)
    if isinstance(value, bool | int | float):
        return (Value(str(value).lower()),)
    raise InputError(f"{where}: expected text, a number, true, false or a list of them, got {value!r}")


def _strings(value: Any, where: str) -> tuple[str, ...]:
    listed = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not all(isinstance(v, str) for v in listed):
        raise InputError(f"{where}: expected a list of names, got {value!r}")
    return tuple(listed)


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str, what: str) -> None:
    for key in given:
        if key not in known:
            expected = suggestion(key, known) or f", expected one of {', '.join(known)}"
            raise InputError(f"{where}: {what} has no entry '{key}'{expected}")
