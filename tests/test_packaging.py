"""What is built is what is there: packages, and the links that make type checkers see one of them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("dialects", "passes", "tools")


def test_every_package_is_listed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    ours = {
        ".".join(("llmir", *init.parent.relative_to(ROOT / "llmir").parts))
        for init in (ROOT / "llmir").rglob("__init__.py")
        if not (ROOT / "llmir" / init.relative_to(ROOT / "llmir").parts[0]).is_symlink()
    }
    mapped = {
        ".".join(("llmir", *init.parent.relative_to(ROOT).parts))
        for top in MAPPED
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert setuptools["packages"] == sorted(ours | mapped)


def test_folders_with_modules_are_packages() -> None:
    folders = {file.parent for top in ("llmir", *MAPPED) for file in (ROOT / top).rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_package_directories_are_mapped() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setuptools["package-dir"] == {"llmir": "llmir", **{f"llmir.{top}": top for top in MAPPED}}


@pytest.mark.parametrize("top", MAPPED)
def test_links(top: str) -> None:
    assert os.readlink(ROOT / "llmir" / top) == f"../{top}"


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by name, whatever folder they are in."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert sorted(set(names)) == names
