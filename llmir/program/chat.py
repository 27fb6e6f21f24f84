"""What a program's tokenizer files say about prompts: BOS, stop tokens, the chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol, cast

from tokenizers import Tokenizer

from llmir.errors import InputError
from llmir.program.folder import CHAT_TEMPLATE, CONFIG, GENERATION_CONFIG, TOKENIZER, TOKENIZER_CONFIG
from llmir.program.token_files import load_tokenizer


class Described(Protocol):
    """A program, or its folder that was not opened: what it is called, and its files by name."""

    @property
    def name(self) -> str:
        """What the user called it."""
        ...

    @property
    def files(self) -> dict[str, bytes]:
        """The files it came with."""
        ...


@dataclass(frozen=True)
class Prompting:
    """A program's tokenizer with its conventions. `bos_id` is set only if prompts and texts start with it."""

    tokenizer: Tokenizer
    config: dict[str, Any]
    bos_id: int | None
    stop_ids: frozenset[int]
    template: str | None
    source: str

    def encode(self, text: str) -> list[int]:
        """Ids of a prompt, special tokens in it recognized, behind BOS if the model wants it.

        InputError when the prompt has lone surrogates, which is how Python passes on bytes that are not UTF-8.
        """
        try:
            text.encode()
        except UnicodeEncodeError as e:
            raise InputError(f"the prompt is not UTF-8 text: {e}") from e
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids if self.bos_id is None or ids[:1] == [self.bos_id] else [self.bos_id, *ids]

    def named_bos(self) -> int:
        """The model's BOS token, wanted or not; InputError when it names none."""
        text = token_text(self.config.get("bos_token"))
        id = None if text is None else self.tokenizer.token_to_id(text)
        if id is None:
            raise InputError(f"{self.source}: its tokenizer names no BOS token")
        return id

    def chat(self, message: str) -> str:
        """A user's message in the model's chat template; InputError when there is none or it fails."""
        if self.template is None:
            raise InputError(f"{self.source}: has no chat template; give the prompt without --chat")
        from jinja2 import TemplateError  # a prompt without --chat is not to wait for it
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def fail(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        cast(dict[str, Any], environment.globals)["raise_exception"] = fail
        try:
            return environment.from_string(self.template).render(
                messages=[{"role": "user", "content": message}],
                add_generation_prompt=True,
                bos_token=token_text(self.config.get("bos_token")) or "",
                eos_token=token_text(self.config.get("eos_token")) or "",
            )
        except Exception as e:  # a template is a program, it can fail in any way
            raise InputError(f"{self.source}: its chat template fails: {e}") from e


def prompting(program: Described) -> Prompting:
    """The conventions of a program; InputError when it has no tokenizer or its files cannot be read."""
    tokenizer = load_tokenizer(program.files.get(TOKENIZER), program.name)
    config = json_object(program, TOKENIZER_CONFIG)
    stops = set(_token_ids(program, TOKENIZER_CONFIG, config, "stop_token_ids"))
    eos = token_text(config.get("eos_token"))
    if eos is not None and (id := tokenizer.token_to_id(eos)) is not None:
        stops.add(id)
    for file in (CONFIG, GENERATION_CONFIG):
        stops.update(_token_ids(program, file, json_object(program, file), "eos_token_id"))
    return Prompting(
        tokenizer, config, _bos(tokenizer, config), frozenset(stops), _template(program, config), program.name
    )


def _token_ids(program: Described, file: str, config: dict[str, Any], key: str) -> list[int]:
    """The ids of a key that holds one id, several or none; InputError for anything else."""
    value = config.get(key)
    if value is None:
        return []
    ids = cast(list[Any], value) if isinstance(value, list) else [value]
    if any(type(id) is not int for id in ids):
        raise InputError(f"{program.name}: {key} in {file} must be token ids, got {value!r}")
    return ids


def _template(program: Described, config: dict[str, Any]) -> str | None:
    """The chat template: of chat_template.jinja, else of tokenizer_config.json, where it may be one of several."""
    if CHAT_TEMPLATE in program.files:
        try:
            return program.files[CHAT_TEMPLATE].decode()
        except UnicodeDecodeError as e:
            raise InputError(f"{program.name}: {CHAT_TEMPLATE} is not UTF-8 text: {e}") from e
    templates = config.get("chat_template")
    if isinstance(templates, list):
        named = [cast(dict[str, Any], t) for t in cast(list[Any], templates) if isinstance(t, dict)]
        templates = next((t.get("template") for t in named if t.get("name") == "default"), None)
    return templates if isinstance(templates, str) else None


def _bos(tokenizer: Tokenizer, config: dict[str, Any]) -> int | None:
    """BOS if `add_bos_token` says so or, without that key, if the tokenizer puts it in front of a text."""
    bos = token_text(config.get("bos_token"))
    id = None if bos is None else tokenizer.token_to_id(bos)
    if id is None:
        return None
    if "add_bos_token" in config:
        return id if config["add_bos_token"] else None
    return id if tokenizer.encode("a").ids[:1] == [id] else None


def token_text(token: Any) -> str | None:
    """A token of tokenizer_config.json: a string, or an object with `content`."""
    if isinstance(token, dict):
        token = cast(dict[str, Any], token).get("content")
    return token if isinstance(token, str) else None


def json_object(program: Described, name: str) -> dict[str, Any]:
    """A JSON file of a model, empty if it has none or it is no object; InputError when it is not JSON."""
    try:
        value = json.loads(program.files.get(name, b"{}"))
    except (ValueError, RecursionError) as e:
        raise InputError(f"{program.name}: {name} is not JSON: {e}") from e
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
