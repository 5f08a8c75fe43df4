"""Pages made of committed records: findings give its numbers, and reliability the tests that are there."""

import ast
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.scripts import script

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"
NUMBER = re.compile(r"\d+\.\d+")
PAPER = {"3.3", "2308.03580"}
"""Numbers of the paper's sections and address."""


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return script("docs/make_findings.py")


def texts(value: Any) -> str:
    """Join every text and number below a value."""
    if isinstance(value, dict):
        return " ".join(map(texts, value.values()))
    return " ".join(map(texts, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", ["findings.md", "reproduce.md"])
def test_no_number_stands_in_a_template(name):
    written = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", (DOCS / f"{name}.j2").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert set(NUMBER.findall(written)) <= PAPER


def test_every_number_of_the_findings_is_in_the_record(maker):
    results = maker.record()["results"]
    parts = [list(part) for part in maker.threshold_parts(results)]
    known = [float(text) for text in re.findall(r"\d+\.\d+", texts([results, parts]))]
    for text in NUMBER.findall((DOCS / "findings.md").read_text(encoding="utf-8")):
        decimals = len(text.partition(".")[2])
        assert any(f"{value:.{decimals}f}" == text for value in known), text


def recording() -> set[str]:
    """The tests that note what they saw."""
    return {
        f"tests/{file.relative_to(TESTS).as_posix()}::{function.name}"
        for file in TESTS.rglob("test_*.py")
        for function in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef) and "recorded" in [argument.arg for argument in function.args.args]
    }


def test_the_record_is_of_the_tests_that_are_there():
    faults = script("docs/make_reliability.py").record()["results"]["faults"]
    assert {fault["test"] for fault in faults} == recording(), (
        "run python benchmarks/faults.py --json benchmarks/results/faults.json"
    )
    assert all(fault["lost"] == 0 and fault["tried"] > 0 for fault in faults)
