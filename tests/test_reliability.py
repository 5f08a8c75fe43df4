"""The page on reliability is made of the record, and the record of the tests that are there."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

from worlds.scripts import script

TESTS = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return script("docs/make_reliability.py")


def recording() -> set[str]:
    """The tests that note what they saw."""
    return {
        f"tests/{file.relative_to(TESTS).as_posix()}::{function.name}"
        for file in TESTS.rglob("test_*.py")
        for function in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef) and "recorded" in [argument.arg for argument in function.args.args]
    }


def test_the_record_is_of_the_tests_that_are_there(maker):
    faults = maker.record()["results"]["faults"]
    assert {fault["test"] for fault in faults} == recording(), (
        "run python benchmarks/faults.py --json benchmarks/results/faults.json"
    )
    assert all(fault["lost"] == 0 and fault["tried"] > 0 for fault in faults)
