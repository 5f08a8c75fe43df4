"""What is said of strategies is what the committed record says, in the package and on the page."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from howfar.selection import every, evidence

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_strategies", ROOT / "docs" / "make_strategies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_and_the_page_are_made_of_the_record(maker: ModuleType) -> None:
    assert maker.EVIDENCE.read_text(encoding="utf-8") == maker.taken(maker.records()), "run python docs/make_strategies.py"
    page = maker.PAGE.read_text(encoding="utf-8")
    assert page == maker.page(page), "run python docs/make_strategies.py"
    assert all(f"| `{strategy.name}` |" in maker.listed() for strategy in every())


def test_a_strategy_that_beats_random_in_the_record_is_said_to(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found = maker.records()
    gains = [row for row in found["bakeoff"]["results"]["gains"] if row["model"] == "near-7"]
    for row in gains:
        row["beats_random"] = True
    monkeypatch.setattr(evidence, "records", lambda: json.loads(maker.taken(found)))
    assert evidence.evidence("near").line.startswith("beats random in the record: 0.064 [")
    assert evidence.summaries()[0].endswith("of 12 strategies near beats it.")
    assert evidence.summaries()[1].endswith("of 5 strategies none beats it, and ridge_response does worse.")
    assert evidence.evidence("far").line.startswith("no record shows that it beats random: -0.023 [")
    assert evidence.evidence("random").line == "what every other is compared with"
    assert evidence.evidence("mine").line.endswith("not measured")
