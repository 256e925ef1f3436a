"""Every package is locked by hash, none by where it came from, and every direct one says why it is here."""

from __future__ import annotations

import re

import pytest

from tests.scripts.conftest import ROOT


def _direct(name: str) -> set[str]:
    lines = (line for line in (ROOT / name).read_text().splitlines() if line and line[0] not in "#-")
    return {re.split(r"[\[~<>=;]", line)[0] for line in lines}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.split(r"\n(?=[a-z0-9])", text)[1:]

    assert packages
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", text)


def test_what_runs_the_product_is_locked_with_its_own_tests_runner() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))

    assert _direct("requirements.in") <= locked
    assert "pytest-django" in locked


def test_the_tools_lock_holds_the_product_in_the_same_versions() -> None:
    pattern = re.compile(r"^([a-z0-9-]+==\S+)", re.MULTILINE)
    product, tools = (
        set(pattern.findall((ROOT / name).read_text())) for name in ("requirements.txt", "requirements-dev.txt")
    )

    assert product <= tools


def test_every_direct_dependency_is_explained_with_its_licence() -> None:
    explained = set(re.findall(r"^\| ([a-z0-9-]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE))

    assert explained == _direct("requirements.in") | _direct("requirements-dev.in")
