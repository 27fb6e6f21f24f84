"""`-c CONFIG`: a recipe from a file, whichever vocabulary it is written in.

| file | vocabulary |
| --- | --- |
| `.toml` | our own recipes, `recipe_file` |
| JSON with `config_groups` or a `quantization_config` (a checkpoint's config.json) | `compressed_tensors` |
| JSON with `Ops` or `hints` | mllm's quantization configurations, `mllm` |
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from llmir.errors import InputError
from llmir.program.files import read_bytes
from llmir.recipes.compressed_tensors import recipe_of_config
from llmir.recipes.mllm import MllmConfig, is_mllm_config, open_mllm_config
from llmir.recipes.recipe import Recipe
from llmir.recipes.recipe_file import read_recipe_file


def recipe_of_file(path: Path) -> Recipe | MllmConfig:
    """The recipe of a file, or an mllm configuration, which needs a model to become one.

    InputError says what is wrong with it.
    """
    try:
        text = read_bytes(path, "the recipe").decode()
    except UnicodeDecodeError as e:
        raise InputError(f"{path}: not UTF-8 text: {e}") from e
    if path.suffix.lower() == ".toml":
        return read_recipe_file(path, text)
    try:
        config: Any = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: not JSON, and its name does not end in .toml: {e}") from e
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected a JSON object")
    found = cast("dict[str, Any]", config)
    nested = found.get("quantization_config")
    if isinstance(nested, dict):
        return _of_quantization_config(cast("dict[str, Any]", nested), str(path))
    if "config_groups" in found or "quant_method" in found:
        return _of_quantization_config(found, str(path))
    if is_mllm_config(found):
        return open_mllm_config(path)
    raise InputError(
        f"{path}: says nothing of how to quantize; expected 'config_groups' or 'quantization_config' "
        "(compressed-tensors), or 'Ops' or 'hints' (mllm)"
    )


def _of_quantization_config(config: dict[str, Any], name: str) -> Recipe:
    method = config.get("quant_method", "compressed-tensors")
    if method != "compressed-tensors":
        raise InputError(f"{name}: quant_method {method!r}: not available yet; compressed-tensors is")
    return recipe_of_config(config, name)
