"""BOS, stop tokens and chat templates, from the files a model comes with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import BOS, CHAT_TEMPLATE, EOS, byte_ids, byte_tokenizer
from xdsl.dialects.builtin import ModuleOp

from llmir.errors import InputError
from llmir.program.chat import Prompting, prompting
from llmir.program.program import Program
from llmir.program.store import WeightStore


def prompting_of(config: Any, model: Any = None, **files: bytes) -> Prompting:
    content = {
        "tokenizer.json": byte_tokenizer().to_str().encode(),
        "tokenizer_config.json": json.dumps(config).encode(),
    }
    if model is not None:
        content["config.json"] = json.dumps(model).encode()
    content |= {name.replace("__", "."): value for name, value in files.items()}
    return prompting(Program(ModuleOp([]), WeightStore(), "tiny", content))


NAMED = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize(
    ("config", "bos"),
    [
        ({}, None),
        (NAMED, None),
        (NAMED | {"add_bos_token": True}, BOS),
        (NAMED | {"add_bos_token": False}, None),
        ({"bos_token": {"content": "<s>"}, "add_bos_token": True}, BOS),
        ({"bos_token": "<none>", "add_bos_token": True}, None),
        ({"bos_token": 3, "add_bos_token": True}, None),
    ],
)
def test_bos(config: dict[str, Any], bos: int | None) -> None:
    conventions = prompting_of(config)
    assert conventions.bos_id == bos
    assert conventions.encode("Hi") == ([] if bos is None else [bos]) + byte_ids("Hi")
    assert conventions.encode("<s>Hi") == [BOS, *byte_ids("Hi")]


def test_named_bos() -> None:
    assert prompting_of(NAMED | {"add_bos_token": False}).named_bos() == BOS
    for config in ({}, {"bos_token": None}, {"bos_token": "<none>"}):
        with pytest.raises(InputError, match="tiny: its tokenizer names no BOS token"):
            prompting_of(config).named_bos()


@pytest.mark.parametrize(
    ("config", "model", "stops"),
    [
        ({}, None, set[int]()),
        (NAMED, None, {EOS}),
        ({"eos_token": {"content": "</s>"}}, None, {EOS}),
        ({"eos_token": "<none>"}, None, set[int]()),
        (NAMED, {"eos_token_id": 7}, {EOS, 7}),
        (NAMED, {"eos_token_id": [7, 8]}, {EOS, 7, 8}),
        (NAMED, {"eos_token_id": None}, {EOS}),
        (NAMED | {"stop_token_ids": [5]}, {"eos_token_id": 7}, {EOS, 5, 7}),
    ],
)
def test_stop_tokens(config: dict[str, Any], model: dict[str, Any] | None, stops: set[int]) -> None:
    assert prompting_of(config, model).stop_ids == stops


@pytest.mark.parametrize("ids", ["2", [[2]], [{}], {"a": 1}, [1.5], True])
def test_stop_tokens_that_are_no_ids(ids: Any) -> None:
    with pytest.raises(InputError, match=r"tiny: stop_token_ids in tokenizer_config.json must be token ids, got"):
        prompting_of({"stop_token_ids": ids})
    with pytest.raises(InputError, match=r"tiny: eos_token_id in config.json must be token ids, got"):
        prompting_of({}, {"eos_token_id": ids})


def test_chat() -> None:
    expected = "[user] Hi\n[assistant] "
    assert prompting_of({"chat_template": CHAT_TEMPLATE}).chat("Hi") == expected
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": CHAT_TEMPLATE}]
    assert prompting_of({"chat_template": named}).chat("Hi") == expected
    file = {"chat_template__jinja": CHAT_TEMPLATE.encode()}
    assert prompting_of({"chat_template": "old"}, **file).chat("Hi") == expected


def test_chat_variables() -> None:
    """Templates may use the named tokens, whole-line blocks and loop controls, as transformers' do."""
    template = (
        "{{ bos_token }}\n"
        "  {% for m in messages %}\n"
        "{% if loop.index0 == 1 %}{% break %}{% endif %}\n"
        "{{ m.content }}{{ eos_token }}\n"
        "  {% endfor %}\n"
    )
    assert prompting_of(NAMED | {"chat_template": template}).chat("Hi") == "<s>\nHi</s>\n"


@pytest.mark.parametrize("template", [None, 5, [], [{"name": "tool_use", "template": "x"}], ["default"]])
def test_no_template(template: Any) -> None:
    with pytest.raises(InputError, match="tiny: has no chat template; give the prompt without --chat"):
        prompting_of({"chat_template": template}).chat("Hi")


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ raise_exception('only system messages') }}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
        "{{ range(10 ** 9) }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}{{ ().__class__.__base__.__subclasses__() }}",
        "{% include 'x' %}",
    ],
)
def test_template_that_fails(template: str) -> None:
    with pytest.raises(InputError, match="tiny: its chat template fails: "):
        prompting_of({"chat_template": template}).chat("Hi")


def test_template_that_is_not_text() -> None:
    with pytest.raises(InputError, match=r"tiny: chat_template.jinja is not UTF-8 text: "):
        prompting_of({}, chat_template__jinja=b"\xff")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_files_that_are_not_json(content: bytes) -> None:
    with pytest.raises(InputError, match=r"tiny: tokenizer_config.json is not JSON: "):
        prompting_of({}, tokenizer_config__json=content)
    with pytest.raises(InputError, match=r"tiny: config.json is not JSON: "):
        prompting_of({}, config__json=content)


def test_files_that_are_no_objects() -> None:
    conventions = prompting_of([1], [2])
    assert (conventions.bos_id, conventions.stop_ids) == (None, frozenset())


def test_prompt_that_is_not_text() -> None:
    with pytest.raises(InputError, match="the prompt is not UTF-8 text: "):
        prompting_of({}).encode("caf\udce9")


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no tokenizer.json, which text needs"):
        prompting(Program(ModuleOp([]), WeightStore(), str(tmp_path)))
