"""Every kind of input is accepted or refused as docs/reference/inputs.md says, which is made by trying them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import input_cases as inputs
from input_cases import Case, Outcome
from worlds.scripts import script

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "reference" / "inputs.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    return inputs.write_samples(tmp_path_factory.mktemp("inputs") / "samples")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return script("docs/make_inputs.py")


TRIALS: list[tuple[Case, Callable[[Case, Path], Outcome]]] = [
    *((case, inputs.by_command) for case in inputs.PATHS),
    *((case, inputs.in_python) for case in (*inputs.PATHS, *inputs.OBJECTS)),
    *((case, inputs.as_a_backbone) for case in inputs.BACKBONES),
]


@pytest.mark.parametrize(("case", "tried"), TRIALS, ids=[f"{tried.__name__}: {case.kind}" for case, tried in TRIALS])
def test_an_input_becomes_what_the_page_says(case, tried, samples, maker):
    outcome = tried(case, samples)
    assert outcome.accepted == case.accepted, outcome.text
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {case.kind} |"))
    cell = maker.cell(outcome.accepted, outcome.text)
    assert f"| {cell} |" in row, "run python docs/make_inputs.py"
